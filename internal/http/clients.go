package http

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// clients are the certificates of clients that were found to count lately. A handshake says that of one moment; a connection goes on.
type clients struct {
	mu    sync.Mutex
	by    *tls.Config // whose authority they were checked by
	until map[[sha256.Size]byte]time.Time
}

// count is an error if the certificate with which a connection began counts no more, by the authority and the time of now.
func (c *clients) count(began *tls.ConnectionState, now *tls.Config, at time.Time) error {
	if len(began.PeerCertificates) == 0 {
		return errors.New("the client has no certificate")
	}
	leaf := began.PeerCertificates[0]
	key := sha256.Sum256(leaf.Raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by != now || len(c.until) >= bucketLimit {
		c.by, c.until = now, map[[sha256.Size]byte]time.Time{}
	}
	if at.Before(c.until[key]) && !at.Before(leaf.NotBefore) {
		return nil
	}
	between := x509.NewCertPool()
	for _, cert := range began.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: now.ClientCAs, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return fmt.Errorf("the client's certificate: %w", err)
	}
	c.until[key] = slices.MinFunc(chains[0], func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	return nil
}

// trusted answers no call of a client whose certificate counts no more: its connection ends, and the handshake of the next one tells why.
func (s *server) trusted(next http.Handler) http.Handler {
	if s.o.TLS == nil || s.o.TLS.GetConfigForClient == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now, err := s.o.TLS.GetConfigForClient(nil)
		if err == nil && r.TLS != nil && now.ClientAuth == tls.RequireAndVerifyClientCert {
			err = s.clients.count(r.TLS, now, s.o.Now())
		}
		if err != nil {
			s.cutOff(r, err)
		}
		next.ServeHTTP(w, r)
	})
}
