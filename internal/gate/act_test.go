package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

func TestAStepIsSeenJudgedCommittedThenCalledOnce(t *testing.T) {
	r := newRig()
	got, err := r.act(t, tuned("bed-1", 1, 2))
	if err != nil || got.Answer != Sent {
		t.Fatalf("%+v, %v", got, err)
	}
	c := r.desk.commits[0]
	if c.Revision != 3 || c.Account != 4 || c.State == "" || len(c.Verdicts) != len(CommonGuards()) {
		t.Errorf("commit: %+v", c)
	}
	if c.Intent.ID != "run-a-1" || c.Intent.Class != galen.Reversible || c.Intent.Basis == "" || c.Intent.Resource != wards || c.Intent.Effect.Status != galen.EffectUnknown {
		t.Errorf("intent: %+v", c.Intent)
	}
	if len(c.Facts) != 1 || c.Facts[0].Key != "undo-owed/run-a-1" || c.Facts[0].Intent != "run-a-1" {
		t.Errorf("the undo must be owed with the intent: %+v", c.Facts)
	}
	if len(c.Claims) != 1 || len(c.Spend) != 0 {
		t.Errorf("claims %v, spend %v", c.Claims, c.Spend)
	}
	if len(r.street.calls) != 1 || r.street.calls[0].Fence != 1 {
		t.Errorf("calls: %+v", r.street.calls)
	}
	if want := []string{"sent as you wish"}; !slices.Equal(r.desk.outcomes, want) {
		t.Errorf("outcomes: %q", r.desk.outcomes)
	}
	if len(r.street.looks) != 1 || len(r.street.looks[0]) != 1 {
		t.Errorf("looks: %v", r.street.looks)
	}
}

func TestADestructiveStepSpendsOneToken(t *testing.T) {
	r := newRig()
	if got, err := r.act(t, step("discharge", "bed-1")); err != nil || got.Answer != Sent {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-a", Target: "bed-1", At: noon}}
	if d := cmp.Diff(want, r.desk.commits[0].Spend); d != "" {
		t.Error(d)
	}
	// The next step of the same patient, on the instance prepared for it, shares the token.
	s := newScene("discharge")
	s.step, s.ledger.Spent = step("discharge", "instance/spare"), want
	if a := s.ask(t); len(spends(a)) != 0 || budget(a).Answer != galen.Allow {
		t.Errorf("spends %v, budget %+v", spends(a), budget(a))
	}
	// So does a step on the same machine, whatever it was called when the token was spent, and no step on another.
	for spent, want := range map[string]int{"instance/bed-1": 0, "instance/bed-2": 1} {
		s := newScene("discharge")
		s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-a", Target: spent, At: noon}}
		if a := s.ask(t); len(spends(a)) != want || budget(a).Answer != map[int]galen.Answer{0: galen.Allow, 1: galen.Deny}[want] {
			t.Errorf("spent on %s: spends %v, budget %+v", spent, spends(a), budget(a))
		}
	}
}

// TestACommitNamesAll: the journal, which has no State, is told all names of the target and of all that the step touches.
func TestACommitNamesAll(t *testing.T) {
	r := newRig()
	was := r.street.ward
	r.street.ward = func() ward {
		w := was()
		w.bed("instance/spare").Target.ID = "bed-7"
		return w
	}
	if got, err := r.act(t, step("swap", "bed-1")); err != nil || got.Answer != Sent {
		t.Fatalf("%+v, %v", got, err)
	}
	c := r.desk.commits[0]
	if want := []string{"instance/bed-1"}; !slices.Equal(c.Intent.Also, want) {
		t.Errorf("also %q, want %q", c.Intent.Also, want)
	}
	if want := []string{"bed-1", "instance/bed-1", "instance/spare", "bed-7"}; !slices.Equal(c.Touched, want) {
		t.Errorf("touched %q, want %q", c.Touched, want)
	}
}

func TestAnOwedUndoNamesWhatItUndoes(t *testing.T) {
	r := newRig()
	undo := *tuned("bed-1", 1, 2).Undo
	s := scene{ledger: r.desk.ledger}
	owe(&s, "run-b", "run-b-1", undo, noon.Add(-time.Hour))
	r.desk.ledger = s.ledger
	if got, err := r.act(t, undo); err != nil || got.Answer != Sent || got.Intent.Undoes != "run-b-1" {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestAnUndoOwedUnderAnotherName comes first, too.
func TestAnUndoOwedUnderAnotherName(t *testing.T) {
	for owed, want := range map[string]galen.Answer{"instance/bed-1": galen.LookAgain, "instance/bed-2": galen.Allow} {
		s := newScene("tune")
		s.step = tuned("bed-1", 2, 3)
		owe(&s, "run-b", "run-b-1", *tuned(owed, 1, 2).Undo, noon.Add(-time.Hour))
		if v := undo(s.ask(t)); v.Answer != want {
			t.Errorf("an undo on %s is owed: %s (%s), want %s", owed, v.Answer, v.Why, want)
		}
	}
}

func TestRefusalsCallNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*rig)
		step   galen.Step
		want   Answer
		guard  string
	}{
		{"a guard that wants another look", func(r *rig) { r.desk.ledger.Holds = []galen.Hold{{By: "ada"}} }, step("wake", "bed-1"), Refused, guardHold},
		{"a guard that asks", func(r *rig) { r.policy.Mode = galen.ModeApprove }, step("wake", "bed-1"), Ask, guardApproval},
		{"a guard that denies", func(r *rig) { r.policy.Mode = galen.ModeObserve }, step("wake", "bed-1"), Denied, guardApproval},
		{"deny is stronger than look again", func(r *rig) {
			r.policy.Mode = galen.ModeObserve
			r.desk.ledger.Holds = []galen.Hold{{By: "ada"}}
		}, step("wake", "bed-1"), Denied, guardApproval},
		{"nothing could be seen", func(r *rig) { r.street.lookErr = errors.New("no route") }, step("wake", "bed-1"), Refused, guardFresh},
		{"another configuration was told since", func(r *rig) { r.desk.ledger.Configuration = "another" }, step("wake", "bed-1"), Refused, guardGate},
		{"a plan that is not the newest", func(r *rig) { r.desk.ledger.Run.Plan = 2 }, step("wake", "bed-1"), Refused, guardGate},
		{"a run that has ended", func(r *rig) { r.desk.ledger.Run.Status = galen.RunCancelled }, step("wake", "bed-1"), Refused, guardGate},
		{"a run that is held", func(r *rig) { r.desk.ledger.Run.Status = galen.RunHeld }, step("wake", "bed-1"), Denied, guardGate},
		{"an unknown kind", func(r *rig) { r.desk.ledger.Run.Resource.Kind = "zoo" }, step("wake", "bed-1"), Denied, guardStep},
		{"an unknown verb", func(*rig) {}, step("feed", "bed-1"), Denied, guardStep},
		{"the zero step", func(*rig) {}, galen.Step{}, Denied, guardStep},
		{"no target", func(*rig) {}, step("wake", ""), Denied, guardStep},
		{"blank target", func(*rig) {}, step("wake", " "), Denied, guardStep},
		{"every target", func(*rig) {}, step("wake", "*"), Denied, guardStep},
		{"no deadline", func(*rig) {}, galen.Step{Verb: "wake", Target: galen.Target{ID: "bed-1", Generation: 7}}, Denied, guardStep},
		{"a step that its verb refuses", func(*rig) {}, withArgs(step("wake", "bed-1"), `"foreign"`), Refused, guardStep},
		{"a verb that panics", func(*rig) {}, step("panics", "bed-1"), Denied, guardStep},
		{"a change that claims nothing", func(*rig) {}, step("unclaimed", "bed-1"), Denied, guardStep},
		{"a cancel since the plan was made", func(r *rig) { r.desk.ledger.Run.Stop = galen.StopCancel }, step("wake", "bed-1"), Refused, guardGate},
		{"a yield since the plan was made", func(r *rig) { r.desk.ledger.Run.Stop = galen.StopYield }, step("wake", "bed-1"), Refused, guardGate},
		{"an undo for a verb that has none", func(*rig) {}, withUndo(step("wake", "bed-1"), step("tune", "bed-1")), Denied, guardStep},
		{"an undo by another verb of the same class", func(*rig) {}, withUndo(step("tune", "bed-1"), step("wake", "bed-1")), Denied, guardStep},
		{"an undo by a verb that takes back own work", func(*rig) {}, withUndo(step("tune", "bed-1"), step("dismiss", "bed-1")), Denied, guardStep},
		{"an undo of another target", func(*rig) {}, withUndo(step("tune", "bed-1"), step("tune", "bed-2")), Denied, guardStep},
		{"an undo that does more harm", func(*rig) {}, withUndo(step("tune", "bed-1"), step("discharge", "bed-1")), Denied, guardStep},
		{"an undo with an unknown verb", func(*rig) {}, withUndo(step("tune", "bed-1"), step("feed", "bed-1")), Denied, guardStep},
		{"an undo of an undo", func(*rig) {}, withUndo(step("tune", "bed-1"), tuned("bed-1", 1, 2)), Denied, guardStep},
		{"claimed at the last moment", func(r *rig) {
			r.desk.errs = []error{fmt.Errorf("commit: %w", &galen.ClaimedError{Claim: galen.Claim{Name: "ring"}, Holder: "run-b"})}
		}, step("wake", "bed-1"), Refused, guardClaims},
		{"held at the last moment", func(r *rig) { r.desk.errs = []error{galen.ErrHeld} }, step("wake", "bed-1"), Refused, guardHold},
		{"unsettled at the last moment", func(r *rig) { r.desk.errs = []error{galen.ErrUnsettled} }, step("wake", "bed-1"), Refused, guardUnsettled},
		{"ended at the last moment", func(r *rig) { r.desk.errs = []error{galen.ErrEnded} }, step("wake", "bed-1"), Refused, guardGate},
		{"a ledger that never rests", func(r *rig) { r.desk.errs = slices.Repeat([]error{galen.ErrMoved}, 9) }, step("wake", "bed-1"), Refused, guardGate},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			c.change(r)
			got, err := r.act(t, c.step)
			if err != nil || got.Answer != c.want || Worst(got.Verdicts).Guard != c.guard || got.Why == "" {
				t.Errorf("answer %q by %q (%q), %v; want %q by %q", got.Answer, Worst(got.Verdicts).Guard, got.Why, err, c.want, c.guard)
			}
			if len(r.street.calls)+len(r.desk.commits) != 0 || got.Intent != nil {
				t.Errorf("%d calls, %d commits", len(r.street.calls), len(r.desk.commits))
			}
			if len(r.desk.refused) != 1 {
				t.Errorf("%d refusals recorded, want 1", len(r.desk.refused))
			}
		})
	}
}

// theirs is the hash of the configuration that the engine of these tests has told.
const theirs = "theirs"

// TestTheNewestConfigurationCounts: by the configuration that was told last a step is judged as always.
func TestTheNewestConfigurationCounts(t *testing.T) {
	r := newRig()
	r.desk.ledger.Configuration = theirs
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Sent {
		t.Errorf("%+v, %v", got, err)
	}
}

func withArgs(s galen.Step, args string) galen.Step { s.Args = []byte(args); return s }

func withUndo(s, undo galen.Step) galen.Step { s.Undo = &undo; return s }

// TestGuardsThatFailDeny is I-29.
func TestGuardsThatFailDeny(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	guards := []galen.Guard[galen.State]{
		{Name: "panics", Check: func(galen.Ask[galen.State]) galen.Verdict { panic("no") }},
		{Name: "says nothing", Check: func(galen.Ask[galen.State]) galen.Verdict { return galen.Verdict{} }},
		{Name: "says anything", Check: func(galen.Ask[galen.State]) galen.Verdict { return galen.Verdict{Answer: "yes"} }},
		{Name: "never ends", Check: func(galen.Ask[galen.State]) galen.Verdict { <-stuck; return allow("") }},
	}
	last := galen.Guard[galen.State]{Name: "allows", Check: func(galen.Ask[galen.State]) galen.Verdict { return allow("") }}
	verdicts := judge(newScene("wake").ask(t), append(slices.Clone(guards), last), 20*time.Millisecond)
	if n := len(guards); len(verdicts) != n+1 || verdicts[n].Answer != galen.Allow || verdicts[n].Guard != last.Name {
		t.Fatalf("%d guards gave %d verdicts; the one after those that fail: %+v", n+1, len(verdicts), verdicts[len(verdicts)-1])
	}
	for i, v := range verdicts[:len(guards)] {
		if v.Answer != galen.Deny || v.Guard != guards[i].Name || v.Why == "" {
			t.Errorf("%s: %+v", guards[i].Name, v)
		}
	}
	for _, g := range guards[:3] {
		r := newRig()
		r.guards = append(r.guards, g)
		if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Denied || len(r.street.calls) != 0 {
			t.Errorf("%s: %+v, %v", g.Name, got, err)
		}
	}
	if v := Worst(nil); v.Answer != galen.Deny {
		t.Errorf("no verdict at all: %+v", v)
	}
}

func TestAMovedLedgerIsReadAgainThreeTimes(t *testing.T) {
	r := newRig()
	r.desk.errs = []error{galen.ErrMoved, galen.ErrMoved, galen.ErrMoved, nil}
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Sent || len(r.street.calls) != 1 || len(r.street.looks) != 1 {
		t.Errorf("%+v, %v, %d calls", got, err, len(r.street.calls))
	}
	// What moved may be a reason to refuse.
	r = newRig()
	r.desk.errs = []error{galen.ErrMoved}
	r.desk.slow = func() { r.desk.ledger.Holds = []galen.Hold{{By: "ada"}} }
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Refused || len(r.street.calls) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTheTwoSecondRule: a process that was stopped between commit and call does not call, nor does one whose commit was slow:
// when the journal committed is not known.
func TestTheTwoSecondRule(t *testing.T) {
	for _, c := range []struct {
		name                string
		slowCommit, stopped time.Duration
		want                Answer
	}{
		{"at once", 0, 0, Sent},
		{"just in time", 0, 2 * time.Second, Sent},
		{"stopped after the commit", 0, 2*time.Second + time.Millisecond, NotSent},
		{"a slow commit", 1500 * time.Millisecond, 500 * time.Millisecond, Sent},
		{"stopped after a slow commit", 1500 * time.Millisecond, 501 * time.Millisecond, NotSent},
		{"a commit that takes too long by itself", 2*time.Second + time.Millisecond, 0, NotSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.desk.slow = func() { r.clock.advance(c.slowCommit) }
			r.stop = c.stopped
			got, err := r.act(t, step("wake", "bed-1"))
			if err != nil || got.Answer != c.want {
				t.Fatalf("%+v, %v; want %s", got, err, c.want)
			}
			if calls := len(r.street.calls); (calls == 1) != (c.want == Sent) {
				t.Errorf("%d calls", calls)
			}
			if c.want == NotSent && !strings.HasPrefix(r.desk.outcomes[0], galen.SentNot) {
				t.Errorf("outcomes %q", r.desk.outcomes)
			}
		})
	}
}

// TestAViewThatGrewOldAfterTheCommit: a process that was stopped, within the 2 s but with a view that was old already, does
// not call.
func TestAViewThatGrewOldAfterTheCommit(t *testing.T) {
	for _, c := range []struct {
		commit, stopped time.Duration
		want            Answer
	}{
		{time.Second, 500 * time.Millisecond, Sent},
		{time.Second, 600 * time.Millisecond, NotSent},
	} {
		r := newRig()
		r.policy.ViewAge = galen.Duration(1500 * time.Millisecond)
		r.desk.slow = func() { r.clock.advance(c.commit) }
		r.stop = c.stopped
		got, err := r.act(t, step("wake", "bed-1"))
		if err != nil || got.Answer != c.want || (len(r.street.calls) == 1) != (c.want == Sent) {
			t.Errorf("%+v: %+v, %v, %d calls", c, got, err, len(r.street.calls))
		}
		if c.want == NotSent && !strings.Contains(got.Why, "view is 1.6s old") {
			t.Errorf("why: %q", got.Why)
		}
	}
}

// TestAClockThatIsSetAfterTheLedgerWasRead: nothing that was judged by the time before is sent.
func TestAClockThatIsSetAfterTheLedgerWasRead(t *testing.T) {
	for by, want := range map[time.Duration]Answer{0: Sent, 500 * time.Millisecond: Sent, 5 * time.Second: NotSent, -15 * time.Minute: NotSent} {
		r := newRig()
		r.desk.slow = func() { r.clock.wall = r.clock.wall.Add(by) }
		got, err := r.act(t, step("wake", "bed-1"))
		if err != nil || got.Answer != want || (len(r.street.calls) == 1) != (want == Sent) {
			t.Errorf("set by %s: %+v, %v, %d calls", by, got, err, len(r.street.calls))
		}
		if want == NotSent && !strings.Contains(got.Why, "clock was set by "+by.String()) {
			t.Errorf("why: %q", got.Why)
		}
	}
}

// TestTheAgeOfAView is measured on the monotonic clock: setting the wall clock back makes no view younger.
func TestTheAgeOfAView(t *testing.T) {
	r := newRig()
	r.policy.ClockSkew = galen.Duration(time.Hour) // or the clocks would be told first
	looked := r.street.ward
	r.street.ward = func() ward {
		w := looked()
		r.clock.mono += 11 * time.Second // the look took that long, and the wall clock was set back by it
		return w
	}
	for _, guards := range [][]galen.Guard[galen.State]{CommonGuards(), {{Name: "anything", Check: func(galen.Ask[galen.State]) galen.Verdict { return allow("") }}}} {
		r.guards = guards // the gate measures by itself, whatever the guards say
		if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Refused || Worst(got.Verdicts).Guard != guardFresh {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestGuardsSeeMonotonicTime(t *testing.T) {
	v := view{wall: noon, mono: time.Hour}
	if got := v.now(time.Hour + 3*time.Second); !got.Equal(noon.Add(3 * time.Second)) {
		t.Errorf("three seconds after the look it is %s", got)
	}
}

func TestWhatIsKnownOfTheCall(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(context.Context) (string, error)
		want Answer
		note string
	}{
		{"an error", func(context.Context) (string, error) { return "half", errors.New("broken pipe") }, Failed, "error half\nbroken pipe"},
		{"a panic", func(context.Context) (string, error) { panic("driver") }, Failed, "error the driver panicked: driver"},
		{"a call that hangs", func(ctx context.Context) (string, error) {
			if _, has := ctx.Deadline(); !has {
				return "no deadline", nil
			}
			return "", context.DeadlineExceeded
		}, Failed, "error context deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.street.do = c.do
			got, err := r.act(t, step("wake", "bed-1"))
			if err != nil || got.Answer != c.want || len(r.street.calls) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if r.desk.outcomes[0] != c.note {
				t.Errorf("outcome %q, want %q", r.desk.outcomes[0], c.note)
			}
		})
	}
}

func TestAJournalThatFails(t *testing.T) {
	r := newRig()
	r.desk.errs = []error{errors.New("disk full")}
	if got, err := r.act(t, step("wake", "bed-1")); err == nil || len(r.street.calls) != 0 {
		t.Errorf("no commit, no call (I-18): %+v, %v, %d calls", got, err, len(r.street.calls))
	}
	r = newRig()
	r.desk.broken = errors.New("disk full")
	if got, err := r.act(t, step("wake", "bed-1")); err == nil || got.Answer != Sent || len(r.street.calls) != 1 {
		t.Errorf("an outcome that cannot be written is an error and no second call: %+v, %v", got, err)
	}
}

func TestTheWorldVoidsAnApproval(t *testing.T) {
	r := newRig()
	r.policy.Mode = galen.ModeApprove
	s := scene{ward: newWard(), ledger: r.desk.ledger, step: step("wake", "bed-1")}
	r.desk.ledger.Approval = s.approved()
	if got, err := r.act(t, s.step); err != nil || got.Answer != Sent {
		t.Fatalf("approved: %+v, %v", got, err)
	}
	r.desk.ledger.Approval.Basis["bed-1"] = "another"
	for n, want := range []Answer{Ask, Ask, Denied} {
		got, err := r.act(t, s.step)
		if err != nil || got.Answer != want || len(r.desk.voided) != n+1 {
			t.Errorf("void %d: %+v, %v; want %s", n+1, got.Answer, err, want)
		}
	}
	// Waiting, or an approval past its time, makes nothing void.
	r.desk.voided = nil
	r.desk.ledger.Holds = []galen.Hold{{By: "ada"}}
	if _, err := r.act(t, s.step); err != nil || len(r.desk.voided) != 0 {
		t.Errorf("%v, voided %q", err, r.desk.voided)
	}
	r.desk.ledger.Holds, r.desk.ledger.Approval.Expires = nil, noon
	if _, err := r.act(t, s.step); err != nil || len(r.desk.voided) != 0 {
		t.Errorf("%v, voided %q", err, r.desk.voided)
	}
}

// TestAStepOfACancelledRun: what the runbook planned knowing of the cancel is done.
func TestAStepOfACancelledRun(t *testing.T) {
	r := newRig()
	r.desk.ledger.Run.Stop, r.desk.ledger.Run.PlanStop = galen.StopCancel, galen.StopCancel
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Sent {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPreviewSaysWhatActWould(t *testing.T) {
	for _, k := range kills() {
		s := newScene(k.verb)
		k.spoil(&s)
		r := newRig()
		r.version = s.version
		g := r.gate(t)
		r.policy, r.clock.wall = s.policy, r.clock.wall.Add(s.clockStep)
		got := Worst(g.Preview(galen.World[galen.State]{Now: noon, State: s.ward}, s.ledger, s.step))
		if got.Guard != k.guard || got.Answer != k.want {
			t.Errorf("%s, %s: preview says %+v", k.guard, k.name, got)
		}
	}
	g, s := newRig().gate(t), newScene("wake")
	w := galen.World[galen.State]{Now: noon, State: s.ward}
	unfit := withArgs(s.step, `"foreign"`)
	if v := Worst(g.Preview(w, s.ledger, unfit)); v.Answer != galen.Deny {
		t.Errorf("a runbook that makes a step which does not fit is wrong: %+v", v)
	}
	if v := Worst(g.Foresee(w, s.ledger, unfit)); v.Answer != galen.Allow {
		t.Errorf("an outline need not fit yet: %+v", v)
	}
	if v := Worst(g.Foresee(w, s.ledger, step("feed", "bed-1"))); v.Answer != galen.Deny {
		t.Errorf("an outline with an unknown verb: %+v", v)
	}
}

func TestNewRefusesAGateWithoutGuards(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no parts")
	}
	r := newRig()
	o := r.options()
	o.Guards = nil
	if _, err := New(o); err == nil {
		t.Error("no guards")
	}
}
