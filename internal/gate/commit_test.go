package gate

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

// TestWhatTheTransactionWrites holds every field of a commit: each is a promise of the journal's.
func TestWhatTheTransactionWrites(t *testing.T) {
	r := newRig()
	s := withUndo(step("tune", "bed-1"), step("tune", "bed-1"))
	s.Args, s.Undo.Args = json.RawMessage("2"), json.RawMessage("1")
	r.desk.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-2"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
	r.policy.ReleasePerSecond = 7
	r.desk.reading = func() { r.desk.ledger.Now = r.clock.wall }
	now := noon.Add(3 * time.Second)
	looked := r.street.ward
	r.street.ward = func() ward {
		w := looked()
		r.clock.advance(3 * time.Second) // the look takes a while
		return w
	}
	o := r.options()
	o.Kinds = kinds()
	tune := o.Kinds["ward"].Verbs["tune"]
	tune.Facts = func(_ galen.State, in galen.Intent, _ galen.Policy) []galen.Fact {
		return []galen.Fact{{Key: "tuned/" + in.ID, Value: json.RawMessage(`true`)}}
	}
	o.Kinds["ward"].Verbs["tune"] = tune
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: s})
	if err != nil || got.Answer != Sent || len(r.desk.commits) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	w := newWard()
	w.Looked = noon
	undo, err := json.Marshal(s.Undo)
	if err != nil {
		t.Fatal(err)
	}
	in := galen.Intent{
		ID: "run-a-2", Run: "run-a", Resource: wards, Step: s, Also: []string{"instance/bed-1"}, Class: galen.Reversible, Basis: w.Basis(), At: now,
		Effect: galen.Effect{Status: galen.EffectUnknown},
	}
	want := galen.Commit{
		Intent: in, Revision: 3, Account: 4, PerSecond: 7, Claims: []galen.Claim{{Name: "node/bed-1"}}, Touched: []string{"bed-1", "instance/bed-1"}, State: galen.HashJSON(w), Verdicts: got.Verdicts,
		Facts: []galen.Fact{
			{Key: "tuned/run-a-2", Value: json.RawMessage(`true`), Intent: "run-a-2", At: now},
			{Key: "undo-owed/run-a-2", Value: undo, Intent: "run-a-2", At: now},
		},
	}
	if d := cmp.Diff(want, r.desk.commits[0]); d != "" {
		t.Errorf("commit (-want +got):\n%s", d)
	}
	in.Fence = 1
	if d := cmp.Diff([]galen.Intent{in}, r.street.calls); d != "" {
		t.Errorf("the driver is asked with another intent than was committed (-want +got):\n%s", d)
	}
	in.Sent, in.Reply = galen.SentYes, "as you wish"
	if d := cmp.Diff(Result{Answer: Sent, Verdicts: want.Verdicts, Intent: &in, Why: "as you wish"}, got); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
}

// TestALookCoversWhatTheRunIsAbout: the target first, then all that the run was opened for, each once; and the resource
// with its open intents.
func TestALookCoversWhatTheRunIsAbout(t *testing.T) {
	r := newRig()
	r.desk.ledger.Run.Scope = []galen.Target{{ID: "bed-1", Generation: 7}, {ID: "bed-2", Generation: 7}}
	if _, err := r.act(t, step("wake", "instance/spare")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.act(t, step("wake", "bed-2")); err != nil {
		t.Fatal(err)
	}
	want := [][]galen.Target{
		{{ID: "instance/spare"}, {ID: "bed-1", Generation: 7}, {ID: "bed-2", Generation: 7}},
		{{ID: "bed-2", Generation: 7}, {ID: "bed-1", Generation: 7}},
	}
	if d := cmp.Diff(want, r.street.looks); d != "" {
		t.Errorf("looks (-want +got):\n%s", d)
	}
}

// noState is a driver that fails without saying so.
type noState struct{ *street }

func (noState) Look(context.Context, galen.Resource, []galen.Target, []galen.Intent) (galen.State, error) {
	return nil, nil
}

func TestALookWithoutAState(t *testing.T) {
	r := newRig()
	o := r.options()
	o.World = noState{r.street}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
	if err != nil || got.Answer != Refused || !strings.Contains(got.Why, "no state") || len(r.desk.commits) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestMoreRefusals are those of the journal's transaction, and what costs no look.
func TestMoreRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rig)
		want   Answer
		guard  string
		why    string
		looks  int
	}{
		"the engine only observes": {func(r *rig) { r.desk.ledger.Observe = "the journal was restored" }, Refused, guardGate, "the journal was restored", 0},
		"disarmed at the last moment": {func(r *rig) {
			r.desk.errs = []error{galen.ErrDisarmed}
		}, Refused, guardGate, galen.ErrDisarmed.Error(), 1},
		"too many a second at the last moment": {func(r *rig) { r.desk.errs = []error{galen.ErrRate} }, Refused, guardRate, galen.ErrRate.Error(), 1},
		"a plan that is not the newest":        {func(r *rig) { r.desk.ledger.Run.Plan = 2 }, Refused, guardGate, "the step is of plan 1, the newest is 2", 0},
		"held while the gate looked": {func(r *rig) {
			looked := r.street.ward
			r.street.ward = func() ward {
				r.desk.ledger.Run.Status, r.desk.ledger.Run.Why = galen.RunHeld, "enough"
				return looked()
			}
		}, Denied, guardGate, "run run-a is held for a person: enough", 1},
		"a ledger that never rests": {func(r *rig) {
			r.desk.errs = slices.Repeat([]error{galen.ErrMoved}, 9)
		}, Refused, guardGate, "the ledger moved 4 times in a row while the guards were asked", 1},
		"a view that was too old at once, whatever the guards say": {func(r *rig) {
			r.guards = []galen.Guard[galen.State]{{Name: "anything", Check: func(galen.Ask[galen.State]) galen.Verdict { return allow("") }}}
			looked := r.street.ward
			r.street.ward = func() ward { w := looked(); r.clock.advance(10*time.Second + 1); return w }
		}, Refused, guardFresh, "the view is 10s old, at most 10s is allowed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			c.change(r)
			got, err := r.act(t, step("wake", "bed-1"))
			if err != nil || got.Answer != c.want || got.Why != c.guard+": "+c.why || len(r.street.looks) != c.looks {
				t.Errorf("%s: %q, %v, %d looks; want %s: %q", got.Answer, got.Why, err, len(r.street.looks), c.want, c.guard+": "+c.why)
			}
			if len(r.street.calls) != 0 || len(r.desk.refused) != 1 {
				t.Errorf("%d calls, %d refusals recorded", len(r.street.calls), len(r.desk.refused))
			}
		})
	}
}

// TestAViewAsOldAsAllowed still serves.
func TestAViewAsOldAsAllowed(t *testing.T) {
	r := newRig()
	r.desk.reading = func() { r.desk.ledger.Now = r.clock.wall }
	looked := r.street.ward
	r.street.ward = func() ward { w := looked(); r.clock.advance(10 * time.Second); return w }
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Sent {
		t.Errorf("%+v, %v", got, err)
	}
}

// frail is a desk whose parts fail.
type frail struct {
	*desk
	goodLedgers     int // before the ledger fails, if that is given
	ledger          error
	refused, voided error
	recorded        func(context.Context) // nil, or told of the context of a record
}

func (f *frail) Ledger(ctx context.Context, run string) (galen.Ledger, error) {
	if f.goodLedgers--; f.ledger != nil && f.goodLedgers < 0 {
		return galen.Ledger{}, f.ledger
	}
	return f.desk.Ledger(ctx, run)
}

func (f *frail) Refused(ctx context.Context, run string, s galen.Step, v []galen.Verdict) error {
	return errors.Join(f.desk.Refused(ctx, run, s, v), f.refused)
}

func (f *frail) Void(ctx context.Context, id, why string, now galen.Grounds) (int, error) {
	n, _ := f.desk.Void(ctx, id, why, now)
	return n, f.voided
}

func (f *frail) Outcome(ctx context.Context, intent, sent, reply string) error {
	if f.recorded != nil {
		f.recorded(ctx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.desk.Outcome(ctx, intent, sent, reply)
}

// TestAJournalThatFailsSaysWhere: whatever the journal cannot do, the caller hears of it, and nothing is called.
func TestAJournalThatFailsSaysWhere(t *testing.T) {
	broken := errors.New("disk full")
	for name, c := range map[string]struct {
		spoil func(*rig, *frail)
		want  string
	}{
		"at the first reading":  {func(_ *rig, f *frail) { f.ledger = broken }, "read the ledger of run run-a: disk full"},
		"at the second reading": {func(_ *rig, f *frail) { f.ledger, f.goodLedgers = broken, 1 }, "read the ledger of run run-a: disk full"},
		"at the commit":         {func(r *rig, _ *frail) { r.desk.errs = []error{broken} }, "commit the intent of wake bed-1"},
		"at a refusal": {func(r *rig, f *frail) {
			r.desk.ledger.Holds, f.refused = []galen.Hold{{By: "ada"}}, broken
		}, "record the refusal of wake bed-1"},
		"at an approval that is made void": {func(r *rig, f *frail) {
			s := scene{ward: newWard(), ledger: r.desk.ledger, step: step("wake", "bed-1")}
			r.desk.ledger.Approval, f.voided = s.approved(), broken
			r.policy.Mode = galen.ModeObserve
		}, "void approval yes-1 of run run-a: disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			f := &frail{desk: r.desk}
			c.spoil(r, f)
			o := r.options()
			o.Journal = f
			g, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
			if !errors.Is(err, broken) || !strings.Contains(err.Error(), c.want) || len(r.street.calls) != 0 {
				t.Errorf("%+v, %v, %d calls; want the error %q", got, err, len(r.street.calls), c.want)
			}
			if d := cmp.Diff(Result{}, got); d != "" {
				t.Errorf("a failure is no answer: %s", d)
			}
		})
	}
}

// TestDeadlinesOfCallAndRecord: the call has the verb's deadline; its outcome is recorded although the caller has gone, in a
// while of its own; and nothing of either is left running.
func TestDeadlinesOfCallAndRecord(t *testing.T) {
	r := newRig()
	var called, recorded context.Context
	o := r.options()
	o.Journal = &frail{desk: r.desk, recorded: func(ctx context.Context) { recorded = ctx }}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, gone := context.WithCancel(t.Context())
	var left time.Duration
	r.street.do = func(c context.Context) (string, error) {
		called = c
		until, _ := c.Deadline()
		left = time.Until(until)
		gone()
		return "done", nil
	}
	got, err := g.Act(ctx, Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
	if err != nil || got.Answer != Sent || len(r.desk.outcomes) != 1 {
		t.Fatalf("%+v, %v, outcomes %q", got, err, r.desk.outcomes)
	}
	if left > 3*time.Second || left < 2*time.Second {
		t.Errorf("the call had %s, the verb allows 3s", left)
	}
	until, has := recorded.Deadline()
	if wait := time.Until(until); !has || wait > recordWithin || wait < recordWithin-2*time.Second {
		t.Errorf("the record may take %s", wait)
	}
	if called.Err() == nil || recorded.Err() == nil {
		t.Error("a context is left open")
	}
}

// TestARefusalIsLogged in the words of the verdict.
func TestARefusalIsLogged(t *testing.T) {
	r := newRig()
	r.policy.Mode = galen.ModeObserve
	var out strings.Builder
	o := r.options()
	o.Logger = slog.New(slog.NewTextHandler(&out, nil))
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`msg="step refused"`, "run=run-a", "resource=ward/east", "bed-1", "answer=denied", "guard=approval", "mode observe"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}

// TestAVoidSaysWhy, and the third in a row is for a person.
func TestAVoidSaysWhy(t *testing.T) {
	r := newRig()
	s := scene{ward: newWard(), ledger: r.desk.ledger, step: step("wake", "bed-1")}
	r.desk.ledger.Approval, r.policy.Mode, r.desk.inARow = s.approved(), galen.ModeObserve, 2
	got, err := r.act(t, s.step)
	if err != nil || got.Answer != Denied || !strings.HasPrefix(got.Why, "approval: the world made 3 approvals in a row void, the last because the resource is in mode observe") {
		t.Errorf("%+v, %v", got, err)
	}
	if len(r.desk.voided) != 1 || !strings.HasPrefix(r.desk.voided[0], "yes-1: approval: the resource is in mode observe") {
		t.Errorf("voided %q", r.desk.voided)
	}
	if v := r.desk.refused[0]; len(v) != len(CommonGuards())+1 || v[len(v)-1].Guard != guardApproval {
		t.Errorf("the record lacks the last verdict: %v", v)
	}
}

// TestAVerbThatCannotSayItsFacts: nothing is committed without them.
func TestAVerbThatCannotSayItsFacts(t *testing.T) {
	r := newRig()
	o := r.options()
	wake := o.Kinds["ward"].Verbs["wake"]
	wake.Facts = func(galen.State, galen.Intent, galen.Policy) []galen.Fact { panic("no") }
	o.Kinds["ward"].Verbs["wake"] = wake
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
	if err != nil || got.Answer != Denied || got.Why != guardStep+`: verb "wake" panicked: no` || len(r.desk.commits) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNewNeedsEveryPart, and says which one is missing.
func TestNewNeedsEveryPart(t *testing.T) {
	for name, c := range map[string]struct {
		drop func(*Options)
		says string
	}{
		"journal":   {func(o *Options) { o.Journal = nil }, "journal, holds, world and logger"},
		"holds":     {func(o *Options) { o.Holds = nil }, "journal, holds, world and logger"},
		"world":     {func(o *Options) { o.World = nil }, "journal, holds, world and logger"},
		"logger":    {func(o *Options) { o.Logger = nil }, "journal, holds, world and logger"},
		"now":       {func(o *Options) { o.Now = nil }, "wall clock, monotonic clock and policy"},
		"mono":      {func(o *Options) { o.Mono = nil }, "wall clock, monotonic clock and policy"},
		"policy":    {func(o *Options) { o.Policy = nil }, "wall clock, monotonic clock and policy"},
		"runbooks":  {func(o *Options) { o.Runbooks = nil }, "runbooks"},
		"guards":    {func(o *Options) { o.Guards = []galen.Guard[galen.State]{} }, "no guards"},
		"no fault":  {func(*Options) {}, ""},
		"limit set": {func(o *Options) { o.GuardLimit = time.Minute }, ""},
	} {
		o := newRig().options()
		c.drop(&o)
		g, err := New(o)
		switch {
		case (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v", name, err)
		case (g == nil) != (err != nil):
			t.Errorf("%s: a gate %t and an error %t", name, g != nil, err != nil)
		case g != nil && g.o.GuardLimit != max(o.GuardLimit, 5*time.Second):
			t.Errorf("%s: a guard may think for %s", name, g.o.GuardLimit)
		}
	}
}

// TestANewGateKnowsTheTime: the clock that is set before the first step is noticed.
func TestANewGateKnowsTheTime(t *testing.T) {
	r := newRig()
	g := r.gate(t)
	r.clock.wall = r.clock.wall.Add(time.Hour)
	r.desk.ledger.Now, r.desk.ledger.Run.Deadline = r.clock.wall, r.clock.wall.Add(time.Hour)
	got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
	if err != nil || got.Answer != Refused || Worst(got.Verdicts).Guard != guardClock {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAStopBetweenTheReadingsOfTwoClocks is no step of a clock: they are read again, three times at most.
func TestAStopBetweenTheReadingsOfTwoClocks(t *testing.T) {
	for stops, want := range map[int]bool{0: true, 1: true, 2: true, 3: false} {
		r := newRig()
		g := r.gate(t)
		left := 0
		g.o.Now = func() time.Time {
			now := r.clock.wall
			if left > 0 {
				left--
				r.clock.advance(time.Second)
			}
			return now
		}
		for range 2 {
			left = stops
			if step := g.ClockStep(r.policy); (step == 0) != want {
				t.Errorf("%d stops: a step of %s", stops, step)
			}
		}
	}
	// A reading that takes half of what is a step is not believed, a shorter one is, whatever this policy allows.
	for slow, again := range map[time.Duration]bool{clockGrain / 2: true, clockGrain/2 - 1: false} {
		r := newRig()
		r.clock.advance(time.Hour)
		g := r.gate(t)
		readings := 0
		g.o.Now = func() time.Time {
			if readings++; readings == 1 {
				r.clock.advance(slow)
			}
			return r.clock.wall
		}
		if g.ClockStep(r.policy); (readings > 1) != again {
			t.Errorf("%s between two readings: read %d times", slow, readings)
		}
	}
}

// TestAnswersAreRanked: the first of the strictest is what people are told.
func TestAnswersAreRanked(t *testing.T) {
	v := func(guard string, a galen.Answer) galen.Verdict { return galen.Verdict{Guard: guard, Answer: a} }
	for want, of := range map[string][]galen.Verdict{
		"a": {v("a", galen.Allow), v("b", galen.Allow)},
		"b": {v("a", galen.Allow), v("b", galen.NeedYes), v("c", galen.NeedYes)},
		"c": {v("a", galen.NeedYes), v("b", galen.Allow), v("c", galen.LookAgain)},
		"d": {v("a", galen.LookAgain), v("d", galen.Deny), v("c", galen.Deny)},
	} {
		if got := Worst(of); got.Guard != want {
			t.Errorf("%v: %s", of, got.Guard)
		}
	}
	if v := Worst(nil); v.Guard != guardGate || v.Answer != galen.Deny || v.Why == "" {
		t.Errorf("%+v", v)
	}
}

// TestAQuestionRestsOnTheLedger: facts and open intents come from there, class and claims from the registry.
func TestAQuestionRestsOnTheLedger(t *testing.T) {
	s := newScene("swap")
	s.ledger.Facts["x"] = galen.Fact{Key: "x"}
	s.ledger.Open = []galen.Intent{{ID: "run-b-1", Run: "run-b", Step: step("wake", "bed-5")}}
	a := s.ask(t)
	if a.Class != galen.Destructive || a.Deletes || a.Own || len(a.Claims) != 3 || len(a.Open) != 1 || len(a.Facts) != 1 {
		t.Errorf("%+v", a)
	}
	if d := cmp.Diff([]galen.Target{{ID: "bed-1", Generation: 7}}, a.Scope); d != "" {
		t.Error(d)
	}
	if !a.Now.Equal(noon) || !maps.Equal(a.Policy.Floors, s.policy.Floors) || a.Ledger.Run.ID != "run-a" || a.Step.Hash() != s.step.Hash() {
		t.Errorf("%+v", a)
	}
	s.step.Verb = "empty"
	if a := s.ask(t); !a.Deletes || a.Class != galen.Reversible {
		t.Errorf("%+v", a)
	}
	for verb, says := range map[string]string{
		"feed":      `kind ward has no verb "feed" here; held for an engine or a person that knows it`,
		"unclaimed": "verb unclaimed of kind ward claims nothing for " + s.step.Target.String() + "; a step that changes something must exclude others",
	} {
		s.step.Verb = verb
		_, err := Question(kinds()["ward"], galen.World[galen.State]{Now: noon, State: s.ward}, s.ledger, s.policy, s.step)
		if err == nil || err.Error() != says {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

// TestForms of steps that name too little or too much.
func TestForms(t *testing.T) {
	for says, s := range map[string]galen.Step{
		"the step has no verb":                                                                 {Target: galen.Target{ID: "bed-1"}, Within: 1},
		"wake has no target; nothing named is nothing done":                                    {Verb: "wake", Target: galen.Target{ID: " "}, Within: 1},
		`wake: target "bed-*" looks like more than one thing; a step names exactly one`:        {Verb: "wake", Target: galen.Target{ID: "bed-*"}, Within: 1},
		`wake: target "bed-1,bed-2" looks like more than one thing; a step names exactly one`:  {Verb: "wake", Target: galen.Target{ID: "bed-1,bed-2"}, Within: 1},
		`wake: target "bed-1\nbed-2" looks like more than one thing; a step names exactly one`: {Verb: "wake", Target: galen.Target{ID: "bed-1\nbed-2"}, Within: 1},
		"": {Verb: "wake", Target: galen.Target{ID: "bed-1"}, Within: 1},
	} {
		if v := formOf(s); v.Why != says || (v.Answer == galen.Allow) != (says == "") {
			t.Errorf("%+v: %+v", s, v)
		}
	}
	s := step("wake", "bed-1")
	s.Within = 0
	if v := formOf(s); v.Answer != galen.Deny || !strings.HasSuffix(v.Why, "has no deadline") {
		t.Errorf("%+v", v)
	}
}
