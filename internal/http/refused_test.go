package http

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestTooManyCallsAreTakenDown: one line for each token and each address, whatever they call, and however many there are they leave room for
// who is refused otherwise.
func TestTooManyCallsAreTakenDown(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	journal := &written{}
	o := e.options()
	o.Runs, o.Records, o.World, o.Limits, o.Refusals = e, e, e, Limits{PerToken: 1, PerAddress: 1}, NewRefusals(journal.write)
	h := Handler(o)
	ask := func(secret, path, from string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		r.RemoteAddr = from
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 10 {
		ask(secretOf("me"), "/v1/runs", "10.0.0.1:1")
		ask(secretOf("me"), "/v1/findings", "10.0.0.1:1")
	}
	for i := range 100 {
		for range 3 {
			ask("wrong", "/v1/runs", fmt.Sprintf("10.0.1.%d:1", i))
		}
	}
	if err := o.Refusals.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, calls, last := journal.all(t)
	var too, others int
	for _, one := range last.Refusals {
		if one.Status == 429 {
			too++
		} else {
			others++
		}
	}
	if events != 1 || calls != 18+300 || too != tooManyTold || others != refusalsTold-tooManyTold {
		t.Errorf("%d events of %d calls, %d and %d lines: %+v", events, calls, too, others, last)
	}
	if body := string(journal.events[0].Body); !strings.Contains(body, `{"status":429,"token":"me","from":"10.0.0.1","count":18}`) {
		t.Errorf("of the token: %s", body)
	}
}

// approving is an engine whose newest approval stands.
type approving struct {
	*engine
	broken error
}

func (a approving) Approve(_ context.Context, yes galen.Approval) error {
	a.approved = append(a.approved, yes)
	return a.broken
}

func (a approving) Ledger(ctx context.Context, id string) (galen.Ledger, error) {
	l, err := a.engine.Ledger(ctx, id)
	l.Now = noon()
	if len(a.approved) > 0 {
		l.Approval = &a.approved[len(a.approved)-1]
	}
	return l, err
}

// TestARefusedYesIsTakenDown: who said it, to which run, and why it is none; one that is taken and counts as nobody's, too.
func TestARefusedYesIsTakenDown(t *testing.T) {
	run := galen.Run{ID: "a", Resource: demo(), Runbook: "fake/heal", Status: galen.RunAsking, Plan: 2, Asked: galen.AskedBy(galen.Operator)}
	plan := galen.Decision{Run: "a", Number: 2, Plan: galen.Plan{Steps: []galen.Step{{Verb: "replace", Target: galen.Target{ID: "db-1"}}}}, Approvals: 2}
	ended, disarmed := run, fmt.Errorf("approve it then: %w", galen.ErrDisarmed)
	ended.Status = galen.RunVerified
	for name, c := range map[string]struct {
		run    galen.Run
		body   string
		broken error
		status int
		want   string
	}{
		"of another plan":        {run, `{"plan":1}`, nil, 409, `{"status":409,"call":"POST /v1/runs/{id}/approve","run":"a","why":"moved","token":"operator","from":"192.0.2.1","count":1}`},
		"after its end":          {ended, `{"plan":2}`, nil, 409, `"why":"ended"`},
		"while galen observes":   {run, `{"plan":2}`, disarmed, 409, `"why":"observe-only"`},
		"of who asked for it":    {run, `{"plan":2}`, nil, 200, `{"call":"POST /v1/runs/{id}/approve","run":"a","why":"operator asked for the run","token":"operator"`},
		"that is no yes":         {run, `{"plan":"2"}`, nil, 400, ""},
		"when the journal fails": {run, `{"plan":2}`, errDisk, 500, ""},
	} {
		journal := &written{}
		e := &engine{runs: map[string]galen.Run{"a": c.run}, plans: map[string]galen.Decision{"a": plan}}
		o := e.options()
		o.Decisions, o.Runs, o.Refusals = approving{e, c.broken}, approving{e, nil}, NewRefusals(journal.write)
		w := call(t, Handler(o), "POST", "/v1/runs/a/approve", c.body)
		if err := o.Refusals.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		body := ""
		for _, e := range journal.events {
			body += string(e.Body)
		}
		counted := o.Refusals.Counts()
		if w.Code != c.status || (body == "") != (c.want == "") || !strings.Contains(body, c.want) || counted[200] != 0 || (counted[409] == 1) != (c.status == 409) {
			t.Errorf("%s: %d %s\ntaken down %s, counted %v", name, w.Code, w.Body, body, counted)
		}
	}
}
