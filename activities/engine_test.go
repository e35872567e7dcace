package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func billing() galen.Resource { return galen.Resource{Kind: fake.KindName, Name: "billing"} }

// clinic is the engine's activities over a real journal, the real gate and a simulated provider, in virtual time.
type clinic struct {
	*testing.T
	store  *journal.Store
	cloud  *fake.Cloud
	kind   galen.ListedKind
	last   galen.State
	policy galen.Policy
	dark   error  // what every look meets
	after  func() // what happens after every look
	late   func() // and before each row that says where a run stands
	refuse error  // what every call meets
	books  map[string]galen.ListedRunbook
	acts   *activities.Activities
	log    *bytes.Buffer
}

// Look is the port of activities and gate.
func (c *clinic) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
	if c.dark != nil {
		return nil, c.dark
	}
	seen, err := c.kind.Look(ctx, r, scope, open)
	if err != nil {
		return nil, err
	}
	c.last, err = c.kind.Fold(c.last, seen)
	if c.after != nil {
		c.after()
	}
	return c.last, err
}

// Do is the port of the gate.
func (c *clinic) Do(ctx context.Context, in galen.Intent) (string, error) {
	if c.refuse != nil {
		return "", c.refuse
	}
	return c.kind.Do(ctx, in)
}

func newClinic(t *testing.T, mode galen.Mode) *clinic {
	t.Helper()
	c := &clinic{T: t, cloud: fake.NewCloud("billing", 3, noon), policy: galen.SafePolicy(), log: &bytes.Buffer{}}
	c.policy.Mode = mode
	c.cloud.Advance(time.Minute)
	c.kind = galen.ListKind(fake.Kind(), c.cloud)
	heal, tune := galen.ListRunbook(fake.Heal()), galen.ListRunbook(fake.Tune())
	c.books = map[string]galen.ListedRunbook{heal.Name: heal, tune.Name: tune}
	var err error
	c.store, err = journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), journal.Options{Now: c.cloud.Now, NoSync: true})
	c.must(err)
	t.Cleanup(func() {
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	log := slog.New(slog.NewJSONHandler(c.log, nil))
	kinds := map[string]galen.ListedKind{fake.KindName: c.kind}
	policy := func(galen.Resource) galen.Policy { return c.policy }
	door, err := gate.New(gate.Options{
		Journal: c.store, Holds: c.store.Holds, World: c, Kinds: kinds, Runbooks: c.books, Guards: gate.CommonGuards(), Policy: policy, Now: c.cloud.Now,
		Mono: func() time.Duration { return c.cloud.Now().Sub(noon) }, Logger: log,
	})
	c.must(err)
	c.acts = activities.New(activities.Options{
		Journal: c.store, Records: c.store, Runs: lateRows{c.store, c}, World: c, Gate: door, Faults: activities.NewFaults(), Now: c.cloud.Now, Logger: log,
		DecideLimit: time.Minute,
		Catalogue: activities.Catalogue{
			Kinds: kinds, Runbooks: c.books, Policy: policy, Detectors: []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0])},
		},
	})
	return c
}

func (c *clinic) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// close ends a run as its decision says.
func (c *clinic) close(run galen.Run, d activities.Decided) {
	c.Helper()
	in := activities.CloseInput{Run: run.ID, Status: d.Final, Why: d.Why, Margin: d.Margin, Looked: d.Looked}
	if closed, err := c.acts.Close(c.Context(), in); err != nil || closed.Stale {
		c.Fatalf("closed %+v: %+v, %v", in, closed, err)
	}
}

// open opens a run of a runbook on one target, as a person asks for it unless change says otherwise.
func (c *clinic) open(key, runbook, target string, change func(*galen.Run)) galen.Run {
	c.Helper()
	run := galen.Run{
		Key: key, Resource: billing(), Runbook: runbook, Version: 1, Scope: []galen.Target{{ID: target, Generation: 1}},
		Asked: "person ada", Urgency: galen.Medium, Deadline: c.cloud.Now().Add(6 * time.Hour),
	}
	if change != nil {
		change(&run)
	}
	run, _, err := c.store.OpenRun(c.Context(), run)
	c.must(err)
	return run
}

func (c *clinic) run(id string) galen.Run {
	c.Helper()
	run, err := c.store.Run(c.Context(), id)
	c.must(err)
	return run
}

func (c *clinic) ledger(run galen.Run) galen.Ledger {
	c.Helper()
	led, err := c.store.Ledger(c.Context(), run.ID)
	c.must(err)
	return led
}

// decide lets time pass, decides, and fails the test unless the run stands as wanted afterwards.
func (c *clinic) decide(run galen.Run, after time.Duration, want galen.RunStatus, why string) activities.Decided {
	c.Helper()
	c.cloud.Advance(after)
	d, err := c.acts.Decide(c.Context(), activities.DecideInput{Run: run.ID})
	c.must(err)
	if got := c.run(run.ID); got.Status != want || !strings.Contains(got.Why, why) {
		c.Fatalf("the run is %s (%s), want %s with %q", got.Status, got.Why, want, why)
	}
	return d
}

// act does the first step of a decision, which must be sent.
func (c *clinic) act(run galen.Run, d activities.Decided) {
	c.Helper()
	if d.Steps != 1 {
		c.Fatalf("%d steps to do, want 1: %+v", d.Steps, d)
	}
	got, err := c.acts.Act(c.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
	c.must(err)
	if !got.Sent {
		c.Fatalf("not sent: %+v, the run: %+v", got, c.run(run.ID))
	}
}

// approve is a person's yes to the newest plan.
func (c *clinic) approve(run galen.Run) {
	c.Helper()
	d, err := c.store.Plan(c.Context(), run.ID, c.run(run.ID).Plan)
	c.must(err)
	c.must(c.store.Approve(c.Context(), galen.Approval{
		Run: run.ID, Runbook: run.Runbook, Version: run.Version, Params: galen.HashJSON(run.Params), Steps: galen.ApprovedSteps(d.Plan),
		Basis: d.Shown, Grounds: d.Grounds, By: "ada", Expires: c.cloud.Now().Add(c.policy.ApprovalFor.D()),
	}))
}

func (c *clinic) calls() int {
	accepted, _ := c.cloud.Accepted()
	n := 0
	for _, times := range accepted {
		n += times
	}
	return n
}

func TestWhatThisEngineDoesNotKnowIsHeld(t *testing.T) {
	for name, k := range map[string]struct {
		change func(*galen.Run)
		want   string
	}{
		"version": {func(r *galen.Run) { r.Version = 7 }, "version 7, this engine has version 1"},
		"runbook": {func(r *galen.Run) { r.Runbook = "fake/strange" }, `does not know the runbook "fake/strange"`},
		"kind":    {func(r *galen.Run) { r.Resource.Kind = "strange" }, `does not know the kind "strange"`},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t, galen.ModeAct)
			run := c.open("k", "fake/heal", "db-1", k.change)
			for range 2 {
				if d := c.decide(run, 0, galen.RunHeld, k.want); d.Steps != 0 || d.Wait != c.policy.Fallback || d.Done {
					t.Errorf("decided %+v", d)
				}
			}
			events, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventHeld})
			if err != nil || len(events) != 1 {
				t.Errorf("paged %d times, %v", len(events), err)
			}
		})
	}
}

func TestARunbookThatPanicsDecidesNoMore(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	asked := 0
	c.books["fake/panics"] = galen.ListedRunbook{
		Name: "fake/panics", Version: 1,
		Decide: func(galen.Situation[galen.State, json.RawMessage]) (galen.Plan, error) {
			asked++
			panic("index out of range")
		},
	}
	first, second := c.open("a", "fake/panics", "db-1", nil), c.open("b", "fake/panics", "db-2", nil)
	c.decide(first, 0, galen.RunHeld, "panicked: index out of range")
	c.decide(second, 0, galen.RunHeld, "is at fault, and decides no more in this engine until it is mended and restarted: runbook fake/panics panicked")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	other := c.open("c", "fake/heal", "db-3", nil)
	if d := c.decide(other, 0, galen.RunWaiting, "all instances serve"); !d.Done {
		t.Errorf("another runbook is hindered: %+v", d)
	}
}

func TestAnAlertThatNothingConfirms(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "", func(r *galen.Run) { r.Asked, r.Scope = galen.AskedAlert+" 4711", nil })
	if d := c.decide(run, time.Minute, galen.RunWaiting, "nothing confirms the alert yet; looks on until"); d.Done || d.Wait != c.policy.LookSoon {
		t.Errorf("decided %+v", d)
	}
	d := c.decide(run, c.policy.ConfirmFor.D(), galen.RunWaiting, "nothing confirmed the alert within 5m")
	if !d.Done || d.Final != galen.RunNotConfirmed || c.calls() != 0 {
		t.Fatalf("decided %+v after %d calls", d, c.calls())
	}
	c.close(run, d)
	if got, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); err != nil || !got.Ended {
		t.Errorf("after its end: %+v, %v", got, err)
	}
}

// TestAnAlertThatNobodyCanConfirmOrRefute waits past its time for as long as nobody can say how its member is, and is a run like any other
// when it is heard again.
func TestAnAlertThatNobodyCanConfirmOrRefute(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "", func(r *galen.Run) {
		r.Key = galen.Finding{Resource: billing(), Code: fake.CodeUnavailable, Domain: "billing/zone-b"}.Key()
		r.Asked, r.Scope = galen.AskedAlert+" 4711", []galen.Target{{ID: "db-2"}}
	})
	everybody := []string{"api", "probe", "db-1", "db-2", "db-3"}
	c.decide(run, 0, galen.RunWaiting, "nothing confirms the alert yet")
	for _, observer := range everybody {
		c.cloud.Silence(observer, true)
	}
	c.cloud.Crash("db-2", false)
	for range 3 {
		if d := c.decide(run, c.policy.ConfirmFor.D(), galen.RunWaiting, "can be neither confirmed nor refuted: nobody can say how it is with db-2"); d.Done || d.Wait != c.policy.LookSoon {
			t.Errorf("decided %+v", d)
		}
	}
	for _, observer := range everybody {
		c.cloud.Silence(observer, false)
	}
	c.decide(run, fake.APILag, galen.RunWaiting, "")
	c.decide(run, c.policy.DownFor.D()+c.policy.RestartAfter.D(), galen.RunRunning, "a reboot is the cheapest cure")
}

// TestAPersonEndsAnAlertThatNothingConfirms: a no holds its run, whatever time passes, and a cancel ends it at the next look.
func TestAPersonEndsAnAlertThatNothingConfirms(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "", func(r *galen.Run) { r.Asked, r.Scope = galen.AskedAlert+" 4711", nil })
	c.decide(run, time.Second, galen.RunWaiting, "nothing confirms the alert yet")
	c.must(c.store.Reject(t.Context(), run.ID, "ada", "a drill"))
	for range 2 {
		if d := c.decide(run, c.policy.ConfirmFor.D(), galen.RunHeld, "rejected by ada: a drill"); d.Done || d.Steps != 0 || d.Wait != c.policy.Fallback {
			t.Errorf("decided %+v", d)
		}
	}
	c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
	d := c.decide(run, time.Second, galen.RunWaiting, "cancelled before anything confirmed the alert: nothing was done")
	if !d.Done || d.Final != galen.RunCancelled || d.Looks != 1 || d.HoldFor != 0 || c.calls() != 0 {
		t.Errorf("decided %+v after %d calls", d, c.calls())
	}
}

// TestAnAlertThatAStateConfirms: it is a run like any other from then on.
func TestAnAlertThatAStateConfirms(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "", func(r *galen.Run) {
		r.Key = galen.Finding{Resource: billing(), Code: fake.CodeUnavailable, Domain: "billing/zone-b"}.Key()
		r.Asked, r.Scope = galen.AskedAlert+" 4711", nil
	})
	c.decide(run, 0, galen.RunWaiting, "nothing confirms the alert yet")
	c.cloud.Crash("db-2", false)
	c.decide(run, fake.APILag, galen.RunWaiting, "nothing confirms the alert yet")
	c.decide(run, c.policy.DownFor.D(), galen.RunWaiting, "db-2 may come back by itself")
	d := c.decide(run, c.policy.RestartAfter.D(), galen.RunRunning, "a reboot is the cheapest cure")
	c.act(run, d)
	c.decide(run, 5*time.Second, galen.RunWaiting, "waiting for the effect of reboot")
	if d := c.decide(run, time.Minute, galen.RunWaiting, "all instances serve"); !d.Done || d.Final != galen.RunVerified || c.calls() != 1 {
		t.Errorf("decided %+v after %d calls", d, c.calls())
	}
}

func TestBlindnessWaitsUntilTheDeadline(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "db-1", nil)
	c.dark = errors.New("nobody answers")
	if d := c.decide(run, 0, galen.RunWaiting, "cannot see the resource: look at fake/billing: nobody answers"); d.Steps != 0 || d.Done || d.Wait != c.policy.LookSoon {
		t.Errorf("decided %+v", d)
	}
	if _, err := c.acts.Preview(t.Context(), c.ledger(run)); !errors.Is(err, c.dark) {
		t.Errorf("plan mode: %v", err)
	}
	c.must(c.store.SetRun(t.Context(), run.ID, galen.RunAsking, "may I?", time.Time{}))
	c.decide(run, time.Second, galen.RunAsking, "may I?") // a question to a person stays asked
	c.decide(run, 6*time.Hour, galen.RunHeld, "past its deadline, and blind")
}

// TestAYesFromTheQuestionToTheUndo: a run in mode approve asks once; its own effect does not void the yes, and what it
// set is brought back.
func TestAYesFromTheQuestionToTheUndo(t *testing.T) {
	c := newClinic(t, galen.ModeApprove)
	run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
	if d := c.decide(run, 0, galen.RunAsking, "approved"); d.Steps != 0 || c.calls() != 0 {
		t.Fatalf("acts before a yes: %+v, %d calls", d, c.calls())
	}
	c.approve(run)
	c.act(run, c.decide(run, time.Second, galen.RunRunning, "owe the old value"))
	debts, err := galen.Debts(c.ledger(run).Facts)
	if err != nil || len(debts) != 1 || !strings.Contains(string(debts[0].Step.Args), "4MB") {
		t.Fatalf("owes %+v, %v; want the old value", debts, err)
	}
	before := c.ledger(run).Approval.Basis["db-2"]
	c.decide(run, time.Minute, galen.RunWaiting, "work_mem stays 8MB")
	yes := c.ledger(run).Approval
	if yes == nil || yes.Basis["db-2"] == before || yes.Basis["db-2"] != c.last.Basis(galen.Target{ID: "db-2"}) {
		t.Fatalf("the yes is not re-based by the run's own effect: %+v", yes)
	}
	c.act(run, c.decide(run, 10*time.Minute, galen.RunRunning, "the old value comes back"))
	d := c.decide(run, time.Minute, galen.RunWaiting, "the old one is back")
	if !d.Done || d.Final != galen.RunVerified || c.calls() != 2 {
		t.Errorf("decided %+v after %d calls", d, c.calls())
	}
	led := c.ledger(run)
	if debts, err := galen.Debts(led.Facts); err != nil || len(debts) != 0 {
		t.Errorf("still owes %+v, %v", debts, err)
	}
	if n := len(led.Past); n != 2 || led.Past[1].Undoes != led.Past[0].ID {
		t.Errorf("%d intents, the last undoes %q", n, led.Past[n-1].Undoes)
	}
}

// TestTheStoryTellsTheMargin: each decision, each settled effect and the end say what the resource had to spare.
func TestTheStoryTellsTheMargin(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
	const margin = "2 to spare: 3 of 3 instances are well, 1 needed"
	c.act(run, c.decide(run, 0, galen.RunRunning, "owe the old value"))
	c.decide(run, time.Minute, galen.RunWaiting, "work_mem stays 8MB")
	c.act(run, c.decide(run, 10*time.Minute, galen.RunRunning, "the old value comes back"))
	d := c.decide(run, time.Minute, galen.RunWaiting, "the old one is back")
	c.close(run, d)
	if got := c.run(run.ID).Why; !strings.HasSuffix(got, "; "+margin) {
		t.Errorf("ended with %q", got)
	}
	events, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Limit: 100})
	c.must(err)
	told := map[galen.EventKind]int{}
	for _, e := range events {
		if strings.Contains(string(e.Body), `"margin":"`+margin+`"`) || e.Kind == galen.EventEnded && strings.Contains(string(e.Body), margin) {
			told[e.Kind]++
		}
	}
	if told[galen.EventDecided] < 4 || told[galen.EventSettled] != 2 || told[galen.EventEnded] != 1 {
		t.Errorf("the margin is told by %v", told)
	}
}

// TestAYesToAnotherWorldIsVoid: somebody else changed the target after it was shown.
func TestAYesToAnotherWorldIsVoid(t *testing.T) {
	c := newClinic(t, galen.ModeApprove)
	run := c.open("k", "fake/tune", "db-2", nil)
	c.decide(run, 0, galen.RunAsking, "")
	c.approve(run)
	i, _ := c.last.(fake.Cluster).Instance("db-2")
	byHand := galen.Intent{ID: "by-hand", Resource: billing(), Step: fake.Set(i, "work_mem", "16MB", "somebody else")}
	if _, err := c.cloud.Do(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	c.decide(run, time.Minute, galen.RunAsking, `Settings of db-2: {"max_connections":"100","work_mem":"4MB"}, now {"max_connections":"100","work_mem":"16MB"}`)
	if c.calls() != 1 {
		t.Errorf("%d calls, want only the stranger's", c.calls())
	}
	if yes := c.ledger(run).Approval; yes != nil {
		t.Errorf("it stands: %+v", yes)
	}
	byHand.ID, byHand.Step = "by-hand-again", fake.Set(i, "work_mem", "4MB", "somebody else") // as it was shown
	if _, err := c.cloud.Do(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	if d := c.decide(run, time.Minute, galen.RunAsking, "nobody has approved"); d.Steps != 0 {
		t.Errorf("goes on by a yes that it asked anew for: %+v", d)
	}
	events, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventVoided})
	c.must(err)
	if len(events) != 1 || !strings.Contains(string(events[0].Body), "16MB") {
		t.Errorf("told by %d events: %+v", len(events), events)
	}
}

// TestAYesThatStands: one that has expired, one without steps, and one that lets a run go on past its deadline were ended by nothing that moved.
func TestAYesThatStands(t *testing.T) {
	change := func(c *clinic) {
		i, _ := c.last.(fake.Cluster).Instance("db-2")
		if _, err := c.cloud.Do(t.Context(), galen.Intent{ID: "by-hand", Resource: billing(), Step: fake.Set(i, "work_mem", "16MB", "somebody else")}); err != nil {
			t.Fatal(err)
		}
	}
	for name, play := range map[string]func(c *clinic, run galen.Run){
		"expired": func(c *clinic, run galen.Run) {
			c.approve(run)
			c.decide(run, c.policy.ApprovalFor.D()+time.Second, galen.RunAsking, "expired at")
		},
		"past its deadline": func(c *clinic, run galen.Run) {
			c.decide(run, 7*time.Hour, galen.RunHeld, "past its deadline")
			c.approve(run)
			change(c)
			c.decide(run, time.Minute, galen.RunAsking, "has changed since")
			c.decide(run, time.Minute, galen.RunAsking, "has changed since")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t, galen.ModeApprove)
			run := c.open("k", "fake/tune", "db-2", nil)
			c.decide(run, 0, galen.RunAsking, "")
			play(c, run)
			events, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventVoided})
			c.must(err)
			if len(events) > 0 {
				t.Errorf("voided: %s", events[0].Body)
			}
		})
	}
}

func TestAHeldRunGoesOnByANewYesOnly(t *testing.T) {
	c := newClinic(t, galen.ModeApprove)
	run := c.open("k", "fake/tune", "db-2", nil)
	c.decide(run, 0, galen.RunAsking, "")
	c.approve(run)
	c.must(c.store.SetRun(t.Context(), run.ID, galen.RunHeld, "its workflow was terminated", time.Time{}))
	if d := c.decide(run, time.Second, galen.RunHeld, "its workflow was terminated"); d.Steps != 0 {
		t.Fatalf("goes on by the yes of before: %+v", d)
	}
	c.approve(run)
	c.act(run, c.decide(run, time.Second, galen.RunRunning, "owe the old value"))
}

// planned stores a plan with one step as decided, whatever the guards would say.
func (c *clinic) planned(run galen.Run, s galen.Step) galen.Decision {
	c.Helper()
	d, err := c.store.Decide(c.Context(), galen.Decision{
		Run: run.ID, Plan: galen.Plan{Steps: []galen.Step{s}, Why: "a test"}, Status: galen.RunRunning, Why: "a test",
	}, nil)
	c.must(err)
	return d
}

func TestWhatTheGateRefuses(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/tune", "db-2", nil)
	if _, err := c.Look(t.Context(), billing(), nil, nil); err != nil {
		t.Fatal(err)
	}
	i, _ := c.last.(fake.Cluster).Instance("db-2")
	d := c.planned(run, fake.Set(i, "work_mem", "8MB", "a test"))
	c.must(c.store.SetHold(t.Context(), galen.Hold{ID: "h", Why: "freeze", By: "ada", Until: time.Now().Add(240 * time.Hour)}))
	got, err := c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number})
	if err != nil || got.Sent || got.Refused || got.Wait != c.policy.LookSoon { // it does not use up the deadline of its step
		t.Errorf("under a hold: %+v, %v", got, err)
	}
	if status := c.run(run.ID).Status; status != galen.RunRunning {
		t.Errorf("a refusal that may pass leaves the run %s", status)
	}
	c.must(c.store.Release(t.Context(), "h", "ada"))
	stranger, _ := c.last.(fake.Cluster).Instance("db-3")
	d = c.planned(run, fake.Set(stranger, "work_mem", "8MB", "not its business"))
	got, err = c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number})
	if err != nil || got.Sent || got.Refused {
		t.Errorf("out of scope: %+v, %v", got, err)
	}
	if held := c.run(run.ID); held.Status != galen.RunHeld || !strings.Contains(held.Why, "the gate denied set db-3") {
		t.Errorf("after a denial the run is %s: %s", held.Status, held.Why)
	}
	if _, err := c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number, Index: 1}); err == nil {
		t.Error("a step that the plan does not have")
	}
	if c.calls() != 0 {
		t.Errorf("%d calls", c.calls())
	}
}

// TestARunbookLearnsOfAYes: what it has given up it may try again, and it knows from when on.
func TestARunbookLearnsOfAYes(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	c.books["fake/again"] = galen.ListRunbook(galen.Runbook[fake.Cluster, struct{}]{
		Name: "fake/again", Version: 1,
		Decide: func(s galen.Situation[fake.Cluster, struct{}]) galen.Plan {
			if s.LastYes.IsZero() {
				return galen.Plan{End: galen.EndEscalate, Why: "given up"}
			}
			return galen.Plan{Wait: s.Policy.LookSoon, Why: "tries again since " + s.LastYes.UTC().Format(time.TimeOnly)}
		},
	})
	run := c.open("k", "fake/again", "db-1", nil)
	for range 2 {
		c.decide(run, time.Second, galen.RunHeld, "given up")
	}
	at := c.cloud.Now()
	c.approve(run)
	c.decide(run, time.Hour, galen.RunWaiting, "tries again since "+at.Format(time.TimeOnly))
}

func TestARunThatIsUnknownIsNotRetried(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	_, decided := c.acts.Decide(t.Context(), activities.DecideInput{Run: "nobody"})
	_, acted := c.acts.Act(t.Context(), activities.ActInput{Run: "nobody", Plan: 1})
	_, closed := c.acts.Close(t.Context(), activities.CloseInput{Run: "nobody", Status: galen.RunVerified, Why: "x"})
	for name, err := range map[string]error{"decide": decided, "act": acted, "close": closed} {
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || app.Type() != activities.ErrTypeNoRun || !app.NonRetryable() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPreviewStoresNothing: plan mode is the same thinking.
func TestPreviewStoresNothing(t *testing.T) {
	c := newClinic(t, galen.ModeApprove)
	led, err := c.store.Preview(t.Context(), galen.Run{
		Key: "preview", Resource: billing(), Runbook: "fake/tune", Version: 1, Scope: []galen.Target{{ID: "db-2", Generation: 1}},
		Asked: "person ada", Deadline: c.cloud.Now().Add(time.Hour),
	})
	c.must(err)
	d, err := c.acts.Preview(t.Context(), led.ReadBetween(c.cloud.Now(), c.cloud.Now()))
	if err != nil || d.Status != galen.RunAsking || len(d.Plan.Steps) != 1 || len(d.Plan.Outline) != 1 || len(d.Verdicts) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	asks := slices.ContainsFunc(d.Verdicts[0], func(v galen.Verdict) bool { return v.Answer == galen.NeedYes })
	runs, err := c.store.Runs(t.Context(), journal.RunFilter{})
	if err != nil || len(runs) != 0 || !asks || c.calls() != 0 {
		t.Errorf("%d runs, %v; %+v", len(runs), err, d.Verdicts)
	}
}
