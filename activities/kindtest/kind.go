package kindtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// Kind tests a kind in each world.
func Kind[S galen.State](t *testing.T, k galen.Kind[S], worlds ...World[S]) {
	t.Helper()
	t.Run("verbs", func(t *testing.T) { verbs(t, k) })
	t.Run("zero values change nothing", func(t *testing.T) { zeroes(t, k, worlds) })
	made := map[string]bool{}
	for _, w := range worlds {
		t.Run(w.Name, func(t *testing.T) {
			o := &observer[S]{t: t, kind: k, sim: w.New(), of: w.Resource}
			s := o.look(nil, nil)
			t.Run("state", func(t *testing.T) { state(t, k, w) })
			for _, step := range w.Steps(s) {
				made[step.Verb] = true
				t.Run(step.String(), func(t *testing.T) {
					checks(t, k, s, step)
					byHand(t, k, w, s, step)
					happens(t, k, w, step)
					neverHappened(t, k, w, step)
				})
			}
		})
	}
	for _, v := range k.Verbs {
		if !made[v.Name] {
			t.Errorf("verb %s: no world makes a step with it", v.Name)
		}
	}
}

// verbs have names of their own, a class, and time enough to be believed absent.
func verbs[S galen.State](t *testing.T, k galen.Kind[S]) {
	names := map[string]bool{}
	for _, v := range k.Verbs {
		if v.Name == "" || names[v.Name] {
			t.Errorf("verb %q: no name, or twice", v.Name)
		}
		names[v.Name] = true
		if err := sane(v); err != nil {
			t.Errorf("verb %s: %v", v.Name, err)
		}
	}
	if k.Name == "" || k.Fold == nil {
		t.Error("a kind has a name and a Fold")
	}
}

func sane[S galen.State](v galen.Verb[S]) error {
	switch {
	case v.Class < galen.Read || v.Class > galen.Destructive:
		return fmt.Errorf("class %d", v.Class)
	case v.Check == nil || v.Claims == nil || v.Effect == nil:
		return errors.New("check, claims and effect are required")
	case v.Call <= 0:
		return errors.New("no deadline of the call")
	case v.Class > galen.Read && v.Settle <= galen.StartWithin+v.Call:
		return fmt.Errorf("settle %s must be longer than %s and the call's deadline %s together", v.Settle, galen.StartWithin, v.Call)
	}
	return nil
}

// zeroes: what names nothing does nothing (I-08).
func zeroes[S galen.State](t *testing.T, k galen.Kind[S], worlds []World[S]) {
	var none S
	for _, v := range k.Verbs {
		if p := quietly(func() {
			if v.Check(none, galen.Step{}) == nil || v.Check(none, galen.Step{Verb: v.Name}) == nil {
				t.Errorf("verb %s: Check accepts the zero step on the zero State", v.Name)
			}
			if got := v.Effect(none, galen.Intent{}); got.Status == galen.EffectDone {
				t.Errorf("verb %s: the zero intent is done in the zero State", v.Name)
			}
		}); p != nil {
			t.Errorf("verb %s panics on the zero State: %v", v.Name, p)
		}
	}
	if k.Remedy != nil {
		if p := quietly(func() { k.Remedy(none, galen.Duty{}) }); p != nil {
			t.Errorf("Remedy panics on the zero State: %v", p)
		}
	}
	zeroByHand(t, k)
	if p := quietly(func() { none.Members(); none.Basis(); none.Seen(); k.Fold(none, none) }); p != nil {
		t.Errorf("the zero State panics: %v", p)
	}
	for _, w := range worlds {
		undriven(t, k, w)
	}
}

// undriven: the simulated driver refuses what names nothing.
func undriven[S galen.State](t *testing.T, k galen.Kind[S], w World[S]) {
	t.Helper()
	o := &observer[S]{t: t, kind: k, sim: w.New(), of: w.Resource}
	before := o.look(nil, nil).Basis()
	intents := []galen.Intent{{}, {ID: "zero-1", Resource: w.Resource}}
	for _, v := range k.Verbs {
		intents = append(intents, galen.Intent{ID: "zero-2", Resource: w.Resource, Step: galen.Step{Verb: v.Name}, Fence: 1})
	}
	for _, in := range intents {
		if _, err := o.sim.Do(t.Context(), in); err == nil {
			t.Errorf("%s: the driver did %q without a target", w.Name, in.Step.Verb)
		}
	}
	if o.look(nil, nil).Basis() != before {
		t.Errorf("%s: a zero intent changed the world", w.Name)
	}
}

// checks: the constructor's step passes; the same on another target, on none or with other arguments does not.
func checks[S galen.State](t *testing.T, k galen.Kind[S], s S, step galen.Step) {
	t.Helper()
	o := &observer[S]{t: t, kind: k}
	v := o.verb(step.Verb)
	before := text(t, s)
	if err := v.Check(s, step); err != nil {
		t.Errorf("Check refuses the constructor's step: %v", err)
	}
	for name, f := range foreign(step) {
		if v.Check(s, f) == nil {
			t.Errorf("Check accepts the step %s", name)
		}
		if p := quietly(func() { v.Claims(s, f) }); p != nil {
			t.Errorf("Claims panics on the step %s: %v", name, p)
		}
	}
	first, second := v.Claims(s, step), v.Claims(s, step)
	if v.Class > galen.Read && len(first) == 0 {
		t.Error("a step that changes something claims nothing")
	}
	if text(t, first) != text(t, second) {
		t.Error("Claims are not the same twice")
	}
	if u := step.Undo; u != nil && !payable(v, o.verb(u.Verb), step) {
		t.Errorf("the gate refuses the undo %+v: same target, no more harm than the step, a deadline, no undo of its own", *u)
	}
	if text(t, s) != before {
		t.Error("Check or Claims changed the State")
	}
}

// foreign are steps that no constructor made.
func foreign(step galen.Step) map[string]galen.Step {
	stranger, nobody, odd, broken := step, step, step, step
	stranger.Target = galen.Target{ID: "no-such-thing", Generation: 1}
	nobody.Target = galen.Target{}
	odd.Args, broken.Args = []byte(`{"no_such_argument":1}`), []byte(`{"`)
	return map[string]galen.Step{
		"on an unknown target": stranger, "without a target": nobody, "with foreign arguments": odd, "with broken arguments": broken,
	}
}

// payable: the gate accepts the step's undo.
func payable[S galen.State](v, undo galen.Verb[S], s galen.Step) bool {
	u := s.Undo
	return u.Target.ID == s.Target.ID && u.Undo == nil && u.Within > 0 && (undo.Class <= v.Class || undo.Own)
}

// intent is the step as the gate would commit it now, after whatever the scene has done.
func intent[S galen.State](o *observer[S], s S, step galen.Step) galen.Intent {
	return galen.Intent{
		ID: "kindtest-run-1", Run: "kindtest-run", Resource: o.of, Step: step, Class: o.verb(step.Verb).Class, Basis: s.Basis(step.Target),
		Fence: 1 << 20, At: o.sim.Now(), Effect: galen.Effect{Status: galen.EffectUnknown},
	}
}

// happens: the reply is lost, and the effect is seen all the same; until it is, it is never said to be absent.
func happens[S galen.State](t *testing.T, k galen.Kind[S], w World[S], step galen.Step) {
	t.Helper()
	o := &observer[S]{t: t, kind: k, sim: w.New(), of: w.Resource}
	s := o.look(nil, nil)
	in := intent(o, s, step)
	v := o.verb(step.Verb)
	if v.Class > galen.Read {
		if got := pure(t, v, s, in); got.Status == galen.EffectDone {
			t.Errorf("the effect is done before the call: %s", got.Why)
		}
	}
	o.sim.LoseReply()
	if _, err := o.sim.Do(t.Context(), in); err == nil {
		t.Error("the simulated driver answers although the reply is to be lost")
	}
	for o.sim.Now().Before(in.Deadline()) {
		o.sim.Advance(time.Second)
		s = o.look([]galen.Target{step.Target}, []galen.Intent{in})
		pure(t, v, s, in)
		in.Effect = galen.SettleEffect(v, s, in, o.sim.Now())
		switch in.Effect.Status {
		case galen.EffectDone:
			factsOf(t, v, s, in)
			return
		case galen.EffectAbsent, galen.EffectFailed:
			t.Fatalf("%s after the call the effect is %s (%s); it was executed", o.sim.Now().Sub(in.At), in.Effect.Status, in.Effect.Why)
		case galen.EffectUnknown, galen.EffectUnderWay:
		}
	}
	t.Errorf("the effect is still %s (%s) at the step's deadline, %s after the call", in.Effect.Status, in.Effect.Why, step.Within)
}

// neverHappened: without a call the effect is absent once the settle time is over, and never done.
func neverHappened[S galen.State](t *testing.T, k galen.Kind[S], w World[S], step galen.Step) {
	t.Helper()
	o := &observer[S]{t: t, kind: k, sim: w.New(), of: w.Resource}
	in := intent(o, o.look(nil, nil), step)
	v := o.verb(step.Verb)
	if v.Class == galen.Read {
		return
	}
	for o.sim.Now().Before(in.At.Add(v.Settle)) {
		s := o.look([]galen.Target{step.Target}, []galen.Intent{in})
		if got := galen.SettleEffect(v, s, in, o.sim.Now()); got.Settled() {
			t.Fatalf("%s after an intent without a call the effect is %s (%s)", o.sim.Now().Sub(in.At), got.Status, got.Why)
		}
		o.sim.Advance(time.Second)
	}
	s := o.look([]galen.Target{step.Target}, []galen.Intent{in})
	if got := galen.SettleEffect(v, s, in, o.sim.Now()); got.Status != galen.EffectAbsent {
		t.Errorf("an intent without a call is %s (%s) after the settle time %s, want absent", got.Status, got.Why, v.Settle)
	}
}

// pure: the same effect twice, and nothing changed by asking.
func pure[S galen.State](t *testing.T, v galen.Verb[S], s S, in galen.Intent) galen.Effect {
	t.Helper()
	before := text(t, s) + text(t, in)
	got := v.Effect(s, in)
	if again := v.Effect(s, in); again != got {
		t.Errorf("Effect is not the same twice: %+v, %+v", got, again)
	}
	if text(t, s)+text(t, in) != before {
		t.Error("Effect changed its arguments")
	}
	return got
}

func factsOf[S galen.State](t *testing.T, v galen.Verb[S], s S, in galen.Intent) {
	t.Helper()
	if v.Facts == nil {
		return
	}
	first, second := v.Facts(s, in, galen.SafePolicy()), v.Facts(s, in, galen.SafePolicy())
	if text(t, first) != text(t, second) {
		t.Error("Facts are not the same twice")
	}
	for _, f := range first {
		if f.Key == "" {
			t.Error("a fact without a key")
		}
	}
}
