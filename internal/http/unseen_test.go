package http

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestAnIDTellsNothing: who may not see a resource gets the same answer to the ID of something of it as to one that nothing has.
func TestAnIDTellsNothing(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	e := newTwo()
	all := galen.Grant{Scope: galen.ScopeAdmin, Resource: "fake/other"}
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{all}, Expires: noon().Add(time.Hour)}
	h := e.handler()
	type ask struct{ method, path, body string }
	asks := []ask{
		{"GET", "/v1/journal/events?run=ID", ""}, {"GET", "/v1/journal/export?run=ID", ""},
	}
	for pattern, op := range operations {
		if !strings.Contains(pattern, "{id}") {
			continue
		}
		switch op.Access.On {
		case onRun, onHold, onSchedule:
			method, path, _ := strings.Cut(pattern, " ")
			asks = append(asks, ask{method, strings.ReplaceAll(path, "{id}", "ID"), matrix()[op.ID].body(demo())})
		}
	}
	if len(asks) < 8 {
		t.Fatalf("only %d calls name something by its ID", len(asks))
	}
	for _, a := range asks {
		of := "run"
		for _, sort := range []string{"hold", "schedule"} {
			if strings.Contains(a.path, "/"+sort+"s/") {
				of = sort
			}
		}
		answer := func(id string) (int, string) {
			w := callAs(t, h, secretOf("me"), a.method, strings.ReplaceAll(a.path, "ID", id), a.body)
			return w.Code, strings.ReplaceAll(w.Body.String(), id, "ID")
		}
		there, text := answer(of + "-demo")
		none, nothing := answer(of + "-none")
		if there != none || text != nothing || there != http.StatusForbidden {
			t.Errorf("%s %s: of another resource %d %s\nof nothing %d %s", a.method, a.path, there, text, none, nothing)
		}
	}
}

// TestEventsOfTokens: what tells of tokens is for who may list them, whatever else they may view.
func TestEventsOfTokens(t *testing.T) {
	e := newTwo()
	e.happened = append(e.happened, galen.Event{Seq: 4, Kind: galen.EventKeptOut}, galen.Event{Seq: 5, Kind: galen.EventEngine})
	for name, scope := range map[string]galen.Scope{"reader": galen.ScopeView, "boss": galen.ScopeAdmin} {
		e.tokens[hashOf(secretOf(name))] = galen.Token{Name: name, Grants: []galen.Grant{{Scope: scope, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	}
	h := e.handler()
	for _, path := range []string{"/v1/journal/events", "/v1/journal/export"} {
		for name, tells := range map[string]bool{"reader": false, "boss": true} {
			w := callAs(t, h, secretOf(name), "GET", path, "")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"engine"`) {
				t.Fatalf("%s %s: %d %s", name, path, w.Code, w.Body)
			}
			for _, kind := range []galen.EventKind{galen.EventToken, galen.EventKeptOut} {
				if strings.Contains(w.Body.String(), `"`+string(kind)+`"`) != tells {
					t.Errorf("%s reads %s from %s: %t, want %t", name, kind, path, !tells, tells)
				}
			}
		}
	}
}

// away is a journal that does not answer.
type away struct{ *engine }

func (away) Token(context.Context, string) (galen.Token, time.Time, error) {
	return galen.Token{}, time.Time{}, errors.New("failed to connect to user=galen: 10.1.2.3:5432")
}

// TestATokenThatCannotBeLookedUp: who calls is not known, and is told nothing of users and addresses.
func TestATokenThatCannotBeLookedUp(t *testing.T) {
	o := (&engine{}).options()
	o.Tokens = away{&engine{}}
	w := callAs(t, Handler(o), secretPrefix+strings.Repeat("a", secretLength-len(secretPrefix)), "GET", "/v1/status", "")
	if says := complaint(t, w); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(says, "the journal does not answer") || strings.Contains(says, "10.1.2.3") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
