package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Logins are the people who log in by an OpenID Connect provider.
type Logins interface {
	// Login tells where.
	Login() api.Login
	// Holder is who comes with a token of the provider: an [ErrUnauthorized] if it does not count, an [ErrForbidden] if its holder may do
	// nothing, an [ErrUnavailable] if nobody can tell. Its name is no named token's.
	Holder(ctx context.Context, raw string) (galen.Token, error)
}

// signed tells whether a credential has the form of a provider's token.
func signed(credential string) bool {
	return strings.HasPrefix(credential, "eyJ") && strings.Count(credential, ".") == 2
}

// loggedIn tells whether somebody came by a login: no named token is called so.
func loggedIn(t galen.Token) bool { return strings.ContainsAny(t.Name, "@:") }

// GetLogin implements [api.ServerInterface].
func (s *server) GetLogin(w http.ResponseWriter, r *http.Request) {
	if s.o.Logins == nil {
		s.fail(w, r, fmt.Errorf("people do not log in here, oidc in the configuration would let them; use a named token: %w", galen.ErrNotFound))
		return
	}
	s.answer(w, r, http.StatusOK, s.o.Logins.Login())
}

// aPerson: where people log in, a token is a program's, or somebody's who could have another one. It says no yes to what needs several
// people.
func (s *server) aPerson(ctx context.Context, d galen.Decision) error {
	if d.Approvals < 2 || !s.aProgram(ctx) {
		return nil
	}
	return Conflict(fmt.Errorf("plan %d needs the yes of %d people, and a token is none where people log in: galen login, then approve it", d.Number, d.Approvals))
}

// aProgram tells whether a call comes with a named token where people log in.
func (s *server) aProgram(ctx context.Context) bool {
	return s.o.Logins != nil && !loggedIn(callerOf(ctx))
}

// lasts: whoever made a schedule must be known when it fires.
func lasts(t galen.Token) error {
	if loggedIn(t) {
		return Unprocessable(errors.New("a schedule asks for runs while you are not logged in: create it with a named token, whose end is known"))
	}
	return nil
}
