// Package oidc tells who comes with a token of an OpenID Connect provider, and what they may do by their groups.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/galenhq/galen"
)

// Options say which tokens count, and for what.
type Options struct {
	// Issuer is the provider's URL, as its tokens name it.
	Issuer string
	// ClientID is whom a token must be for.
	ClientID string
	// Claim is the name of the claim with a person's groups.
	Claim string
	// Groups are what each group may do. A group that is not here may do nothing.
	Groups map[string][]galen.Grant
	// Skew is how long after its end a token still counts, since clocks differ.
	Skew time.Duration
	// MaxAge is how long after it was issued a token counts at most, 0: to its end. Its groups are those of then.
	MaxAge time.Duration
	// Client reaches the provider; Now is the wall clock.
	Client *http.Client
	Now    func() time.Time
}

// Why nobody came with a token.
var (
	// ErrToken: the token does not count.
	ErrToken = errors.New("the token of the provider does not count")
	// ErrNoGroup: it counts, and no group of its holder may do anything.
	ErrNoGroup = errors.New("none of the groups may do anything")
	// ErrProvider: nobody can tell, for the provider does not answer.
	ErrProvider = errors.New("the OpenID Connect provider does not answer")
)

// People is safe for concurrent use.
type People struct {
	o  Options
	mu sync.Mutex
	// of is what the provider told of itself, at the time since; nil: it has not answered yet, was asked at tried, and that is why.
	of    *oidc.IDTokenVerifier
	since time.Time
	tried time.Time
	why   error
}

// New does not ask the provider yet: it may be down, and named tokens count all the same.
func New(o Options) *People { return &People{o: o} }

// Limits of what is read and asked.
const (
	tokenLimit    = 16 << 10
	providerLimit = 5 * time.Second
	askAgain      = 5 * time.Second  // after it did not answer
	renewAgain    = time.Minute      // likewise, while what it told before counts
	keysFor       = 15 * time.Minute // are its keys believed: one that it took back counts no longer, while it answers
	nameLimit     = 200
	groupsShown   = 10
)

// algorithms are those that sign with a key of the provider's; "none", and those of a shared secret, are not among them.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
}

// Looks tells whether a credential has the form of a signed token; what has not is none of the provider's.
func Looks(credential string) bool {
	return len(credential) <= tokenLimit && strings.HasPrefix(credential, "eyJ") && strings.Count(credential, ".") == 2
}

// Holder is who comes with a token, as a token of galen's that ends with it.
func (p *People) Holder(ctx context.Context, raw string) (galen.Token, error) {
	if !Looks(raw) {
		return galen.Token{}, fmt.Errorf("%w: it has not the form of one", ErrToken)
	}
	token, claims, err := p.verify(ctx, raw)
	if err != nil {
		return galen.Token{}, err
	}
	who := nameOf(token.Subject, claims)
	if who == "" {
		return galen.Token{}, fmt.Errorf("%w: it names nobody", ErrToken)
	}
	out := galen.Token{Name: who, By: p.o.Issuer, At: token.IssuedAt, Expires: token.Expiry.Add(p.o.Skew), Person: "sub:" + token.Subject}
	if p.o.MaxAge > 0 {
		last := token.IssuedAt.Add(p.o.MaxAge + p.o.Skew)
		if !p.o.Now().Before(last) {
			return galen.Token{}, fmt.Errorf("%w: it was issued at %s, and one counts for %s here (oidc.max_age)", ErrToken, token.IssuedAt.UTC().Format(time.RFC3339), p.o.MaxAge)
		}
		if last.Before(out.Expires) {
			out.Expires = last
		}
	}
	groups := groupsOf(claims[p.o.Claim])
	for _, group := range groups {
		out.Grants = append(out.Grants, p.o.Groups[group]...)
	}
	if len(out.Grants) == 0 {
		shown := groups[:min(len(groups), groupsShown)]
		return out, fmt.Errorf("%w: the claim %q of %s has %q, and the configuration (oidc.groups) grants nothing to any of them", ErrNoGroup, p.o.Claim, who, shown)
	}
	return out, nil
}

// verify is a token that the provider has signed for us, with its claims.
func (p *People) verify(ctx context.Context, raw string) (*oidc.IDToken, map[string]any, error) {
	verifier, err := p.verifier(ctx)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, providerLimit)
	defer cancel()
	token, err := verifier.Verify(ctx, raw)
	if err != nil && unanswered(err) {
		return nil, nil, fmt.Errorf("%w (%s): its keys cannot be read: %w", ErrProvider, p.o.Issuer, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, nil, fmt.Errorf("%w: its claims cannot be read: %w", ErrToken, err)
	}
	if to, is := claims["azp"]; is && to != p.o.ClientID { // whoever it is given to may act as the person there, and not here
		return nil, nil, fmt.Errorf("%w: the provider gave it to %q (azp), and not to %s", ErrToken, to, p.o.ClientID)
	}
	return token, claims, nil
}

// unanswered: keys could not be fetched; go-oidc says so in words only.
func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "fetching keys")
}

// Answers tells why the provider cannot be asked who people are; nil: it can.
func (p *People) Answers(ctx context.Context) error {
	_, err := p.verifier(ctx)
	return err
}

// verifier asks the provider for what it is: once in a while, and again after a while if it does not answer. What it told before counts
// until it answers again.
func (p *People) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	if of, err := p.told(now); of != nil || err != nil {
		return of, err
	}
	known := p.of
	if known != nil { // others go on with what it told, and wait for nobody
		p.tried = now
		p.mu.Unlock()
	}
	of, err := p.discover(ctx)
	if known != nil {
		p.mu.Lock()
	}
	if err == nil {
		p.of, p.since, p.why = of, now, nil
		return of, nil
	}
	p.tried, p.why = now, err
	if known != nil {
		return known, nil
	}
	return nil, err
}

// told is what the provider told, if it is not time to ask it. It needs the lock.
func (p *People) told(now time.Time) (*oidc.IDTokenVerifier, error) {
	within := func(at time.Time, d time.Duration) bool { return now.Sub(at) < d && !now.Before(at) }
	switch {
	case p.of != nil && (within(p.since, keysFor) || within(p.tried, renewAgain)):
		return p.of, nil
	case p.of == nil && p.why != nil && within(p.tried, askAgain):
		return nil, p.why
	}
	return nil, nil
}

// discover reads what the provider says of itself, and that its keys can be read.
func (p *People) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	failed := func(err error) error {
		return fmt.Errorf("%w (%s); named tokens and the file's work on: %w", ErrProvider, p.o.Issuer, err)
	}
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), p.o.Client) // keys are fetched by it later, too
	ask, cancel := context.WithTimeout(lasting, providerLimit)
	defer cancel()
	provider, err := oidc.NewProvider(ask, p.o.Issuer)
	if err != nil {
		return nil, failed(err)
	}
	var at struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&at); err != nil {
		return nil, failed(err)
	}
	keys := oidc.NewRemoteKeySet(lasting, at.Keys)
	if _, err := keys.VerifySignature(ask, noToken); err != nil && unanswered(err) { // no key fits: it reads them all
		return nil, failed(err)
	}
	return oidc.NewVerifier(p.o.Issuer, keys, &oidc.Config{
		ClientID: p.o.ClientID, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return p.o.Now().Add(-p.o.Skew) },
	}), nil
}

// noToken has the form of a token, {"alg":"RS256"} and {}, and no signature.
const noToken = "eyJhbGciOiJSUzI1NiJ9.e30.AA"

// nameOf is what the journal calls the person: the address that the provider has verified, or else the subject. No named token is called
// so, for one has neither sign in its name.
func nameOf(subject string, claims map[string]any) string {
	email, _ := claims["email"].(string)
	if verified, _ := claims["email_verified"].(bool); verified && strings.Contains(email, "@") && printable(email) {
		return email
	}
	if subject == "" || !printable(subject) {
		return ""
	}
	return "sub:" + subject
}

func printable(text string) bool {
	return len(text) <= nameLimit && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar })
}

// groupsOf are the texts of a claim: a list, or one alone.
func groupsOf(claim any) []string {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			if text, is := one.(string); is && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}
