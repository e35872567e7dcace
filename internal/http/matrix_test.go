package http

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// row is what the matrix says of an operation, apart from the OpenAPI file: who may, on what, and how it is called.
type row struct {
	scope string
	on    string
	// body of a call about a resource.
	body func(r galen.Resource) string
	// shows: the answer to whoever may view everything has both resources in it.
	shows bool
}

func of(text string) func(galen.Resource) string {
	return func(r galen.Resource) string { return strings.ReplaceAll(text, "$", r.String()) }
}

// matrix has a row for every operation; TestAccessMatrix fails for one that has none.
func matrix() map[string]row {
	nothing := of("")
	reason := of(`{"why":"because"}`)
	return map[string]row{
		"getHealth":        {"none", "any", nothing, false},
		"getReady":         {"none", "any", nothing, false},
		"getVersion":       {"none", "any", nothing, false},
		"listModes":        {"view", "list", nothing, true},
		"getLogin":         {"none", "any", nothing, false},
		"getStatus":        {"view", "list", nothing, true},
		"postAlertmanager": {"alerts", "all", of(`{}`), false},
		"listResources":    {"view", "list", nothing, true},
		"getResource":      {"view", "resource", nothing, false},
		"listMembers":      {"view", "resource", nothing, false},
		"canI":             {"view", "resource", nothing, false},
		"whatIf":           {"view", "resource", nothing, false},
		"getState":         {"view", "resource", nothing, false},
		"acknowledge":      {"operate", "resource", of(`{"target":"db-1"}`), false},
		"listFindings":     {"view", "list", nothing, true},
		"listAlerts":       {"view", "list", nothing, true},
		"getAlert":         {"view", "alert", nothing, false},
		"listRunbooks":     {"view", "any", nothing, false},
		"getRunbook":       {"view", "any", nothing, false},
		"listRuns":         {"view", "list", nothing, true},
		"createRun":        {"propose", "body", of(`{"runbook":"fake/heal","resource":"$"}`), false},
		"getRun":           {"view", "run", nothing, false},
		"followRun":        {"view", "run", nothing, false},
		"listPlans":        {"view", "run", nothing, false},
		"listIntents":      {"view", "run", nothing, false},
		"approveRun":       {"approve", "run", of(`{"plan":0}`), false},
		"rejectRun":        {"approve", "run", reason, false},
		"cancelRun":        {"operate", "run", reason, false},
		"listApprovals":    {"view", "list", nothing, true},
		"listHolds":        {"view", "list", nothing, true},
		"setHold":          {"operate", "body", of(`{"why":"x","resource":"$","until":"2026-11-24T00:00:00Z"}`), false},
		"getHold":          {"view", "hold", nothing, false},
		"extendHold":       {"operate", "hold", of(`{"why":"x","until":"2026-11-24T00:00:00Z"}`), false},
		"releaseHold":      {"operate", "hold", nothing, false},
		"listQuarantines":  {"view", "list", nothing, true},
		"clearQuarantine":  {"operate", "all", of(`{"runbook":"fake/heal","why":"mended"}`), false},
		"rearm":            {"admin", "all", reason, false},
		"listEvents":       {"view", "list", nothing, true},
		"listSchedules":    {"view", "list", nothing, true},
		"createSchedule":   {"propose", "body", of(`{"name":"nightly","runbook":"fake/heal","resource":"$","spec":"@daily"}`), false},
		"getSchedule":      {"view", "schedule", nothing, false},
		"deleteSchedule":   {"propose", "schedule", nothing, false},
		"pauseSchedule":    {"propose", "schedule", reason, false},
		"resumeSchedule":   {"propose", "schedule", nothing, false},
		"exportEvents":     {"view", "list", nothing, true},
		"listTokens":       {"admin", "all", nothing, false},
		"createToken":      {"admin", "all", of(`{"name":"new","grants":[{"scope":"view","resource":"fake/*"}],"expires":"2026-12-01T00:00:00Z"}`), false},
		"revokeToken":      {"admin", "all", nothing, false},
		"getSpec":          {"any", "any", nothing, false},
		"getMetrics":       {"view", "all", nothing, false},
	}
}

func otherDB() galen.Resource { return galen.Resource{Kind: "fake", Name: "other"} }

// two is an engine of two resources, of which everything is there once.
type two struct{ *engine }

func newTwo() two {
	run := func(id string, r galen.Resource) galen.Run {
		return galen.Run{ID: id, Resource: r, Runbook: "fake/heal", Status: galen.RunHeld}
	}
	secrets := map[string]galen.Token{hashOf(secretOf("ci")): {Name: "ci", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/other"}}, Expires: noon().Add(time.Hour)}}
	return two{&engine{
		runs:        map[string]galen.Run{"run-demo": run("run-demo", demo()), "run-other": run("run-other", otherDB())},
		holds:       []galen.Hold{{ID: "hold-demo", Resource: demo(), Why: "x"}, {ID: "hold-other", Resource: otherDB(), Why: "x"}, {ID: "hold-all", Why: "x"}},
		quarantines: []galen.Quarantine{{Runbook: "fake/heal", Verb: "reboot", Targets: []string{"fake/demo db-1", "fake/other db-2"}, Why: "on fake/demo db-1, fake/other db-2"}},
		happened:    []galen.Event{{Seq: 1, Resource: demo(), Kind: galen.EventFound}, {Seq: 2, Resource: otherDB(), Kind: galen.EventFound}, {Seq: 3, Kind: galen.EventToken}},
		given: []galen.GivenApproval{
			{Number: 2, Resource: otherDB(), Approval: galen.Approval{Run: "run-other"}, State: galen.ApprovalVoided}, {Number: 1, Resource: demo(), Approval: galen.Approval{Run: "run-demo"}, State: galen.ApprovalStands},
		},
		schedules: []galen.Schedule{{Name: "schedule-demo", Resource: demo()}, {Name: "schedule-other", Resource: otherDB()}},
		members:   []galen.Member{{Target: galen.Target{ID: "db-1"}}}, tokens: secrets, observe: "in doubt", opened: true,
	}}
}

// secretOf is a secret of the right form that tests know by its name.
func secretOf(name string) string {
	return secretPrefix + strings.Repeat("0", secretLength-len(secretPrefix)-len(name)) + name
}

func (e two) Runs(context.Context, RunFilter) ([]galen.Run, error) {
	return slices.SortedFunc(maps.Values(e.runs), func(a, b galen.Run) int { return strings.Compare(a.ID, b.ID) }), nil
}

func (e two) inbox() (out []api.Alert) {
	for n, id := range []string{"alert-demo", "alert-nobody", "alert-other"} {
		a := api.Alert{Id: id, Number: int64(n + 1), State: api.Unmatched}
		if name := strings.TrimPrefix(id, "alert-"); name != "nobody" {
			of := "fake/" + name
			a.State, a.Resource = api.Matched, &of
		}
		out = append([]api.Alert{a}, out...)
	}
	return out
}

func (e two) List(_ context.Context, f AlertFilter) (out []api.Alert, _ error) {
	for _, a := range e.inbox() {
		if (f.Resource == galen.Resource{} || f.Resource == ownerOf(a)) && (!f.Owned || a.Resource != nil) && (f.Before == 0 || a.Number < f.Before) && len(out) < f.Limit {
			out = append(out, a)
		}
	}
	return out, nil
}

func (e two) Alert(_ context.Context, id string) (api.Alert, error) {
	for _, a := range e.inbox() {
		if a.Id == id {
			return a, nil
		}
	}
	return api.Alert{}, galen.ErrNotFound
}

func (e two) Findings(context.Context, galen.Resource) ([]galen.Finding, error) {
	return []galen.Finding{{Resource: demo(), Code: "down"}, {Resource: otherDB(), Code: "down"}}, nil
}

func (e two) Events(_ context.Context, f EventFilter) ([]galen.Event, error) {
	if f.Kind != "" {
		return nil, nil
	}
	return e.happened, nil
}

func (e two) Watched() []Watched {
	return []Watched{{Resource: demo(), Policy: galen.SafePolicy()}, {Resource: otherDB(), Policy: galen.SafePolicy()}}
}

func (e two) handler() http.Handler {
	o := e.options()
	o.Runs, o.Records, o.World, o.Alerts, o.Logins = e, e, e, e, provider{}
	o.Refusals = NewRefusals(func(context.Context, galen.Event) error { return nil })
	return Handler(o)
}

// did is all that calls have changed.
func (e two) did() string {
	return fmt.Sprint(e.asked, e.approved, e.acknowledged, len(e.holds), len(e.quarantines), e.schedules, e.observe, len(e.tokens), e.tokens[hashOf(secretOf("ci"))].Revoked, len(e.stored))
}

// about is the call of an operation about a resource.
func about(pattern string, r row, res galen.Resource) (method, path, body string) {
	method, path, _ = strings.Cut(pattern, " ")
	if strings.HasSuffix(path, "/can-i") { // what has no sense is refused before anybody asks who calls
		path += "?verb=reboot&member=db-1"
	}
	id := r.on + "-" + res.Name
	name := res.Name
	if r.on == "all" {
		name = "ci"
	}
	if strings.Contains(path, "/runbooks/") { // a runbook is named like a resource, and is none
		name = "heal"
	}
	return method, strings.NewReplacer("{kind}", res.Kind, "{name}", name, "{id}", id).Replace(path), r.body(res)
}

func callAs(t *testing.T, h http.Handler, secret, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// granted says by hand what the ladder means, so that the test does not ask the code that it tests.
func granted(have galen.Scope, need string) bool {
	ladder := "view propose approve operate admin"
	switch {
	case need == "none" || need == "any":
		return true
	case have == "alerts" || need == "alerts":
		return have == "admin" || string(have) == need
	}
	return strings.Index(ladder, string(have)) >= strings.Index(ladder, need)
}

// TestAccessMatrix: every operation of the OpenAPI file, with every scope, on one's own resource and on another one.
func TestAccessMatrix(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	rows, cells := matrix(), 0
	for pattern, op := range operations {
		r, known := rows[op.ID]
		if !known {
			t.Errorf("%s (%s) has no row in the matrix: say who may make this call", pattern, op.ID)
			continue
		}
		if op.Access != (api.Access{Scope: r.scope, On: r.on}) {
			t.Errorf("%s: the OpenAPI file says %+v, the matrix %s on %s", op.ID, op.Access, r.scope, r.on)
		}
		for _, scope := range galen.Scopes() {
			for _, over := range []galen.Pattern{"fake/demo", galen.Everything} {
				if (scope == galen.ScopeAdmin || scope == galen.ScopeAlerts) && over != galen.Everything {
					continue // no such token can be made
				}
				for _, res := range []galen.Resource{demo(), otherDB()} {
					cells++
					cell(t, pattern, r, galen.Grant{Scope: scope, Resource: over}, res)
				}
			}
		}
		delete(rows, op.ID)
	}
	for id := range rows {
		t.Errorf("%s has a row and is no operation", id)
	}
	t.Logf("%d cells", cells)
}

// cell tries one operation with one grant on one resource.
func cell(t *testing.T, pattern string, r row, grant galen.Grant, res galen.Resource) {
	t.Helper()
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{grant}, Expires: noon().Add(time.Hour)}
	if strings.HasSuffix(pattern, "/events") { // those of an open run have no end
		for id, run := range e.runs {
			run.Status = galen.RunVerified
			e.runs[id] = run
		}
	}
	before := e.did()
	method, path, body := about(pattern, r, res)
	w := callAs(t, e.handler(), secretOf("me"), method, path, body)
	what := fmt.Sprintf("%s with %s on %s, about %s: %d %.300s", pattern, grant.Scope, grant.Resource, res, w.Code, w.Body)
	may := granted(grant.Scope, r.scope)
	switch {
	case grant.Resource == galen.Everything || r.on == "any" || r.on == "list":
	case r.on == "all":
		may = false
	default:
		may = may && res == demo()
	}
	refused := http.StatusForbidden
	if r.scope == string(galen.ScopeAlerts) {
		refused = http.StatusServiceUnavailable // its sender is to come again with a token that may
	}
	switch {
	case !may && (w.Code != refused || e.did() != before || !strings.Contains(complaint(t, w), "needs the scope "+r.scope)):
		t.Errorf("passed, or was refused otherwise: %s", what)
	case may && (w.Code < 200 || w.Code > 299):
		t.Errorf("did not pass: %s", what)
	case may && r.on == "list":
		if shows := strings.Contains(w.Body.String(), "fake/other"); shows != (grant.Resource == galen.Everything && r.shows) || r.shows && !strings.Contains(w.Body.String(), "fake/demo") {
			t.Errorf("shows what it may not, or not what it may: %s", what)
		}
	}
}

// keyed is an engine that knows keys as the real one does: per resource.
type keyed struct {
	two
	opened map[string]galen.Run
}

func (e *keyed) Request(_ context.Context, q Request) (galen.Run, bool, error) {
	at := q.Resource.String() + " " + q.Key
	run, known := e.opened[at]
	if !known {
		run = galen.Run{ID: fmt.Sprint("run-", len(e.opened)), Key: q.Key, Resource: q.Resource, Runbook: q.Runbook, Asked: galen.AskedBy(q.By)}
		e.opened[at] = run
	}
	return run, !known, nil
}

// TestWhoseIdempotencyKey: a key shows no run to a token that may not ask for one on its resource, and opens what another one has opened to
// nobody; whoever may ask there shares the keys of the resource.
func TestWhoseIdempotencyKey(t *testing.T) {
	e := &keyed{two: newTwo(), opened: map[string]galen.Run{}}
	for name, over := range map[string]galen.Pattern{"mine": "fake/demo", "colleague": "fake/demo", "theirs": "fake/other", "both": galen.Everything} {
		e.tokens[hashOf(secretOf(name))] = galen.Token{Name: name, Grants: []galen.Grant{{Scope: galen.ScopePropose, Resource: over}}, Expires: noon().Add(time.Hour)}
	}
	e.tokens[hashOf(secretOf("looks"))] = galen.Token{Name: "looks", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon().Add(time.Hour)}
	o := e.options()
	o.Requests, o.World = e, e
	h := Handler(o)
	for _, c := range []struct {
		who    string
		about  galen.Resource
		status int
		run    string
	}{
		{"mine", demo(), 201, "run-0"}, {"mine", demo(), 200, "run-0"}, {"colleague", demo(), 200, "run-0"}, {"both", demo(), 200, "run-0"},
		{"theirs", demo(), 403, ""}, {"looks", demo(), 403, ""}, {"mine", otherDB(), 403, ""},
		{"theirs", otherDB(), 201, "run-1"}, {"both", otherDB(), 200, "run-1"}, {"mine", demo(), 200, "run-0"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/runs", strings.NewReader(matrix()["createRun"].body(c.about)))
		r.Header.Set("Authorization", "Bearer "+secretOf(c.who))
		r.Header.Set("Idempotency-Key", "ticket-4711")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || c.run != "" && !strings.Contains(w.Body.String(), `"`+c.run+`"`) || c.run == "" && strings.Contains(w.Body.String(), "run-0") {
			t.Errorf("%s about %s: %d %s, want %d %s", c.who, c.about, w.Code, w.Body, c.status, c.run)
		}
	}
	if len(e.opened) != 2 {
		t.Errorf("opened %v", e.opened)
	}
}

// TestNoTokenThatCounts: without one no call passes but that for health, and of one that counts no more the holder is told why.
func TestNoTokenThatCounts(t *testing.T) {
	operations, err := api.Operations()
	if err != nil {
		t.Fatal(err)
	}
	e := newTwo()
	grants := []galen.Grant{{Scope: galen.ScopeAdmin, Resource: galen.Everything}}
	e.tokens[hashOf(secretOf("old"))] = galen.Token{Name: "old", Grants: grants, Expires: noon()}
	e.tokens[hashOf(secretOf("gone"))] = galen.Token{Name: "gone", Grants: grants, Expires: noon().Add(time.Hour), Revoked: noon()}
	h, before := e.handler(), e.did()
	for secret, says := range map[string]string{
		"": "needs a token", secretOf("old"): `"old" expired at`, secretOf("gone"): `"gone" was revoked at`, secretOf("unknown"): "none of the API's", "galen_": "none of the API's",
	} {
		for pattern, op := range operations {
			method, path, body := about(pattern, matrix()[op.ID], demo())
			w := callAs(t, h, secret, method, path, body)
			if op.Access.Scope == scopeNone {
				if w.Code != http.StatusOK {
					t.Errorf("health: %d", w.Code)
				}
				continue
			}
			want := http.StatusUnauthorized
			if op.Access.Scope == string(galen.ScopeAlerts) && strings.HasPrefix(secret, secretOf("")[:secretLength/2]) {
				want = http.StatusServiceUnavailable // the sender is to come again with one that counts
			}
			if w.Code != want || !strings.Contains(complaint(t, w), says) || e.did() != before {
				t.Errorf("%s with %q: %d %s", pattern, secret, w.Code, w.Body)
			}
		}
	}
}

// TestHoldsOfMore: a hold that covers more than the token may operate on is refused, and so is its release.
func TestHoldsOfMore(t *testing.T) {
	e := newTwo()
	e.holds = append(e.holds, galen.Hold{ID: "hold-wide", Pattern: "fake/*", Why: "x"})
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeOperate, Resource: "fake/d*"}}, Expires: noon().Add(time.Hour)}
	h := e.handler()
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z"}`, 403},
		{"/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/*"}`, 403},
		{"/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/nobody"}`, 403},
		{"/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/de*"}`, 201},
		{"/v1/holds/hold-all/release", "", 403}, {"/v1/holds/hold-wide/release", "", 403}, {"/v1/holds/none/release", "", 403},
	} {
		if w := callAs(t, h, secretOf("me"), "POST", c.path, c.body); w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	w := callAs(t, h, secretOf("me"), "GET", "/v1/holds", "")
	for name, want := range map[string]bool{"hold-demo": true, "hold-all": true, "hold-wide": true, "hold-other": false, "hold-none": false} {
		if strings.Contains(w.Body.String(), name) != want {
			t.Errorf("%s: %s", name, w.Body)
		}
		one := callAs(t, h, secretOf("me"), "GET", "/v1/holds/"+name, "")
		if want != (one.Code == http.StatusOK && strings.Contains(one.Body.String(), `"id":"`+name+`"`)) || !want && one.Code != http.StatusForbidden {
			t.Errorf("%s alone: %d %s", name, one.Code, one.Body)
		}
	}
	if w := call(t, h, "GET", "/v1/holds/hold-none", ""); w.Code != http.StatusNotFound || !strings.Contains(complaint(t, w), "GET /v1/holds tells which there are") {
		t.Errorf("of none: %d %s", w.Code, w.Body)
	}
}

// TestTokensByCall: the secret is told once, and what it may do is what was granted.
func TestTokensByCall(t *testing.T) {
	e := newTwo()
	h := e.handler()
	w := call(t, h, "POST", "/v1/tokens", matrix()["createToken"].body(demo()))
	made, err := galen.Decode[api.NewToken](w.Body.Bytes())
	if err != nil || w.Code != 201 || len(made.Secret) != secretLength || made.Token.By != galen.Operator {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	if w := callAs(t, h, made.Secret, "GET", "/v1/runs", ""); w.Code != 200 {
		t.Errorf("view: %d %s", w.Code, w.Body)
	}
	if w := call(t, h, "GET", "/v1/tokens", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"new"`) || strings.Contains(w.Body.String(), made.Secret) || strings.Contains(w.Body.String(), hashOf(made.Secret)) {
		t.Errorf("list: %d %s", w.Code, w.Body)
	}
	if w := call(t, h, "POST", "/v1/tokens/new/revoke", ""); w.Code != 204 {
		t.Errorf("revoke: %d %s", w.Code, w.Body)
	}
	if w := callAs(t, h, made.Secret, "GET", "/v1/runs", ""); w.Code != 401 {
		t.Errorf("after it was revoked: %d %s", w.Code, w.Body)
	}
	for body, says := range map[string]string{
		`{"name":"Bad","grants":[{"scope":"view","resource":"*/*"}],"expires":"2026-12-01T00:00:00Z"}`:      "name",
		`{"name":"operator","grants":[{"scope":"view","resource":"*/*"}],"expires":"2026-12-01T00:00:00Z"}`: "is taken",
		`{"name":"a","grants":[],"expires":"2026-12-01T00:00:00Z"}`:                                         "grants",
		`{"name":"a","grants":[{"scope":"root","resource":"*/*"}],"expires":"2026-12-01T00:00:00Z"}`:        "scope",
		`{"name":"a","grants":[{"scope":"view","resource":"*/*"}],"expires":"2020-12-01T00:00:00Z"}`:        "is past",
		`{"name":"a","grants":[{"scope":"view","resource":"*/*"}]}`:                                         "expires",
	} {
		status := http.StatusUnprocessableEntity
		if says == "expires" { // it is missing
			status = http.StatusBadRequest
		}
		if w := call(t, h, "POST", "/v1/tokens", body); w.Code != status || !strings.Contains(complaint(t, w), says) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestAQueryIsUnderstoodOrRefused: a filter that is misspelt, or given twice, must not give more than was asked for.
func TestAQueryIsUnderstoodOrRefused(t *testing.T) {
	h := Handler((&engine{}).options())
	for _, c := range []struct{ path, want string }{
		{"/v1/runs?statu=open", `there is no parameter "statu": this call has`},
		{"/v1/runs?limit=1&limit=2", "multiple values"},
		{"/v1/runs?limit=%zz", "the query of the URL"},
		{"/v1/resources/cassandra/orders?verbose=1", `there is no parameter "verbose": this call has none`},
	} {
		w := call(t, h, "GET", c.path, "")
		if text := complaint(t, w); w.Code != http.StatusBadRequest || !strings.Contains(text, c.want) {
			t.Errorf("%s: %d %s, want 400 and %s", c.path, w.Code, text, c.want)
		}
	}
	for _, path := range []string{"/v1/runs?limit=1", "/v1/journal/events?kind=decided&limit=1", "/v1/health?probe=1", "/metrics?collect[]=x"} {
		if w := call(t, h, "GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := call(t, h, "POST", "/v1/alerts/alertmanager?from=eu", "{}"); w.Code == http.StatusBadRequest && strings.Contains(w.Body.String(), "parameter") {
		t.Errorf("a sender of alerts with a query of its own: %d %s", w.Code, w.Body)
	}
}
