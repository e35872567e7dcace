package runbooks_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/activities/kindtest"
	"github.com/galenhq/galen/runbooks"
)

// fencedBefore: n3 died and lost its data, and a run that was cancelled after its fence has fenced it.
func (s sim) fencedBefore() sim {
	s.t.Helper()
	s.hurt("n3", ring.Kill, ring.LoseData)
	seen, err := s.Look(s.t.Context(), demo(), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	dead, _ := cassandra.Fold(cassandra.Ring{}, seen).Node(third)
	fence := galen.Intent{ID: "cancelled-1", Run: "cancelled", Resource: demo(), Step: cassandra.Fence(dead), Fence: 1, At: s.Now()}
	if _, err := s.Do(s.t.Context(), fence); err != nil {
		s.t.Fatal(err)
	}
	s.Advance(30 * time.Second)
	return s
}

// fencedBefore is the same in a tale, seen for a minute.
func (s *tale) fencedBefore() *tale {
	s.t.Helper()
	s.sim.fencedBefore()
	return s.after(time.Minute)
}

// TestFencedBeforeDrills: who goes on with the work of a run that was cancelled after its fence finishes it.
func TestFencedBeforeDrills(t *testing.T) {
	rest := []string{"prepare", "replace", "repair", "repair", "repair", "clear-replace"}
	kindtest.Runbook(t, runbooks.CassandraHealNode(),
		drill(t, "fenced before", runbooks.HealNodeParams{}, galen.EndDone, sim.fencedBefore, rest...))
	kindtest.Runbook(t, runbooks.CassandraReplaceNode(),
		drill(t, "fenced before", runbooks.ReplaceNodeParams{Node: "127.0.0.3"}, galen.EndDone, sim.fencedBefore, rest...))
}

// TestFencedBeforeKeepsTheRing: from the preparation to the end of the join nobody else may move ranges, as after an own fence.
func TestFencedBeforeKeepsTheRing(t *testing.T) {
	for _, runbook := range []string{heal, replace} {
		s := newTale(t, scene{runbook: runbook, name: "x", params: `{"node":"127.0.0.3"}`})
		s.fencedBefore()
		for _, verb := range []string{cassandra.VerbPrepare, cassandra.VerbReplace} {
			s.until(verb)
			planned := s.plan().Keep
			s.act().after(time.Second)
			if p := s.plan(); len(planned) != 1 || len(p.Keep) != 1 || p.Keep[0].Name != "ring" {
				t.Errorf("%s keeps %v with its %s, and %v after it: %s", runbook, planned, verb, p.Keep, p.Why)
			}
		}
		if p := s.until(cassandra.VerbRepair).plan(); len(p.Keep) != 0 {
			t.Errorf("%s keeps %v while it repairs", runbook, p.Keep)
		}
	}
}

// pair is a tale in which n5 stands in the rack of n3, with spares for both, and the run is about both.
func pair(t *testing.T) *tale {
	of := scene{runbook: heal, name: "two", params: `{"node":""}`, policy: `{"replace_after":"2m"}`}
	s := newTaleOn(t, of, func(spec *ring.Spec) {
		for _, name := range []string{"5", "6"} {
			spec.Hosts = append(spec.Hosts, ring.HostSpec{Name: "n" + name, Address: "127.0.0." + name, DC: "dc1", Rack: "r3", Spare: name == "6"})
		}
	})
	n, _ := s.folded.NodeOf("n5")
	s.scope = []galen.Target{n.Target(), {ID: third}}
	return s
}

// TestTheRingIsKeptWhileAnotherTargetIsHealed: n3 is fenced and its place is empty, whatever is done to n5 meanwhile.
func TestTheRingIsKeptWhileAnotherTargetIsHealed(t *testing.T) {
	s := pair(t)
	s.hurtNode("n5", ring.Kill).hurtNode("n3", ring.Kill, ring.LoseData).until(cassandra.VerbFence).act()
	started := false
	for range 1000 {
		p := s.plan()
		switch {
		case slices.ContainsFunc(s.past, func(in galen.Intent) bool {
			return in.Step.Verb == cassandra.VerbReplace && in.Effect.Status == galen.EffectDone
		}):
			if !started {
				t.Error("n5 was not started meanwhile: this shows nothing")
			}
			return
		case p.End != "":
			t.Fatalf("it ends: %s", p.Why)
		case len(p.Keep) == 0:
			t.Fatalf("n3 is fenced, its place is empty, and the plan lets the claim on the ring go: %s", p.Why)
		case len(p.Steps) > 0:
			started = started || p.Steps[0].Verb == cassandra.VerbStart
			s.act()
		}
		s.after(2 * time.Second)
	}
	t.Fatalf("n3 is never replaced: %s", s.plan().Why)
}

// TestAWaitTellsWhoNeedsAPerson: a run that waits for one target says that another one needs a person, and is not held, so that it acts
// for the first one yet. It keeps the ring if that other one is fenced.
func TestAWaitTellsWhoNeedsAPerson(t *testing.T) {
	s := pair(t)
	s.hurtNode("n3", ring.Kill, ring.LoseData).until(cassandra.VerbPrepare)
	s.hurtNode("n4", ring.FillDisk).hurtNode("n6", ring.FillDisk).hurtNode("n5", ring.Kill)
	p := s.plan()
	if p.End != "" || len(p.Steps) > 0 || !strings.Contains(p.Why, "come back by itself; besides, a person is needed: n3 (127.0.0.3) is fenced, and no empty instance") {
		t.Errorf("wait %s, end %q: %s", p.Wait, p.End, p.Why)
	}
	if len(p.Keep) != 1 || p.Keep[0].Name != "ring" {
		t.Errorf("n3 is fenced, its place is empty, and it keeps %v", p.Keep)
	}
	if p := s.until(cassandra.VerbStart).plan(); len(p.Keep) != 1 {
		t.Errorf("n3 is fenced, its place is empty, and it keeps %v with the start of n5", p.Keep)
	}
}

// TestWhoReplacesTwoCountsThoseFencedBefore: the limit of replacements in a run holds whoever has fenced the first one.
func TestWhoReplacesTwoCountsThoseFencedBefore(t *testing.T) {
	s := pair(t)
	s.fencedBefore()
	s.until(cassandra.VerbRepair).until(cassandra.VerbClearReplace).act().after(20 * time.Second)
	s.hurtNode("n5", ring.Kill, ring.LoseData).after(5 * time.Minute)
	if p := s.plan(); p.End != galen.EndEscalate || !strings.Contains(p.Why, "this run has replaced 1 already") {
		t.Errorf("end %q, steps %v: %s", p.End, p.Steps, p.Why)
	}
}

// TestWhoVanishedEndsNoDebt: that the target is no member any more heals nothing while a member owes the repair for what this run did;
// what another run owes is that one's.
func TestWhoVanishedEndsNoDebt(t *testing.T) {
	s := newTale(t, scene{runbook: heal, name: "x", params: `{"node":""}`})
	s.scope = []galen.Target{{ID: "00000000-0000-4000-8000-000000000009"}}
	if p := s.plan(); p.End != galen.EndDone {
		t.Fatalf("it is no member, all others are well: %s", p.Why)
	}
	n, _ := s.folded.Node(second)
	started := galen.Intent{ID: "intent-1", Step: cassandra.Start(n), Sent: galen.SentYes, At: s.Now(), Effect: galen.Effect{Status: galen.EffectDone, At: s.Now()}}
	s.past = append(s.past, started)
	owes := func(instance, intent string) {
		s.facts = map[string]galen.Fact{"x": {Key: cassandra.FactRepairOwed + instance + "/orders", Intent: intent}}
		s.facts[s.facts["x"].Key] = s.facts["x"]
		delete(s.facts, "x")
	}
	for name, c := range map[string]struct {
		instance, intent string
		repairs          bool
	}{
		"by this run":             {"n2", "intent-1", true},
		"by another one":          {"n2", "theirs-1", false},
		"on who is no member now": {"n4", "intent-1", false},
	} {
		owes(c.instance, c.intent)
		p := s.plan()
		if got := len(p.Steps) == 1 && p.Steps[0].Verb == cassandra.VerbRepair && p.Steps[0].Target.ID == second; got != c.repairs || p.End != galen.EndDone != got {
			t.Errorf("%s: end %q, steps %v, %s", name, p.End, p.Steps, p.Why)
		}
	}
	owes("n2", "intent-1")
	s.act()
	if args, err := galen.Decode[cassandra.RepairArgs](json.RawMessage(s.past[1].Step.Args)); err != nil || args.Keyspace != "orders" {
		t.Errorf("%v, %v", args, err)
	}
	s.after(time.Minute)
	if p := s.plan(); p.End != galen.EndDone || len(s.facts) != 1 {
		t.Errorf("repaired, and %q: %s, with %v", p.End, p.Why, s.facts)
	}
}
