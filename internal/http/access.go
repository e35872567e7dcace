package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// What x-access of the OpenAPI file says besides the scopes.
const (
	scopeNone = "none" // the call needs no token
	scopeAny  = "any"  // it needs one, whatever it grants

	onAny      = "any"
	onList     = "list" // the answer has what the token may view
	onBody     = "body" // the resource is in the body: its handler asks
	onAll      = "all"
	onResource = "resource"
	onRun      = "run"
	onHold     = "hold"
	onAlert    = "alert"
	onSchedule = "schedule"
)

// everything is what the pattern */* means, in words.
const everything = "everything"

// callerKey is where a call's token is in its context.
type callerKey struct{}

func withCaller(ctx context.Context, t galen.Token) context.Context {
	return context.WithValue(ctx, callerKey{}, t)
}

// callerOf is the token that a call was made with; without one it grants nothing.
func callerOf(ctx context.Context) galen.Token {
	t, _ := ctx.Value(callerKey{}).(galen.Token)
	return t
}

// by is the name under which the journal knows who makes the call.
func by(ctx context.Context) string { return callerOf(ctx).Name }

// Author is the name under which the journal knows who makes the call that the context is of; "" outside of one.
func Author(ctx context.Context) string { return by(ctx) }

// AuthorSince is when that name was given to who makes the call, zero for who had it always.
func AuthorSince(ctx context.Context) time.Time {
	t := callerOf(ctx)
	if t.Person != "" {
		return time.Time{} // a provider that gives an address to somebody else gives what is called so to them, too
	}
	return t.At
}

// permitted lets a call pass that its token may make. It knows what each call needs from the OpenAPI file: one that does not stand
// there, or of which the file does not say it, passes for nobody.
func (s *server) permitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.permit(r)
		switch {
		case err == nil:
			err = s.understood(r)
		case errors.Is(err, ErrForbidden) && s.operations[r.Pattern].Access.Scope == string(galen.ScopeAlerts):
			// A sender of alerts drops what it gets a 403 for; with another token it can be taken in.
			s.refused(r, http.StatusForbidden, err)
			err = Unavailable(errors.New(err.Error() + ", and the sender sends this again"))
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// understood refuses a query with a parameter that the call does not have: a filter that is misspelt must not give more than was asked for. A
// sender of alerts, which would drop them for it, and who measures or asks for health may add what they like.
func (s *server) understood(r *http.Request) error {
	op := s.operations[r.Pattern]
	lenient := op.Access.Scope == scopeNone || op.Access.Scope == string(galen.ScopeAlerts) || !strings.Contains(r.Pattern, " /v1/")
	if r.URL.RawQuery == "" || lenient {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badf("the query of the URL: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(op.Query, name) {
			return badf("there is no parameter %q: this call has %s", name, cmp.Or(strings.Join(op.Query, ", "), "none"))
		}
	}
	return nil
}

func (s *server) permit(r *http.Request) error {
	need := s.operations[r.Pattern].Access
	scope, ctx := galen.Scope(need.Scope), r.Context()
	switch {
	case need.Scope == scopeNone, need.Scope == scopeAny && callerOf(ctx).Name != "":
		return nil
	case !slices.Contains(galen.Scopes(), scope):
		return fmt.Errorf("openapi.yaml does not say what a token needs for %s: this is a fault of galen, please report it", r.Pattern)
	case !callerOf(ctx).MayAny(scope):
		return s.lacks(r, need.On, scope)
	}
	return s.permitOn(r, need.On, scope)
}

// lacks refuses a token that grants the scope on nothing. It names what the call is about if its caller has named it, or may view it.
func (s *server) lacks(r *http.Request, on string, scope galen.Scope) error {
	ctx, what := r.Context(), "anything"
	switch on {
	case onAll:
		what = everything
	case onResource:
		return s.permitOn(r, on, scope)
	case onRun:
		run, err := s.o.Runs.Run(ctx, r.PathValue("id"))
		if err == nil && callerOf(ctx).May(galen.ScopeView, run.Resource) {
			what = run.Resource.String()
		}
	}
	return forbidden(ctx, scope, what)
}

// permitOn asks for the scope on what the call is about.
func (s *server) permitOn(r *http.Request, on string, scope galen.Scope) error {
	ctx := r.Context()
	switch on {
	case onAny, onList, onBody:
		return nil
	case onResource:
		return may(ctx, scope, galen.Resource{Kind: r.PathValue("kind"), Name: r.PathValue("name")})
	case onRun:
		return s.mayOnRun(ctx, scope, r.PathValue("id"))
	case onHold:
		return s.mayOnHold(ctx, scope, r.PathValue("id"))
	case onAlert:
		return s.mayOnAlert(ctx, scope, r.PathValue("id"))
	case onSchedule:
		_, err := s.scheduleFor(ctx, scope, r.PathValue("id"))
		return err
	default: // onAll, and whatever we do not know
		return may(ctx, scope, galen.Resource{})
	}
}

// may is nil if the call's token grants the scope on a resource, or on everything for the zero one.
func may(ctx context.Context, scope galen.Scope, r galen.Resource) error {
	if callerOf(ctx).May(scope, r) {
		return nil
	}
	if r == (galen.Resource{}) {
		return forbidden(ctx, scope, everything)
	}
	if _, err := galen.ParseResource(r.String()); err != nil { // of a path: it goes into the journal
		return Bad(err)
	}
	return forbidden(ctx, scope, r.String())
}

// mayOver is may for all that a pattern means.
func mayOver(ctx context.Context, scope galen.Scope, p galen.Pattern) error {
	if callerOf(ctx).MayAll(scope, p) {
		return nil
	}
	return forbidden(ctx, scope, string(p))
}

func forbidden(ctx context.Context, scope galen.Scope, what string) error {
	t := callerOf(ctx)
	grants := make([]string, 0, len(t.Grants))
	for _, g := range t.Grants {
		grants = append(grants, string(g.Scope)+" on "+string(g.Resource))
	}
	return &forbiddenError{scope: scope, what: what, err: fmt.Errorf("this needs the scope %s on %s, and the token %q grants %s: ask whoever makes tokens for one that does",
		scope, what, t.Name, strings.Join(grants, ", "))}
}

// unseen is the refusal of what an ID names, the same whether there is such a one or not: an answer that differs would tell who may not see
// it that it is there. What goes into the journal does not have the ID, which the caller chose.
func unseen(ctx context.Context, scope galen.Scope, sort, id string) error {
	what := "the resource of that " + sort
	err := forbidden(ctx, scope, what)
	return &forbiddenError{scope: scope, what: what, err: fmt.Errorf("%s %s: there is none, or it is not for this token: %w", sort, id, err)}
}

// forbiddenError is an [ErrForbidden] that tells what was missing.
type forbiddenError struct {
	scope galen.Scope
	what  string // a resource, a pattern, or words of ours
	err   error
}

// Error says what is needed, and what the token grants.
func (e *forbiddenError) Error() string { return e.err.Error() }

// Is makes it an ErrForbidden.
func (e *forbiddenError) Is(target error) bool { return target == ErrForbidden }

// mayOnRun looks up whose run it is, unless the token may do that to every one.
func (s *server) mayOnRun(ctx context.Context, scope galen.Scope, id string) error {
	if callerOf(ctx).May(scope, galen.Resource{}) {
		return nil
	}
	run, err := s.o.Runs.Run(ctx, id)
	switch {
	case errors.Is(err, galen.ErrNotFound), err == nil && !callerOf(ctx).May(scope, run.Resource):
		return unseen(ctx, scope, "run", id)
	default:
		return err
	}
}

func (s *server) mayOnHold(ctx context.Context, scope galen.Scope, id string) error {
	if callerOf(ctx).May(scope, galen.Resource{}) {
		return nil
	}
	holds, err := s.o.Records.Holds(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(holds, func(h galen.Hold) bool { return h.ID == id })
	if i < 0 { // who repeats a release whose answer was lost learns that it is released
		if holds, err = s.released(ctx); err != nil {
			return err
		}
		i = slices.IndexFunc(holds, func(h galen.Hold) bool { return h.ID == id })
	}
	if i < 0 || mayHold(ctx, scope, holds[i]) != nil && !(scope == galen.ScopeView && s.seesHold(ctx)(holds[i])) {
		return unseen(ctx, scope, "hold", id)
	}
	return nil
}

// mayOnAlert looks up whose alert it is, unless the token may do that to every one. One that was matched to no resource, or to several, is
// for who may do so to everything.
func (s *server) mayOnAlert(ctx context.Context, scope galen.Scope, id string) error {
	if callerOf(ctx).May(scope, galen.Resource{}) {
		return nil
	}
	a, err := s.o.Alerts.Alert(ctx, id)
	switch {
	case errors.Is(err, galen.ErrNotFound), err == nil && !callerOf(ctx).May(scope, ownerOf(a)):
		return unseen(ctx, scope, "alert", id)
	default:
		return err
	}
}

// mayHold asks for the scope on all that a hold covers.
func mayHold(ctx context.Context, scope galen.Scope, h galen.Hold) error {
	if h.Pattern != "" {
		return mayOver(ctx, scope, h.Pattern)
	}
	return may(ctx, scope, h.Resource)
}

// operationsOf reads what each call needs; without it no call passes.
func (s *server) operationsOf() map[string]api.Operation {
	all, err := api.Operations()
	if err != nil {
		s.o.Logger.Error("the API refuses every call", "error", err.Error())
	}
	return all
}
