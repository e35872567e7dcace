package ring_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// chance is a small generator of its own, so that the test throws the same on every machine.
type chance uint64

func (c *chance) upTo(n int) int {
	*c = *c*6364136223846793005 + 1442695040888963407
	return int(uint64(*c)>>33) % n
}

// tale is an hour of everything that can happen, on a ring whose nodes hear late and start late.
func tale(t testing.TB, seed uint64) (end cassandra.Ring, did int, harms []ring.Harm) {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	spec := ring.Shape{DCs: 1, Racks: 3, Nodes: 2, Spares: 3, VNodes: 4, RF: 3}.Spec("demo", func() time.Time { return now })
	spec.Seed, spec.Writes, spec.Timing.Lag, spec.Timing.Jitter = seed, true, 3*time.Second, 0.5
	c, dice := start(t, spec), chance(seed)
	troubles := []ring.Trouble{
		ring.Kill, ring.Freeze, ring.Thaw, ring.LoseData, ring.Unmount, ring.Start, ring.Start, ring.Start, ring.Stop, ring.Cut, ring.Mend, ring.Mend,
		ring.HideHost, ring.Isolate, ring.Disagree, ring.Leave, ring.Hibernate, ring.ForeignAdd, ring.BadConfig, ring.ForeignReplace,
		ring.RemoveNode, ring.Assassinate, ring.ForeignRepair,
	}
	who := func() string { return spec.Hosts[dice.upTo(len(spec.Hosts))].Name }
	for range 240 {
		now = now.Add(time.Duration(1+dice.upTo(29)) * time.Second)
		h := ring.Happening{Trouble: troubles[dice.upTo(len(troubles))], Instance: who()}
		switch h.Trouble {
		case ring.ForeignReplace, ring.RemoveNode, ring.Assassinate, ring.ForeignRepair:
			h.Of = who()
		case ring.Freeze, ring.Cut, ring.Isolate, ring.HideHost:
			h.For = galen.Duration(time.Duration(dice.upTo(60)) * time.Second)
		default:
		}
		if c.Happen(h) == nil {
			did++
		}
		seen, err := c.Look(t.Context(), resource(), nil, nil)
		if err != nil {
			continue // nothing and nobody answers
		}
		end = cassandra.Fold(end, seen)
		sound(t, c, seen, h)
	}
	return end, did, append(c.Harms(), c.Overlaps()...)
}

// sound holds whatever happens: who answers NORMAL is in its own gossip (as removed, where others gave it up too early), no member is there twice, and every range of
// a ring with owners has replicas.
func sound(t testing.TB, c *ring.Cluster, seen cassandra.Ring, h ring.Happening) {
	t.Helper()
	for _, v := range seen.Live() {
		known := false
		for _, e := range v.Peers {
			known = known || e.Address == v.Address
		}
		if !known {
			t.Fatalf("%s: %s is NORMAL and does not know itself: %+v", h, v.Instance, v.Peers)
		}
	}
	at := map[string]string{}
	for _, m := range c.Truth().Members {
		if other, twice := at[m.HostID]; twice {
			t.Fatalf("%s: %s is at %s and at %s", h, m.HostID, other, m.Host)
		}
		at[m.HostID] = m.Host
	}
	for _, r := range c.Ranges() {
		if len(r.Replicas) == 0 {
			t.Fatalf("%s: nobody holds %v of %s", h, r.Range, r.Keyspace)
		}
	}
}

// TestSoak: hours of everything at once neither break the simulated ring nor make it forget its own rules, and the same
// seed gives the same ring.
func TestSoak(t *testing.T) {
	happened, harmed := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			one, did, harms := tale(t, seed)
			happened, harmed = happened+did, harmed+len(harms)
			if seed > 2 {
				return
			}
			again, _, _ := tale(t, seed)
			a, errA := json.Marshal(one)
			b, errB := json.Marshal(again)
			if errA != nil || errB != nil || string(a) != string(b) {
				t.Error("the same seed gives another ring")
			}
		})
	}
	if happened < 1000 || harmed == 0 {
		t.Errorf("%d things happened, %d harms were told: too little to prove anything", happened, harmed)
	}
	t.Logf("%d things happened, %d harms", happened, harmed)
}

// BenchmarkLook is what each turn of an engine costs: a look, its consensus and the fold onto what was known.
func BenchmarkLook(b *testing.B) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := start(b, ring.Shape{DCs: 1, Racks: 3, Nodes: 2, VNodes: 8, RF: 3}.Spec("demo", func() time.Time { return now }))
	var state cassandra.Ring
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		seen, err := c.Look(b.Context(), resource(), nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		state = cassandra.Fold(state, seen)
	}
}
