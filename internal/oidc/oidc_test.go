package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// provider is what a verifier asks of one: its description and its keys. The whole of a real one is in module test.
type provider struct {
	t    *testing.T
	http *httptest.Server
	key  *rsa.PrivateKey
	kid  string
	down atomic.Bool
	asks atomic.Int32
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t}
	p.rotate("k1")
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asks.Add(1)
		if p.down.Load() {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
			return
		}
		var answer any = map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": p.kid, "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
		}}}
		if r.URL.Path != "/keys" {
			answer = map[string]any{"issuer": p.http.URL, "jwks_uri": p.http.URL + "/keys", "authorization_endpoint": p.http.URL + "/a", "token_endpoint": p.http.URL + "/t"}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(p.http.Close)
	return p
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *provider) rotate(kid string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	p.key, p.kid = key, kid
}

func (p *provider) claims() map[string]any {
	return map[string]any{
		"iss": p.http.URL, "aud": "galen", "sub": "7", "email": "ann@example.com", "email_verified": true, "groups": []string{"sre", "staff"},
		"iat": noon().Add(-time.Minute).Unix(), "exp": noon().Add(time.Hour).Unix(),
	}
}

func body(header, claims map[string]any) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	return b64(h) + "." + b64(c)
}

func (p *provider) token(claims map[string]any) string {
	text := body(map[string]any{"alg": "RS256", "kid": p.kid, "typ": "JWT"}, claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return text + "." + b64(signature)
}

func (p *provider) people(now func() time.Time) *People {
	return New(Options{
		Issuer: p.http.URL, ClientID: "galen", Claim: "groups", Skew: 30 * time.Second, MaxAge: 2 * time.Hour, Client: p.http.Client(), Now: now,
		Groups: map[string][]galen.Grant{"sre": {{Scope: galen.ScopeApprove, Resource: "cassandra/*"}}, "boss": {{Scope: galen.ScopeAdmin, Resource: galen.Everything}}},
	})
}

// TestHolder: only what the provider has signed, for us, and in time, counts; and only for what the groups are granted.
func TestHolder(t *testing.T) {
	p := newProvider(t)
	people := p.people(noon)
	with := func(key string, value any) string {
		c := p.claims()
		c[key] = value
		if value == nil {
			delete(c, key)
		}
		return p.token(c)
	}
	good := p.token(p.claims())
	part := strings.Split(good, ".")
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign := body(map[string]any{"alg": "ES256", "kid": p.kid}, p.claims())
	sum := sha256.Sum256([]byte(foreign))
	r, s, err := ecdsa.Sign(rand.Reader, stranger, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	secret := body(map[string]any{"alg": "HS256", "kid": p.kid}, p.claims())
	mac := hmac.New(sha256.New, p.key.N.Bytes())
	mac.Write([]byte(secret))
	for _, c := range []struct {
		name, raw string
		want      error
		says      string
	}{
		{"good", good, nil, ""},
		{"wrong audience", with("aud", "other"), ErrToken, "audience"},
		{"for several, us too", with("aud", []string{"other", "galen"}), nil, ""},
		{"another issuer", with("iss", "https://evil.example"), ErrToken, "issue"},
		{"expired", with("exp", noon().Add(-time.Minute).Unix()), ErrToken, "expired"},
		{"expired within the skew", with("exp", noon().Add(-20*time.Second).Unix()), nil, ""},
		{"issued long ago", with("iat", noon().Add(-3*time.Hour).Unix()), ErrToken, "oidc.max_age"},
		{"issued nobody knows when", with("iat", nil), ErrToken, "oidc.max_age"},
		{"given to another application, for us too", with("azp", "other"), ErrToken, "azp"},
		{"given to us", with("azp", "galen"), nil, ""},
		{"azp is no text", with("azp", 7), ErrToken, "azp"},
		{"no end", with("exp", nil), ErrToken, "expired"},
		{"not yet", with("nbf", noon().Add(time.Hour).Unix()), ErrToken, "before"},
		{"alg none", body(map[string]any{"alg": "none"}, p.claims()) + ".", ErrToken, ""},
		{"alg none, with a signature", body(map[string]any{"alg": "none"}, p.claims()) + "." + part[2], ErrToken, ""},
		{"unsigned", part[0] + "." + part[1] + ".", ErrToken, ""},
		{"a shared secret", secret + "." + b64(mac.Sum(nil)), ErrToken, ""},
		{"another key", foreign + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)), ErrToken, ""},
		{"other claims under the signature", part[0] + "." + b64([]byte(`{"sub":"1","groups":["boss"]}`)) + "." + part[2], ErrToken, ""},
		{"group removed", with("groups", []string{"staff"}), ErrNoGroup, `"groups" of ann@example.com has ["staff"]`},
		{"no groups", with("groups", nil), ErrNoGroup, ""},
		{"one group as text", with("groups", "sre"), nil, ""},
		{"nobody", with("sub", ""), nil, ""}, // the address names them
		{"no form", "galen_x", ErrToken, "form"},
		{"too long", good + strings.Repeat("A", tokenLimit), ErrToken, "form"},
	} {
		got, err := people.Holder(t.Context(), c.raw)
		if !errors.Is(err, c.want) || c.want == nil && err != nil || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v, %q", c.name, err, c.want, c.says)
		}
		if may := got.May(galen.ScopeApprove, galen.Resource{Kind: "cassandra", Name: "orders"}); may != (c.want == nil) {
			t.Errorf("%s: may approve: %t", c.name, may)
		}
		if got.MayAny(galen.ScopeAdmin) {
			t.Errorf("%s: is an administrator", c.name)
		}
	}
}

// TestWho: the journal's name for a person cannot be a token's, nor anything that is no one line.
func TestWho(t *testing.T) {
	for want, claims := range map[string]map[string]any{
		"ann@example.com": {"email": "ann@example.com", "email_verified": true},
		"sub:7":           {"email": "ann@example.com", "email_verified": false},
		"sub:8":           {},
		"sub:9":           {"email": "a\nb@example.com", "email_verified": true},
		"sub:10":          {"email": "operator", "email_verified": true},
		"":                {"sub": "x\x1b[2J"},
	} {
		subject := strings.TrimPrefix(want, "sub:")
		if want == "" {
			subject, _ = claims["sub"].(string)
		} else if subject == want {
			subject = "7"
		}
		if got := nameOf(subject, claims); got != want {
			t.Errorf("%v: %q, want %q", claims, got, want)
		}
	}
}

// TestKeysRotate: a key that is new is fetched, one that is gone counts no more once it was.
func TestKeysRotate(t *testing.T) {
	p := newProvider(t)
	people := p.people(noon)
	before := p.token(p.claims())
	if _, err := people.Holder(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	p.rotate("k2")
	soon(t, "the new key", people, p.token(p.claims()), nil)
	soon(t, "the old key", people, before, ErrToken)
}

// TestAKeyThatWasTakenBack: what it has signed counts no more after a while, though nothing asks for a new key; and while the provider does
// not answer, what it told before counts.
func TestAKeyThatWasTakenBack(t *testing.T) {
	p := newProvider(t)
	now := noon()
	people := p.people(func() time.Time { return now })
	stolen := p.token(p.claims())
	holds := func(what string, want error) {
		t.Helper()
		if got, err := people.Holder(t.Context(), stolen); !errors.Is(err, want) || err == nil && got.Person != "sub:7" {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	holds("at first", nil)
	p.rotate("k2")
	p.down.Store(true)
	now = now.Add(keysFor)
	asked := p.asks.Load()
	for range 10 {
		holds("the provider is down", nil)
	}
	if n := p.asks.Load() - asked; n != 1 {
		t.Errorf("asked %d times while it is down", n)
	}
	p.down.Store(false)
	now = now.Add(renewAgain)
	holds("it answers again", ErrToken)
}

// soon: go-oidc hands fetched keys to who waits for them a moment before it keeps them, so that the next call may still meet the old ones.
func soon(t *testing.T, what string, people *People, raw string, want error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if _, err = people.Holder(t.Context(), raw); errors.Is(err, want) {
			return
		}
	}
	t.Errorf("%s: %v, want %v", what, err, want)
}

// TestProviderDown: that nobody can tell is told apart from a token that does not count, the provider is not asked over and over, and it
// is asked again when it may be there.
func TestProviderDown(t *testing.T) {
	p := newProvider(t)
	now := noon()
	people := p.people(func() time.Time { return now })
	p.down.Store(true)
	for range 10 {
		if _, err := people.Holder(t.Context(), p.token(p.claims())); !errors.Is(err, ErrProvider) || errors.Is(err, ErrToken) {
			t.Fatalf("down: %v", err)
		}
	}
	if n := p.asks.Load(); n != 1 {
		t.Errorf("asked %d times while it is down", n)
	}
	p.down.Store(false)
	now = now.Add(askAgain)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := people.Holder(ctx, p.token(p.claims())); err != nil {
		t.Errorf("up again: %v", err)
	}
	cancel() // the first call ends; keys are fetched after it, too
	p.down.Store(true)
	soon(t, "its keys are known", people, p.token(p.claims()), nil)
	p.rotate("k2")
	soon(t, "a key that nobody can fetch", people, p.token(p.claims()), ErrProvider)
}

// FuzzHolder: nothing that a caller makes up counts.
func FuzzHolder(f *testing.F) {
	for _, s := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.", "eyJ..", "eyJhbGciOiJSUzI1NiJ9.e30.AA"} {
		f.Add(s)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{}, "issuer": "http://" + r.Host, "jwks_uri": "http://" + r.Host + "/keys"})
	}))
	f.Cleanup(keys.Close)
	people := New(Options{Issuer: keys.URL, ClientID: "galen", Claim: "groups", Client: keys.Client(), Now: noon})
	f.Fuzz(func(t *testing.T, raw string) {
		if got, err := people.Holder(t.Context(), raw); err == nil {
			t.Errorf("%q is %+v", raw, got)
		}
	})
}

// TestGroups of whatever a claim may be.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		claim any
		want  []string
	}{
		{nil, nil}, {"a", []string{"a"}}, {[]any{"a", 7.0, "a", nil, "b"}, []string{"a", "b"}}, {map[string]any{"a": true}, nil}, {7.0, nil},
	} {
		if diff := cmp.Diff(c.want, groupsOf(c.claim)); diff != "" {
			t.Errorf("%v: %s", c.claim, diff)
		}
	}
}
