package ring_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func start(t testing.TB, spec ring.Spec) *ring.Cluster {
	t.Helper()
	c, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTruthPlacesAsTheQuorumDoes: two placements that share no code agree on any ring.
func TestTruthPlacesAsTheQuorumDoes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		shape := ring.Shape{
			DCs: rapid.IntRange(1, 3).Draw(r, "dcs"), Racks: rapid.IntRange(1, 4).Draw(r, "racks"), Nodes: rapid.IntRange(1, 2).Draw(r, "nodes"),
			VNodes: rapid.IntRange(1, 4).Draw(r, "vnodes"), RF: rapid.IntRange(1, 5).Draw(r, "rf"),
		}
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		c := start(t, shape.Spec("demo", func() time.Time { return now }))
		seen, err := c.Look(t.Context(), resource(), nil, nil)
		if err != nil {
			r.Fatal(err)
		}
		q := cassandra.NewQuorum(seen, galen.Policy{})
		for _, of := range c.Ranges() {
			slices.Sort(of.Replicas)
			if got := q.Replicas(of.Keyspace, of.End); !slices.Equal(got, of.Replicas) {
				r.Fatalf("%+v: %v of %s lies on %v in truth, the guards think on %v", shape, of.Range, of.Keyspace, of.Replicas, got)
			}
		}
	})
}

func TestTruthSeesWhatNobodySeesYet(t *testing.T) {
	p := newPatient(t)
	if short := p.ring.Short(); len(short) > 0 {
		t.Fatalf("a healthy ring is short of replicas: %v", short)
	}
	p.make(ring.Freeze, "n2")
	if p.look(); p.node("n2").Down {
		t.Error("nobody can know it yet")
	}
	if h, _ := p.ring.Truth().Host("n2"); h.Serves || !h.Frozen || !h.Running || !h.Data {
		t.Errorf("in truth n2 serves nobody: %+v", h)
	}
	if short := p.ring.Short(); len(short) > 0 {
		t.Errorf("two of three still serve: %v", short)
	}
	if short := p.ring.Short(p.node("n1").HostID); len(short) == 0 {
		t.Error("with n1 down too, nothing has a quorum")
	}
}

func TestLostData(t *testing.T) {
	p := newPatient(t)
	for i, n := range []string{"n1", "n2", "n3"} {
		p.make(ring.Kill, n)
		if lost := p.ring.Lost(); slices.ContainsFunc(lost, func(r ring.TrueRange) bool { return r.Keyspace == "orders" }) {
			t.Errorf("a dead node still has its disk, and %d disks are left: %v", 3-i, lost)
		}
		p.make(ring.LoseData, n)
	}
	if lost := p.ring.Lost(); len(lost) == 0 || lost[0].Keyspace != "orders" || len(lost[0].Replicas) != 3 {
		t.Errorf("no disk holds anything any more: %v", lost)
	}
}

func TestHappenings(t *testing.T) {
	p := newPatient(t)
	if err := p.ring.Happen(ring.Happening{Trouble: ring.Freeze, Instance: "n2", For: galen.Duration(20 * time.Second), Every: galen.Duration(time.Minute), Times: 3}); err != nil {
		t.Fatal(err)
	}
	if at, due := p.ring.Next(); !due || at.Sub(p.now) != 20*time.Second {
		t.Errorf("the thaw is due next: %v, %v", at, due)
	}
	p.wait(4 * time.Minute)
	if n := p.node("n2"); n.Down || n.Flips != 6 {
		t.Errorf("it went down and came back three times: down %v, %d flips", n.Down, n.Flips)
	}
	if err := p.ring.Happen(ring.Happening{Trouble: ring.Thaw, Instance: "n4"}); err == nil {
		t.Error("there is no process to thaw")
	}
	if err := p.ring.Happen(ring.Happening{Trouble: ring.Kill, Instance: "n1", Times: 2}); err == nil {
		t.Error("twice, and no period")
	}
}
