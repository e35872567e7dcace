package activities

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// clinic is an engine's surroundings in memory: journal, records, world and gate of one run.
type clinic struct {
	ledger  galen.Ledger
	state   galen.State
	lookErr error
	// errs are the errors of the journal's methods by name.
	errs    map[string]error
	decided []galen.Decision
	settled map[string][]galen.Settlement
	set     []string
	events  []galen.Event
	// verdict of the gate; zero: it allows.
	verdict galen.Verdict
	stops   []string
	plan    galen.Plan // that is stored
	others  map[string]galen.Run
}

func (c *clinic) Run(_ context.Context, id string) (galen.Run, error) {
	if other, is := c.others[id]; is {
		return other, nil
	}
	return c.ledger.Run, c.errs["run"]
}

func (c *clinic) Stop(_ context.Context, id, stop, by, _ string) error {
	c.stops = append(c.stops, id+" "+stop+" "+by)
	return c.errs["stop"]
}

func (c *clinic) Resume(_ context.Context, id, _ string) error {
	c.stops = append(c.stops, id+" resume")
	c.ledger.Run.Stop, c.ledger.Run.StopBy = "", ""
	return c.errs["resume"]
}

func (c *clinic) SetRun(_ context.Context, _ string, status galen.RunStatus, why string, _ time.Time) error {
	if err := c.errs["set"]; err != nil {
		return err
	}
	c.ledger.Run.Status = status
	c.set = append(c.set, string(status)+": "+why)
	return nil
}

func (c *clinic) HoldRun(ctx context.Context, id, why string, _ galen.Standing) error {
	return c.SetRun(ctx, id, galen.RunHeld, why, time.Time{})
}

func (c *clinic) VerifyRun(ctx context.Context, id, why string, _ time.Time) error {
	return c.SetRun(ctx, id, galen.RunVerified, why, time.Time{})
}

func (c *clinic) Ledger(context.Context, string) (galen.Ledger, error) {
	return c.ledger, c.errs["ledger"]
}

func (c *clinic) Decide(_ context.Context, d galen.Decision, _ []byte) (galen.Decision, error) {
	c.decided = append(c.decided, d)
	return d, c.errs["decide"]
}

func (c *clinic) Settle(_ context.Context, run string, changes []galen.Settlement) error {
	if c.settled == nil {
		c.settled = map[string][]galen.Settlement{}
	}
	c.settled[run] = append(c.settled[run], changes...)
	return c.errs["settle"]
}

func (c *clinic) Plan(context.Context, string, int) (galen.Decision, error) {
	return galen.Decision{Plan: c.plan}, c.errs["plan"]
}

func (c *clinic) Vitals(context.Context, galen.Resource, time.Time) ([]galen.Sample, error) {
	return nil, c.errs["vitals"]
}

func (c *clinic) Append(_ context.Context, e galen.Event) error {
	if err := c.errs["append"]; err != nil {
		return err
	}
	c.events = append(c.events, e)
	return nil
}

func (c *clinic) Look(context.Context, galen.Resource, []galen.Target, []galen.Intent) (galen.State, error) {
	return c.state, c.lookErr
}

func (c *clinic) Act(context.Context, gate.Request) (gate.Result, error) {
	if c.verdict.Guard == "" {
		return gate.Result{}, errors.New("nobody acts here")
	}
	return gate.Result{Answer: gate.Refused, Why: c.verdict.Why, Verdicts: []galen.Verdict{c.verdict}}, nil
}

func (c *clinic) Preview(galen.World[galen.State], galen.Ledger, galen.Step) []galen.Verdict {
	if c.verdict.Guard != "" {
		return []galen.Verdict{c.verdict}
	}
	return []galen.Verdict{{Guard: "g", Answer: galen.Allow}}
}

func (c *clinic) Foresee(w galen.World[galen.State], l galen.Ledger, s galen.Step) []galen.Verdict {
	return c.Preview(w, l, s)
}

func (c *clinic) ClockStep(galen.Policy) time.Duration { return 0 }

// beds is a plain State whose members' bases differ.
type beds struct{ plain }

func (b beds) Basis(scope ...galen.Target) string {
	if len(scope) == 0 {
		return "all"
	}
	return "now " + scope[0].ID
}

func kindWith(effect func(galen.State, galen.Intent) galen.Effect) galen.ListedKind {
	margin := func(galen.State, []galen.Intent, galen.Policy) string { return "" }
	return galen.ListedKind{Name: "fake", Margin: margin, Verbs: map[string]galen.Verb[galen.State]{"start": {
		Name: "start", Class: galen.Reversible, Effect: effect, Check: func(galen.State, galen.Step) error { return nil },
		Facts: func(galen.State, galen.Intent, galen.Policy) []galen.Fact { return nil },
		Claims: func(_ galen.State, s galen.Step) []galen.Claim {
			return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}, {Name: "node/instance/n4"}}
		},
	}}}
}

func done(galen.State, galen.Intent) galen.Effect { return galen.Effect{Status: galen.EffectDone} }

// ward is a clinic with a run on n1 and an intent of another run on n2.
func ward() *clinic {
	spare := galen.Member{Target: galen.Target{ID: "n9"}, Instance: "instance/n4"}
	first := member("n1", true, galen.Peer)
	first.Instance = "instance/n1"
	s := step()
	return &clinic{
		state: beds{plain{first, member("n2", false, galen.Peer), spare}}, errs: map[string]error{},
		ledger: galen.Ledger{
			Now: night,
			Run: galen.Run{
				ID: "r1", Resource: galen.Resource{Kind: "fake", Name: "a"}, Runbook: "fake/book", Version: 1, Status: galen.RunRunning,
				Stop: galen.StopYield, Deadline: night.Add(time.Hour), Scope: []galen.Target{{ID: "n1"}},
			},
			Approval: &galen.Approval{ID: "y"},
			Open:     []galen.Intent{{ID: "i1", Run: "r2", Step: s, At: night, Effect: galen.Effect{Status: galen.EffectUnknown}}},
		},
	}
}

func (c *clinic) engine(kind galen.ListedKind, decide func(situation) (galen.Plan, error), detectors ...galen.Detector[galen.State]) *Activities {
	return New(Options{
		Journal: c, Records: c, Runs: c, World: c, Gate: c, Faults: NewFaults(), Now: func() time.Time { return night },
		DecideLimit: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Catalogue: Catalogue{
			Kinds: map[string]galen.ListedKind{"fake": kind}, Runbooks: map[string]galen.ListedRunbook{"fake/book": book(decide)},
			Detectors: detectors, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() },
		},
	})
}

func waits(situation) (galen.Plan, error) {
	return galen.Plan{Wait: galen.Duration(time.Second), Why: "w"}, nil
}

func TestDecideTellsWhatItHadRead(t *testing.T) {
	c := ward()
	a := c.engine(kindWith(done), waits)
	if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
		t.Fatal(err)
	}
	want := galen.Standing{Status: galen.RunRunning, Stop: galen.StopYield, Approval: "y", At: night}
	if len(c.decided) != 1 || c.decided[0].Was == nil || *c.decided[0].Was != want {
		t.Errorf("decided %+v, want it to rest on %+v", c.decided, want)
	}
	c.errs["decide"] = galen.ErrMoved
	if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); !errors.Is(err, galen.ErrMoved) {
		t.Errorf("a person acted meanwhile, and the activity says %v: it must be tried again", err)
	}
}

// TestASettlementRebasesWhatItConcerns: the intent's target and what it claims, under all their names, and nothing else.
func TestASettlementRebasesWhatItConcerns(t *testing.T) {
	c := ward()
	if _, err := c.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
		t.Fatal(err)
	}
	got := c.settled["r2"]
	want := map[string]string{"n1": "now n1", "instance/n1": "now instance/n1", "n9": "now n9", "instance/n4": "now instance/n4"}
	if len(got) != 1 || got[0].Effect.Status != galen.EffectDone || !maps.Equal(got[0].Basis, want) {
		t.Errorf("settled %+v, want the basis %v", got, want)
	}
}

// TestOnlyALookIsBlind: trouble of the journal is tried again, and is no news of the resource.
func TestOnlyALookIsBlind(t *testing.T) {
	for _, method := range []string{"run", "ledger", "settle", "vitals", "decide"} {
		c := ward()
		c.errs[method] = errors.New("disk full")
		if _, err := c.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"}); err == nil || len(c.set) != 0 {
			t.Errorf("%s failed: %v, and the run was set to %q", method, err, c.set)
		}
	}
	c := ward()
	c.lookErr = errors.New("no route")
	a := c.engine(kindWith(done), waits)
	if d, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil || !d.Unseen || len(c.set) != 1 || !strings.HasPrefix(c.set[0], "waiting: cannot see the resource") {
		t.Errorf("%+v, %v, the run was set to %q", d, err, c.set)
	}
	for past, want := range map[int]string{0: "cancelled: cancelled; no effect of it is open", 1: "waiting: cannot see the resource"} {
		gone := ward()
		gone.lookErr, gone.ledger.Run.Stop = errors.New("it is not configured here"), galen.StopCancel
		gone.ledger.Past = make([]galen.Intent, past)
		if d, err := gone.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil || len(gone.set) != 1 || !strings.HasPrefix(gone.set[0], want) || d.Ended != (past == 0) {
			t.Errorf("cancelled, and blind, after %d calls: %+v, %v, the run was set to %q, want %q", past, d, err, gone.set, want)
		}
	}
	left := ward()
	left.ledger.Run.Stop = galen.StopCancel // its kind would still see something
	left.ledger.Past = []galen.Intent{{Step: galen.Step{Verb: "stop", Target: galen.Target{ID: "n1"}}, Effect: galen.Effect{Status: galen.EffectDone}}}
	b := left.engine(kindWith(done), waits)
	b.o.Catalogue.Gone = func(galen.Resource) bool { return true }
	if d, err := b.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil || !d.Ended || len(left.set) != 1 || !strings.HasSuffix(left.set[0], "what it did stays as it is: stop n1") {
		t.Errorf("cancelled on a resource that nobody looks after: %+v, %v, the run was set to %q", d, err, left.set)
	}
	old := ward()
	b = old.engine(kindWith(done), waits)
	b.o.Catalogue.Outdated = func(counts string) string { return "another configuration counts: " + counts }
	old.ledger.Configuration = "newer"
	if d, err := b.Decide(t.Context(), DecideInput{Run: "r1"}); err == nil || !strings.Contains(err.Error(), "another configuration counts: newer") || len(old.set) != 0 {
		t.Errorf("by a configuration that does not count: %+v, %v, the run was set to %q", d, err, old.set)
	}
	c.errs["set"] = galen.ErrHeld
	if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
		t.Errorf("a person held the run during the look: %v", err)
	}
}

func TestAPanicHoldsTheRun(t *testing.T) {
	panics := func(galen.State, galen.Intent) galen.Effect { panic("boom") }
	detector := galen.Detector[galen.State]{Name: "clumsy", Detect: func(time.Time, galen.State, galen.Policy) []galen.Finding { panic("boom") }}
	for _, c := range []struct {
		name       string
		engine     func(*clinic) *Activities
		want       string
		quarantine int
	}{
		{"effect", func(c *clinic) *Activities { return c.engine(kindWith(panics), waits) }, "verb start, or the margin of its kind, panicked on the effect of intent i1: boom", 0},
		{"margin", func(c *clinic) *Activities {
			kind := kindWith(done)
			kind.Margin = func(galen.State, []galen.Intent, galen.Policy) string { panic("boom") }
			return c.engine(kind, waits)
		}, "the margin of its kind, panicked on the effect of intent i1: boom", 0},
		{"detector", func(c *clinic) *Activities { return c.engine(kindWith(done), waits, detector) }, "detector clumsy: boom", 0},
		{"runbook", func(c *clinic) *Activities {
			return c.engine(kindWith(done), func(situation) (galen.Plan, error) { panic("boom") })
		}, "runbook fake/book panicked: boom", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ward()
			w.ledger.Open[0].Run = "r1"
			a := c.engine(w)
			for range 2 {
				if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
					t.Fatal(err)
				}
			}
			if len(w.set) != 1 || !strings.HasPrefix(w.set[0], "held: ") || !strings.Contains(w.set[0], c.want) {
				t.Errorf("the run was set to %q, want held once by %q", w.set, c.want)
			}
			if len(w.events) != c.quarantine {
				t.Fatalf("%d events, want %d", len(w.events), c.quarantine)
			}
			for _, e := range w.events {
				if e.Kind != galen.EventFault || e.Run != "r1" || !strings.Contains(string(e.Body), `"runbook":"fake/book"`) || !strings.Contains(string(e.Body), "boom") {
					t.Errorf("the event is %+v: %s", e, e.Body)
				}
			}
		})
	}
}

// TestAPanicOnAnEffectIsOfOneRun: the effects of the other intents settle, and the other runs go on.
func TestAPanicOnAnEffectIsOfOneRun(t *testing.T) {
	kind := kindWith(func(_ galen.State, in galen.Intent) galen.Effect {
		if in.Run == "r2" {
			panic("boom")
		}
		return galen.Effect{Status: galen.EffectDone}
	})
	w := ward()
	for _, run := range []string{"r1", "r3"} {
		w.ledger.Open = append(w.ledger.Open, galen.Intent{ID: "of-" + run, Run: run, Step: step(), At: night, Effect: galen.Effect{Status: galen.EffectUnknown}})
	}
	if _, err := w.engine(kind, waits).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil || len(w.set) > 0 || len(w.decided) != 1 {
		t.Errorf("%v, the run was set to %q, decided %d times: for an intent of another run", err, w.set, len(w.decided))
	}
	if len(w.settled) != 2 || len(w.settled["r1"]) != 1 || len(w.settled["r3"]) != 1 {
		t.Errorf("settled %+v, want one intent of r1 and one of r3", w.settled)
	}
	w.settled, w.ledger.Run.ID = nil, "r2"
	if _, err := w.engine(kind, waits).Decide(t.Context(), DecideInput{Run: "r2"}); err != nil || len(w.set) != 1 || !strings.Contains(w.set[0], "panicked on the effect of intent i1: boom") {
		t.Errorf("%v, its own run was set to %q, want held", err, w.set)
	}
	if len(w.settled) != 2 {
		t.Errorf("settled %+v by the run that is held, want the others' all the same", w.settled)
	}
}

// TestAnotherRunThatIsNotFoundEndsNoWorkflow: only of a run that is itself unknown is the workflow over.
func TestAnotherRunThatIsNotFoundEndsNoWorkflow(t *testing.T) {
	for run, over := range map[string]bool{"r1": true, "r2": false} {
		w := ward()
		w.ledger.Open[0].Run, w.errs["settle"] = run, galen.ErrNotFound
		_, err := w.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"})
		var app *temporal.ApplicationError
		if err == nil || errors.As(err, &app) != over {
			t.Errorf("the row of %s is not found, and run r1 says %v: its workflow is over: want %t", run, err, over)
		}
	}
}

// TestAFaultIsToldInTheEnd: when the journal fails, the retry finds the fault again and tells it.
func TestAFaultIsToldInTheEnd(t *testing.T) {
	c := ward()
	a := c.engine(kindWith(done), func(situation) (galen.Plan, error) { panic("boom") })
	c.errs["append"] = errors.New("disk full")
	if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err == nil {
		t.Error("the event was not written, and nothing said so")
	}
	c.errs["append"] = nil
	if _, err := a.Decide(t.Context(), DecideInput{Run: "r1"}); err != nil || len(c.events) != 1 {
		t.Errorf("%v, %d events", err, len(c.events))
	}
}

// TestASituationIsACopy: what a runbook writes into its lists is not there the second time.
func TestASituationIsACopy(t *testing.T) {
	th := thinking(galen.Plan{}, func(t *thought) {
		t.vitals = []galen.Sample{{Name: "load"}}
		in := galen.Intent{ID: "i1", Class: galen.Reversible}
		t.ledger.Past, t.ledger.Open = []galen.Intent{in}, []galen.Intent{in}
		t.finding = &galen.Finding{Code: "down", Targets: []galen.Target{{ID: "n1"}}, Evidence: []galen.Observation{{Observer: "n2"}}}
	})
	first, err := galen.Canonical(th.situation())
	if err != nil {
		t.Fatal(err)
	}
	s := th.situation()
	s.Past[0].ID, s.Open[0].ID, s.Scope[0].ID, s.Vitals[0].Name = "x", "x", "x", "x"
	s.Finding.Code, s.Finding.Targets[0].ID, s.Finding.Evidence[0].Observer = "x", "x", "x"
	s.Facts["x"] = galen.Fact{}
	if second, err := galen.Canonical(th.situation()); err != nil || string(second) != string(first) {
		t.Errorf("the second situation shows what was written into the first: %v\n%s\n%s", err, first, second)
	}
}
