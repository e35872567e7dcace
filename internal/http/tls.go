package http

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
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
