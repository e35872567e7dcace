package http

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority is a certificate that signs others.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(name, a.dir+"/ca.pem", "")
	return a
}

// sign writes a certificate, signed by the authority or by itself, and its key.
func (a *authority) sign(name, certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	want := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		want.IsCA, want.BasicConstraintsValid, want.KeyUsage, want.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		parent, signer = want, key
	}
	der, err := x509.CreateCertificate(rand.Reader, want, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if keyFile != "" {
		text, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			a.t.Fatal(err)
		}
		write(a.t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}))
	}
	return cert, key
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// asks makes one call on a connection of its own, and returns the name on the server's certificate.
func asks(t *testing.T, address string, c *tls.Config) (string, error) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/v1/runs", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	got, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK || got.TLS.Version != tls.VersionTLS13 {
		t.Errorf("status %d, TLS %x", got.StatusCode, got.TLS.Version)
	}
	return got.TLS.PeerCertificates[0].Subject.CommonName, nil
}

// TestAConnectionEndsWithItsAuthority: whoever was let in goes on only while their certificate counts.
func TestAConnectionEndsWithItsAuthority(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	files := TLSFiles{Cert: ours.dir + "/engine.pem", Key: ours.dir + "/engine.key", ClientCA: ours.dir + "/clients.pem"}
	ours.sign("engine", files.Cert, files.Key)
	ours.sign("client", ours.dir+"/client.pem", ours.dir+"/client.key")
	trust := func(one *authority, name string) {
		t.Helper()
		write(t, files.ClientCA, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.cert.Raw}), name...)) // of another size
	}
	trust(ours, "a")
	o := (&engine{}).options()
	var ahead atomic.Int64
	o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	var err error
	if o.TLS, err = TLS(files, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	address := serve(t, o)
	pair, err := tls.LoadX509KeyPair(ours.dir+"/client.pem", ours.dir+"/client.key")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	for _, http2 := range []bool{false, true} {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}, ForceAttemptHTTP2: http2}}
		call := func(when string, want bool) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/v1/runs", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+testToken)
			got, err := client.Do(r)
			if err == nil {
				_ = got.Body.Close()
			}
			if answered := err == nil && got.StatusCode == http.StatusOK; answered != want {
				t.Errorf("%s, HTTP/2 %t: answered %t: %v", when, http2, answered, err)
			}
		}
		call("first", true)
		call("again", true)
		trust(others, "bb")
		call("of an authority that was taken out", false)
		trust(ours, "ccc")
		call("of one that is there again", true)
		ahead.Store(int64(2 * time.Hour))
		call("with a certificate that has ended", false)
		ahead.Store(0)
		client.CloseIdleConnections()
	}
}

// TestTLS: clients check the engine, the engine checks clients, and a new certificate counts at the next connection.
func TestTLS(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	files := TLSFiles{Cert: ours.dir + "/engine.pem", Key: ours.dir + "/engine.key", ClientCA: ours.dir + "/ca.pem"}
	ours.sign("first", files.Cert, files.Key)
	var failed atomic.Int64
	o := (&engine{}).options()
	o.Now = time.Now // by which certificates end
	var err error
	if o.TLS, err = TLS(files, func(error) { failed.Add(1) }); err != nil {
		t.Fatal(err)
	}
	address := serve(t, o)
	client := func(of *authority, max uint16) *tls.Config {
		roots := x509.NewCertPool()
		roots.AddCert(ours.cert)
		c := &tls.Config{RootCAs: roots, MaxVersion: max}
		if of != nil {
			of.sign("client", of.dir+"/client.pem", of.dir+"/client.key")
			pair, err := tls.LoadX509KeyPair(of.dir+"/client.pem", of.dir+"/client.key")
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		return c
	}
	good := client(ours, 0)
	if name, err := asks(t, address, good); err != nil || name != "first" {
		t.Fatalf("%q %v", name, err)
	}
	for what, bad := range map[string]*tls.Config{"no certificate": client(nil, 0), "another's": client(others, 0), "TLS 1.2": client(ours, tls.VersionTLS12), "roots of the system": {}} {
		if _, err := asks(t, address, bad); err == nil {
			t.Errorf("%s: answered", what)
		}
	}
	if got, err := http.Get("http://" + address + "/v1/health"); err == nil { // a hint of net/http, or nothing at all
		if got.StatusCode == http.StatusOK {
			t.Error("answered in the clear")
		}
		_ = got.Body.Close()
	}
	write(t, files.Cert, []byte("half of a certificate"))
	if name, err := asks(t, address, good); err != nil || name != "first" || failed.Load() != 1 {
		t.Errorf("half written: %q %v, told %d times", name, err, failed.Load())
	}
	if name, err := asks(t, address, good); err != nil || name != "first" || failed.Load() != 1 {
		t.Errorf("half written, again: %q %v, told %d times", name, err, failed.Load())
	}
	ours.sign("second", files.Cert, files.Key)
	if name, err := asks(t, address, good); err != nil || name != "second" {
		t.Errorf("changed: %q %v", name, err)
	}
	before := failed.Load()
	if err := os.Rename(files.Cert, files.Cert+".away"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if name, err := asks(t, address, good); err != nil || name != "second" || failed.Load() != before+1 {
			t.Errorf("gone: %q %v, told %d times", name, err, failed.Load()-before)
		}
	}
	if err := os.Rename(files.Cert+".away", files.Cert); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(others.dir + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.ClientCA, append(text, '\n'))
	if _, err := asks(t, address, good); err == nil {
		t.Error("a client of the authority of before is answered")
	}
	if name, err := asks(t, address, client(others, 0)); err != nil || name != "second" {
		t.Errorf("a client of the new authority: %q %v", name, err)
	}
}

func TestTLSFilesThatAreNone(t *testing.T) {
	a := newAuthority(t, "ours")
	good := TLSFiles{Cert: a.dir + "/engine.pem", Key: a.dir + "/engine.key"}
	a.sign("engine", good.Cert, good.Key)
	other := filepath.Join(a.dir, "other.key")
	a.sign("other", a.dir+"/other.pem", other)
	for says, files := range map[string]TLSFiles{
		"no such file":            {Cert: a.dir + "/none", Key: good.Key},
		"private key does not":    {Cert: good.Cert, Key: other},
		"there is no certificate": {Cert: good.Cert, Key: good.Key, ClientCA: good.Key},
	} {
		if _, err := TLS(files, nil); err == nil || !strings.Contains(err.Error(), says) || errors.Unwrap(err) == nil && says == "no such file" {
			t.Errorf("%+v: %v, want %q", files, err, says)
		}
	}
}

// TestHandshakesThatFail: a client without a certificate that counts is taken down, folded, and what else comes to the port is only counted.
func TestHandshakesThatFail(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	files := TLSFiles{Cert: ours.dir + "/engine.pem", Key: ours.dir + "/engine.key", ClientCA: ours.dir + "/ca.pem"}
	ours.sign("engine", files.Cert, files.Key)
	others.sign("hostile: x", others.dir+"/client.pem", others.dir+"/client.key")
	pair, err := tls.LoadX509KeyPair(others.dir+"/client.pem", others.dir+"/client.key")
	if err != nil {
		t.Fatal(err)
	}
	journal := &written{}
	o := (&engine{}).options()
	o.Refusals = NewRefusals(journal.write)
	if o.TLS, err = TLS(files, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	address := serve(t, o)
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	for range 3 {
		if _, err := asks(t, address, &tls.Config{RootCAs: roots}); err == nil {
			t.Error("no certificate: answered")
		}
	}
	of := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil } // whatever the engine asks for
	if _, err := asks(t, address, &tls.Config{RootCAs: roots, GetClientCertificate: of}); err == nil {
		t.Error("another's certificate: answered")
	}
	if got, err := http.Get("http://" + address + "/v1/health"); err == nil {
		_ = got.Body.Close()
	}
	want := map[string]int64{"no-certificate": 3, "bad-certificate": 1, "other": 1}
	for deadline := time.Now().Add(30 * time.Second); !maps.Equal(o.Refusals.Handshakes(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("counted %v, want %v", o.Refusals.Handshakes(), want)
		}
	}
	if err := o.Refusals.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const told = `{"more":0,"refusals":[{"call":"TLS handshake","needs":"a client certificate","from":"127.0.0.1","count":3},` +
		`{"call":"TLS handshake","needs":"a client certificate that counts","from":"127.0.0.1","count":1}]}`
	if body := string(journal.events[0].Body); body != told || len(o.Refusals.Counts()) != 0 {
		t.Errorf("taken down %s, want %s; calls %v", body, told, o.Refusals.Counts())
	}
}

// FuzzHandshakeLine: whatever a line says, at most an address is kept of it, and only of the clients that lack a certificate.
func FuzzHandshakeLine(f *testing.F) {
	for _, line := range []string{
		"http: TLS handshake error from 10.0.0.1:80: EOF", "http: TLS handshake error from [::1]:80: tls: client didn't provide a certificate", "http: TLS handshake error from x",
		"http: TLS handshake error from <b>: tls: failed to verify certificate: x509", "http: panic serving", "",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r := NewRefusals((&written{}).write)
		r.heard(line)
		for one := range r.pending {
			if _, err := netip.ParseAddr(one.From); err != nil && one.From != "unknown" || !strings.Contains(line, "certificate") {
				t.Errorf("%q: %+v", line, one)
			}
		}
	})
}
