package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sys/unix"

	"github.com/galenhq/galen"
)

const (
	// renewBefore is how long before its end a token is renewed.
	renewBefore = time.Minute
	// providerLimit bounds each call of the provider, and renewLimit a renewal.
	providerLimit = 10 * time.Second
	renewLimit    = 25 * time.Second
	lockPoll      = 50 * time.Millisecond
	refusalShown  = 200
)

// toProvider is a context in which the provider is called in bounded time, with the authorities of --ca-file besides the machine's.
func (c *cli) toProvider(ctx context.Context) (context.Context, error) {
	secure, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	secure.Certificates = nil // they are for the engine
	if ca := firstOf(c.tls.ca, c.env(envCAFile)); ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if secure.RootCAs, err = x509.SystemCertPool(); err != nil {
			secure.RootCAs = x509.NewCertPool()
		}
		secure.RootCAs.AppendCertsFromPEM(text)
	}
	caller := &http.Client{Timeout: providerLimit, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true}}
	return oidc.ClientContext(ctx, caller), nil
}

// providerOf asks a provider for what it is; the context is one of toProvider.
func (c *cli) providerOf(ctx context.Context, issuer string) (*oidc.Provider, error) {
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("the OpenID Connect provider %s: %w; a named token (--token-file) works without it", issuer, err)
	}
	return provider, nil
}

// readLogin is what a file keeps; an error that is os.ErrNotExist: there is none.
func readLogin(file string) (login, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return login{}, fmt.Errorf("the login: %w", err)
	}
	l, err := galen.Decode[login](text)
	if err != nil {
		return l, fmt.Errorf("the login in %s: %w; galen login makes it anew", file, err)
	}
	return l, nil
}

// loggedIn is the token of a login at this engine, renewed if it ends soon; "" if there is none.
func (c *cli) loggedIn(ctx context.Context) (string, error) {
	file, err := c.loginFile()
	if err != nil {
		return "", nil //nolint:nilerr // who has no home never logged in
	}
	l, err := readLogin(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case l.Server != c.address():
		return "", nil
	case c.lasts(l), c.completing: // a shell waits for no provider
		return l.IDToken, nil
	case l.Refresh == "":
		return "", fmt.Errorf("the login at %s ended at %s: galen login", l.Server, l.Expires.UTC().Format(time.RFC3339))
	}
	fresh, err := c.renewed(ctx, file)
	if err != nil && c.now().Before(l.Expires) {
		return l.IDToken, nil // it counts still, and the next command tries again
	}
	return fresh, err
}

func (c *cli) lasts(l login) bool { return c.now().Add(renewBefore).Before(l.Expires) }

// renewed has the provider renew a login. One command at a time does so, and keeps what it got whatever becomes of it: a refresh token may
// count once only, and a provider may end the whole login when it comes again.
func (c *cli) renewed(ctx context.Context, file string) (string, error) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ended)
	began := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewLimit)
	defer cancel()
	release, err := lockFile(ctx, file+".lock")
	if err != nil {
		return "", fmt.Errorf("renew the login: another command is at it: %w", err)
	}
	defer release()
	l, err := readLogin(file)
	if err == nil && l.Server == c.address() && c.lasts(l) {
		return l.IDToken, nil
	}
	if err == nil {
		l, err = c.renew(ctx, l)
	}
	if err == nil {
		err = c.keepLogin(l)
	}
	select {
	case <-ended:
		return "", errInterrupted
	default:
		return l.IDToken, errors.Join(err, began.Err())
	}
}

// renew is a login as the provider renews it.
func (c *cli) renew(ctx context.Context, l login) (login, error) {
	ctx, err := c.toProvider(ctx)
	if err != nil {
		return l, err
	}
	provider, err := c.providerOf(ctx, l.Issuer)
	if err != nil {
		return l, err
	}
	f := flow{provider: provider, maxAge: l.MaxAge, config: oauth2.Config{ClientID: l.ClientID, Endpoint: provider.Endpoint(), Scopes: l.Scopes}}
	token, err := f.config.TokenSource(ctx, &oauth2.Token{RefreshToken: l.Refresh, Expiry: time.Unix(1, 0)}).Token()
	if err != nil {
		return l, fmt.Errorf("renew the login at %s: %w; galen login", l.Server, err)
	}
	fresh, _, err := f.kept(ctx, token)
	if err != nil {
		return l, err
	}
	fresh.Server, fresh.Refresh = l.Server, firstOf(fresh.Refresh, l.Refresh)
	return fresh, nil
}

// lockFile waits for a lock file, which goes with the process.
func lockFile(ctx context.Context, file string) (release func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-tick.C:
		}
	}
}

// logOut has the provider revoke a login, and forgets it whatever that says.
func (c *cli) logOut(ctx context.Context) error {
	file, err := c.loginFile()
	if err != nil {
		return err
	}
	l, err := readLogin(file)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(c.out, "logged out")
		return nil
	}
	if err == nil {
		err = c.revoke(ctx, l)
	}
	if gone := os.Remove(file); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		return fmt.Errorf("log out: %w", gone)
	}
	if err != nil {
		fmt.Fprintf(c.errs, "the provider was not told: %s\n", oneLine(err.Error()))
	}
	fmt.Fprintln(c.out, "logged out")
	return nil
}

// revoke takes the refresh token back at the provider, if that can be (RFC 7009).
func (c *cli) revoke(ctx context.Context, l login) error {
	if l.Refresh == "" {
		return nil
	}
	ctx, err := c.toProvider(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, renewLimit)
	defer cancel()
	provider, err := c.providerOf(ctx, l.Issuer)
	if err != nil {
		return err
	}
	var has struct {
		Revoke string `json:"revocation_endpoint"`
	}
	if err := provider.Claims(&has); err != nil || has.Revoke == "" {
		return err
	}
	form := url.Values{"token": {l.Refresh}, "token_type_hint": {"refresh_token"}, "client_id": {l.ClientID}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, has.Revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	caller, _ := ctx.Value(oauth2.HTTPClient).(*http.Client)
	res, err := caller.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, refusalShown))
		return fmt.Errorf("revoke the login: %s %s", res.Status, said)
	}
	return nil
}
