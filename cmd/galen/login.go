package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/spf13/cobra"
	"golang.org/x/oauth2"

	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/config"
)

// envLoginFile names the file of a login, instead of the one in the user's configuration folder.
const envLoginFile = "GALEN_LOGIN_FILE"

// login is what galen login keeps, in a file that only its user can read.
type login struct {
	// Server is the engine that it is for; no other one is sent the token.
	Server   string   `json:"server"`
	Issuer   string   `json:"issuer"`
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
	IDToken  string   `json:"id_token"`
	Refresh  string   `json:"refresh_token,omitempty"`
	// Expires is when the ID token ends, for the engine.
	Expires time.Time `json:"expires"`
	// MaxAge is for how many seconds after it was issued the engine takes a token; 0: until its end.
	MaxAge int64 `json:"max_age,omitempty"`
}

func (c *cli) loginCommand() *cobra.Command {
	var noBrowser bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log in by the provider that the engine trusts",
		Long: `Logs you in by the OpenID Connect provider of the engine's configuration: prints the page to visit, opens it in a browser if there
is one, and waits on a port of this machine for what comes back. The journal then names you as the author of what you do; what you may do
follows from your groups. The login is kept in a file that only you can read, for this engine only, and renewed as long as the provider does
so; --token-file and GALEN_TOKEN_FILE go before it. GALEN_LOGIN_FILE names another file.`,
		Example: "  galen login\n  galen login --server https://galen.example.com:7170 --no-browser",
		Args:    takes(0, 0, "no argument"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.logIn(cmd.Context(), !noBrowser, wait) },
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the page")
	cmd.Flags().DurationVar(&wait, "wait", 5*time.Minute, "how long to wait for you")
	return cmd
}

func (c *cli) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the login",
		Long: `Has the provider revoke the login, if it takes that back (RFC 7009), and removes the file of galen login. The token in it counts until its
end all the same, and at most for oidc.max_age of the engine's configuration.`,
		Example: "  galen logout",
		Args:    takes(0, 0, "no argument"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.logOut(cmd.Context()) },
	}
}

// logIn goes through the whole login.
func (c *cli) logIn(ctx context.Context, browse bool, wait time.Duration) error {
	client, err := c.clientWith(nil)
	if err != nil {
		return err
	}
	res, err := client.GetLoginWithResponse(ctx)
	if err := c.fault("ask where to log in", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("wait for the provider's answer: %w", err)
	}
	f, page, err := c.begun(ctx, *res.JSON200, "http://"+listener.Addr().String()+callbackPath)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(c.errs, "log in here, within %s:\n%s\n", span(wait), page)
	if browse {
		openBrowser(page)
	}
	code, err := f.await(ctx, listener)
	if err != nil {
		return err
	}
	if ctx, err = c.toProvider(ctx); err != nil {
		return err
	}
	kept, who, err := f.exchange(ctx, code)
	if err != nil {
		return err
	}
	kept.Server = c.address()
	if err := c.keepLogin(kept); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "logged in at %s as %s\n", kept.Server, who)
	return nil
}

// clientWith is the client of the API with a token, or none.
func (c *cli) clientWith(token func(context.Context) (string, error)) (*api.ClientWithResponses, error) {
	secure, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	caller := &http.Client{Timeout: callLimit, Transport: c.patiently(&http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true})}
	options := []api.ClientOption{api.WithHTTPClient(caller)}
	if token != nil {
		options = append(options, api.WithRequestEditorFn(func(ctx context.Context, r *http.Request) error {
			secret, err := token(ctx)
			if err == nil && secret != "" {
				r.Header.Set("Authorization", "Bearer "+secret)
			}
			return err
		}))
	}
	if scheme, _, _ := strings.Cut(c.address(), "://"); scheme != "http" && scheme != "https" {
		return nil, usage("--server %q: want http://, https://, or a host and port alone", c.address())
	}
	client, err := api.NewClientWithResponses(c.address(), options...)
	if err != nil {
		return nil, usage("--server %q: %w", c.address(), err)
	}
	return client, nil
}

const callbackPath = "/callback"

// flow is one login: what must come back is made up for it.
type flow struct {
	config                 oauth2.Config
	provider               *oidc.Provider
	maxAge                 int64
	state, nonce, verifier string
}

// begun is a login that begins, and the page where the person logs in.
func (c *cli) begun(ctx context.Context, l api.Login, redirect string) (*flow, string, error) {
	ctx, err := c.toProvider(ctx)
	if err != nil {
		return nil, "", err
	}
	f, err := c.flowOf(ctx, l, redirect)
	if err != nil {
		return nil, "", err
	}
	page, err := f.page()
	return f, page, err
}

func (c *cli) flowOf(ctx context.Context, l api.Login, redirect string) (*flow, error) {
	provider, err := c.providerOf(ctx, l.Issuer)
	if err != nil {
		return nil, err
	}
	f := &flow{
		provider: provider, state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(),
		config: oauth2.Config{ClientID: l.ClientId, Endpoint: provider.Endpoint(), RedirectURL: redirect, Scopes: l.Scopes},
	}
	if l.MaxAge != nil {
		f.maxAge = *l.MaxAge
	}
	return f, nil
}

// page is where the person logs in. It comes from the provider, and goes to a browser and a terminal.
func (f *flow) page() (string, error) {
	text := f.config.AuthCodeURL(f.state, oidc.Nonce(f.nonce), oauth2.S256ChallengeOption(f.verifier), oauth2.AccessTypeOffline)
	page, err := url.Parse(text)
	if err != nil || page.Host == "" || page.Scheme != "https" && (page.Scheme != "http" || !config.Loopback(page.Hostname())) {
		return "", fmt.Errorf("the provider names %q as the page to log in: want one by https", cut(text, errorShown))
	}
	return page.String(), nil
}

// await takes the first answer that has our state; others are refused and change nothing.
func (f *flow) await(ctx context.Context, listener net.Listener) (string, error) {
	type answer struct {
		code string
		err  error
	}
	got := make(chan answer, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		q := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.state)) != 1 {
			http.Error(w, "this answer belongs to no login that is under way here", http.StatusBadRequest)
			return
		}
		a := answer{code: q.Get("code")}
		if a.code == "" {
			a.err = fmt.Errorf("the provider refused the login: %q %q", cut(q.Get("error"), errorShown), cut(q.Get("error_description"), errorShown))
		}
		select {
		case got <- a:
			_, _ = io.WriteString(w, "galen has the answer: you can close this page.\n")
		default:
			http.Error(w, "this login has its answer already", http.StatusBadRequest)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second, WriteTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer func() {
		shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(shut) // the page has its text
	}()
	select {
	case a := <-got:
		return a.code, a.err
	case err := <-ended:
		return "", fmt.Errorf("wait for the provider's answer: %w", err)
	case <-ctx.Done():
		return "", fmt.Errorf("nobody logged in: %w", ctx.Err())
	}
}

// exchange is what a code is worth, and who it is.
func (f *flow) exchange(ctx context.Context, code string) (login, string, error) {
	token, err := f.config.Exchange(ctx, code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		return login{}, "", fmt.Errorf("log in: %w", err)
	}
	kept, id, err := f.kept(ctx, token)
	if err != nil {
		return kept, "", err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.nonce)) != 1 {
		return login{}, "", errors.New("log in: the token is another login's (its nonce is not ours): try again")
	}
	var claims struct {
		Email string `json:"email"`
	}
	_ = id.Claims(&claims) // for people only
	return kept, firstOf(claims.Email, id.Subject), nil
}

// kept is what of the provider's answer is kept, once it is proved.
func (f *flow) kept(ctx context.Context, token *oauth2.Token) (login, *oidc.IDToken, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return login{}, nil, errors.New("log in: the provider sent no ID token; does the client ask for openid?")
	}
	id, err := f.provider.Verifier(&oidc.Config{ClientID: f.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return login{}, nil, fmt.Errorf("log in: %w", err)
	}
	kept := login{
		Issuer: id.Issuer, ClientID: f.config.ClientID, Scopes: f.config.Scopes, IDToken: raw, Refresh: token.RefreshToken, Expires: id.Expiry, MaxAge: f.maxAge,
	}
	if last := id.IssuedAt.Add(time.Duration(f.maxAge) * time.Second); f.maxAge > 0 && last.Before(kept.Expires) {
		kept.Expires = last
	}
	return kept, id, nil
}

// openBrowser does its best; the page is printed anyway.
func openBrowser(page string) {
	name := map[string]string{"darwin": "open", "linux": "xdg-open"}[runtime.GOOS]
	path, err := exec.LookPath(name)
	if name == "" || err != nil {
		return
	}
	cmd := exec.Command(path, page)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}

// loginFile is where a login is kept.
func (c *cli) loginFile() (string, error) {
	if file := c.env(envLoginFile); file != "" {
		return file, nil
	}
	folder := c.env("XDG_CONFIG_HOME")
	if folder == "" {
		home := c.env("HOME")
		if home == "" {
			return "", usage("no home folder to keep the login in: name a file with %s", envLoginFile)
		}
		folder = filepath.Join(home, ".config")
	}
	return filepath.Join(folder, "galen", "login.json"), nil
}

// keepLogin writes the file whole or not at all.
func (c *cli) keepLogin(l login) error {
	file, err := c.loginFile()
	if err != nil {
		return err
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("keep the login: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep the login: %w", err)
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), ".login-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keep the login: %w", err)
	}
	_, err = fresh.Write(text)
	err = errors.Join(err, fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the login: %w", err), os.Remove(fresh.Name()))
	}
	return nil
}
