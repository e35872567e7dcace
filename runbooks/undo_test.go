package runbooks_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/runbooks"
)

// unpaid is a run of pay-undo for the preparations of n4 and, newer, n5.
func unpaid(t *testing.T) (s galen.Situation[cassandra.Ring, struct{}], older, newer galen.Step) {
	t.Helper()
	s.Now, s.Policy, s.Facts = noon(), galen.SafePolicy(), map[string]galen.Fact{}
	owe := func(name string, ago time.Duration) galen.Step {
		i := cassandra.Instance{Name: name, Spare: true, Prepared: "by-" + name}
		s.State.Instances, s.Scope = append(s.State.Instances, i), append(s.Scope, i.Target())
		undo := cassandra.Discard(i)
		f, err := galen.Owe(galen.Intent{ID: i.Prepared, At: s.Now.Add(-ago), Step: galen.Step{Undo: &undo}})
		if err != nil {
			t.Fatal(err)
		}
		s.Facts[f.Key] = *f
		return undo
	}
	older, newer = owe("n4", 2*time.Hour), owe("n5", time.Hour)
	return s, older, newer
}

// tried are so many intents with one step, one a second up to now, all with the same effect.
func tried(times int, step galen.Step, e galen.EffectStatus, now time.Time) []galen.Intent {
	var out []galen.Intent
	for k := range times {
		out = append(out, galen.Intent{ID: fmt.Sprintf("try-%d", k), At: now.Add(time.Duration(k-times) * time.Second), Step: step, Effect: galen.Effect{Status: e}})
	}
	return out
}

// An undo that was tried in vain, whether it failed or never happened, keeps no other one unpaid, and is not tried for ever.
func TestUndoInVainStarvesNobody(t *testing.T) {
	decide := runbooks.CassandraPayUndo().Decide
	for _, e := range []galen.EffectStatus{galen.EffectFailed, galen.EffectAbsent} {
		s, older, newer := unpaid(t)
		pays := func(p galen.Plan, what galen.Step) bool { return len(p.Steps) == 1 && p.Steps[0].Target == what.Target }
		if s.Past = tried(2, newer, e, s.Now); !pays(decide(s), newer) {
			t.Errorf("2 times %s: %s", e, render(decide(s)))
		}
		if s.Past = tried(3, newer, e, s.Now); !pays(decide(s), older) {
			t.Errorf("3 times %s: %s", e, render(decide(s)))
		}
		s.Past = slices.Concat(s.Past, tried(3, older, e, s.Now))
		if p := decide(s); p.End != galen.EndEscalate {
			t.Errorf("all 3 times %s: %s", e, render(p))
		}
		s.LastYes = s.Now.Add(-1500 * time.Millisecond) // one of each came after it
		if p := decide(s); !pays(p, newer) {
			t.Errorf("all 3 times %s, approved since: %s", e, render(p))
		}
	}
	s, _, newer := unpaid(t)
	if s.Past = tried(9, newer, galen.EffectDone, s.Now); len(decide(s).Steps) == 0 {
		t.Errorf("debts of one target that were paid count against the next: %s", render(decide(s)))
	}
}

// A run that raised two throttles puts back the second one also when the first cannot be put back.
func TestPutBackInVainStarvesNobody(t *testing.T) {
	s := newTale(t, scene{runbook: tune, name: "in-vain", params: `{"nodes":["n1","n2"],"to":100}`})
	s.join().raise().raise().until(back)
	first := s.plan().Steps[0]
	s.past = slices.Concat(s.past, tried(3, first, galen.EffectAbsent, s.Now()))
	p := s.plan()
	if len(p.Steps) == 0 || p.Steps[0].Target == first.Target {
		t.Fatalf("the other one is not put back: %s", render(p))
	}
	s.past = slices.Concat(s.past, tried(3, p.Steps[0], galen.EffectAbsent, s.Now()))
	if p = s.plan(); p.End != galen.EndEscalate {
		t.Errorf("both in vain: %s", render(p))
	}
	if p = s.approve().plan(); len(p.Steps) == 0 || p.Steps[0].Target != first.Target {
		t.Errorf("both in vain, approved since: %s", render(p))
	}
}

// A repair that failed too often is tried again after a person's yes, and a person is asked again.
func TestRepairsAfterYes(t *testing.T) {
	s := newTale(t, scene{runbook: heal, name: "repairs"}).hurt(ring.Kill, ring.LoseData).until("repair")
	repair := s.plan().Steps[0]
	fail := func() galen.Plan {
		s.past = slices.Concat(s.past, tried(3, repair, galen.EffectFailed, s.Now().Add(5*time.Second)))
		return s.plan()
	}
	if p := fail(); p.End != galen.EndEscalate {
		t.Fatalf("failed 3 times: %s", render(p))
	}
	s.Advance(10 * time.Second)
	if p := s.approve().plan(); len(p.Steps) != 1 || p.Steps[0].Verb != "repair" {
		t.Errorf("approved since: %s", render(p))
	}
	if p := fail(); p.End != galen.EndEscalate {
		t.Errorf("failed 3 times more: %s", render(p))
	}
}
