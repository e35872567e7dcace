package gate_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
)

var (
	noon    = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	billing = galen.Resource{Kind: fake.KindName, Name: "billing"}
)

// hospital is the gate on a real journal before a simulated provider.
type hospital struct {
	*testing.T
	store *journal.Store
	cloud *fake.Cloud
	kind  galen.ListedKind
	last  galen.State
	gate  *gate.Gate
}

func (h *hospital) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
	seen, err := h.kind.Look(ctx, r, scope, open)
	if err != nil {
		return nil, err
	}
	h.last, err = h.kind.Fold(h.last, seen)
	return h.last, err
}

func (h *hospital) Do(ctx context.Context, in galen.Intent) (string, error) {
	return h.kind.Do(ctx, in)
}

func newHospital(t *testing.T, mode galen.Mode) *hospital {
	t.Helper()
	h := &hospital{T: t, cloud: fake.NewCloud("billing", 3, noon)}
	h.kind = galen.ListKind(fake.Kind(), galen.Driver[fake.Cluster](h.cloud))
	var err error
	h.store, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{Now: h.cloud.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	policy := galen.SafePolicy()
	policy.Mode = mode
	h.gate, err = gate.New(gate.Options{
		Journal: h.store, Holds: h.store.Holds, World: h, Kinds: map[string]galen.ListedKind{fake.KindName: h.kind}, Guards: gate.CommonGuards(),
		Runbooks: map[string]galen.ListedRunbook{"fake/tune": {Name: "fake/tune", Version: 1}},
		Policy:   func(galen.Resource) galen.Policy { return policy }, Now: h.cloud.Now,
		Mono: func() time.Duration { return h.cloud.Now().Sub(noon) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hospital) open(key, target string) galen.Run {
	h.Helper()
	run, _, err := h.store.OpenRun(h.Context(), galen.Run{
		Key: key, Resource: billing, Runbook: "fake/tune", Version: 1, Scope: []galen.Target{{ID: target, Generation: 1}}, Asked: "person ada",
		Created: h.cloud.Now(), Deadline: h.cloud.Now().Add(time.Hour),
	})
	if err != nil {
		h.Fatal(err)
	}
	return run
}

func (h *hospital) decide(run galen.Run, s galen.Step) galen.Decision {
	h.Helper()
	p := galen.Plan{Steps: []galen.Step{s}, Why: "a test"}
	d, err := h.store.Decide(h.Context(), galen.Decision{Run: run.ID, At: h.cloud.Now(), Plan: p, Hash: p.Hash(), Status: galen.RunRunning, Why: "a test"}, nil)
	if err != nil {
		h.Fatal(err)
	}
	return d
}

// act decides one step and does it.
func (h *hospital) act(run galen.Run, s galen.Step) gate.Result {
	h.Helper()
	d := h.decide(run, s)
	got, err := h.gate.Act(h.Context(), gate.Request{Run: run.ID, Plan: d.Number, Step: s})
	if err != nil {
		h.Fatal(err)
	}
	return got
}

// settle lets the provider work, looks, and writes what became of the run's intents.
func (h *hospital) settle(run galen.Run) {
	h.Helper()
	h.cloud.Advance(time.Minute)
	l, err := h.store.Ledger(h.Context(), run.ID)
	if err != nil {
		h.Fatal(err)
	}
	s, err := h.Look(h.Context(), billing, nil, l.Open)
	if err != nil {
		h.Fatal(err)
	}
	for _, in := range l.Open {
		in.Effect = galen.SettleEffect(h.kind.Verbs[in.Step.Verb], s, in, h.cloud.Now())
		if in.Effect.Status != galen.EffectDone {
			h.Fatalf("%s is %s: %s", in.Step, in.Effect.Status, in.Effect.Why)
		}
		change := galen.Settlement{Intent: in.ID, Effect: in.Effect, Facts: append(h.kind.Verbs[in.Step.Verb].Facts(s, in, galen.SafePolicy()), galen.Paid(in)...)}
		if err := h.store.Settle(h.Context(), in.Run, []galen.Settlement{change}); err != nil {
			h.Fatal(err)
		}
	}
}

func (h *hospital) instance(id string) fake.Instance {
	h.Helper()
	if _, err := h.Look(h.Context(), billing, nil, nil); err != nil {
		h.Fatal(err)
	}
	i, known := h.last.(fake.Cluster).Instance(id)
	if !known {
		h.Fatalf("no instance %s", id)
	}
	return i
}

// TestADebtOutlivesItsRun: a run sets a value and dies; until its undo is paid no other run changes the setting, and
// whoever pays needs no more than the journal.
func TestADebtOutlivesItsRun(t *testing.T) {
	h := newHospital(t, galen.ModeAct)
	first, second := h.open("first", "db-2"), h.open("second", "db-2")
	set := fake.Set(h.instance("db-2"), "work_mem", "8MB", "a test")
	if got := h.act(first, set); got.Answer != gate.Sent {
		t.Fatalf("set: %+v", got)
	}
	if got := h.act(first, set); got.Answer != gate.Refused {
		t.Errorf("while its effect is unknown: %+v", got)
	}
	h.settle(first)
	if err := h.store.SetRun(t.Context(), first.ID, galen.RunCancelled, "a test", time.Time{}); err != nil {
		t.Fatal(err)
	}
	again := fake.Set(h.instance("db-2"), "work_mem", "16MB", "a test")
	if got := h.act(second, again); got.Answer != gate.Refused || gate.Worst(got.Verdicts).Guard != "undo owed" {
		t.Errorf("another value before the old one is back: %+v", got)
	}
	l, err := h.store.Ledger(t.Context(), second.ID)
	if err != nil {
		t.Fatal(err)
	}
	debts, err := galen.Debts(l.Facts)
	if err != nil || len(debts) != 1 {
		t.Fatalf("debts %+v, %v", debts, err)
	}
	if got := h.act(second, debts[0].Step); got.Answer != gate.Sent || got.Intent.Undoes != debts[0].Intent {
		t.Fatalf("pay: %+v", got)
	}
	h.settle(second)
	if got := h.instance("db-2").Settings["work_mem"]; got != "4MB" {
		t.Errorf("work_mem is %s", got)
	}
	if got := h.act(second, again); got.Answer != gate.Sent {
		t.Errorf("after it is paid: %+v", got)
	}
	if accepted, repeats := h.cloud.Accepted(); len(accepted) != 3 || repeats != 0 {
		t.Errorf("accepted %v, %d repeats", accepted, repeats)
	}
}

// TestAYesIsGoodForWhatWasShown: an approval lets its step through once, and the moving world makes the next one void.
func TestAYesIsGoodForWhatWasShown(t *testing.T) {
	h := newHospital(t, galen.ModeApprove)
	run := h.open("one", "db-2")
	reboot := fake.Reboot(h.instance("db-2"), "a test")
	approve := func(s galen.Step) {
		t.Helper()
		err := h.store.Approve(t.Context(), galen.Approval{
			Run: run.ID, Runbook: run.Runbook, Version: run.Version, Params: galen.HashJSON(run.Params), By: "ada", At: h.cloud.Now(),
			Steps: galen.ApprovedSteps(galen.Plan{Steps: []galen.Step{s}}), Expires: h.cloud.Now().Add(time.Hour),
			Basis: map[string]string{s.Target.ID: h.last.Basis(galen.Target{ID: s.Target.ID})},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := h.act(run, reboot); got.Answer != gate.Ask {
		t.Fatalf("without a yes: %+v", got)
	}
	approve(reboot)
	if got := h.act(run, reboot); got.Answer != gate.Sent {
		t.Fatalf("with a yes: %+v", got)
	}
	h.settle(run)
	reboot = fake.Reboot(h.instance("db-2"), "a test")
	if got := h.act(run, reboot); got.Answer != gate.Ask {
		t.Errorf("a yes is for one time: %+v", got)
	}
	approve(reboot)
	h.cloud.Crash("db-2", false)
	h.cloud.Advance(fake.APILag)
	if got := h.act(run, reboot); got.Answer != gate.Ask || gate.Worst(got.Verdicts).Guard != "approval" {
		t.Errorf("the world has moved: %+v", got)
	}
	if l, err := h.store.Ledger(t.Context(), run.ID); err != nil || l.Approval != nil {
		t.Errorf("the approval should be void: %+v, %v", l.Approval, err)
	}
}

// TestACancelReachesTheGate: a plan that was made before the cancel is not begun after it.
func TestACancelReachesTheGate(t *testing.T) {
	h := newHospital(t, galen.ModeAct)
	run := h.open("one", "db-2")
	s := fake.Reboot(h.instance("db-2"), "a test")
	d := h.decide(run, s)
	if err := h.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"); err != nil {
		t.Fatal(err)
	}
	got, err := h.gate.Act(t.Context(), gate.Request{Run: run.ID, Plan: d.Number, Step: s})
	if err != nil || got.Answer != gate.Refused || !strings.Contains(got.Why, "asked to cancel") {
		t.Errorf("%+v, %v", got, err)
	}
	if accepted, _ := h.cloud.Accepted(); len(accepted) != 0 {
		t.Errorf("accepted %v", accepted)
	}
	if got := h.act(run, s); got.Answer != gate.Sent {
		t.Errorf("the same plan, made knowing of the cancel: %+v", got)
	}
}

// TestALateYesOpensTheDeadline: an overdue run is held, and a person lets it go on.
func TestALateYesOpensTheDeadline(t *testing.T) {
	h := newHospital(t, galen.ModeAct)
	run := h.open("one", "db-2")
	h.cloud.Advance(2 * time.Hour)
	s := fake.Reboot(h.instance("db-2"), "a test")
	if got := h.act(run, s); got.Answer != gate.Denied || gate.Worst(got.Verdicts).Guard != "I-26 deadline" {
		t.Fatalf("overdue: %+v", got)
	}
	if err := h.store.SetRun(t.Context(), run.ID, galen.RunHeld, "overdue", time.Time{}); err != nil {
		t.Fatal(err)
	}
	err := h.store.Approve(t.Context(), galen.Approval{Run: run.ID, Runbook: run.Runbook, Version: run.Version, By: "ada", Expires: h.cloud.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.act(run, s); got.Answer != gate.Sent {
		t.Errorf("approved since: %+v", got)
	}
}
