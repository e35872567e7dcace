package kindtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

const (
	maxDecisions  = 400 // a drill that is not over by then never ends
	maxAfterStop  = 100 // decisions to a safe point
	seeds         = 25  // random drills
	longestPause  = 30 * time.Minute
	randomTrouble = 4 // one call in so many loses its reply, or is never made
	stopSlack     = 2 * time.Minute
)

// Drill is a scene in which a runbook is tried, without a gate: whatever it plans is done.
type Drill[S galen.State, P any] struct {
	Name     string
	Kind     galen.Kind[S]
	Resource galen.Resource
	// New makes the scene anew, the same each time.
	New func() Sim[S]
	// Scope are the targets that the run is opened for.
	Scope  []galen.Target
	Params P
	Policy galen.Policy
	// Detectors tell the finding as the newest State shows it; none for a runbook that only people ask for.
	Detectors []galen.Detector[S]
	// End is how it must end: done or escalate.
	End string
	// Verbs are those of the steps in order, to the end; nil: any.
	Verbs []string
}

// Runbook tests a runbook in each drill, then with a stop after each of its decisions, then with random trouble.
func Runbook[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], drills ...Drill[S, P]) {
	t.Helper()
	if rb.Name == "" || rb.Version < 1 || rb.About == "" || rb.Decide == nil {
		t.Errorf("runbook %q: name, version from 1, a sentence about it and Decide are required", rb.Name)
	}
	listed := galen.ListRunbook(rb)
	if whole, err := listed.Params(nil); err != nil {
		t.Errorf("its default parameters: %v", err)
	} else if _, err := listed.Params(whole); err != nil {
		t.Errorf("its default parameters cannot be read back strictly: %v", err)
	}
	if _, err := listed.Params(json.RawMessage(`{"no_such_parameter":1}`)); err == nil {
		t.Error("an unknown parameter is accepted")
	}
	for _, d := range drills {
		t.Run(d.Name, func(t *testing.T) {
			n := whole(t, rb, d)
			t.Run("nothing to look at", func(t *testing.T) { blank(t, rb, d) })
			t.Run("stopped", func(t *testing.T) { stopped(t, rb, d, n) })
			t.Run("trouble", func(t *testing.T) { trouble(t, rb, d) })
		})
	}
}

// drill is one run of a runbook.
type drill[S galen.State, P any] struct {
	observer[S]
	rb    galen.Runbook[S, P]
	d     Drill[S, P]
	facts map[string]galen.Fact
	past  []galen.Intent
	stop  string
	woken bool // it does not wait as long as it planned
	verbs []string
	lose  func() bool // the reply of the next call
	drop  func() bool // the next call: committed and never sent
}

func begin[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], d Drill[S, P]) *drill[S, P] {
	return &drill[S, P]{
		observer: observer[S]{t: t, kind: d.Kind, sim: d.New(), of: d.Resource},
		rb:       rb, d: d, facts: map[string]galen.Fact{}, lose: func() bool { return false }, drop: func() bool { return false },
	}
}

// whole lets the runbook go on to its end, and asks it once more when all is over. It tells how many decisions it took.
func whole[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], d Drill[S, P]) int {
	t.Helper()
	r := begin(t, rb, d)
	for n := range maxDecisions {
		p := r.turn()
		if p.End == "" {
			continue
		}
		if d.End != "" && p.End != d.End {
			t.Errorf("it ends with %s (%s), want %s", p.End, p.Why, d.End)
		}
		r.paid(p)
		if d.Verbs != nil && !slices.Equal(r.verbs, d.Verbs) {
			t.Errorf("it did %q, want %q", r.verbs, d.Verbs)
		}
		if p.End == galen.EndDone && len(rb.Heals) > 0 {
			r.gone()
		}
		return n + 1
	}
	t.Errorf("no end after %d decisions; it did %q", maxDecisions, r.verbs)
	return maxDecisions
}

// paid: who says done owes no undo any more. Either the undo was done, or what took its place has removed the debt (a
// verb's Facts with Gone).
func (r *drill[S, P]) paid(p galen.Plan) {
	r.t.Helper()
	debts, err := galen.Debts(r.facts)
	if err != nil {
		r.t.Fatal(err)
	}
	if p.End == galen.EndDone && len(debts) > 0 {
		r.t.Errorf("it ends with done (%s) and still owes the undo %s of intent %s", p.Why, debts[0].Step, debts[0].Intent)
	}
}

// gone: a run that is opened when the finding is gone already sees that it is done, and changes nothing.
func (r *drill[S, P]) gone() {
	r.t.Helper()
	r.past, r.facts = nil, map[string]galen.Fact{}
	if f := r.finding(); f != nil {
		r.t.Errorf("it says done, and the finding %s is still there", f.Key())
	}
	if p := r.decide(); p.End != galen.EndDone {
		r.t.Errorf("when the finding is gone it plans %d steps, wait %s, end %q (%s), want done", len(p.Steps), p.Wait, p.End, p.Why)
	}
}

// blank: no decision on nothing may hurt.
func blank[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], d Drill[S, P]) {
	var nothing galen.Situation[S, P]
	for name, s := range map[string]galen.Situation[S, P]{
		"the zero situation":              nothing,
		"a State without members":         {Scope: d.Scope, Params: d.Params, Policy: d.Policy, World: galen.World[S]{Now: time.Unix(1, 0)}},
		"a scope of something unheard of": {Scope: []galen.Target{{ID: "no-such-thing"}}, Params: d.Params, Policy: d.Policy},
	} {
		var p galen.Plan
		if panicked := quietly(func() { p = rb.Decide(s) }); panicked != nil {
			t.Errorf("%s: panic: %v", name, panicked)
		}
		if len(p.Steps) > 0 || p.End == galen.EndDone {
			t.Errorf("%s: it plans %d steps, end %q: nothing seen is neither a reason to act nor a success", name, len(p.Steps), p.End)
		}
		s.Stop = galen.StopCancel
		if p = rb.Decide(s); p.End == "" {
			t.Errorf("%s, cancelled: it plans %d steps, wait %s (%s): what a person has cancelled, and has nothing under way, ends", name, len(p.Steps), p.Wait, p.Why)
		}
	}
}

// stopped: whenever it is asked to stop, it comes to an end within the deadlines of what is under way and of what it
// still has to take back; asked before it began, it begins nothing.
func stopped[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], d Drill[S, P], decisions int) {
	for _, stop := range []string{galen.StopCancel, galen.StopYield} {
		for after := range decisions {
			stoppedAfter(t, begin(t, rb, d), stop, after)
		}
	}
}

func stoppedAfter[S galen.State, P any](t *testing.T, r *drill[S, P], stop string, after int) {
	for n := range after {
		r.woken = n == after-1 // the stop wakes it from its wait
		r.turn()
	}
	r.woken, r.stop = false, stop
	asked, before := r.sim.Now(), len(r.past)
	limit := stopSlack
	for _, in := range r.open() {
		limit += in.Step.Within.D()
	}
	end := r.ends(maxAfterStop)
	for _, in := range r.past[before:] {
		limit += in.Step.Within.D()
	}
	if took := r.sim.Now().Sub(asked); took > limit {
		t.Errorf("%s after %d decisions: it took %s to a safe point, its steps have %s", stop, after, took, limit)
	}
	if why := r.unsafe(end, before); why != "" {
		t.Errorf("%s after %d decisions: %s; it did %q", stop, after, why, r.verbs)
	}
}

// unsafe says what is wrong with the end of a stopped run that had made so many calls before.
func (r *drill[S, P]) unsafe(end string, before int) string {
	in := r.unsettled()
	switch {
	case end == "":
		return fmt.Sprintf("no end after %d more", maxAfterStop)
	case r.stop == galen.StopYield && end == galen.EndEscalate && r.d.End == galen.EndDone:
		return "it needs a person, and would go on by itself afterwards otherwise"
	case before == 0 && len(r.past) > 0:
		return "nothing was done before, and it began all the same"
	case in != nil:
		return fmt.Sprintf("it ended while %s was not settled", in.Step)
	}
	return ""
}

// trouble: lost replies, calls never made, long pauses and things that happen in another order end in some way, and never in a panic.
func trouble[S galen.State, P any](t *testing.T, rb galen.Runbook[S, P], d Drill[S, P]) {
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 0))
		r := begin(t, rb, d)
		r.lose = func() bool { return random.IntN(randomTrouble) == 0 }
		r.drop = r.lose
		for range maxDecisions {
			if p := r.turn(); p.End != "" {
				r.paid(p)
				break
			}
			if random.IntN(10) == 0 {
				r.sim.Advance(time.Duration(random.Int64N(int64(longestPause))))
			}
			if random.IntN(50) == 0 {
				r.stop = galen.StopYield
			}
		}
		if !r.over() {
			t.Errorf("seed %d: no end after %d decisions; it did %q", seed, maxDecisions, r.verbs)
		}
	}
}

// ends goes on to the end that the runbook plans, "" if it plans none.
func (r *drill[S, P]) ends(decisions int) string {
	for range decisions {
		if p := r.turn(); p.End != "" {
			return p.End
		}
	}
	return ""
}

// over asks once more whether it has ended.
func (r *drill[S, P]) over() bool { return r.decide().End != "" }

// turn is one round of the loop: look, settle, decide, do, let time pass.
func (r *drill[S, P]) turn() galen.Plan {
	r.t.Helper()
	s := r.look(nil, r.open())
	for i := range r.past {
		in := &r.past[i]
		v := r.verb(in.Step.Verb)
		was := in.Effect.Status
		if in.Effect = galen.SettleEffect(v, s, *in, r.sim.Now()); in.Effect.Status != was {
			r.record(v, s, *in)
		}
	}
	p := r.decide()
	for _, step := range p.Steps {
		r.do(s, step)
	}
	pause := r.d.Policy.LookSoon.D()
	if p.Wait > 0 && !r.woken {
		pause = p.Wait.D()
	}
	r.sim.Advance(pause)
	return p
}

// record writes the facts of an intent, as the journal does.
func (r *drill[S, P]) record(v galen.Verb[S], s S, in galen.Intent) {
	facts := galen.Paid(in)
	if v.Facts != nil {
		facts = append(facts, v.Facts(s, in, r.d.Policy)...)
	}
	for _, f := range facts {
		if f.Intent, f.At = in.ID, r.sim.Now(); f.Gone {
			delete(r.facts, f.Key)
			continue
		}
		if _, stands := r.facts[f.Key]; stands && f.Keep {
			continue
		}
		if by := r.kind.ByHand; by != nil && !strings.HasPrefix(f.Key, galen.UndoOwed) && (by.Leaves == nil || !by.Leaves(f.Key)) {
			r.t.Errorf("%s leaves the fact %q, and Leaves does not know it: a saved State that has it would be refused", in.Step, f.Key)
		}
		f.Keep = false
		r.facts[f.Key] = f
	}
}

// decide asks the runbook twice and tests the plan.
func (r *drill[S, P]) decide() galen.Plan {
	r.t.Helper()
	s := r.situation()
	before := text(r.t, s.State) + text(r.t, s.Past) + text(r.t, s.Facts)
	var p, again galen.Plan
	if panicked := quietly(func() { p, again = r.rb.Decide(s), r.rb.Decide(r.situation()) }); panicked != nil {
		r.t.Fatalf("it panics: %v", panicked)
	}
	switch {
	case p.Hash() != again.Hash():
		r.t.Fatalf("two different plans on one situation:\n%s\n%s", text(r.t, p), text(r.t, again))
	case text(r.t, s.State)+text(r.t, s.Past)+text(r.t, s.Facts) != before:
		r.t.Fatal("it changed its situation")
	case p.Valid() != nil:
		r.t.Fatalf("%v: %s", p.Valid(), text(r.t, p))
	}
	for _, step := range p.Outline {
		r.verb(step.Verb)
	}
	for _, step := range p.Steps {
		if err := r.verb(step.Verb).Check(s.State, step); err != nil {
			r.t.Fatalf("its step %s does not fit the State on which it was decided: %v", step, err)
		}
		if in := r.unsettled(); in != nil && in.Step.Target.ID == step.Target.ID {
			r.t.Fatalf("it plans %s while %s is not settled", step, in.Step)
		}
	}
	return p
}

func (r *drill[S, P]) situation() galen.Situation[S, P] {
	facts := make(map[string]galen.Fact, len(r.facts))
	for k, f := range r.facts {
		facts[k] = f
	}
	return galen.Situation[S, P]{
		World:   galen.World[S]{Now: r.sim.Now(), State: r.folded, Facts: facts, Open: r.open()},
		Finding: r.finding(), Scope: slices.Clone(r.d.Scope), Params: r.d.Params, Policy: r.d.Policy, Past: slices.Clone(r.past), Stop: r.stop,
	}
}

// finding is the first on a target of the drill that the runbook heals.
func (r *drill[S, P]) finding() *galen.Finding {
	for _, d := range r.d.Detectors {
		for _, f := range d.Detect(r.sim.Now(), r.folded, r.d.Policy) {
			mine := slices.ContainsFunc(r.d.Scope, func(t galen.Target) bool { return f.Has(t.ID) })
			if mine && !f.Note && slices.Contains(r.rb.Heals, f.Code) {
				return &f
			}
		}
	}
	return nil
}

func (r *drill[S, P]) open() []galen.Intent {
	return slices.DeleteFunc(slices.Clone(r.past), func(in galen.Intent) bool { return in.Effect.Settled() })
}

func (r *drill[S, P]) unsettled() *galen.Intent {
	if open := r.open(); len(open) > 0 {
		return &open[0]
	}
	return nil
}

// do commits and calls, as the gate does.
func (r *drill[S, P]) do(s S, step galen.Step) {
	r.t.Helper()
	r.verbs = append(r.verbs, step.Verb)
	in := intent(&r.observer, s, step)
	in.ID = fmt.Sprintf("%s-%d", in.Run, len(r.past)+1)
	in.Fence = int64(len(r.past) + 1)
	debts, err := galen.Debts(r.facts)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range debts {
		if d.Step.Hash() == step.Hash() && in.Undoes == "" {
			in.Undoes = d.Intent
		}
	}
	owed, err := galen.Owe(in)
	if err != nil {
		r.t.Fatal(err)
	}
	if owed != nil {
		r.facts[owed.Key] = *owed
	}
	r.record(r.verb(step.Verb), s, in)
	in.Sent = galen.SentYes
	if r.drop() {
		in.Sent = galen.SentNot
		r.past = append(r.past, in)
		return
	}
	if r.lose() {
		r.sim.LoseReply()
	}
	if _, err := r.sim.Do(r.t.Context(), in); err != nil {
		in.Sent, in.Reply = galen.SentError, err.Error()
	}
	r.past = append(r.past, in)
}
