package cassandra_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/activities/kindtest"
)

// sim is the simulated ring of the demo with its own clock.
type sim struct {
	*ring.Cluster
	t   *testing.T
	now *time.Time
}

func newSim(t *testing.T) sim {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := sim{t: t, now: &now}
	cluster, err := ring.New(ring.Three(s.Now))
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = cluster
	return s
}

func (s sim) Now() time.Time          { return *s.now }
func (s sim) Advance(d time.Duration) { *s.now = s.now.Add(d) }
func (s sim) LoseReply()              { s.Strike(ring.Fault{Kind: ring.LostReply}) }

func (s sim) look() cassandra.Ring {
	s.t.Helper()
	r, err := s.Look(s.t.Context(), demo(), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return cassandra.Fold(cassandra.Ring{}, r)
}

func demo() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

// make lets troubles happen and waits until the peers have noticed.
func (s sim) make(troubles ...ring.Trouble) sim {
	s.t.Helper()
	for _, trouble := range troubles {
		if err := s.Make(trouble, "n3"); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Advance(30 * time.Second)
	return s
}

// done does a step and lets a time pass.
func (s sim) done(id string, step galen.Step, d time.Duration) sim {
	s.t.Helper()
	if _, err := s.Do(s.t.Context(), galen.Intent{ID: id, Resource: demo(), Step: step, At: s.Now(), Fence: int64(len(s.Calls()) + 1)}); err != nil {
		s.t.Fatal(err)
	}
	s.Advance(d)
	return s
}

func third(r cassandra.Ring) cassandra.Node {
	n, _ := r.NodeOf("n3")
	return n
}

func instance(r cassandra.Ring, name string) cassandra.Instance {
	i, _ := r.Instance(name)
	return i
}

func (s sim) fenced() sim {
	s.make(ring.Kill, ring.LoseData)
	return s.done("fence-1", cassandra.Fence(third(s.look())), time.Second)
}

func (s sim) prepared() sim {
	s.fenced()
	r := s.look()
	return s.done("prepare-1", cassandra.Prepare(r, instance(r, "n4"), third(r)), time.Second)
}

func (s sim) replacing() sim {
	s.prepared()
	r := s.look()
	return s.done("replace-1", cassandra.Replace(third(r), instance(r, "n4")), 10*time.Second)
}

// raise lets n3 send streams at 100 MiB/s.
func raise(r cassandra.Ring) galen.Step {
	v, _ := r.View("n3")
	return cassandra.RaiseStream(third(r), v, 100)
}

func TestKind(t *testing.T) {
	world := func(name string, scene func(sim) sim, steps func(cassandra.Ring) []galen.Step) kindtest.World[cassandra.Ring] {
		return kindtest.World[cassandra.Ring]{Name: name, Resource: demo(), Steps: steps, New: func() kindtest.Sim[cassandra.Ring] { return scene(newSim(t)) }}
	}
	kindtest.Kind(t, cassandra.Kind(),
		world("steady", func(s sim) sim { return s }, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.Stop(third(r)), cassandra.RepairRanges(r, third(r), "orders"), raise(r)}
		}),
		world("raised", func(s sim) sim { return s.done("raise-1", raise(s.look()), time.Second) }, func(cassandra.Ring) []galen.Step {
			return []galen.Step{*raise(newSim(t).look()).Undo}
		}),
		world("killed", func(s sim) sim { return s.make(ring.Kill) }, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.Start(third(r)), cassandra.Fence(third(r))}
		}),
		world("frozen", func(s sim) sim { return s.make(ring.Freeze) }, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.Kill(third(r), instance(r, "n3")), cassandra.Fence(third(r))}
		}),
		world("fenced", sim.fenced, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.Prepare(r, instance(r, "n4"), third(r))}
		}),
		world("prepared", sim.prepared, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.Replace(third(r), instance(r, "n4")), cassandra.Discard(instance(r, "n4"))}
		}),
		world("joiner died", func(s sim) sim {
			s.replacing()
			if err := s.Make(ring.Kill, "n4"); err != nil {
				t.Fatal(err)
			}
			s.Advance(time.Second)
			return s
		}, func(r cassandra.Ring) []galen.Step {
			return []galen.Step{cassandra.RemoveJoiner(instance(r, "n4"), "replace-1")}
		}),
		world("replaced", func(s sim) sim {
			s.replacing()
			s.Advance(time.Minute)
			return s
		}, func(r cassandra.Ring) []galen.Step {
			n, _ := r.NodeOf("n4")
			return []galen.Step{cassandra.RepairRanges(r, n, "orders"), cassandra.ClearReplace(n)}
		}),
	)
}
