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
	// of is what the provider told of itself; nil: it has not answered yet, was asked at tried, and that is why.
	of    *oidc.IDTokenVerifier
	tried time.Time
	why   error
}

// New does not ask the provider yet: it may be down, and named tokens count all the same.
func New(o Options) *People { return &People{o: o} }

// Limits of what is read and asked.
const (
	tokenLimit    = 16 << 10
	providerLimit = 5 * time.Second
	askAgain      = 5 * time.Second // after it did not answer
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
	verifier, err := p.verifier(ctx)
	if err != nil {
		return galen.Token{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, providerLimit)
	defer cancel()
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		if unanswered(err) {
			return galen.Token{}, fmt.Errorf("%w (%s): its keys cannot be read: %w", ErrProvider, p.o.Issuer, err)
		}
		return galen.Token{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return galen.Token{}, fmt.Errorf("%w: its claims cannot be read: %w", ErrToken, err)
	}
	who := nameOf(token.Subject, claims)
	if who == "" {
		return galen.Token{}, fmt.Errorf("%w: it names nobody", ErrToken)
	}
	out := galen.Token{Name: who, By: p.o.Issuer, At: token.IssuedAt, Expires: token.Expiry.Add(p.o.Skew)}
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

// unanswered: keys could not be fetched; go-oidc says so in words only.
func unanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "fetching keys")
}

// verifier asks the provider once for what it is, and again after a while if it does not answer.
func (p *People) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	if p.of != nil {
		return p.of, nil
	}
	if p.why != nil && now.Sub(p.tried) < askAgain && !now.Before(p.tried) {
		return nil, p.why
	}
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), p.o.Client) // keys are fetched by it later, too
	ask, cancel := context.WithTimeout(lasting, providerLimit)
	defer cancel()
	provider, err := oidc.NewProvider(ask, p.o.Issuer)
	if err != nil {
		p.tried, p.why = now, fmt.Errorf("%w (%s); named tokens and the file's work on: %w", ErrProvider, p.o.Issuer, err)
		return nil, p.why
	}
	var keys struct {
		URL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&keys); err != nil {
		return nil, fmt.Errorf("%w (%s): what it says of itself: %w", ErrProvider, p.o.Issuer, err)
	}
	p.of = oidc.NewVerifier(p.o.Issuer, oidc.NewRemoteKeySet(lasting, keys.URL), &oidc.Config{
		ClientID: p.o.ClientID, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return p.o.Now().Add(-p.o.Skew) },
	})
	return p.of, nil
}

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
