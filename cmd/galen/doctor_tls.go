package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

const certWarn = 14 * 24 * time.Hour

// certificate of the API, and those of its authorities that are in the same file.
func (d *doctor) certificate() []symptom {
	if !d.cfg.TLS.On() {
		return nil
	}
	file := d.cfg.TLS.CertFile
	pair, err := tls.LoadX509KeyPair(file, d.cfg.TLS.KeyFile)
	if err != nil {
		return nil // the examination of the configuration tells of it
	}
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return []symptom{{"engine", file, isBad, err.Error(), "put a certificate there"}}
		}
		chain = append(chain, cert)
	}
	out := []symptom{lifeOf(file, chain[0], d.now())}
	for _, above := range chain[1:] {
		if until := above.NotAfter; until.Sub(d.now()) < certWarn {
			out = append(out, symptom{"engine", file, isWarn, fmt.Sprintf("the certificate of %s in the same file counts until %s UTC", above.Subject, until.UTC().Format(time.DateTime)),
				"renew it: a client that knows no other way to its authority does not believe the engine from then on"})
		}
	}
	return append(out, d.fits(file, chain[0])...)
}

// lifeOf is when the engine's certificate counts.
func lifeOf(file string, leaf *x509.Certificate, now time.Time) symptom {
	from, until := leaf.NotBefore, leaf.NotAfter
	what := "the certificate counts until " + until.UTC().Format(time.DateTime) + " UTC"
	switch left := until.Sub(now); {
	case left < 0:
		return symptom{"engine", file, isBad, "the certificate ended " + until.UTC().Format(time.DateTime) + " UTC", "renew it: nobody who checks it talks to the engine any more, Alertmanager neither"}
	case from.After(now):
		return symptom{"engine", file, isBad, "the certificate does not count before " + from.UTC().Format(time.DateTime) + " UTC", "look at this machine's clock; if it is right, put a certificate there that counts now"}
	case left < certWarn:
		return symptom{"engine", file, isWarn, what, "renew it; the engine reads it again by itself"}
	}
	return symptom{"engine", file, isOK, what, ""}
}

// trusted are the certificates, other than the engine's own, by which it knows others and others know it.
func (d *doctor) trusted(context.Context) []symptom {
	var out []symptom
	for _, f := range []struct{ check, file, then string }{
		{"engine", d.cfg.TLS.ClientCAFile, "who has a certificate of it is answered no more, an Alertmanager neither"},
		{"temporal", d.cfg.Temporal.CAFile, "the engine does not believe the Temporal server then, and no run goes on"},
		{"temporal", d.cfg.Temporal.CertFile, "the Temporal server does not answer the engine then, and no run goes on"},
		{"login", d.cfg.OIDC.CAFile, "the engine does not believe the provider then, and people cannot log in"},
	} {
		if f.file != "" {
			out = append(out, lives(f.check, f.file, f.then, d.now())...)
		}
	}
	return out
}

// lives tells of the certificates in a file that have ended, or end soon.
func lives(check, file, then string, now time.Time) []symptom {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // the examination of the configuration tells of it
	}
	var out []symptom
	read := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		read++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			out = append(out, symptom{check, file, isBad, fmt.Sprintf("certificate %d: %s", read, err), "put a certificate there that can be read"})
			continue
		}
		until := cert.NotAfter.UTC().Format(time.DateTime) + " UTC"
		switch left := cert.NotAfter.Sub(now); {
		case left < 0:
			out = append(out, symptom{check, file, isBad, fmt.Sprintf("the certificate of %s ended %s", cert.Subject, until), "renew it, or take it out if another one has its place: " + then})
		case left < certWarn:
			out = append(out, symptom{check, file, isWarn, fmt.Sprintf("the certificate of %s counts until %s", cert.Subject, until), "renew it: " + then})
		}
	}
	return out
}

// fits: the certificate has the name by which the engine is called, as far as that is known here.
func (d *doctor) fits(file string, leaf *x509.Certificate) []symptom {
	names := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	do := "make one whose subjectAltName has each name and address by which clients call the engine"
	if len(names) == 0 {
		return []symptom{{"engine", file, isBad, "the certificate is for no name: clients look at its subjectAltName, and it has none", do}}
	}
	host := d.calledBy()
	if host == "" || leaf.VerifyHostname(host) == nil {
		return nil
	}
	return []symptom{{"engine", file, isWarn, fmt.Sprintf("the certificate is for %s, not for %s: who calls the engine by that name and checks it is refused", strings.Join(names, ", "), host), do + ", or name with --server the one that they use"}}
}

// calledBy is the name in --server, or else the address that the engine listens on; "" if that is every address, or nothing is
// called by HTTPS: then this machine cannot know it.
func (d *doctor) calledBy() string {
	if firstOf(d.asked, d.env(envServer)) == "" {
		host, _, err := net.SplitHostPort(d.cfg.Listen)
		if ip := net.ParseIP(host); err != nil || ip != nil && ip.IsUnspecified() {
			return ""
		}
		return host
	}
	u, err := url.Parse(d.address())
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Hostname()
}

// distrusted tells whether a call failed because one side did not believe the other's certificate: then something is there.
func distrusted(err error) bool {
	var not *tls.CertificateVerificationError
	var said *net.OpError
	return errors.As(err, &not) || errors.As(err, &said) && said.Op == "remote error"
}
