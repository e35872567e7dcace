package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
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
		return []symptom{{"engine", file, isBad, err.Error(), "put a certificate and its key there: the engine does not start without them"}}
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
