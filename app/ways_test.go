package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

const waysConfig = `
data: set by the test
resources:
  - {resource: fake/demo, labels: {cluster: demo}, setup: {}}
alerts:
  - {alertname: DatabaseDown, code: instance-unavailable, member_label: instance}
`

func demoDB() galen.Resource { return galen.Resource{Kind: "fake", Name: "demo"} }

// engineWithoutTemporal has everything that the ways in need: a real journal, and a fake kind that was looked at.
func engineWithoutTemporal(t *testing.T) *Engine {
	t.Helper()
	c, err := config.Parse([]byte(waysConfig))
	if err != nil {
		t.Fatal(err)
	}
	c.Data = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	tune := fake.Tune()
	tune.Scope = func(c fake.Cluster, p fake.TuneParams) []galen.Target {
		if p.Setting == "nowhere" {
			return nil
		}
		return []galen.Target{c.Instances[0].Target()}
	}
	books := []galen.ListedRunbook{galen.ListRunbook(fake.Heal()), galen.ListRunbook(tune)}
	e := &Engine{o: Options{Config: c, Logger: log, Version: "test", Catalogue: Catalogue{Runbooks: books}}, started: time.Now(), fatal: make(chan error, 1)}
	e.opened = opened{
		kinds:    e.looks.counted(map[string]galen.ListedKind{"fake": galen.ListKind(fake.Kind(), fake.NewCloud("demo", 3, time.Now()))}),
		runbooks: map[string]galen.ListedRunbook{books[0].Name: books[0], books[1].Name: books[1]},
	}
	if e.journal, err = journal.Open(t.Context(), filepath.Join(c.Data, JournalFile), journal.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	e.stops = append(e.stops, e.journal.Close)
	e.reach = newPulse(func(context.Context) error { return nil })
	e.world = watch.NewWorld(e.opened.kinds, e.journal, log)
	e.tally = newTally(e.journal, e.opened, nil)
	e.runs = &runs{journal: e.journal, Opener: watch.Opener{
		Runbooks: books, Inbox: talliedInbox{e.journal, e.tally, nil}, Policy: c.Policy, Last: e.world.Last, Now: time.Now, Logger: log,
	}}
	door, err := gate.New(gate.Options{
		Journal: e.journal, Holds: e.journal.Holds, World: e.world, Kinds: e.opened.kinds, Runbooks: e.opened.runbooks, Policy: c.Policy, Guards: gate.CommonGuards(), Now: time.Now,
		Mono: func() time.Duration { return time.Since(e.started) }, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.gate, e.faults = door, activities.NewFaults()
	e.acts = activities.New(activities.Options{
		Journal: talliedDecisions{e.journal, e.tally}, Records: e.journal, Runs: talliedRuns{e.journal, e.tally}, World: e.world, Gate: talliedGate{door, e.tally}, Faults: e.faults, Now: time.Now, Logger: log,
		Catalogue: activities.Catalogue{Kinds: e.opened.kinds, Runbooks: e.opened.runbooks, Policy: c.Policy},
	})
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *Engine) lookOnce(t *testing.T) {
	t.Helper()
	if _, err := e.world.Look(t.Context(), demoDB(), nil, nil); err != nil {
		t.Fatal(err)
	}
}

// doorOf is the door of an engine.
func doorOf(t *testing.T, e *Engine) door {
	t.Helper()
	d, err := e.door()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// served opens the ways of an engine and returns the generated client.
func served(t *testing.T, e *Engine) *api.ClientWithResponses {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.ways(l, doorOf(t, e))
	token, err := os.ReadFile(filepath.Join(e.o.Config.Data, TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	client, err := api.NewClientWithResponses("http://"+l.Addr().String(), api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// want fails the test unless the answer has the status and, if it is not empty, the text.
func want(t *testing.T, what string, err error, got *http.Response, body []byte, status int, text string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got.StatusCode != status || !strings.Contains(string(body), text) {
		t.Fatalf("%s: %d %s, want %d with %q", what, got.StatusCode, body, status, text)
	}
}

func (e *Engine) eventCount(t *testing.T) int {
	t.Helper()
	events, err := e.journal.Events(t.Context(), journal.EventFilter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestReading(t *testing.T) {
	e := engineWithoutTemporal(t)
	c, ctx := served(t, e), t.Context()
	list, err := c.ListResourcesWithResponse(ctx, nil)
	want(t, "resources before a look", err, list.HTTPResponse, list.Body, 200, `"members":0`)
	e.lookOnce(t)
	list, err = c.ListResourcesWithResponse(ctx, nil)
	want(t, "resources", err, list.HTTPResponse, list.Body, 200, `"members":3`)
	one, err := c.GetResourceWithResponse(ctx, "fake", "demo")
	want(t, "resource", err, one.HTTPResponse, one.Body, 200, `"mode":"approve"`)
	if len(one.JSON200.Members) != 3 || one.JSON200.Resource.Seen == nil {
		t.Errorf("resource: %+v", one.JSON200)
	}
	one, err = c.GetResourceWithResponse(ctx, "fake", "other")
	want(t, "unknown resource", err, one.HTTPResponse, one.Body, 404, "GET /v1/resources")
	books, err := c.ListRunbooksWithResponse(ctx, nil)
	want(t, "runbooks", err, books.HTTPResponse, books.Body, 200, `"reboots":1`)
	want(t, "runbooks", err, books.HTTPResponse, books.Body, 200, `"by_hand":true,"heals":[],"name":"fake/tune"`)
	e.faults.Put("fake/tune", "it panicked")
	books, err = c.ListRunbooksWithResponse(ctx, nil)
	want(t, "a runbook at fault", err, books.HTTPResponse, books.Body, 200, `"by_hand":true,"fault":"it panicked","heals":[],"name":"fake/tune"`)
	if _, _, err := e.journal.SaveFindings(ctx, demoDB(), []galen.Finding{{
		Resource: demoDB(), Code: fake.CodeUnavailable, Domain: "demo/z", Targets: []galen.Target{{ID: "db-1"}}, Evidence: []galen.Observation{},
	}}); err != nil {
		t.Fatal(err)
	}
	findings, err := c.ListFindingsWithResponse(ctx, nil)
	want(t, "findings", err, findings.HTTPResponse, findings.Body, 200, "instance-unavailable")
	status, err := c.GetStatusWithResponse(ctx)
	want(t, "status", err, status.HTTPResponse, status.Body, 200, `"findings":1`)
	metrics, err := c.GetMetricsWithResponse(ctx)
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_findings{code="instance-unavailable",note="false",resource="fake/demo"} 1`)
	want(t, "faults", err, metrics.HTTPResponse, metrics.Body, 200, "\ngalen_runbooks_at_fault 1\n")
	want(t, "looks", err, metrics.HTTPResponse, metrics.Body, 200, `galen_looks_total{resource="fake/demo"} 1`)
	spec, err := c.GetSpecWithResponse(ctx)
	want(t, "spec", err, spec.HTTPResponse, spec.Body, 200, "openapi: 3.0.3")
	health, err := c.GetHealthWithResponse(ctx)
	want(t, "health", err, health.HTTPResponse, health.Body, 200, `"ok":true`)
}

func (e *Engine) openKeyed(t *testing.T, c *api.ClientWithResponses, key string, params map[string]any) *api.CreateRunResponse {
	t.Helper()
	got, err := c.CreateRunWithResponse(t.Context(), &api.CreateRunParams{IdempotencyKey: &key}, api.RunRequest{
		Runbook: "fake/tune", Resource: "fake/demo", Params: &params,
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestIdempotencyKey(t *testing.T) {
	e := engineWithoutTemporal(t)
	c, ctx := served(t, e), t.Context()
	params := map[string]any{"value": "60"}
	got := e.openKeyed(t, c, "k1", params)
	want(t, "before the first look", nil, got.HTTPResponse, got.Body, 422, "has not been seen yet")
	e.lookOnce(t)
	got = e.openKeyed(t, c, "k1", params)
	want(t, "first", nil, got.HTTPResponse, got.Body, 201, "request:fake/demo/k1")
	run := *got.JSON201.Run
	if run.Asked != "person operator" || len(run.Scope) != 1 || !strings.Contains(string(run.Params), `"setting":"max_connections"`) {
		t.Errorf("run %+v with %s", run, run.Params)
	}
	got = e.openKeyed(t, c, "k1", map[string]any{"value": "60", "setting": "max_connections"})
	want(t, "again, defaults written out", nil, got.HTTPResponse, got.Body, 200, run.ID)
	got = e.openKeyed(t, c, "k1", map[string]any{"value": "70"})
	want(t, "other contents", nil, got.HTTPResponse, got.Body, 409, "take a new key")
	if err := e.journal.SetRun(ctx, run.ID, galen.RunCancelled, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	got = e.openKeyed(t, c, "k1", params)
	want(t, "after its end", nil, got.HTTPResponse, got.Body, 200, run.ID)
	got = e.openKeyed(t, c, "k2", params)
	want(t, "another key", nil, got.HTTPResponse, got.Body, 201, "request:fake/demo/k2")
	got = e.openKeyed(t, c, "k3", params)
	want(t, "beside an open one", nil, got.HTTPResponse, got.Body, 409, "is already at it, and is opened: look at it with galen runs show")
	got = e.openKeyed(t, c, "k3", map[string]any{"setting": "nowhere"})
	want(t, "no such target", nil, got.HTTPResponse, got.Body, 404, "its members are db-1")
	for _, bad := range []struct{ runbook, params, says string }{
		{"fake/nothing", `{}`, "galen runbooks lists them"}, {"fake/heal", `{}`, "started by findings only"},
		{"fake/tune", `{"colour":"red"}`, "unknown field"}, {"fake/tune", `{"value":7}`, "value: want text"},
	} {
		body := fmt.Sprintf(`{"runbook":%q,"resource":"fake/demo","params":%s}`, bad.runbook, bad.params)
		w, err := c.CreateRunWithBodyWithResponse(ctx, nil, "application/json", strings.NewReader(body))
		want(t, body, err, w.HTTPResponse, w.Body, 422, bad.says)
	}
	runs, err := c.ListRunsWithResponse(ctx, nil)
	want(t, "list", err, runs.HTTPResponse, runs.Body, 200, run.ID)
	if len(runs.JSON200.Runs) != 2 {
		t.Errorf("%d runs", len(runs.JSON200.Runs))
	}
}

// TestAnIdempotencyKeyIsItsResources: a key that opened a run of another resource tells nothing of it and does nothing to it; one that an
// earlier release stored is found.
func TestAnIdempotencyKeyIsItsResources(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	c := served(t, e)
	first := e.openKeyed(t, c, "mine", map[string]any{}).JSON201.Run
	if err := e.journal.SetRun(t.Context(), first.ID, galen.RunCancelled, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	stored := func(key string, r galen.Resource) galen.Run {
		run := galen.Run{Key: key, Resource: r, Runbook: "fake/tune", Version: 1, Params: first.Params, Asked: "x", Deadline: time.Now()}
		run, _, err := e.journal.OpenRun(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	old := stored("request/before", demoDB())
	got := e.openKeyed(t, c, "before", map[string]any{})
	want(t, "of an earlier release", nil, got.HTTPResponse, got.Body, 200, old.ID)
	if err := e.journal.SetRun(t.Context(), old.ID, galen.RunCancelled, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	other := stored("request/theirs", galen.Resource{Kind: "fake", Name: "other"})
	got = e.openKeyed(t, c, "theirs", map[string]any{})
	want(t, "another's", nil, got.HTTPResponse, got.Body, 201, "fake/demo")
	if strings.Contains(string(got.Body), other.ID) {
		t.Errorf("tells another's run: %s", got.Body)
	}
	if n, err := e.journal.Duplicates(t.Context(), other.ID); err != nil || n != 0 {
		t.Errorf("the other's run was asked for %d times more, %v", n, err)
	}
	same := galen.Run{Key: other.Key, Resource: demoDB(), Runbook: "fake/tune", Version: 1, Asked: "x", Deadline: time.Now()}
	if run, _, err := e.journal.OpenRun(t.Context(), same); err == nil || run.ID != "" || strings.Contains(err.Error(), other.ID) {
		t.Errorf("the journal tells %v, %v", run, err)
	}
}

// TestAnOldIdempotencyKey: a key is remembered however many runs came after it.
func TestAnOldIdempotencyKey(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	c := served(t, e)
	first := e.openKeyed(t, c, "k", map[string]any{}).JSON201.Run
	if err := e.journal.SetRun(t.Context(), first.ID, galen.RunCancelled, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			later := galen.Run{Key: fmt.Sprint("later-", i), Resource: demoDB(), Runbook: "fake/tune", Version: 1, Asked: "x", Deadline: time.Now()}
			if _, _, err := e.journal.OpenRun(t.Context(), later); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := e.openKeyed(t, c, "k", map[string]any{})
	want(t, "again", nil, got.HTTPResponse, got.Body, 200, first.ID)
}

func TestPlanOnlyStoresNothing(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	c := served(t, e)
	before := e.eventCount(t)
	only := true
	got, err := c.CreateRunWithResponse(t.Context(), nil, api.RunRequest{Runbook: "fake/tune", Resource: "fake/demo", PlanOnly: &only})
	want(t, "plan", err, got.HTTPResponse, got.Body, 200, `"verb":"set"`)
	plan := got.JSON200.Plan
	if got.JSON200.Run != nil || len(plan.Plan.Steps) == 0 || len(plan.Verdicts) != len(plan.Plan.Steps)+len(plan.Plan.Outline) || len(plan.Verdicts[0]) == 0 {
		t.Errorf("plan: %s", got.Body)
	}
	runs, err := e.journal.Runs(t.Context(), journal.RunFilter{})
	if after := e.eventCount(t); err != nil || after != before || len(runs) != 0 {
		t.Errorf("%d events more, %d runs, %v", after-before, len(runs), err)
	}
}

// askingRun is a run that asks for a yes to a reboot.
func (e *Engine) askingRun(t *testing.T) galen.Run {
	t.Helper()
	run, _, err := e.journal.OpenRun(t.Context(), galen.Run{
		Key: "fake/demo/x/y", Resource: demoDB(), Runbook: "fake/heal", Version: 1, Params: json.RawMessage(`{"reboots":1}`), Asked: "detector x",
		Deadline: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.decide(t, run.ID, "reboot")
	return run
}

func (e *Engine) decide(t *testing.T, run, verb string) {
	t.Helper()
	step := galen.Step{Verb: verb, Target: galen.Target{ID: "db-1"}, Within: galen.Duration(time.Minute), Why: "x"}
	if _, err := e.journal.Decide(t.Context(), galen.Decision{
		Run: run, Plan: galen.Plan{Steps: []galen.Step{step}, Why: "x"}, Shown: map[string]string{"db-1": "basis"}, Status: galen.RunAsking, Why: "x",
	}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestApproveRejectCancel(t *testing.T) {
	e := engineWithoutTemporal(t)
	c, ctx := served(t, e), t.Context()
	run := e.askingRun(t)
	e.decide(t, run.ID, "failover")
	why := "looked at it"
	old, err := c.ApproveRunWithResponse(ctx, run.ID, api.Approve{Plan: 1})
	want(t, "approve the plan before", err, old.HTTPResponse, old.Body, 409, "plan 2")
	yes, err := c.ApproveRunWithResponse(ctx, run.ID, api.Approve{Plan: 2, Why: &why})
	want(t, "approve", err, yes.HTTPResponse, yes.Body, 200, run.ID)
	led, err := e.journal.Ledger(ctx, run.ID)
	if err != nil || led.Approval == nil {
		t.Fatalf("%v, approval %v", err, led.Approval)
	}
	step := galen.Step{Verb: "failover", Target: galen.Target{ID: "db-1"}}
	if err := led.Approval.Covers(led.Run, step, []string{step.Target.ID}, led.Past, led.Now); err != nil || led.Approval.By != "operator" || led.Approval.Why != why {
		t.Errorf("%+v: %v", led.Approval, err)
	}
	if left := led.Approval.Expires.Sub(led.Now); left < 29*time.Minute || left > 31*time.Minute {
		t.Errorf("the yes is valid for %s", left)
	}
	no, err := c.RejectRunWithResponse(ctx, run.ID, api.Reason{Why: "not now"})
	want(t, "reject", err, no.HTTPResponse, no.Body, 200, "rejected by operator: not now")
	cancel, err := c.CancelRunWithResponse(ctx, run.ID, api.Reason{Why: "wrong cluster"})
	want(t, "cancel", err, cancel.HTTPResponse, cancel.Body, 200, `"stop":"cancel"`)
	detail, err := c.GetRunWithResponse(ctx, run.ID, nil)
	want(t, "detail", err, detail.HTTPResponse, detail.Body, 200, "wrong cluster")
	if len(detail.JSON200.Plans) != 2 || len(detail.JSON200.Intents) != 0 || len(detail.JSON200.Events) < 6 {
		t.Errorf("detail: %s", detail.Body)
	}
	told, err := e.journal.Events(ctx, journal.EventFilter{Run: run.ID, Kind: galen.EventStop})
	if err != nil || len(told) != 1 || !strings.Contains(string(told[0].Body), "wrong cluster") {
		t.Errorf("told of the cancel: %+v, %v", told, err)
	}
	if err := e.journal.SetRun(ctx, run.ID, galen.RunCancelled, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	cancel, err = c.CancelRunWithResponse(ctx, run.ID, api.Reason{Why: "again"})
	want(t, "cancel what ended", err, cancel.HTTPResponse, cancel.Body, 409, "ended as cancelled")
}

func TestApproveLetsAHeldRunGoOn(t *testing.T) {
	e := engineWithoutTemporal(t)
	ctx := t.Context()
	run := e.askingRun(t)
	if err := e.journal.SetRun(ctx, run.ID, galen.RunHeld, "x", time.Time{}); err != nil {
		t.Fatal(err)
	}
	p := people{e}
	err := p.Approve(ctx, galen.Approval{
		Run: run.ID, By: "operator", Steps: []galen.ApprovedStep{}, Basis: map[string]string{}, Expires: time.Now().Add(time.Minute),
	})
	got, readErr := e.journal.Run(ctx, run.ID)
	if err := errors.Join(err, readErr); err != nil || got.Status != galen.RunRunning {
		t.Errorf("%s, %v", got.Status, err)
	}
	outbox, err := e.journal.Outbox(ctx, 100)
	if err != nil || len(outbox) == 0 || outbox[len(outbox)-1].Kind != journal.OutboxWake {
		t.Errorf("nobody woke it: %v %v", outbox, err)
	}
}

func TestHolds(t *testing.T) {
	e := engineWithoutTemporal(t)
	c, ctx := served(t, e), t.Context()
	resource := "fake/demo"
	set, err := c.SetHoldWithResponse(ctx, api.HoldRequest{Why: "upgrade", Resource: &resource, Until: time.Now().Add(time.Hour)})
	want(t, "set", err, set.HTTPResponse, set.Body, 201, "upgrade")
	all, err := c.ListHoldsWithResponse(ctx, nil)
	want(t, "list", err, all.HTTPResponse, all.Body, 200, set.JSON201.ID)
	gone, err := c.ReleaseHoldWithResponse(ctx, set.JSON201.ID)
	want(t, "release", err, gone.HTTPResponse, gone.Body, 204, "")
	gone, err = c.ReleaseHoldWithResponse(ctx, set.JSON201.ID)
	want(t, "release again", err, gone.HTTPResponse, gone.Body, 409, "released already")
	after := int64(1)
	events, err := c.ListEventsWithResponse(ctx, &api.ListEventsParams{After: &after})
	want(t, "events", err, events.HTTPResponse, events.Body, 200, `"kind":"release"`)
	if len(events.JSON200.Events) != 1 || events.JSON200.Events[0].By != "operator" {
		t.Errorf("events %s", events.Body)
	}
}

// asNode is a State in which a member goes by another name than the instance under it.
type asNode struct{ galen.State }

func (s asNode) Members() []galen.Member {
	out := s.State.Members()
	out[0].Target.ID, out[0].Instance = "host-1", "instance/1"
	return out
}

// TestAnAcknowledgementCountsUnderAllNames: what was treated as an empty instance is a node by now, and a person knows it by either.
func TestAnAcknowledgementCountsUnderAllNames(t *testing.T) {
	e := engineWithoutTemporal(t)
	kind := e.opened.kinds["fake"]
	look := kind.Look
	kind.Look = func(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
		state, err := look(ctx, r, scope, open)
		return asNode{state}, err
	}
	kind.Fold = func(_, seen galen.State) (galen.State, error) { return seen, nil }
	e.world = watch.NewWorld(map[string]galen.ListedKind{"fake": kind}, e.journal, e.o.Logger)
	e.lookOnce(t)
	for id, want := range map[string][]string{"host-1": {"host-1", "instance/1"}, "instance/1": {"host-1", "instance/1"}, "gone": {"gone"}} {
		if err := (people{e}).Acknowledge(t.Context(), demoDB(), id, "ann"); err != nil {
			t.Fatal(err)
		}
		events, err := e.journal.Events(t.Context(), journal.EventFilter{Kind: galen.EventAck, Newest: true, Limit: 1})
		if err != nil || len(events) != 1 {
			t.Fatalf("%+v, %v", events, err)
		}
		var told struct{ Cites map[string]string }
		err = json.Unmarshal(events[0].Body, &told)
		for i, name := range want {
			want[i] = "ack/" + demoDB().String() + "/" + name
		}
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(told.Cites)), want) {
			t.Errorf("%s: %s, %v; want %s", id, events[0].Body, err, want)
		}
	}
}
