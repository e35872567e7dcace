package login

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// provider is a real one whose people, groups and keys a test changes.
type provider struct {
	*storage.Storage
	t    *testing.T
	http *httptest.Server

	mu     sync.Mutex
	key    key
	groups []string
	down   bool
}

// key is a signing key as the provider wants it.
type key struct {
	id      string
	private *rsa.PrivateKey
}

func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k key) Key() any                                    { return k.private }
func (k key) ID() string                                  { return k.id }

type public struct{ key }

func (k public) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k public) Use() string                        { return "sig" }
func (k public) Key() any                           { return &k.private.PublicKey }

const redirect = "http://127.0.0.1/callback"

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t, groups: []string{"sre"}}
	var router http.Handler
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
			return
		}
		router.ServeHTTP(w, r)
	}))
	t.Cleanup(p.http.Close)
	p.Storage = storage.NewStorageWithClients(storage.NewUserStore(p.http.URL), map[string]*storage.Client{
		"galen": storage.NativeClient("galen", redirect), "other": storage.NativeClient("other", redirect),
	})
	p.rotate("k1")
	router = exampleop.SetupServer(p.http.URL, p, slog.New(slog.DiscardHandler), false)
	return p
}

func (p *provider) rotate(id string) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	p.change(func() { p.key = key{id, private} })
}

func (p *provider) change(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
}

// SigningKey is the newest one.
func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key, nil
}

// KeySet has no other one.
func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []op.Key{public{p.key}}, nil
}

// SetUserinfoFromRequest puts the address and the groups into ID tokens.
func (p *provider) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, token op.IDTokenRequest, scopes []string) error {
	if err := p.Storage.SetUserinfoFromRequest(ctx, info, token, append(scopes, oidc.ScopeEmail)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	info.AppendClaims("groups", p.groups)
	return nil
}
