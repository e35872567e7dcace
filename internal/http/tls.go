package http

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// TLSFiles are the files that HTTPS rests on, in PEM.
type TLSFiles struct {
	Cert, Key string
	// ClientCA is the authority whose certificates clients must have; empty: they need none.
	ClientCA string
}

// TLS is TLS 1.3 with what is in the files. They are read again when they change; one that cannot be used then is told to failed, and
// what was in use stays so.
func TLS(files TLSFiles, failed func(error)) (*tls.Config, error) {
	k := &keyring{files: files, failed: failed}
	now, err := k.stamp()
	if err == nil {
		k.config, err = files.load()
	}
	if err != nil {
		return nil, err
	}
	k.read = now
	out := k.config.Clone()
	out.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.current(), nil }
	return out, nil
}

// keyring is what was read of the files.
type keyring struct {
	files  TLSFiles
	failed func(error)

	mu     sync.Mutex
	read   string // stamp of the files when they were tried last
	told   string // what failed last, told once: every handshake finds it
	config *tls.Config
}

func (k *keyring) current() *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := k.stamp()
	if err == nil && now == k.read {
		k.told = ""
		return k.config
	}
	var fresh *tls.Config
	if err == nil {
		k.read = now // a pair that is half written is tried again when the other half is there
		fresh, err = k.files.load()
	}
	if err != nil {
		if text := err.Error(); text != k.told {
			k.told = text
			k.failed(fmt.Errorf("the API goes on with the certificate that it has: %w", err))
		}
		return k.config
	}
	k.config, k.told = fresh, ""
	return fresh
}

// stamp changes when one of the files does.
func (k *keyring) stamp() (string, error) {
	out := ""
	for _, path := range []string{k.files.Cert, k.files.Key, k.files.ClientCA} {
		if path == "" {
			continue
		}
		st, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("TLS of the API: %w", err)
		}
		out += fmt.Sprint(st.ModTime().UnixNano(), " ", st.Size(), " ")
	}
	return out, nil
}

func (f TLSFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("TLS of the API: certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if f.ClientCA == "" {
		return out, nil
	}
	text, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("TLS of the API: %w", err)
	}
	out.ClientCAs, out.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !out.ClientCAs.AppendCertsFromPEM(text) {
		return nil, errors.New("TLS of the API: there is no certificate in " + f.ClientCA)
	}
	return out, nil
}

// The reasons for which a handshake fails, of galen_tls_handshakes_failed_total.
const (
	noCertificate  = "no-certificate"
	badCertificate = "bad-certificate"
	otherHandshake = "other" // no TLS, no TLS 1.3, a client that went away or does not trust us: what any port hears
)

// handshakeReasons are what net/http and crypto/tls say of them, for nothing but the log is told; a test holds the first two against the library.
func handshakeReasons() map[string]string {
	return map[string]string{
		"tls: client didn't provide a certificate":                noCertificate,
		"tls: failed to verify certificate":                       badCertificate,
		"tls: failed to parse client certificate":                 badCertificate,
		"tls: client sent certificate containing RSA key larger":  badCertificate,
		"tls: client certificate contains an unsupported public":  badCertificate,
		"tls: invalid signature by the client certificate":        badCertificate,
		"tls: client certificate used with invalid signature alg": badCertificate,
	}
}

// handshakeLog hears what net/http tells of its connections, and hands it on.
type handshakeLog struct {
	to       io.Writer
	refusals *Refusals
}

// Write implements [io.Writer] for one line.
func (l handshakeLog) Write(line []byte) (int, error) {
	if l.refusals != nil {
		l.refusals.heard(string(line))
	}
	return l.to.Write(line)
}

// heard counts a handshake that failed, and takes down who has no certificate that counts. What the client wrote is not kept.
func (r *Refusals) heard(line string) {
	rest, is := strings.CutPrefix(line, "http: TLS handshake error from ")
	if !is {
		return
	}
	remote, said, _ := strings.Cut(rest, ": ")
	reason := otherHandshake
	for begin, of := range handshakeReasons() {
		if strings.HasPrefix(said, begin) {
			reason = of
		}
	}
	one := keptOut{Call: "TLS handshake", Needs: "a client certificate", From: addressIn(remote)}
	if reason == badCertificate {
		one.Needs += " that counts"
	}
	r.mu.Lock()
	r.handshakes[reason]++
	if reason != otherHandshake {
		r.add(one, 1)
	}
	r.mu.Unlock()
	if reason != otherHandshake {
		r.nudge()
	}
}
