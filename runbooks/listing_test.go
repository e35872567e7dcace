package runbooks_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func named(of scene) scene {
	of.name = "listing"
	return of
}

// unlist makes the newest listing lack the node of an instance, without a proof that it left.
func (s *tale) unlist(instance string) *tale {
	s.t.Helper()
	n, found := s.folded.NodeOf(instance)
	if !found {
		s.t.Fatalf("no node of %s is listed", instance)
	}
	for i := range s.folded.Nodes {
		if s.folded.Nodes[i].HostID == n.HostID {
			s.folded.Nodes[i].Unlisted, s.folded.Nodes[i].Down = true, true
		}
	}
	return s
}

// One look whose listing lacks the node waits for a better one wherever the run is, and pages nobody: a run that is held lets
// its claims go, in the middle of what it does. When the node is listed again, the run goes on with what it had planned.
func TestShortListingWaits(t *testing.T) {
	lost := []ring.Trouble{ring.Kill, ring.LoseData}
	one := `{"node":"127.0.0.3"}`
	for name, c := range map[string]struct {
		of   scene
		play func(*tale)
		node string // whose
		keep int    // claims
	}{
		"heal, down":                    {scene{runbook: heal}, func(s *tale) { s.hurt(ring.Kill).until("start") }, "n3", 0},
		"heal, fenced":                  {scene{runbook: heal}, func(s *tale) { s.hurt(lost...).until("fence").act().until("prepare") }, "n3", 1},
		"heal, prepared":                {scene{runbook: heal}, func(s *tale) { s.hurt(lost...).until("replace") }, "n3", 1},
		"heal, joined":                  {scene{runbook: heal}, func(s *tale) { s.hurt(lost...).until("repair") }, "n4", 0},
		"heal, repaired":                {scene{runbook: heal}, func(s *tale) { s.hurt(lost...).until("clear-replace") }, "n4", 0},
		"replace, dead":                 {scene{runbook: replace, params: one}, func(s *tale) { s.hurt(ring.Kill).until("fence") }, "n3", 0},
		"replace, fenced":               {scene{runbook: replace, params: one}, func(s *tale) { s.hurt(ring.Kill).until("prepare") }, "n3", 1},
		"replace, joined":               {scene{runbook: replace, params: one}, func(s *tale) { s.hurt(ring.Kill).until("repair") }, "n4", 0},
		"restart, well":                 {scene{runbook: restart, params: one}, func(*tale) {}, "n3", 0},
		"restart, stopped":              {scene{runbook: restart, params: one}, func(s *tale) { s.until("start") }, "n3", 0},
		"restart, stopped, cancelled":   {scene{runbook: restart, params: one}, func(s *tale) { s.until("start").stop(galen.StopCancel) }, "n3", 0},
		"tune, a sender that streams":   {scene{runbook: tune, params: `{"nodes":["n1"],"to":100}`}, func(s *tale) { s.join() }, "n1", 0},
		"tune, a sender that is raised": {scene{runbook: tune, params: `{"nodes":["n1"],"to":100}`}, func(s *tale) { s.join().raise() }, "n1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTale(t, named(c.of))
			c.play(s)
			planned := s.plan()
			s.unlist(c.node)
			if p := s.plan(); p.End != "" || len(p.Steps) > 0 || p.Wait == 0 || len(p.Keep) != c.keep {
				t.Errorf("unlisted: %s, keeps %v", render(p), p.Keep)
			}
			s.after(time.Second)
			if diff := cmp.Diff(render(planned), render(s.plan())); diff != "" {
				t.Errorf("listed again (-before +after):\n%s", diff)
			}
		})
	}
}

// What was stopped before anything was done needs no listing to end.
func TestShortListingStopped(t *testing.T) {
	for _, book := range []string{heal, replace, restart} {
		s := newTale(t, named(scene{runbook: book, params: `{"node":"127.0.0.3"}`})).unlist("n3").stop(galen.StopCancel)
		if p := s.plan(); p.End != galen.EndDone {
			t.Errorf("%s: %s", book, render(p))
		}
	}
}

// An instance in the scope of a run means its node, also while that is unlisted; a listed node of that name goes before it.
func TestUnlistedByItsInstance(t *testing.T) {
	s := newTale(t, named(scene{runbook: heal})).unlist("n3")
	asked := func() galen.Plan {
		p, err := s.rb.Decide(galen.Situation[galen.State, json.RawMessage]{
			World: galen.World[galen.State]{Now: s.Now(), State: s.folded}, Scope: []galen.Target{{ID: "instance/n3"}}, Params: json.RawMessage(`{}`), Policy: s.policy,
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := asked(); p.End != "" || !strings.Contains(p.Why, "waiting for one that lists") {
		t.Errorf("unlisted: %s", render(p))
	}
	old, _ := s.folded.Node(third)
	heir := old
	heir.HostID, heir.Unlisted, heir.Down = "ffffffff-0000-4000-8000-000000000003", false, false
	s.folded.Nodes = append(s.folded.Nodes, heir)
	if p := asked(); strings.Contains(p.Why, "waiting for one that lists") {
		t.Errorf("another node runs there now: %s", render(p))
	}
}
