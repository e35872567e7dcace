package gym

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// Each rule about claims, owed undos, versions and deletions can be broken, and the nearest thing that may be done breaks none.
func TestPairRules(t *testing.T) {
	at := func(s int) time.Time { return epoch().Add(time.Duration(s) * time.Second) }
	step := func(verb string) galen.Step { return galen.Step{Verb: verb, Target: galen.Target{ID: "id1"}} }
	intent := func(run, id, verb string) *act {
		return &act{Intent: galen.Intent{ID: id, Run: run, Step: step(verb)}, Looked: at(55), Committed: at(60), Accepted: []accepted{{At: at(60)}}}
	}
	const raise, restore = cassandra.VerbRaiseStream, cassandra.VerbRestoreStream
	before := func(verb string, change func(a *act)) *act { // an act of another run, settled as done before the next one
		a := intent("run1", "run1-1", verb)
		a.Committed, a.Settled, a.Status = at(10), at(20), galen.EffectDone
		change(a)
		return a
	}
	claims := func(names ...galen.Claim) func(a *act) {
		return func(a *act) { a.Claims, a.Settled = names, time.Time{} }
	}
	ring, shared := galen.Claim{Name: "ring"}, galen.Claim{Name: "ring", Shared: true}
	with := func(a *act, change func(a *act)) *act { change(a); return a }
	paid := with(intent("run1", "run1-2", restore), func(a *act) {
		a.Committed, a.Settled, a.Status, a.Undoes = at(30), at(40), galen.EffectDone, "run1-1"
	})
	replaced := with(intent("run1", "run1-2", cassandra.VerbReplace), func(a *act) {
		a.Committed, a.Settled, a.Status, a.Kept = at(30), at(40), galen.EffectDone, []string{"ring"}
	})
	older := with(intent("run2", "run2-1", raise), func(a *act) { a.Committed, a.Settled, a.Status = at(5), at(6), galen.EffectDone })
	for name, c := range map[string]struct {
		acts  []*act
		broke string
	}{
		"a claim of another run":                   {[]*act{before("x", claims(ring)), with(intent("run2", "run2-1", "y"), claims(ring))}, "I-19 claims"},
		"a shared claim under an exclusive one":    {[]*act{before("x", claims(ring)), with(intent("run2", "run2-1", "y"), claims(shared))}, "I-19 claims"},
		"two that share":                           {[]*act{before("x", claims(shared)), with(intent("run2", "run2-1", "y"), claims(shared))}, ""},
		"two claims of one run":                    {[]*act{before("x", claims(ring)), with(intent("run1", "run1-2", "y"), claims(ring))}, ""},
		"a claim that was let go":                  {[]*act{before("x", func(a *act) { a.Claims = []galen.Claim{ring} }), with(intent("run2", "run2-1", "y"), claims(ring))}, ""},
		"a claim that was let go since the look":   {[]*act{before("x", func(a *act) { a.Claims, a.Settled = []galen.Claim{ring}, at(56) }), with(intent("run2", "run2-1", "y"), claims(ring))}, "I-19 claims"},
		"a fence, and the ring is let go":          {[]*act{before(cassandra.VerbFence, func(*act) {}), intent("run1", "run1-2", "y")}, "I-19 claims"},
		"a fence, and the ring is kept":            {[]*act{before(cassandra.VerbFence, func(*act) {}), with(intent("run1", "run1-2", "y"), func(a *act) { a.Kept = []string{"ring"} })}, ""},
		"a fence of another run":                   {[]*act{before(cassandra.VerbFence, func(*act) {}), intent("run2", "run2-1", "y")}, ""},
		"a fence whose place is taken":             {[]*act{before(cassandra.VerbFence, func(*act) {}), replaced, intent("run1", "run1-3", "y")}, ""},
		"a fence whose place is not taken yet":     {[]*act{before(cassandra.VerbFence, func(*act) {}), with(&act{}, func(a *act) { *a = *replaced; a.Settled = at(61) }), intent("run1", "run1-3", "y")}, "I-19 claims"},
		"a fence that never happened":              {[]*act{before(cassandra.VerbFence, func(a *act) { a.Status = galen.EffectAbsent }), intent("run1", "run1-2", "y")}, ""},
		"a fence, and what was prepared is undone": {[]*act{before(cassandra.VerbFence, func(*act) {}), with(intent("run1", "run1-2", "y"), func(a *act) { a.Undoes = "run1-1" })}, ""},
		"a raise over another run's":               {[]*act{before(raise, func(*act) {}), intent("run2", "run2-1", raise)}, "undo owed"},
		"a second raise of the same run":           {[]*act{before(raise, func(*act) {}), intent("run1", "run1-2", raise)}, ""},
		"a raise after it was taken back":          {[]*act{before(raise, func(*act) {}), paid, intent("run2", "run2-1", raise)}, ""},
		"a raise after one that came to nothing":   {[]*act{before(raise, func(a *act) { a.Status = galen.EffectAbsent }), intent("run2", "run2-1", raise)}, ""},
		"a raise of another node":                  {[]*act{before(raise, func(a *act) { a.Step.Target.ID = "id2" }), intent("run2", "run2-1", raise)}, ""},
		"the older raise is taken back first":      {[]*act{older, before(raise, func(a *act) { a.Run = "run2" }), with(intent("run2", "run2-2", restore), func(a *act) { a.Undoes = "run2-1" })}, "undo owed"},
		"the newer raise is taken back first":      {[]*act{older, before(raise, func(a *act) { a.Run = "run2" }), with(intent("run2", "run2-2", restore), func(a *act) { a.Undoes = "run1-1" })}, ""},
		"the engine has another version":           {[]*act{with(intent("run1", "run1-1", "x"), func(a *act) { a.Engine = 1 })}, "I-27"},
		"data are deleted without restore point":   {[]*act{intent("run1", "run1-1", verbWipe)}, "I-25"},
		"an old restore point":                     {[]*act{with(intent("run2", "run2-1", verbWipe), func(a *act) { a.Step.Target.ID = "old" })}, "I-25"},
		"a restore point, and a yes of just now":   {[]*act{with(intent("run1", "run1-1", verbWipe), func(a *act) { a.Step.Target.ID = "kept" })}, "I-25"},
		"a restore point, and a yes of yesterday":  {[]*act{with(intent("run2", "run2-1", verbWipe), func(a *act) { a.Step.Target.ID = "kept" })}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := brokenBy(c.acts)
			names := make([]string, 0, len(found))
			for _, v := range found {
				names = append(names, v.Invariant)
			}
			var want []string
			if c.broke != "" {
				want = []string{c.broke}
			}
			if !slices.Equal(names, want) {
				t.Errorf("broke %v, want %v: %v", names, want, found)
			}
		})
	}
}

// brokenBy is what the rules find in these acts. There are a fresh and an old restore point; run1 has a yes of just now, run2
// one of yesterday.
func brokenBy(acts []*act) []Violation {
	at := func(d time.Duration) time.Time { return epoch().Add(d) }
	tr := newTrace(Incident{Policy: galen.SafePolicy()}, func() time.Time { return at(10 * time.Minute) })
	tr.acts = acts
	for _, a := range acts {
		tr.byID[a.ID] = a
	}
	tr.points = map[string]time.Time{"kept": at(0), "old": at(-25 * time.Hour)}
	tr.yes = map[string][]time.Time{"run1": {at(50 * time.Second)}, "run2": {at(-24 * time.Hour)}}
	const heals = "cassandra/heal-node"
	of := Engine{Runbooks: []galen.ListedRunbook{{Name: heals, Version: 1}}, Newer: []galen.ListedRunbook{{Name: heals, Version: 2}}}
	run := galen.Run{Runbook: heals, Version: 1}
	c := &checker{trace: tr, of: of, runs: map[string]galen.Run{"run1": run, "run2": run}}
	for _, rule := range []func(*checker){(*checker).claimed, (*checker).kept, (*checker).debts, (*checker).versions, (*checker).deletions} {
		rule(c)
	}
	return c.found
}
