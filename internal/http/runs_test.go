package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func TestApproveBindsTheNewestPlan(t *testing.T) {
	step := galen.Step{Verb: "reboot", Target: galen.Target{ID: "db-1"}, Within: galen.Duration(time.Minute)}
	later := galen.Step{Verb: "failover", Target: galen.Target{ID: "db-1"}, Within: galen.Duration(time.Minute)}
	plan := galen.Decision{
		Run: "a", Number: 2, Plan: galen.Plan{Steps: []galen.Step{step}, Outline: []galen.Step{later, later}, Why: "x"},
		Shown: map[string]string{"db-1": "basis"},
	}
	run := galen.Run{ID: "a", Resource: demo(), Runbook: "fake/heal", Version: 3, Params: []byte(`{"reboots":2}`), Status: galen.RunAsking, Plan: 2}
	with := func(change func(*galen.Run)) galen.Run {
		r := run
		change(&r)
		return r
	}
	yes := galen.Approval{
		Asked: true,
		Run:   "a", Runbook: "fake/heal", Version: 3, Params: galen.HashJSON(run.Params), Plan: 2, By: galen.Operator,
		Steps: []galen.ApprovedStep{{Verb: "failover", Target: "db-1", Count: 2}, {Verb: "reboot", Target: "db-1", Count: 1}},
		Basis: map[string]string{"db-1": "basis"}, At: noon(), Expires: noon().Add(30 * time.Minute),
	}
	basis := galen.HashJSON(plan.Shown)
	empty := yes
	empty.Steps, empty.Basis, empty.Plan = []galen.ApprovedStep{}, map[string]string{}, 0
	reasoned := yes
	reasoned.Why = "I looked"
	held := with(func(r *galen.Run) { r.Status, r.Plan = galen.RunHeld, 0 })
	for _, c := range []struct {
		name, body string
		run        galen.Run
		status     int
		says       string
		want       *galen.Approval
	}{
		{"newest", `{"plan":2}`, run, 200, "", &yes},
		{"with a reason", `{"plan":2,"why":"I looked"}`, run, 200, "", &reasoned},
		{"as it was shown", `{"plan":2,"shown":"` + basis + `"}`, run, 200, "", &yes},
		{"as it was shown, short", `{"plan":2,"shown":"` + basis[:8] + `"}`, run, 200, "", &yes},
		{"as it was before", `{"plan":2,"shown":"` + galen.HashJSON(map[string]string{"db-1": "before"}) + `"}`, run, 409, "the world has changed since", nil},
		{"too short to name it", `{"plan":2,"shown":"` + basis[:7] + `"}`, run, 400, "8 to 64", nil},
		{"nothing to name it", `{"plan":2,"shown":""}`, run, 400, "8 to 64", nil},
		{"shown, but no plan", `{"plan":0,"shown":"` + basis + `"}`, held, 409, "the world has changed since", nil},
		{"older", `{"plan":1}`, run, 409, "plan 2", nil},
		{"newer than any", `{"plan":3}`, run, 409, "plan 2", nil},
		{"no number", `{}`, run, 400, `"plan" is missing`, nil},
		{"text", `{"plan":"2"}`, run, 400, "", nil},
		{"ended", `{"plan":2}`, with(func(r *galen.Run) { r.Status = galen.RunVerified }), 409, "ended as verified", nil},
		{"no plan yet", `{"plan":0}`, with(func(r *galen.Run) { r.Status, r.Plan = galen.RunOpened, 0 }), 409, "no plan yet", nil},
		{"held before its first plan", `{"plan":0}`, held, 200, "", &empty},
		{"not looked after", `{"plan":2}`, with(func(r *galen.Run) { r.Resource.Name = "other" }), 404, "GET /v1/resources", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &engine{runs: map[string]galen.Run{"a": c.run}, plans: map[string]galen.Decision{"a": plan}}
			w := call(t, Handler(e.options()), "POST", "/v1/runs/a/approve", c.body)
			if w.Code != c.status || c.status != 200 && !strings.Contains(complaint(t, w), c.says) {
				t.Fatalf("%d %s, want %d with %q", w.Code, w.Body, c.status, c.says)
			}
			var want []galen.Approval
			if c.want != nil {
				want = append(want, *c.want)
			}
			if diff := cmp.Diff(want, e.approved); diff != "" {
				t.Errorf("approved (-want +got):\n%s", diff)
			}
		})
	}
	e := &engine{runs: map[string]galen.Run{"a": run}, plans: map[string]galen.Decision{"a": plan}}
	w := call(t, Handler(e.options()), "GET", "/v1/runs/a", "")
	if !strings.Contains(w.Body.String(), `"shown":"`+basis+`"`) {
		t.Errorf("the run does not say what was shown: %s", w.Body)
	}
	e = &engine{runs: map[string]galen.Run{"a": run}, plans: map[string]galen.Decision{"a": {Number: 2, Plan: galen.Plan{Wait: 1, Why: "x"}}}}
	if w := call(t, Handler(e.options()), "POST", "/v1/runs/a/approve", `{"plan":2}`); w.Code != 409 || len(e.approved) > 0 {
		t.Errorf("a plan without steps: %d %s", w.Code, w.Body)
	}
}

// TestAYesThatTheModeNeverHearsIsRefused: also where only what must follow may not be done. A run that asks for a yes hears it.
func TestAYesThatTheModeNeverHearsIsRefused(t *testing.T) {
	stop := galen.Decision{Plan: galen.Plan{Steps: make([]galen.Step, 1)}, Classes: []galen.Class{galen.Disruptive, galen.Reversible}}
	prepare := galen.Decision{Plan: galen.Plan{Steps: make([]galen.Step, 1)}, Classes: []galen.Class{galen.Reversible, galen.Destructive}}
	rule := func(class galen.Class, mode galen.Mode) galen.Policy {
		return galen.Policy{Mode: galen.ModeApprove, Modes: []galen.ModeRule{{Class: class, Mode: mode}}}
	}
	for name, c := range map[string]struct {
		d      galen.Decision
		policy galen.Policy
		status galen.RunStatus
		says   string
	}{
		"approve":                  {stop, galen.Policy{Mode: galen.ModeApprove}, galen.RunWaiting, ""},
		"suggest":                  {stop, galen.Policy{Mode: galen.ModeSuggest}, galen.RunWaiting, "mode suggest lets plan 3 of run r1 not be done"},
		"suggest what must follow": {stop, rule(galen.Reversible, galen.ModeObserve), galen.RunHeld, "mode observe"},
		"suggest what may follow":  {prepare, rule(galen.Destructive, galen.ModeSuggest), galen.RunHeld, ""},
		"asks all the same":        {stop, galen.Policy{Mode: galen.ModeSuggest}, galen.RunAsking, ""},
		"no steps":                 {galen.Decision{}, galen.Policy{Mode: galen.ModeSuggest}, galen.RunHeld, ""},
	} {
		err := heard(galen.Run{ID: "r1", Plan: 3, Runbook: "fake/heal", Status: c.status}, c.d, c.policy)
		if (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func TestCreateRun(t *testing.T) {
	const body = `{"runbook":"fake/heal","resource":"fake/demo","params":{"big":9007199254740993}}`
	e := &engine{opened: true}
	h := Handler(e.options())
	keyed := func(key string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/runs", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := keyed("abc-1"); w.Code != 201 || w.Header().Get("Location") != "/v1/runs/r1" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := e.asked[0]; got.Key != "request/abc-1" || string(got.Params) != `{"big":9007199254740993}` || got.Resource != demo() {
		t.Errorf("asked for %+v with %s", got, got.Params)
	}
	if w := call(t, h, "POST", "/v1/runs", `{"runbook":"fake/heal","resource":"fake/demo"}`); w.Code != 201 || string(e.asked[1].Params) != "{}" {
		t.Errorf("without parameters: %d %s, asked with %s", w.Code, w.Body, e.asked[1].Params)
	}
	for _, key := range []string{"a b", "ä", strings.Repeat("a", 129), "../x", "-x"} {
		if w := keyed(key); w.Code != 400 || !strings.Contains(complaint(t, w), "Idempotency-Key") {
			t.Errorf("key %q: %d %s", key, w.Code, w.Body)
		}
	}
	e.asked = nil
	call(t, h, "POST", "/v1/runs", body)
	call(t, h, "POST", "/v1/runs", body)
	if a, b := e.asked[0].Key, e.asked[1].Key; a == b || len(a) < 30 {
		t.Errorf("keys of two calls without one: %q and %q", a, b)
	}
	e.opened = false
	if w := call(t, h, "POST", "/v1/runs", body); w.Code != 200 {
		t.Errorf("open already: %d", w.Code)
	}
	w := call(t, h, "POST", "/v1/runs", `{"runbook":"fake/heal","resource":"fake/demo","plan_only":true}`)
	if got, err := galen.Decode[api.RunAnswer](w.Body.Bytes()); err == nil && (got.Run != nil || got.Plan == nil) || w.Code != 200 {
		t.Errorf("plan only: %d %s", w.Code, w.Body)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	e := &engine{runs: map[string]galen.Run{"a": {ID: "a"}}}
	h := Handler(e.options())
	for path, want := range map[string]string{
		"/v1/runs": `{"runs":[]}`, "/v1/findings": `{"findings":[]}`, "/v1/holds": `{"holds":[]}`, "/v1/journal/events": `{"events":[]}`,
		"/v1/resources": `{"resources":[{"apart":0,"bad":0,"members":0,"mode":"approve","policy":"default","resource":"fake/demo","unknown":0}]}`,
	} {
		if w := call(t, h, "GET", path, ""); strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: %s, want %s", path, w.Body, want)
		}
	}
	w := call(t, h, "GET", "/v1/runs/a", "")
	for _, want := range []string{`"plans":[]`, `"intents":[]`, `"events":[]`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("run: %s lacks %s", w.Body, want)
		}
	}
}

// TestAFindingTellsWhoHasItInHand: the open runs that have one of its targets, and no others.
func TestAFindingTellsWhoHasItInHand(t *testing.T) {
	none, n1, n2 := []galen.Observation{}, []galen.Target{{ID: "n1"}}, []galen.Target{{ID: "n2"}}
	other := galen.Resource{Kind: "fake", Name: "other"}
	e := &engine{
		found: []galen.Finding{{Resource: demo(), Code: "down", Targets: n1, Evidence: none}, {Resource: demo(), Code: "slow", Targets: n2, Evidence: none}},
		standing: []galen.Run{
			{ID: "a", Resource: demo(), Runbook: "fake/heal", Status: galen.RunHeld, Scope: n1},
			{ID: "b", Resource: other, Runbook: "fake/heal", Status: galen.RunHeld, Scope: n2},
		},
	}
	w := call(t, Handler(e.options()), "GET", "/v1/findings", "")
	got, err := galen.Decode[api.FindingList](w.Body.Bytes())
	if err != nil || len(got.Findings) != 2 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	want := [][]api.InHand{{{Run: "a", Runbook: "fake/heal", Status: galen.RunHeld}}, nil}
	for i, f := range got.Findings {
		if diff := cmp.Diff(want[i], f.Runs); diff != "" {
			t.Errorf("%s: %s", f.Code, diff)
		}
	}
	if f := e.filters[0]; !f.OpenOnly {
		t.Errorf("asked for %+v", f)
	}
}

func TestFiltersReachTheJournal(t *testing.T) {
	e := &engine{runs: map[string]galen.Run{"b": {ID: "b"}}, happened: []galen.Event{{Seq: 5}}}
	h := Handler(e.options())
	call(t, h, "GET", "/v1/runs?resource=fake/demo&status=held&open=true&limit=7&cursor=cnVuczpi", "")
	want := RunFilter{Resource: demo(), Status: galen.RunHeld, OpenOnly: true, Limit: 8, Before: "b"}
	if diff := cmp.Diff([]RunFilter{want}, e.filters); diff != "" {
		t.Error(diff)
	}
	call(t, h, "GET", "/v1/journal/events?resource=fake/demo&run=b&after=5&newest=true&limit=9", "")
	if diff := cmp.Diff([]EventFilter{{Resource: demo(), Run: "b", After: 5, Newest: true, Limit: 10}}, e.events[len(e.events)-1:]); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"events", "export"} { // whoever knows an event that is not there knows another journal
		if w := call(t, h, "GET", "/v1/journal/"+path+"?after=6", ""); w.Code != 422 || !strings.Contains(w.Body.String(), "the newest one of this journal is 5") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestHoldsCarryAnID(t *testing.T) {
	e := &engine{members: []galen.Member{{Target: galen.Target{ID: "db-1"}, Name: "db-1"}}}
	h := Handler(e.options())
	w := call(t, h, "POST", "/v1/holds", `{"why":"upgrade","resource":"fake/demo","target":"db-1","until":"2026-11-23T13:00:00+01:00"}`)
	if w.Code != 422 {
		t.Errorf("an end that is now: %d %s", w.Code, w.Body)
	}
	w = call(t, h, "POST", "/v1/holds", `{"why":"upgrade","resource":"fake/demo","target":"db-1","until":"2026-11-23T14:00:00+01:00"}`)
	got, err := galen.Decode[api.Held](w.Body.Bytes())
	if err != nil || w.Code != 201 || got.ID == "" || got.By != galen.Operator || !got.Until.Equal(noon().Add(time.Hour)) {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	w = call(t, h, "POST", "/v1/holds/"+got.ID+"/extend", `{"why":"late","until":"2026-11-23T15:00:00+01:00"}`)
	longer, err := galen.Decode[api.Held](w.Body.Bytes())
	if err != nil || w.Code != 200 || !longer.Until.Equal(noon().Add(2*time.Hour)) || longer.Why != "upgrade" {
		t.Errorf("extend: %d %s %v", w.Code, w.Body, err)
	}
	if w := call(t, h, "POST", "/v1/holds/"+got.ID+"/release", ""); w.Code != 204 {
		t.Errorf("release: %d %s", w.Code, w.Body)
	}
}

// TestHoldsHaveABound: an end that no living person sees is none; clocks that differ, and a day of 25 hours, do not count.
func TestHoldsHaveABound(t *testing.T) {
	e := &engine{holds: []galen.Hold{{ID: "old", Why: "x"}}}
	h := Handler(e.options())
	for _, path := range []string{"/v1/holds", "/v1/holds/old/extend"} {
		for within, is := range map[time.Duration]bool{24 * time.Hour: true, holdLimit: true, holdLimit + time.Hour + time.Second: true, holdLimit + 24*time.Hour: false, 876000 * time.Hour: false} {
			w := call(t, h, "POST", path, fmt.Sprintf(`{"why":"x","until":%q}`, noon().Add(within).Format(time.RFC3339)))
			if is && w.Code >= 300 || !is && (w.Code != http.StatusUnprocessableEntity || !strings.Contains(complaint(t, w), "at most 90 days from now")) {
				t.Errorf("%s for %s: %d %s", path, within, w.Code, w.Body)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	o := (&engine{}).options()
	measures := Measures{
		OpenRuns: []galen.Run{{Status: galen.RunHeld}, {Status: galen.RunHeld}, {Status: galen.RunWaiting}, {Status: galen.RunWaiting, Only: galen.ModeSuggest}},
		Findings: []galen.Finding{{Resource: demo(), Code: "down"}, {Resource: demo(), Code: "down"}, {Resource: demo(), Code: "odd", Note: true}},
		Refused:  map[int]int64{403: 1, 409: 2, 422: 3},
		Holds:    []galen.Hold{{Until: noon().Add(-time.Minute)}, {}}, OpenIntents: map[galen.Resource]int{demo(): 1}, Outbox: 4, Waiting: 9, Armed: true, Faults: 3,
		Alerts: AlertCounts{Stored: 5, Duplicates: 6, Refused: 7, TurnedAway: 8, Pending: 9, Matched: 10, Unmatched: 11}, Strangers: 12,
		Looks: map[galen.Resource]LookCounts{demo(): {Total: 8, Errors: 1, Took: 1500 * time.Millisecond, Within: map[time.Duration]uint64{time.Second / 4: 5, time.Second: 8}}},
	}
	w := call(t, Handler((&engine{}).options()), "GET", "/metrics", "")
	if w.Code != 200 {
		t.Fatalf("without anything: %d %s", w.Code, w.Body)
	}
	o.Measure = func(context.Context) (Measures, error) { return measures, nil }
	w = call(t, Handler(o), "GET", "/metrics", "")
	for _, want := range []string{
		`galen_open_runs{status="held"} 2`, `galen_open_runs{status="asking"} 0`, `galen_open_runs{status="waiting"} 2`, `galen_idle_runs{mode="observe"} 0`, `galen_idle_runs{mode="suggest"} 1`,
		`galen_findings{code="down",note="false",resource="fake/demo"} 2`, `galen_findings{code="odd",note="true",resource="fake/demo"} 1`,
		`galen_holds 2`, `galen_holds_overdue 1`, `galen_open_intents{resource="fake/demo"} 1`, `galen_outbox_depth 4`, `galen_findings_waiting 9`, `galen_armed 1`, `galen_runbooks_at_fault 3`,
		`galen_alerts_total{outcome="stored"} 5`, `galen_alerts_total{outcome="duplicate"} 6`, `galen_alerts_total{outcome="refused"} 7`, `galen_alert_calls_turned_away_total 8`, `galen_alert_calls_of_strangers_total 12`, `galen_alerts_pending 9`,
		`galen_alerts_dealt_with_total{state="matched"} 10`, `galen_alerts_dealt_with_total{state="unmatched"} 11`,
		`galen_looks_total{resource="fake/demo"} 8`, `galen_look_errors_total{resource="fake/demo"} 1`, `galen_look_seconds_sum{resource="fake/demo"} 1.5`,
		`galen_look_seconds_count{resource="fake/demo"} 8`, `galen_look_seconds_bucket{resource="fake/demo",le="0.25"} 5`,
		`galen_calls_refused_total{status="403"} 1`, `galen_calls_refused_total{status="409"} 2`, `galen_calls_refused_total{status="422"} 3`,
		`galen_build_info{version="test"} 1`, `go_goroutines `,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") && !strings.HasSuffix(want, " ") || !strings.Contains(w.Body.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

// TestApproveTellsWhoElse: a yes to what needs two people is answered with who has said it.
func TestApproveTellsWhoElse(t *testing.T) {
	d := galen.Decision{Number: 1, Approvals: 2}
	run := galen.Run{ID: "a", Resource: demo(), Status: galen.RunAsking, Asked: galen.AskedBy("eve")}
	yes := &galen.Approval{By: "ada", Expires: noon().Add(time.Hour), With: []galen.Assent{{By: "eve", Expires: noon().Add(time.Hour)}}}
	got, _ := peopleOf(d, galen.Ledger{Now: noon(), Run: run, Approval: yes})
	want := &api.People{
		Wanted: 2, Said: []string{"ada"}, NotCounted: &[]string{"eve asked for the run"}, Why: ptr(
			"what is destructive needs the yes of 2 people, 1 so far (ada); not counted: eve asked for the run: another person must say yes, and not eve, who asked for the run"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	yes.With = append(yes.With, galen.Assent{By: "bob", Expires: noon().Add(time.Hour)})
	if got, _ := peopleOf(d, galen.Ledger{Now: noon(), Run: run, Approval: yes}); !got.Enough || len(got.Said) != 2 {
		t.Errorf("%+v", got)
	}
	d.Shown, yes.Basis, yes.ID = map[string]string{"db-1": "new", "db-2": "same"}, map[string]string{"db-1": "old", "db-2": "same"}, "yes-1"
	if got, _ := peopleOf(d, galen.Ledger{Now: noon(), Run: run, Approval: yes}); got.Enough || len(got.Said) > 0 || !strings.HasPrefix(*got.Why, "db-1 changed since approval yes-1 was given") {
		t.Errorf("two yeses to what db-1 was: %+v", got)
	}
	working := run
	working.Status = galen.RunRunning // its own steps move db-1
	if got, _ := peopleOf(d, galen.Ledger{Now: noon(), Run: working, Approval: yes}); !got.Enough {
		t.Errorf("at work: %+v", got)
	}
	for name, l := range map[string]galen.Ledger{"ended": {Run: galen.Run{Status: galen.RunCancelled}}} {
		if got, _ := peopleOf(d, l); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	d.Approvals = 0
	if got, _ := peopleOf(d, galen.Ledger{Run: run}); got != nil {
		t.Errorf("nothing destructive: %+v", got)
	}
}

func ptr[T any](v T) *T { return &v }

// TestARunTellsOfItsApproval: by whom, until when and to what, while it stands.
func TestARunTellsOfItsApproval(t *testing.T) {
	yes := galen.Approval{By: "ada", At: noon(), Expires: noon().Add(time.Hour), Why: "seen", Steps: []galen.ApprovedStep{{Verb: "fake/start", Target: "db-2", Count: 2}}}
	open := galen.Run{ID: "a", Status: galen.RunRunning}
	want := &api.StandingApproval{By: "ada", At: noon(), Expires: yes.Expires, Why: ptr("seen"), Steps: yes.Steps}
	two := yes
	two.With = []galen.Assent{{By: "bob", Expires: noon().Add(time.Minute)}, {By: "eve", Expires: noon()}}
	early := &api.StandingApproval{By: "ada", At: noon(), Expires: noon().Add(time.Minute), Why: ptr("seen"), Steps: yes.Steps}
	for name, c := range map[string]struct {
		l    galen.Ledger
		want *api.StandingApproval
	}{
		"stands":  {galen.Ledger{Now: noon(), Run: open, Approval: &yes}, want},
		"two":     {galen.Ledger{Now: noon(), Run: open, Approval: &two}, early},
		"none":    {galen.Ledger{Now: noon(), Run: open}, nil},
		"expired": {galen.Ledger{Now: yes.Expires, Run: open, Approval: &yes}, nil},
		"ended":   {galen.Ledger{Now: noon(), Run: galen.Run{Status: galen.RunVerified}, Approval: &yes}, nil},
	} {
		if diff := cmp.Diff(c.want, standing(c.l)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestARunWithManyEventsSaysSo: what is cut off is told.
func TestARunWithManyEventsSaysSo(t *testing.T) {
	for _, n := range []int{detailEvents, detailEvents + 1} {
		e := &engine{runs: map[string]galen.Run{"r": {ID: "r", Resource: demo(), Status: galen.RunVerified}}, happened: make([]galen.Event, n)}
		w := call(t, Handler(e.options()), "GET", "/v1/runs/r", "")
		got, err := galen.Decode[api.RunDetail](w.Body.Bytes())
		if err != nil || len(got.Events) != detailEvents || (got.More != nil && *got.More) != (n > detailEvents) {
			t.Errorf("%d events: %d of them, more %v, %v", n, len(got.Events), got.More, err)
		}
	}
}
