package gate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

func prepared(id string) galen.Intent {
	return galen.Intent{ID: "run-a-1", Run: "run-a", Step: step("wake", id), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}
}

func spentBy(budget, run, target string, r galen.Resource) galen.Spend {
	return galen.Spend{Budget: budget, Resource: r, Run: run, Target: target, At: noon.Add(-time.Minute)}
}

func held(run string, claims ...galen.Claim) (out []galen.HeldClaim) {
	for _, c := range claims {
		out = append(out, galen.HeldClaim{Claim: c, Run: run})
	}
	return out
}

// TestWhomItConcerns: a row of another target, resource, run or verb is no reason to refuse, and one that is skipped hides
// none that is.
func TestWhomItConcerns(t *testing.T) {
	west := galen.Resource{Kind: "ward", Name: "west"}
	for _, c := range []struct {
		name, verb string
		change     func(*scene)
		guard      string // that refuses, "" if none does
	}{
		{"a hold on another bed", "wake", func(s *scene) { s.ledger.Holds = []galen.Hold{{Resource: wards, Target: "bed-4", By: "ada"}} }, ""},
		{"a hold on another ward", "wake", func(s *scene) { s.ledger.Holds = []galen.Hold{{Resource: west, By: "ada"}} }, ""},
		{"a hold on a bed without an instance, and a claim that names nobody", "share", func(s *scene) {
			s.ward.bed("bed-4").Instance = ""
			s.ledger.Holds = []galen.Hold{{Resource: wards, Target: "bed-4", By: "ada"}}
		}, ""},
		{"a hold behind one that does not matter", "wake", func(s *scene) {
			s.ledger.Holds = []galen.Hold{{Resource: west, By: "ada"}, {Resource: wards, Target: "bed-1", By: "ada"}}
		}, guardHold},

		{"it shares the ring and wants it alone", "swap", func(s *scene) { s.ledger.Claims = held("run-a", galen.Claim{Name: "ring", Shared: true}) }, guardOrder},
		{"it has the ring, and a bed of the same rank as the next", "swap", func(s *scene) {
			s.ledger.Claims = held("run-a", galen.Claim{Name: "ring"}, galen.Claim{Name: "node/bed-5"})
		}, guardOrder},

		{"an undo owed on another bed", "tune", func(s *scene) {
			s.step = tuned("bed-1", 2, 3)
			owe(s, "run-b", "run-b-1", step("tune", "bed-2"), noon.Add(-time.Hour))
		}, ""},
		{"an undo owed to a verb that this step does not undo", "wake", func(s *scene) { owe(s, "run-b", "run-b-1", step("tune", "bed-1"), noon.Add(-time.Hour)) }, ""},
		{"an undo owed by another verb than this step's", "tune", func(s *scene) {
			s.step = tuned("bed-1", 2, 3)
			owe(s, "run-b", "run-b-1", step("wake", "bed-1"), noon.Add(-time.Hour))
		}, ""},
		{"an older undo is paid while a newer one of another verb is owed", "tune", func(s *scene) {
			first := *tuned("bed-1", 1, 2).Undo
			owe(s, "run-a", "run-a-1", first, noon.Add(-2*time.Hour))
			owe(s, "run-a", "run-a-2", step("wake", "bed-1"), noon.Add(-time.Hour))
			s.step = first
		}, ""},

		{"an acknowledged treatment before one that is not", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{
				{Run: "run-b", Target: "bed-1", At: noon.Add(-time.Minute), Acknowledged: true}, {Run: "run-c", Target: "bed-1", At: noon.Add(-time.Minute)},
			}
		}, guardCooldown},
		{"another bed was treated", "wake", func(s *scene) { s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-5", At: noon}} }, ""},
		{"a spend of another budget before one of this", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{spentBy("other", "run-b", "bed-5", wards), spentBy(galen.BudgetDestructive, "run-b", "bed-5", wards)}
		}, guardBudget},
		{"one spend elsewhere", "discharge", func(s *scene) { s.ledger.Spent = []galen.Spend{spentBy(galen.BudgetDestructive, "run-b", "x", west)} }, ""},

		{"the patient is gone, and its spare is discharged", "discharge", func(s *scene) {
			s.step, s.ledger.Past = step("discharge", "instance/spare"), []galen.Intent{prepared("instance/spare")}
			s.ward.Beds = s.ward.Beds[1:]
		}, guardObservers},
		{"two patients, and of the second nobody says anything", "discharge", func(s *scene) {
			s.step, s.ledger.Past = step("discharge", "instance/spare"), []galen.Intent{prepared("instance/spare")}
			s.ledger.Run.Scope = append(s.ledger.Run.Scope, galen.Target{ID: "bed-3"})
		}, guardObservers},
		{"old good words before young bad ones", "discharge", func(s *scene) {
			m := s.ward.bed("bed-1")
			m.Observations = append([]galen.Observation{{Observer: "bed-6", Kind: galen.Peer, Says: galen.Good, At: noon.Add(-time.Hour)}}, m.Observations...)
		}, ""},
		{"three observers of two kinds, no more than are needed", "discharge", func(s *scene) {
			s.ward.bed("bed-1").Observations = s.ward.bed("bed-1").Observations[:3]
		}, ""},

		{"a member of another group before all others", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
			s.ward.Beds = append([]galen.Member{{Target: galen.Target{ID: "far"}, Name: "far", Group: "west"}}, s.ward.Beds...)
		}, ""},
		{"a claim on a bed that is gone crosses nothing", "swap", func(s *scene) { s.ward.Beds = s.ward.Beds[:6] }, ""},
		{"a spare in no group crosses nothing", "swap", func(s *scene) { s.ward.bed("instance/spare").Group = "" }, ""},

		{"a spare that this run has only read", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			in := prepared("instance/spare")
			in.Step.Verb, in.Class = "read", galen.Read
			s.ledger.Past = []galen.Intent{in}
		}, guardScope},
		{"its preparation was to be taken back, and was not", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			back := galen.Intent{ID: "run-a-2", Run: "run-a", Step: step("dismiss", "instance/spare"), Class: galen.Reversible, Undoes: "run-a-1", Effect: galen.Effect{Status: galen.EffectAbsent}}
			s.ledger.Past = []galen.Intent{prepared("instance/spare"), back}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(c.verb)
			c.change(&s)
			v := Worst(judged(s.ask(t), CommonGuards()))
			if (v.Answer != galen.Allow) != (c.guard != "") || c.guard != "" && v.Guard != c.guard {
				t.Errorf("%s says %s: %s; want %q to refuse", v.Guard, v.Answer, v.Why, c.guard)
			}
		})
	}
}

// TestWhatIsExempt: in every world in which a guard refuses a change, it does not refuse to read, and not to take back the
// run's own work, but for the guards that are named here.
func TestWhatIsExempt(t *testing.T) {
	always := []string{guardIdentity, guardScope, guardClaims, guardOrder, guardUndo}
	ownToo := append([]string{guardHold, guardVersion, guardClock, guardFresh, guardUnsettled, guardDomain, guardRate, guardApproval}, always...)
	checks := map[string]func(galen.Ask[galen.State]) galen.Verdict{}
	for _, g := range CommonGuards() {
		checks[g.Name] = g.Check
	}
	for _, k := range kills() {
		s := newScene(k.verb)
		k.spoil(&s)
		a := s.ask(t)
		own := a
		own.Own = true
		missing := k.guard == guardFresh && len(s.ward.Missing) > 0 // not asked for what is only disruptive: TestWhatDestroysNeedsAllWhoCanTell
		eyes := k.verb == "discharge" && k.guard == guardApproval   // one yes is enough to take back what is one's own
		if v := checks[k.guard](own); !missing && !eyes && (v.Answer != galen.Allow) != slices.Contains(ownToo, k.guard) {
			t.Errorf("%s, %s: own work: %s %s", k.guard, k.name, v.Answer, v.Why)
		}
		if k.guard == guardDeletion || k.guard == guardScope {
			continue // one asks what is deleted, whatever the class; the other lets a run read spares
		}
		a.Class = galen.Read
		if v := checks[k.guard](a); (v.Answer != galen.Allow) != slices.Contains(always, k.guard) {
			t.Errorf("%s, %s: reading: %s %s", k.guard, k.name, v.Answer, v.Why)
		}
	}
}

// TestOwnWorkPaysNothing, whatever its class.
func TestOwnWorkPaysNothing(t *testing.T) {
	a := newScene("discharge").ask(t)
	if got := spends(a); len(got) != 1 || got[0].Target != "bed-1" {
		t.Errorf("%+v", got)
	}
	a.Own = true
	if got := spends(a); got != nil {
		t.Errorf("own work spends %+v", got)
	}
	a.Own, a.Class = false, galen.Disruptive
	if got := spends(a); got != nil {
		t.Errorf("a disruptive step spends %+v", got)
	}
}

// TestTokens: one is of a budget, a run, a resource and a patient.
func TestTokens(t *testing.T) {
	west := galen.Resource{Kind: "ward", Name: "west"}
	for _, c := range []struct {
		spent galen.Spend
		has   bool
	}{
		{spentBy(galen.BudgetDestructive, "run-a", "bed-1", wards), true},
		{spentBy("other", "run-a", "bed-1", wards), false},
		{spentBy(galen.BudgetDestructive, "run-b", "bed-1", wards), false},
		{spentBy(galen.BudgetDestructive, "run-a", "bed-2", wards), false},
		{spentBy(galen.BudgetDestructive, "run-a", "bed-1", west), false},
	} {
		s := newScene("discharge")
		s.ledger.Spent = []galen.Spend{c.spent}
		if target, has := token(s.ask(t)); target != "bed-1" || has != c.has {
			t.Errorf("%+v: token of %s, paid %t", c.spent, target, has)
		}
	}
}

// TestWhoThePatientIs: the target, if the run was opened for it or for nothing in particular; else whom it was opened for.
func TestWhoThePatientIs(t *testing.T) {
	s := newScene("discharge")
	s.ledger.Run.Scope = nil
	for _, c := range []struct {
		of, target string
		want       []galen.Target
	}{
		{"", "bed-4", []galen.Target{{ID: "bed-4", Generation: 7}}},
		{"bed-4", "bed-4", []galen.Target{{ID: "bed-4", Generation: 7}}},
		{"instance/bed-4", "bed-4", []galen.Target{{ID: "bed-4", Generation: 7}}},
		{"bed-1", "instance/spare", []galen.Target{{ID: "bed-1", Generation: 7}}},
	} {
		s.step, s.ledger.Run.Scope = step("discharge", c.target), nil
		if c.of != "" {
			s.ledger.Run.Scope = []galen.Target{{ID: c.of, Generation: 7}}
		}
		if d := cmp.Diff(c.want, patients(s.ask(t))); d != "" {
			t.Errorf("opened for %q, a step on %s:\n%s", c.of, c.target, d)
		}
	}
	if m, found := memberOf([]galen.Member{{Target: galen.Target{ID: "bed-1"}}}, ""); found {
		t.Errorf("nobody has no name, and %+v was found", m)
	}
}

// TestTwoPatientsAndOneIsGone: the one that is there is looked at all the same.
func TestTwoPatientsAndOneIsGone(t *testing.T) {
	s := newScene("discharge")
	s.step, s.ledger.Past = step("discharge", "instance/spare"), []galen.Intent{prepared("instance/spare")}
	s.ledger.Run.Scope = []galen.Target{{ID: "gone"}, {ID: "bed-1", Generation: 7}}
	s.ward.bed("bed-2").Bad = true
	if v := share(s.ask(t)); v.Answer != galen.NeedYes {
		t.Errorf("%s: %s", v.Answer, v.Why)
	}
}

// TestGroupsAreNamedInOrder, whichever of them the target is in.
func TestGroupsAreNamedInOrder(t *testing.T) {
	s := newScene("swap")
	s.ward.bed("bed-1").Group = "west"
	if v := across(s.ask(t)); v.Answer != galen.NeedYes || !strings.Contains(v.Why, "from east to west") {
		t.Errorf("%s: %s", v.Answer, v.Why)
	}
}

// TestHoldersOfNoDomain: what lies in no failure domain is in nobody's way.
func TestHoldersOfNoDomain(t *testing.T) {
	for _, verb := range []string{"wake", "move"} {
		s := newScene(verb)
		s.ledger.Claims = held("run-b", galen.Claim{Name: "node/gone"}, galen.Claim{Name: "node/bed-5"})
		s.ward.bed("bed-1").Domain = ""
		if got := Holders(s.ask(t)); len(got) != 0 {
			t.Errorf("%s: %+v", verb, got)
		}
		s = newScene(verb)
		s.ledger.Claims = held("run-b", galen.Claim{Name: "node/gone"})
		s.step = step(verb, "bed-9")
		if got := Holders(s.ask(t)); len(got) != 0 {
			t.Errorf("%s on nobody: %+v", verb, got)
		}
	}
}

// TestADebtThatCannotBeRead makes no step an undo.
func TestADebtThatCannotBeRead(t *testing.T) {
	s := newScene("wake")
	s.ledger.Facts["undo-owed/x"] = galen.Fact{Key: "undo-owed/x", Value: []byte(`7`)}
	a := s.ask(t)
	if intent, pays := paysDebt(a); intent != "" || pays || a.Own {
		t.Errorf("it pays %q (%t), own %t", intent, pays, a.Own)
	}
}

// TestWhyAGuardThatFailsDenies: each failure has its own words.
func TestWhyAGuardThatFailsDenies(t *testing.T) {
	stuck := make(chan struct{})
	defer close(stuck)
	for _, c := range []struct {
		check func(galen.Ask[galen.State]) galen.Verdict
		why   string
	}{
		{func(galen.Ask[galen.State]) galen.Verdict { panic("ouch") }, "the guard panicked (ouch), and what cannot be judged is denied"},
		{func(galen.Ask[galen.State]) galen.Verdict { return galen.Verdict{Answer: "yes"} }, `the guard answered "yes", which nobody knows, and what cannot be judged is denied`},
		{func(galen.Ask[galen.State]) galen.Verdict { <-stuck; return allow("") }, "the guard did not answer within 30ms, and what cannot be judged is denied"},
	} {
		got := judge(newScene("wake").ask(t), []galen.Guard[galen.State]{{Name: "g", Check: c.check}}, 30*time.Millisecond)
		want := []galen.Verdict{{Guard: "g", Answer: galen.Deny, Why: c.why}}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	if guardLimit != 5*time.Second || recordWithin != 5*time.Second || galen.StartWithin != 2*time.Second || galen.DecideWithin != 30*time.Second {
		t.Errorf("the limits that docs/safety.md names are now %s, %s, %s and %s", guardLimit, recordWithin, galen.StartWithin, galen.DecideWithin)
	}
}

// TestPreviewOfWhatIsNoStep: one verdict, the gate's own, in the words of the fault.
func TestPreviewOfWhatIsNoStep(t *testing.T) {
	g, s := newRig().gate(t), newScene("wake")
	w := galen.World[galen.State]{Now: noon, State: s.ward}
	zoo := s.ledger
	zoo.Run.Resource.Kind = "zoo"
	for _, c := range []struct {
		ledger galen.Ledger
		step   galen.Step
		why    string
	}{
		{zoo, s.step, `this engine does not know the kind "zoo"; held`},
		{s.ledger, step("panics", "bed-1"), `verb "panics" panicked (no), and what cannot be judged is denied`},
		{s.ledger, galen.Step{}, "the step has no verb"},
		{s.ledger, withUndo(step("wake", "bed-1"), step("tune", "bed-1")), "wake has no undo, and the step brings one: tune"},
		{s.ledger, withUndo(step("tune", "bed-1"), step("wake", "bed-1")), `the undo of tune is tune, not "wake"`},
		{s.ledger, withUndo(step("tune", "bed-1"), step("tune", "bed-2")), "the undo goes to bed-2, the step to bed-1"},
		{s.ledger, withUndo(step("tune", "bed-1"), tuned("bed-1", 1, 2)), "the undo has an undo of its own"},
	} {
		want := []galen.Verdict{{Guard: guardStep, Answer: galen.Deny, Why: c.why}}
		if d := cmp.Diff(want, g.Preview(w, c.ledger, c.step)); d != "" {
			t.Errorf("preview:\n%s", d)
		}
		if d := cmp.Diff(want, g.Foresee(w, c.ledger, c.step)); d != "" {
			t.Errorf("foresee:\n%s", d)
		}
	}
	unfit := withArgs(s.step, `"foreign"`)
	v := g.Preview(w, s.ledger, unfit)
	if len(v) != 1 || v[0].Guard != guardStep || !strings.HasSuffix(v[0].Why, "does not fit what is seen now: the constructor makes no such step") {
		t.Errorf("%+v", v)
	}
	ahead := g.Foresee(w, s.ledger, unfit)
	if len(ahead) != len(CommonGuards())-1 || slices.ContainsFunc(ahead, func(v galen.Verdict) bool { return v.Guard == guardIdentity }) {
		t.Errorf("an outline is asked of all guards but of identity: %+v", ahead)
	}
}

// TestAnUndoOfAnUnknownVerb can stand in a kind's registry only by mistake; the gate does not rely on it.
func TestAnUndoOfAnUnknownVerb(t *testing.T) {
	k := kinds()["ward"]
	tune := k.Verbs["tune"]
	tune.Undo = "feed"
	k.Verbs["tune"] = tune
	v := undoOf(k, withUndo(step("tune", "bed-1"), step("feed", "bed-1")))
	if v.Answer != galen.Deny || v.Why != `the undo "feed" of tune is no verb of kind ward` {
		t.Errorf("%+v", v)
	}
}

// TestAnUndoThatCannotBeWritten is owed by nobody, so that its step is not begun.
func TestAnUndoThatCannotBeWritten(t *testing.T) {
	r := newRig()
	s := withUndo(step("tune", "bed-1"), step("tune", "bed-1"))
	s.Undo.Args = json.RawMessage("{")
	got, err := r.act(t, s)
	if err != nil || got.Answer != Denied || len(r.desk.commits) != 0 || Worst(got.Verdicts).Guard != guardStep {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestALookThatFailsSaysWhy, with or without a state.
func TestALookThatFailsSaysWhy(t *testing.T) {
	r := newRig()
	r.street.lookErr = errors.New("no route")
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Why != guardFresh+": nothing of ward/east could be seen: no route" {
		t.Errorf("%q, %v", got.Why, err)
	}
	o := r.options()
	o.World = blind{r.street}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
	if err != nil || got.Why != guardFresh+": nothing of ward/east could be seen: fog" {
		t.Errorf("%q, %v", got.Why, err)
	}
}

// TestAMovedLedgerIsReadFourTimes, and no more.
func TestAMovedLedgerIsReadFourTimes(t *testing.T) {
	r := newRig()
	r.desk.errs = slices.Repeat([]error{galen.ErrMoved}, 9)
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Refused || len(r.desk.errs) != 9-4 {
		t.Errorf("%+v, %v: %d commits tried", got, err, 9-len(r.desk.errs))
	}
}

// blind is a driver that sees nothing, and says why.
type blind struct{ *street }

func (blind) Look(context.Context, galen.Resource, []galen.Target, []galen.Intent) (galen.State, error) {
	return nil, errors.New("fog")
}
