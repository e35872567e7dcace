package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

const testToken = "0123456789abcdef0123456789abcdef"

var errDisk = errors.New("the disk of the journal is full: free space on it")

// engine is a double of everything behind the API. Its methods answer from its fields.
type engine struct {
	runs         map[string]galen.Run
	found        []galen.Finding
	standing     []galen.Run // that a list has
	plans        map[string]galen.Decision
	before       galen.Decision // as somebody has read it
	older        int            // plans of each run before that
	past         []galen.Intent // of each run
	acknowledged []string
	holds        []galen.Hold
	quarantines  []galen.Quarantine
	faults       map[string]string
	observe      string
	approved     []galen.Approval
	given        []galen.GivenApproval // newest first
	asked        []Request
	stored       [][]byte
	tooLarge     int
	turnedAway   int
	filters      []RunFilter
	wanted       AlertFilter // of the newest call
	mu           sync.Mutex  // of events: streams ask for them side by side
	events       []EventFilter
	happened     []galen.Event
	opened       bool
	broken       error
	tokens       map[string]galen.Token // by the hash of their secrets
	schedules    []galen.Schedule
	members      []galen.Member // as seen last; nil: not seen yet
}

// seenState is a State of members only.
type seenState struct {
	galen.State
	members []galen.Member
}

func (s seenState) Members() []galen.Member                    { return s.members }
func (s seenState) Seen(...galen.Target) (time.Time, []string) { return noon(), nil }

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func demo() galen.Resource { return galen.Resource{Kind: "fake", Name: "demo"} }

func (e *engine) Run(_ context.Context, id string) (galen.Run, error) {
	if e.broken != nil {
		return galen.Run{}, e.broken
	}
	run, ok := e.runs[id]
	if !ok {
		return run, galen.ErrNotFound
	}
	return run, nil
}

func (e *engine) Runs(_ context.Context, f RunFilter) ([]galen.Run, error) {
	e.filters = append(e.filters, f)
	return e.standing, e.broken
}

func (e *engine) Plan(_ context.Context, run string, _ int) (galen.Decision, error) {
	return e.plans[run], nil
}

func (e *engine) Shown(_ context.Context, run string, plan int, shown string) (galen.Decision, error) {
	if d := e.before; d.Number == plan && strings.HasPrefix(galen.HashJSON(d.Shown), shown) {
		return d, nil
	}
	return galen.Decision{}, fmt.Errorf("plan %d of run %q: %w", plan, run, galen.ErrNotFound)
}

func (e *engine) Plans(_ context.Context, run string, before, limit int) (out []galen.Decision, _ error) {
	if d, ok := e.plans[run]; ok && (before == 0 || d.Number < before) {
		out = append(out, d)
	}
	for n := e.older; n > 0 && len(out) < limit; n-- {
		if before == 0 || n < before {
			out = append(out, galen.Decision{Run: run, Number: n})
		}
	}
	return out, nil
}

func (e *engine) Ledger(ctx context.Context, id string) (galen.Ledger, error) {
	run, err := e.Run(ctx, id)
	return galen.Ledger{Run: run, Past: e.past}, err
}

func (e *engine) Intents(_ context.Context, _, before string, limit int) (out []galen.Intent, _ error) {
	older := before == ""
	for _, in := range slices.Backward(e.past) {
		if older && len(out) < limit {
			out = append(out, in)
		}
		older = older || in.ID == before
	}
	return out, e.broken
}

func (e *engine) Findings(context.Context, galen.Resource) ([]galen.Finding, error) {
	return e.found, e.broken
}

func (e *engine) Holds(context.Context) ([]galen.Hold, error) { return e.holds, e.broken }

func (e *engine) Events(_ context.Context, f EventFilter) ([]galen.Event, error) {
	e.mu.Lock()
	e.events = append(e.events, f)
	e.mu.Unlock()
	var out []galen.Event
	for _, one := range e.happened {
		if one.Resource == f.Resource && (f.Kind == "" || one.Kind == f.Kind) {
			out = append(out, one)
		}
	}
	return out, e.broken
}

func (e *engine) Request(_ context.Context, q Request) (galen.Run, bool, error) {
	e.asked = append(e.asked, q)
	return galen.Run{ID: "r1", Key: q.Key, Resource: q.Resource}, e.opened, e.broken
}

func (e *engine) Preview(_ context.Context, q Request) (galen.Decision, error) {
	e.asked = append(e.asked, q)
	return galen.Decision{Why: "would"}, e.broken
}

func (e *engine) Approve(_ context.Context, a galen.Approval) error {
	e.approved = append(e.approved, a)
	return e.broken
}

func (e *engine) Approvals(_ context.Context, f ApprovalFilter) (out []galen.GivenApproval, _ error) {
	for _, a := range e.given {
		fits := (f.Run == "" || f.Run == a.Run) && (f.State == "" || f.State == a.State) && (f.Resource == galen.Resource{} || f.Resource == a.Resource)
		if fits && (f.Before == 0 || a.Number < f.Before) && len(out) < f.Limit {
			out = append(out, a)
		}
	}
	return out, e.broken
}

func (e *engine) Reject(context.Context, string, string, string) error { return e.broken }

func (e *engine) Cancel(context.Context, string, string, string) error { return e.broken }

func (e *engine) Acknowledge(_ context.Context, _ galen.Resource, target, _ string) error {
	e.acknowledged = append(e.acknowledged, target)
	return e.broken
}

func (e *engine) ExtendHold(_ context.Context, id string, until time.Time, _, _ string) (galen.Hold, error) {
	for i, h := range e.holds {
		if h.ID == id {
			e.holds[i].Until = until
			return e.holds[i], e.broken
		}
	}
	return galen.Hold{}, fmt.Errorf("hold %q: %w", id, galen.ErrNotFound)
}

func (e *engine) SetHold(_ context.Context, h galen.Hold) error {
	e.holds = append(e.holds, h)
	return e.broken
}

func (e *engine) Release(_ context.Context, id, _ string) error {
	for _, h := range e.holds {
		if h.ID == id {
			return nil
		}
	}
	for _, one := range e.happened {
		if one.Kind == galen.EventRelease && strings.Contains(string(one.Body), `"`+id+`"`) {
			return fmt.Errorf("hold %q: %w", id, galen.ErrReleased)
		}
	}
	return galen.ErrNotFound
}

func (e *engine) Quarantines(context.Context) ([]galen.Quarantine, error) {
	return e.quarantines, e.broken
}

func (e *engine) ClearQuarantine(_ context.Context, runbook, _, _ string) error {
	i := slices.IndexFunc(e.quarantines, func(q galen.Quarantine) bool { return q.Runbook == runbook })
	if i < 0 {
		return galen.ErrNotFound
	}
	e.quarantines = slices.Delete(e.quarantines, i, i+1)
	return e.broken
}

func (e *engine) Observe(context.Context) (string, error) { return e.observe, e.broken }

func (e *engine) Rearm(_ context.Context, _, _ string) error {
	if e.observe == "" {
		return ErrConflict
	}
	e.observe = ""
	return e.broken
}

func (e *engine) CreateToken(_ context.Context, t galen.Token, hash string) (galen.Token, error) {
	if e.tokens == nil {
		e.tokens = map[string]galen.Token{}
	}
	e.tokens[hash] = t
	return t, e.broken
}

func (e *engine) Token(_ context.Context, hash string) (galen.Token, time.Time, error) {
	t, ok := e.tokens[hash]
	if !ok {
		return t, noon(), galen.ErrNotFound
	}
	return t, noon(), e.broken
}

func (e *engine) TokenHashes(context.Context) ([]string, error) {
	return slices.Collect(maps.Keys(e.tokens)), e.broken
}

func (e *engine) Tokens(context.Context) ([]galen.Token, error) {
	return slices.SortedFunc(maps.Values(e.tokens), func(a, b galen.Token) int { return strings.Compare(a.Name, b.Name) }), e.broken
}

func (e *engine) RevokeToken(_ context.Context, name, by string) error {
	for hash, t := range e.tokens {
		if t.Name == name {
			t.Revoked, t.RevokedBy = noon(), by
			e.tokens[hash] = t
			return e.broken
		}
	}
	return galen.ErrNotFound
}

func (e *engine) Watched() []Watched {
	return []Watched{{Resource: demo(), PolicyName: "default", Policy: galen.SafePolicy()}}
}

func (e *engine) Last(galen.Resource) (galen.State, bool) {
	return seenState{members: e.members}, e.members != nil
}

func (e *engine) List(_ context.Context, f AlertFilter) ([]api.Alert, error) {
	var out []api.Alert
	e.wanted = f
	for n := int64(3); n > 0; n-- {
		a := api.Alert{Id: fmt.Sprint("alert-", n), Number: n, State: api.Unmatched}
		if (f.Before == 0 || n < f.Before) && (f.State == "" || f.State == string(a.State)) && len(out) < f.Limit {
			out = append(out, a)
		}
	}
	return out, e.broken
}

func (e *engine) Alert(_ context.Context, id string) (api.Alert, error) {
	if id == "alert-9" {
		return api.Alert{}, fmt.Errorf("alert %q: %w", id, galen.ErrNotFound)
	}
	return api.Alert{Id: id, Number: 1, State: api.Unmatched}, e.broken
}

func (e *engine) CanI(_ context.Context, r galen.Resource, verb, member string, _ []string) (galen.Advice, error) {
	return galen.Advice{Resource: r, Verb: verb, Member: member, Answer: galen.DontKnow, Verdicts: []galen.Verdict{}}, e.broken
}

func (e *engine) WhatIf(_ context.Context, r galen.Resource, down, _ []string) (galen.Advice, error) {
	return galen.Advice{Resource: r, Answer: galen.Yes, Outlook: galen.Outlook{Asked: down}}, e.broken
}

func (e *engine) Saved(_ context.Context, r galen.Resource) (galen.Saved, error) {
	if e.members == nil {
		return galen.Saved{}, galen.ErrNotFound
	}
	return galen.Saved{Form: galen.SavedForm, Resource: r, State: []byte("{}")}, e.broken
}

func (e *engine) Margin(context.Context, galen.Resource) (string, error) {
	return "1 to spare", e.broken
}

func (e *engine) Store(_ context.Context, body []byte) (api.Accepted, error) {
	e.stored = append(e.stored, body)
	return api.Accepted{Stored: 1}, e.broken
}

func (e *engine) TooLarge(context.Context, int) error {
	e.tooLarge++
	return e.broken
}

func (e *engine) TurnedAway() { e.turnedAway++ }

func (e *engine) options() Options {
	return Options{
		Token: testToken, TokenFile: "/var/lib/galen/token", Tokens: e, Runs: e, Intents: e, Records: e, Requests: e, Decisions: e, Approvals: e, Holds: e, Quarantines: e, Schedules: e, Epochs: e, World: e, Advice: e, Alerts: e,
		Runbooks: []galen.ListedRunbook{{
			Name: "fake/heal", Version: 1, Heals: []galen.Code{"down"},
			Schema: func() map[string]any {
				return map[string]any{"properties": map[string]any{"reboots": map[string]any{"type": "integer"}}}
			},
			Defaults: func() map[string]any { return map[string]any{"reboots": 1} },
		}},
		Health:  func(context.Context) error { return e.broken },
		Ready:   func(context.Context) error { return e.broken },
		Faults:  func() map[string]string { return e.faults },
		Measure: func(context.Context) (Measures, error) { return Measures{}, e.broken },
		Version: "test", Started: noon(), Now: noon, Logger: slog.New(slog.DiscardHandler),
	}
}

// call makes one call with the token, and returns what came back.
func call(t *testing.T, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// complaint is the text of an error in the API's form.
func complaint(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	e, err := galen.Decode[api.Error](w.Body.Bytes())
	if err != nil || !strings.HasPrefix(e.Type, problemBase) || e.Title == "" || e.Status != w.Code || e.Detail == "" || e.Instance == "" ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
		t.Fatalf("not an error in the API's form: %v: %s", err, w.Body)
	}
	return e.Detail
}

func (e *engine) CreateSchedule(_ context.Context, s galen.Schedule) (galen.Schedule, error) {
	e.schedules = append(e.schedules, s)
	return s, e.broken
}

func (e *engine) Schedules(context.Context) ([]galen.Schedule, error) { return e.schedules, e.broken }

func (e *engine) PauseSchedule(_ context.Context, name, by, why string) (galen.Schedule, error) {
	return e.changed(name, by+why)
}

func (e *engine) ResumeSchedule(_ context.Context, name, by string) (galen.Schedule, error) {
	return e.changed(name, by)
}

func (e *engine) DeleteSchedule(_ context.Context, name, by string) error {
	_, err := e.changed(name, by)
	return err
}

func (e *engine) changed(name, how string) (galen.Schedule, error) {
	for i, s := range e.schedules {
		if s.Name == name {
			e.schedules[i].By = how
			return e.schedules[i], e.broken
		}
	}
	return galen.Schedule{}, galen.ErrNotFound
}
