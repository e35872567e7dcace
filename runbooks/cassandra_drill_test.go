package runbooks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/activities/kindtest"
	"github.com/galenhq/galen/runbooks"
)

// sim is the simulated ring of the demo with its own clock.
type sim struct {
	*ring.Cluster
	t   *testing.T
	now *time.Time
}

func newSim(t *testing.T) sim { return loaded(t, 0) }

// loaded is one whose nodes hold that many bytes each.
func loaded(t *testing.T, bytes int64) sim {
	now := noon()
	s := sim{t: t, now: &now}
	spec := ring.Three(s.Now)
	spec.Load = bytes
	cluster, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = cluster
	return s
}

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func (s sim) Now() time.Time          { return *s.now }
func (s sim) Advance(d time.Duration) { *s.now = s.now.Add(d) }
func (s sim) LoseReply()              { s.Strike(ring.Fault{Kind: ring.LostReply}) }

// hurt lets troubles happen to a node and waits until the peers have noticed.
func (s sim) hurt(instance string, troubles ...ring.Trouble) sim {
	s.t.Helper()
	for _, trouble := range troubles {
		if err := s.Make(trouble, instance); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Advance(30 * time.Second)
	return s
}

func demo() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

const (
	first  = "00000000-0000-4000-8000-000000000001"
	second = "00000000-0000-4000-8000-000000000002"
	third  = "00000000-0000-4000-8000-000000000003"
)

// drill runs a runbook on the simulated ring; a scene has seen the ring healthy before, as the watch has.
func drill[P any](t *testing.T, name string, params P, end string, scene func(sim) sim, verbs ...string) kindtest.Drill[cassandra.Ring, P] {
	p := galen.SafePolicy()
	p.ReplaceAfter = galen.Duration(2 * time.Minute)
	return kindtest.Drill[cassandra.Ring, P]{
		Name: name, Kind: remembering(t), Resource: demo(), Params: params, Policy: p, End: end, Verbs: verbs,
		Scope: []galen.Target{{ID: third}},
		New:   func() kindtest.Sim[cassandra.Ring] { return scene(newSim(t)) },
	}
}

// remembering is the kind whose first look is folded onto one of the healthy ring.
func remembering(t *testing.T) galen.Kind[cassandra.Ring] {
	healthy := newSim(t)
	healthy.Advance(-time.Hour)
	seen, err := healthy.Look(t.Context(), demo(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen.At = seen.At.Add(-time.Hour)
	for i := range seen.Views {
		seen.Views[i].At = seen.At
	}
	for i := range seen.Instances {
		seen.Instances[i].At = seen.At
	}
	before := cassandra.Fold(cassandra.Ring{}, seen)
	k := cassandra.Kind()
	k.Fold = func(prev, seen cassandra.Ring) cassandra.Ring {
		if prev.Name == "" {
			prev = before
		}
		return cassandra.Fold(prev, seen)
	}
	return k
}

func same(s sim) sim { return s }

func TestHealNodeDrills(t *testing.T) {
	var none runbooks.HealNodeParams
	replaced := []string{"fence", "prepare", "replace", "repair", "repair", "repair", "clear-replace"}
	kindtest.Runbook(t, runbooks.CassandraHealNode(),
		drill(t, "killed", none, galen.EndDone, func(s sim) sim { return s.hurt("n3", ring.Kill) }, "start"),
		drill(t, "frozen", none, galen.EndDone, func(s sim) sim { return s.hurt("n3", ring.Freeze) }, "kill", "start"),
		drill(t, "data lost", none, galen.EndDone, func(s sim) sim { return s.hurt("n3", ring.Kill, ring.LoseData) }, replaced...),
		drill(t, "other disk", none, galen.EndEscalate, func(s sim) sim { return s.hurt("n3", ring.Kill, ring.Unmount) }),
		drill(t, "well", none, galen.EndDone, same),
		drill(t, "two racks", none, galen.EndEscalate, func(s sim) sim {
			return s.hurt("n2", ring.Kill, ring.LoseData).hurt("n3", ring.Kill, ring.LoseData)
		}),
		drill(t, "flapped", none, galen.EndDone, func(s sim) sim { return s.hurt("n3", ring.Freeze, ring.Thaw) }),
		drill(t, "starts refused", none, galen.EndDone, func(s sim) sim {
			s.Strike(ring.Fault{Verb: "start", Kind: ring.Dropped, Times: 2})
			return s.hurt("n3", ring.Kill)
		}, "start", "start", "start"),
	)
}

// TestHealNodeByHand: a person names one node, and nobody is nobody.
func TestHealNodeByHand(t *testing.T) {
	rb := galen.ListRunbook(runbooks.CassandraHealNode())
	seen, err := newSim(t).Look(t.Context(), demo(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, params := range []string{`{"node":"n3"}`, `{"node":"127.0.0.3"}`, `{"node":"` + third + `","spare":"n4"}`} {
		scope, err := rb.Scope(seen, json.RawMessage(params))
		if err != nil || len(scope) != 1 || scope[0].ID != third {
			t.Errorf("%s means %v, %v", params, scope, err)
		}
	}
	for _, params := range []string{`{}`, `{"node":"n9"}`} {
		if scope, err := rb.Scope(seen, json.RawMessage(params)); err == nil {
			t.Errorf("%s means %v", params, scope)
		}
	}
}

func TestReplaceNodeDrills(t *testing.T) {
	replaced := []string{"fence", "prepare", "replace", "repair", "repair", "repair", "clear-replace"}
	kindtest.Runbook(t, runbooks.CassandraReplaceNode(),
		drill(t, "dead", runbooks.ReplaceNodeParams{Node: "127.0.0.3"}, galen.EndDone, func(s sim) sim { return s.hurt("n3", ring.Kill) }, replaced...),
		drill(t, "alive", runbooks.ReplaceNodeParams{Node: third}, galen.EndEscalate, same),
		drill(t, "unknown", runbooks.ReplaceNodeParams{Node: "127.0.0.9"}, galen.EndEscalate, same),
		drill(t, "no name", runbooks.ReplaceNodeParams{}, galen.EndEscalate, same),
		drill(t, "no such spare", runbooks.ReplaceNodeParams{Node: third, Spare: "n9"}, galen.EndEscalate, func(s sim) sim { return s.hurt("n3", ring.Kill) }),
	)
}

func TestRestartNodeDrills(t *testing.T) {
	kindtest.Runbook(t, runbooks.CassandraRestartNode(),
		drill(t, "healthy", runbooks.RestartNodeParams{Node: "127.0.0.3"}, galen.EndDone, same, "stop", "start"),
		drill(t, "down", runbooks.RestartNodeParams{Node: third}, galen.EndEscalate, func(s sim) sim { return s.hurt("n3", ring.Kill) }),
		drill(t, "out of scope", runbooks.RestartNodeParams{Node: second}, galen.EndEscalate, same),
		drill(t, "no name", runbooks.RestartNodeParams{}, galen.EndEscalate, same),
	)
}

func TestTuneStreamingDrills(t *testing.T) {
	join := func(s sim) sim { return s.hurt("n4", ring.ForeignAdd) }
	tuned := func(name string, p runbooks.TuneStreamingParams, end string, scene func(sim) sim, verbs ...string) kindtest.Drill[cassandra.Ring, runbooks.TuneStreamingParams] {
		d := drill(t, name, p, end, scene, verbs...)
		d.Scope = []galen.Target{{ID: first}, {ID: second}}
		return d
	}
	both := runbooks.TuneStreamingParams{Nodes: []string{"n1", "n2"}, To: 100, For: galen.Duration(time.Hour)}
	raise, restore := cassandra.VerbRaiseStream, cassandra.VerbRestoreStream
	joins := tuned("a node joins", both, galen.EndDone, same, raise, raise, restore, restore)
	joins.New = func() kindtest.Sim[cassandra.Ring] {
		s := loaded(t, outlasting)
		if err := s.Make(ring.ForeignAdd, "n4"); err != nil {
			t.Fatal(err)
		}
		s.Advance(15 * time.Second)
		return s
	}
	kindtest.Runbook(t, runbooks.CassandraTuneStreaming(),
		joins,
		tuned("nothing streams", both, galen.EndDone, same),
		tuned("joined already", both, galen.EndDone, join),
		tuned("nobody", runbooks.TuneStreamingParams{To: 100, For: galen.Duration(time.Hour)}, galen.EndEscalate, same),
	)
}
