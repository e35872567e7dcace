package runbooks_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// refusals asks the kind's guards about the next planned step.
func (s *tale) refusals() []galen.Verdict {
	s.t.Helper()
	p := s.plan()
	if len(p.Steps) == 0 {
		return nil
	}
	verb := s.verb(p.Steps[0].Verb)
	run := galen.Run{ID: "run-1", Resource: demo(), Scope: []galen.Target{{ID: third}}}
	facts := make(map[string]galen.Fact, len(s.facts))
	for k, f := range s.facts {
		facts[k] = f
	}
	ask := galen.Ask[cassandra.Ring]{
		World: galen.World[cassandra.Ring]{Now: s.Now(), State: s.folded, Facts: facts},
		Step:  p.Steps[0], Class: verb.Class, Own: verb.Own, Claims: verb.Claims(s.folded, p.Steps[0]), Scope: run.Scope, Policy: s.policy,
		Ledger: galen.Ledger{Now: s.Now(), Run: run, Past: s.past, Facts: facts},
	}
	var out []galen.Verdict
	for _, g := range cassandra.Kind().Guards {
		v := g.Check(ask)
		if v.Guard = g.Name; v.Answer != galen.Allow {
			out = append(out, v)
		}
	}
	return out
}

// TestGuardsLetTheRunbooksWork: on a single real fault the guards of the ring allow every step of every rung, at once. A
// runbook that plans what is always refused heals nothing.
func TestGuardsLetTheRunbooksWork(t *testing.T) {
	for name, c := range map[string]struct {
		of    scene
		hurt  func(*tale)
		steps int
	}{
		"killed":     {scene{runbook: heal, name: "guarded"}, func(s *tale) { s.hurt(ring.Kill) }, 1},
		"frozen":     {scene{runbook: heal, name: "guarded"}, func(s *tale) { s.hurt(ring.Freeze) }, 2},
		"data lost":  {scene{runbook: heal, name: "guarded"}, func(s *tale) { s.hurt(ring.Kill, ring.LoseData) }, 7},
		"two starts": {scene{runbook: heal, name: "guarded"}, func(s *tale) { s.hurt(ring.Kill).drop("start", 1) }, 2},
		"joiner dies": {scene{runbook: heal, name: "guarded"}, func(s *tale) {
			s.hurt(ring.Kill, ring.LoseData).until("replace").act().after(5*time.Second).hurtNode("n4", ring.Kill)
		}, 9},
		"restart": {scene{runbook: restart, name: "guarded", params: `{"node":"127.0.0.3"}`}, func(*tale) {}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTale(t, c.of)
			c.hurt(s)
			for range 600 {
				p := s.plan()
				if p.End == galen.EndDone {
					break
				}
				if p.End != "" {
					t.Fatalf("it ends: %s", p.Why)
				}
				for _, v := range s.refusals() {
					t.Errorf("%s: %s says %s: %s", p.Steps[0], v.Guard, v.Answer, v.Why)
				}
				if len(p.Steps) > 0 {
					s.act()
				}
				s.after(2 * time.Second)
			}
			if p := s.plan(); p.End != galen.EndDone || len(s.past) != c.steps {
				t.Errorf("after %d steps: end %q, %s", len(s.past), p.End, p.Why)
			}
		})
	}
}
