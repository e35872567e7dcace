package cassandra_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func up(r cassandra.Ring, down map[string]bool) []string {
	var out []string
	for _, n := range r.Nodes {
		if !down[n.HostID] {
			out = append(out, n.HostID)
		}
	}
	return out
}

// takes tells, by the naive count, whether the loss of these nodes at once takes a level away.
func (n *naive) takes(down map[string]bool, more ...string) bool {
	after := maps.Clone(down)
	for _, id := range more {
		after[id] = true
	}
	return len(n.judge(after, down).lost) > 0
}

// small draws a ring and a policy that can be asked about every set of nodes.
func (d drawing) small() (cassandra.Ring, galen.Policy, map[string]bool) {
	for {
		r, p := d.ring(), d.policy()
		if len(r.Nodes) > 8 {
			r.Nodes = r.Nodes[:8]
		}
		r.Pending = slices.DeleteFunc(r.Pending, func(p cassandra.Pending) bool {
			return !slices.ContainsFunc(r.Nodes, func(n cassandra.Node) bool { return n.Address == p.Address })
		})
		if d.one(2) {
			p.Levels, p.KeyspaceLevels = []string{[]string{"ONE", "QUORUM", "TWO"}[d.IntN(3)]}, nil
		}
		if len(newNaive(r, p).places) > 0 {
			return r, p, d.down(r, 8)
		}
	}
}

func TestUnsafeAgreesWithTheNaiveCount(t *testing.T) {
	eachDrawing(t, drawnAnswers, func(t *testing.T, d drawing) {
		r, p, down := d.small()
		n := newNaive(r, p)
		threats := cassandra.NewQuorum(r, p).Unsafe(down)
		var got, want []string
		for _, threat := range threats {
			got = append(got, threat.HostID)
			after := maps.Clone(down)
			after[threat.HostID] = true
			compare(t, threat.HostID, cassandra.Judgement{Breaks: threat.Breaks}, verdict{lost: n.judge(after, down).lost})
		}
		for _, id := range up(r, down) {
			if n.takes(down, id) {
				want = append(want, id)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("down %v (-naive +fast):\n%s", down, diff)
		}
	})
}

func TestFatalAgreesWithTheNaiveCount(t *testing.T) {
	eachDrawing(t, drawnAnswers/4, func(t *testing.T, d drawing) {
		r, p, down := d.small()
		n := newNaive(r, p)
		var want [][]string
		holds := func(set []string) bool {
			return slices.ContainsFunc(want, func(smaller []string) bool {
				return !slices.ContainsFunc(smaller, func(id string) bool { return !slices.Contains(set, id) })
			})
		}
		for size := 1; size <= 3; size++ {
			for _, set := range subsets(up(r, down)) {
				if len(set) == size && !holds(set) && n.takes(down, set...) {
					want = append(want, set)
				}
			}
		}
		if diff := cmp.Diff(want, cassandra.NewQuorum(r, p).Fatal(down), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("down %v (-naive +fast):\n%s", down, diff)
		}
	})
}

// subsets in the order of their members.
func subsets(of []string) [][]string {
	var out [][]string
	for bits := range 1 << len(of) {
		var set []string
		for i, id := range of {
			if bits&(1<<i) > 0 {
				set = append(set, id)
			}
		}
		out = append(out, set)
	}
	slices.SortFunc(out, slices.Compare[[]string])
	return out
}

func TestRollingAgreesWithTheNaiveCount(t *testing.T) {
	eachDrawing(t, drawnAnswers/4, func(t *testing.T, d drawing) {
		r, p, down := d.small()
		n := newNaive(r, p)
		racks := map[string][]string{}
		for _, node := range r.Nodes {
			if !down[node.HostID] {
				racks[node.DC+"/"+node.Rack] = append(racks[node.DC+"/"+node.Rack], node.HostID)
			}
		}
		batches := cassandra.NewQuorum(r, p).Rolling(down)
		var names []string
		for _, b := range batches {
			name := b.DC + "/" + b.Rack
			names = append(names, name)
			if all := slices.Sorted(slices.Values(slices.Concat(b.Nodes, b.Others))); !slices.Equal(all, racks[name]) {
				t.Errorf("%s has %v, not %v", name, racks[name], all)
			}
			if n.takes(down, b.Nodes...) {
				t.Errorf("%v of %s may not be down at once", b.Nodes, name)
			}
			largest := 0
			for _, set := range subsets(racks[name]) {
				if len(set) > largest && !n.takes(down, set...) {
					largest = len(set)
				}
			}
			if !b.Largest || largest != len(b.Nodes) {
				t.Errorf("%s: %v (largest: %t); the naive count finds %d", name, b.Nodes, b.Largest, largest)
			}
		}
		if !slices.Equal(names, slices.Sorted(maps.Keys(racks))) {
			t.Errorf("racks %v, want those of %v", names, racks)
		}
	})
}

// TestTogetherAgreesWithTheNaiveCount: over the whole of a small ring, whatever the racks.
func TestTogetherAgreesWithTheNaiveCount(t *testing.T) {
	eachDrawing(t, drawnAnswers/4, func(t *testing.T, d drawing) {
		r, p, down := d.small()
		n := newNaive(r, p)
		var up []string
		for _, node := range r.Nodes {
			if !down[node.HostID] {
				up = append(up, node.HostID)
			}
		}
		q := cassandra.NewQuorum(r, p)
		got := q.Together(down, q.Rolling(down))
		if all := slices.Sorted(slices.Values(slices.Concat(got.Nodes, got.Others))); !slices.Equal(all, slices.Sorted(slices.Values(up))) {
			t.Errorf("%v and %v, of %v", got.Nodes, got.Others, up)
		}
		if n.takes(down, got.Nodes...) {
			t.Errorf("%v may not be down at once", got.Nodes)
		}
		largest := 0
		for _, set := range subsets(up) {
			if len(set) > largest && !n.takes(down, set...) {
				largest = len(set)
			}
		}
		if !got.Largest || largest != len(got.Nodes) {
			t.Errorf("%v (largest: %t); the naive count finds %d", got.Nodes, got.Largest, largest)
		}
	})
}

// TestTogetherIsNoLessThanARack, on a ring on which the search for the whole is cut short, and on one for which there is none.
func TestTogetherIsNoLessThanARack(t *testing.T) {
	for _, nodes := range []int{150, 300} {
		r := ring.Large(1, nodes)
		q := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}})
		racks := q.Rolling(nil)
		got := q.Together(nil, racks)
		for _, b := range racks {
			if len(b.Nodes) > len(got.Nodes) {
				t.Errorf("%d of rack %s may rest, and %d of the whole ring", len(b.Nodes), b.Rack, len(got.Nodes))
			}
		}
		down := map[string]bool{}
		for _, id := range got.Nodes {
			down[id] = true
		}
		if j := q.Verdict(down); !j.Safe() || len(got.Nodes)+len(got.Others) != nodes || got.Largest {
			t.Errorf("%d and %d nodes, the largest: %t; not safe: %v", len(got.Nodes), len(got.Others), got.Largest, j.Breaks)
		}
	}
}

func TestRollingGivesUpInTime(t *testing.T) {
	r := ring.Large(1, 300)
	for i := range r.Nodes {
		r.Nodes[i].Rack = "r1"
	}
	q := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}})
	batches := q.Rolling(nil)
	if len(batches) != 1 || batches[0].Largest || len(batches[0].Nodes)+len(batches[0].Others) != 300 || len(batches[0].Nodes) < 10 {
		t.Fatalf("%+v", batches)
	}
	down := map[string]bool{}
	for _, id := range batches[0].Nodes {
		down[id] = true
	}
	if j := q.Verdict(down); !j.Safe() {
		t.Errorf("not safe: %v", j.Breaks)
	}
	// And none of the others could join them.
	for _, id := range batches[0].Others {
		if len(q.Lowered(down, map[string]bool{id: true}).Breaks) == 0 {
			after := maps.Clone(down)
			after[id] = true
			if len(q.Lowered(down, after).Breaks) == 0 {
				t.Errorf("%s could rest too", id)
			}
		}
	}
}
