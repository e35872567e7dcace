package embedded

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"go.temporal.io/server/common/rpc/encryption"
)

// internodeName is the name in the certificate; the roles are found by port, so it names no host.
const internodeName = "galen-internode"

// internodeTLS closes the ports between the server's own roles, which ask for no token, to everybody else: both sides
// prove that they hold a key that lives only in this process.
type internodeTLS struct{ server, client *tls.Config }

func newInternodeTLS() (*internodeTLS, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the server's internal key: %w", err)
	}
	// The key dies with the process, so the validity only has to contain every clock.
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: internodeName},
		DNSNames:              []string{internodeName},
		NotBefore:             time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the server's internal certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the server's internal certificate: %w", err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
	return &internodeTLS{
		server: &tls.Config{
			Certificates: own, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
		},
		client: &tls.Config{
			Certificates: own, RootCAs: trusted, ServerName: internodeName, MinVersion: tls.VersionTLS13,
		},
	}, nil
}

// GetInternodeServerConfig is for history, matching and internal-frontend.
func (t *internodeTLS) GetInternodeServerConfig() (*tls.Config, error) { return t.server.Clone(), nil }

// GetInternodeClientConfig is for their callers.
func (t *internodeTLS) GetInternodeClientConfig() (*tls.Config, error) { return t.client.Clone(), nil }

// GetFrontendServerConfig is nil: the frontend speaks plain text on loopback and asks for the token.
func (t *internodeTLS) GetFrontendServerConfig() (*tls.Config, error) { return nil, nil }

// GetFrontendClientConfig is nil like its server side.
func (t *internodeTLS) GetFrontendClientConfig() (*tls.Config, error) { return nil, nil }

// GetRemoteClusterClientConfig is nil: there is no other cluster.
func (t *internodeTLS) GetRemoteClusterClientConfig(string) (*tls.Config, error) { return nil, nil }

// GetExpiringCerts names none: see the template's validity.
func (t *internodeTLS) GetExpiringCerts(time.Duration) (expiring, expired encryption.CertExpirationMap, err error) {
	return nil, nil, nil
}
