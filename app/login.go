package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/config"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/oidc"
)

// logins are the people of an OpenID Connect provider as the API knows them.
type logins struct {
	people *oidc.People
	login  api.Login
}

// logins is nil if people do not log in.
func (e *Engine) logins() (galenhttp.Logins, error) {
	o := e.o.Config.OIDC
	if !o.On() {
		return nil, nil
	}
	people, err := peopleOf(o)
	if err != nil {
		return nil, err
	}
	maxAge := int64(o.MaxAge.D() / time.Second)
	return logins{people: people, login: api.Login{Issuer: o.Issuer, ClientId: o.ClientID, Scopes: o.Scopes, MaxAge: &maxAge}}, nil
}

// peopleLogIn tells the journal so, if they do: what tokens said before ends then.
func (e *Engine) peopleLogIn(ctx context.Context) error {
	if !e.o.Config.OIDC.On() {
		return nil
	}
	return e.journal.PeopleLogIn(ctx)
}

func peopleOf(o config.OIDC) (*oidc.People, error) {
	client, err := providerClient(o.CAFile)
	if err != nil {
		return nil, err
	}
	return oidc.New(oidc.Options{
		Issuer: o.Issuer, ClientID: o.ClientID, Claim: o.GroupsClaim, Groups: o.Groups, Skew: o.ClockSkew.D(), MaxAge: o.MaxAge.D(), Client: client, Now: time.Now,
	}), nil
}

// ExamineLogin tells why people cannot log in by the provider that a configuration names, nil if they can or there is none.
func ExamineLogin(ctx context.Context, c *config.Config) error {
	if !c.OIDC.On() {
		return nil
	}
	people, err := peopleOf(c.OIDC)
	if err != nil {
		return err
	}
	return people.Answers(ctx)
}

// providerClient reaches the provider, which the authorities of the file vouch for, or those of the machine.
func providerClient(file string) (*http.Client, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("oidc.ca_file: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("oidc.ca_file %s: there is no certificate in it", file)
		}
	}
	const limit = 10 * time.Second
	return &http.Client{Timeout: limit, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true}}, nil
}

// Login tells where people log in.
func (l logins) Login() api.Login { return l.login }

// Holder is who comes with a token of the provider.
func (l logins) Holder(ctx context.Context, raw string) (galen.Token, error) {
	token, err := l.people.Holder(ctx, raw)
	switch {
	case errors.Is(err, oidc.ErrToken):
		return token, galenhttp.Unauthorized(fmt.Errorf("%w; log in again: galen login", err))
	case errors.Is(err, oidc.ErrNoGroup):
		return token, galenhttp.Forbidden(err)
	case err != nil:
		return token, galenhttp.Unavailable(err)
	}
	return token, nil
}
