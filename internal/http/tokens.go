package http

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Tokens are the named tokens, by the hash of their secrets. All engines that share a journal share them.
type Tokens interface {
	// CreateToken is an [ErrConflict] if the name has one that counts.
	CreateToken(ctx context.Context, t galen.Token, hash string) (galen.Token, error)
	// Token finds one, with the time by which it counts or not; galen.ErrNotFound.
	Token(ctx context.Context, hash string) (galen.Token, time.Time, error)
	// TokenHashes are those of the tokens that count now.
	TokenHashes(ctx context.Context) ([]string, error)
	Tokens(ctx context.Context) ([]galen.Token, error)
	RevokeToken(ctx context.Context, name, by string) error
}

// secretPrefix begins every secret, so that a scanner for leaked ones finds it; secretLength is the whole length.
const (
	secretPrefix = "galen_"
	secretLength = len(secretPrefix) + 43
)

func newSecret() string {
	raw := make([]byte, tokenBytes)
	_, _ = rand.Read(raw) // never fails: it ends the process instead
	return secretPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// hashOf is how a secret is kept. It is random and of 256 bits, so there is nothing to guess, and a slow hash would only slow each call.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// alertsPath takes the token as the password of basic authentication, too: some senders know nothing else. Other calls do not, for a
// browser would send it along with calls that nobody meant.
const alertsPath = "/v1/alerts/alertmanager"

// credential is the secret that a call carries, "" for none.
func credential(r *http.Request) string {
	if _, password, basic := r.BasicAuth(); basic && r.URL.Path == alertsPath {
		return password
	}
	given := r.Header.Get("Authorization")
	if scheme, rest, found := strings.Cut(given, " "); found && strings.EqualFold(scheme, "Bearer") {
		given = rest
	}
	return strings.TrimSpace(given)
}

// holder is the token that a credential is the secret of, by whatever header it came; an [ErrUnauthorized] tells why there is none. The
// name is known where a token of that name counts no more.
func (s *server) holder(ctx context.Context, credential string) (galen.Token, error) {
	if same(credential, s.o.Token) {
		return galen.Token{Name: galen.Operator, Grants: []galen.Grant{{Scope: galen.ScopeAdmin, Resource: galen.Everything}}}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if s.o.Logins != nil && signed(credential) {
		return s.o.Logins.Holder(ctx, credential)
	}
	unknown := markedError{errors.New("the token of this call is none of the API's"), ErrUnauthorized}
	if !wellFormed(credential) {
		return galen.Token{}, unknown // nobody has to look for it
	}
	t, now, err := s.o.Tokens.Token(ctx, hashOf(credential))
	switch {
	case errors.Is(err, galen.ErrNotFound):
		return galen.Token{}, unknown
	case err != nil:
		return galen.Token{}, Unavailable(errors.New("the token of this call cannot be looked up now: " + outward(&OutageError{"the journal does not answer", err})))
	case !t.Revoked.IsZero():
		return galen.Token{Name: t.Name}, markedError{fmt.Errorf("the token %q was revoked at %s", t.Name, t.Revoked.Format(time.RFC3339)), ErrUnauthorized}
	case !t.Counts(now):
		return galen.Token{Name: t.Name}, markedError{fmt.Errorf("the token %q expired at %s", t.Name, t.Expires.Format(time.RFC3339)), ErrUnauthorized}
	}
	return t, nil
}

// wellFormed tells whether it can be the secret of a named token.
func wellFormed(credential string) bool {
	return len(credential) == secretLength && strings.HasPrefix(credential, secretPrefix)
}

// maybeOurs tells whether it can be or have been a credential that counts: none is shorter than that of the file.
func maybeOurs(credential string) bool { return len(credential) >= tokenBytes }

// goodHashes are of the credentials that were good when they came last. Each call looks its token up all the same.
type goodHashes struct {
	mu sync.Mutex
	of map[string]struct{}
}

func (g *goodHashes) has(hash string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, is := g.of[hash]
	return is
}

func (g *goodHashes) add(hash string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of == nil || len(g.of) >= bucketLimit {
		g.of = map[string]struct{}{}
	}
	g.of[hash] = struct{}{}
}

func (g *goodHashes) drop(hash string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.of, hash)
}

// knownEvery is how often at most the hashes of all tokens are read: it is what a flood of guesses costs the journal.
const knownEvery = time.Second

// knownHashes are of the tokens that counted when they were read last. They are read only while guesses are too many: a good token that nobody
// has come with lately looks like one of them.
type knownHashes struct {
	mu   sync.Mutex
	of   map[string]struct{}
	read time.Time
}

// has tells whether it is one, reading them if that was not done lately, or is not being done: one that was known may have been revoked.
func (k *knownHashes) has(hash string, now time.Time, read func() ([]string, error)) bool {
	k.mu.Lock()
	_, is := k.of[hash]
	stale := now.Sub(k.read) >= knownEvery
	if stale {
		k.read = now
	}
	k.mu.Unlock()
	if !stale {
		return is
	}
	all, err := read()
	if err != nil {
		return false // who calls is told to come again, or that there were too many
	}
	fresh := make(map[string]struct{}, len(all))
	for _, one := range all {
		fresh[one] = struct{}{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of = fresh
	_, is = fresh[hash]
	return is
}

// same compares hashes in constant time, so that neither length nor content leaks.
func same(given, token string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// ListTokens implements [api.ServerInterface].
func (s *server) ListTokens(w http.ResponseWriter, r *http.Request, params api.ListTokensParams) {
	p, err := pagingOf("tokens", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.o.Tokens.Tokens(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.TokenList{}
	out.Tokens, out.Next = pageOf(p, all, func(t galen.Token) string { return t.Name })
	s.answer(w, r, http.StatusOK, out)
}

// CreateToken implements [api.ServerInterface].
func (s *server) CreateToken(w http.ResponseWriter, r *http.Request) {
	req, err := read[api.TokenRequest](r)
	token := galen.Token{Name: req.Name, Grants: req.Grants, By: by(r.Context()), ByPerson: callerOf(r.Context()).Person, Expires: req.Expires.UTC()}
	if err == nil {
		if err = token.Check(s.o.Now()); err != nil {
			err = Unprocessable(err)
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	secret := newSecret()
	token, err = s.o.Tokens.CreateToken(r.Context(), token, hashOf(secret))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, api.NewToken{Token: token, Secret: secret})
}

// RevokeToken implements [api.ServerInterface].
func (s *server) RevokeToken(w http.ResponseWriter, r *http.Request, name api.Name) {
	if err := s.o.Tokens.RevokeToken(r.Context(), name, by(r.Context())); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
