package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// TLS is how the API is served by HTTPS. The files are absolute after [Load], and read again when they change.
type TLS struct {
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// ClientCAFile: only clients with a certificate of this authority are answered, beside their token.
	ClientCAFile string `json:"client_ca_file,omitempty"`
}

// On tells whether the API is served by HTTPS.
func (t TLS) On() bool { return t != TLS{} }

// The limits of the API where the configuration names none, in calls a second.
const (
	DefaultPerToken   = 200
	DefaultPerAddress = 10
)

// Limits of how often the API may be called, in calls a second; 0: no limit.
type Limits struct {
	// PerToken is that of each token, alerts apart; absent: [DefaultPerToken].
	PerToken *float64 `json:"per_token,omitempty"`
	// PerAddress is that of each address for calls without a token that counts; absent: [DefaultPerAddress].
	PerAddress *float64 `json:"per_address,omitempty"`
}

// checkListen refuses an address that cannot be one, and tokens that would go over a network in the clear.
func (c *Config) checkListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q: want host:port, such as %s", c.Listen, DefaultListen)
	}
	errs := []error{c.Limits.check()}
	if err := endpoint(c.Listen, true); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w, such as %s", err, DefaultListen))
	}
	switch t := c.TLS; {
	case t.On() && (t.CertFile == "" || t.KeyFile == ""):
		errs = append(errs, errors.New("tls: want cert_file and key_file, and client_ca_file to ask clients for a certificate"))
	case t.On() && c.PlainHTTP:
		errs = append(errs, errors.New("plain_http: true, and there is tls: leave one of them out"))
	case !t.On() && !c.PlainHTTP && !Loopback(host):
		errs = append(errs, fmt.Errorf("listen: %s is reached by other machines, and tokens would go there in the clear: set tls, or plain_http: true if something before galen speaks TLS", c.Listen))
	}
	return errors.Join(errs...)
}

// Loopback tells whether only this machine reaches what listens on the host.
func Loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

func (l Limits) check() error {
	for name, n := range map[string]*float64{"per_token": l.PerToken, "per_address": l.PerAddress} {
		const most = 1e6
		if n != nil && (*n < 0 || *n > most || *n != *n) {
			return fmt.Errorf("limits.%s: %v: want calls a second, 0 (no limit) to %g", name, *n, most)
		}
	}
	return nil
}
