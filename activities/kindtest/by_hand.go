package kindtest

import (
	"testing"

	"github.com/galenhq/galen"
)

// zeroByHand: of what was never seen nobody may believe anything.
func zeroByHand[S galen.State](t *testing.T, k galen.Kind[S]) {
	t.Helper()
	if k.ByHand == nil {
		return
	}
	var none S
	if p := quietly(func() {
		if _, err := k.ByHand.Deed(none, "no-such-verb", galen.Target{}); err == nil {
			t.Error("Deed knows a verb that there is not")
		}
		for _, v := range k.Verbs {
			if _, err := k.ByHand.Deed(none, v.Name, galen.Target{ID: "no-such-thing"}); err == nil {
				t.Errorf("Deed: %s on a target that there is not", v.Name)
			}
		}
		r := k.ByHand.Reckon(none, galen.SafePolicy())
		if o := r.WhatIf(nil, nil); len(o.Doubts) == 0 {
			t.Error("WhatIf does not doubt the zero State")
		}
		_ = r.Margin(nil)
		if _, o := r.Judge(galen.Ask[S]{World: galen.World[S]{State: none}, Policy: galen.SafePolicy()}); len(o.Doubts) == 0 {
			t.Error("Judge does not doubt the zero State")
		}
	}); p != nil {
		t.Errorf("ByHand panics on the zero State: %v", p)
	}
}

// byHand: what people are told is what the guards say, the same twice, and nothing changes by asking.
func byHand[S galen.State](t *testing.T, k galen.Kind[S], w World[S], s S, step galen.Step) {
	t.Helper()
	if k.ByHand == nil {
		return
	}
	before := text(t, s)
	a := galen.Ask[S]{
		World: galen.World[S]{Now: w.New().Now(), State: s}, Step: step, Class: classOf(k, step), Policy: galen.SafePolicy(), Scope: []galen.Target{step.Target},
		Ledger: galen.Ledger{Run: galen.Run{Resource: w.Resource}},
	}
	reckoned := k.ByHand.Reckon(s, a.Policy)
	got, outlook := reckoned.Judge(a)
	if len(got) < len(k.Guards) {
		t.Fatalf("Judge has %d verdicts, the kind %d guards", len(got), len(k.Guards))
	}
	for i, g := range k.Guards {
		want := g.Check(a)
		want.Guard = g.Name
		if got[i] != want {
			t.Errorf("Judge says %+v, the guard %+v", got[i], want)
		}
	}
	counts(t, outlook)
	if k.Margin != nil && reckoned.Margin(nil) != k.Margin(s, nil, a.Policy) {
		t.Errorf("the margin reckoned is %q, that of the kind %q", reckoned.Margin(nil), k.Margin(s, nil, a.Policy))
	}
	for _, down := range [][]string{nil, {step.Target.ID}} {
		first := reckoned.WhatIf(nil, down)
		second := k.ByHand.Reckon(s, a.Policy).WhatIf(nil, down)
		if text(t, first) != text(t, second) {
			t.Error("WhatIf is not the same twice")
		}
		counts(t, first)
	}
	if text(t, s) != before {
		t.Error("ByHand changed the State")
	}
}

func classOf[S galen.State](k galen.Kind[S], step galen.Step) galen.Class {
	for _, v := range k.Verbs {
		if v.Name == step.Verb {
			return v.Class
		}
	}
	return galen.Destructive
}

// counts: no level counts more than there is, and no loss gives something back.
func counts(t *testing.T, o galen.Outlook) {
	t.Helper()
	for _, l := range o.Levels {
		if l.LostNow > l.Lost || l.Lost > l.Ranges || l.Alive > l.Replicas || l.Taken > l.Lost || l.Lost-l.LostNow > l.Taken {
			t.Errorf("the level %+v counts more than there is, or a loss gives something back", l)
		}
	}
}
