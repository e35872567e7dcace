package cassandra_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

func levels() []string {
	return []string{"ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "SERIAL", "LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL", "EACH_QUORUM"}
}

// drawing makes rings with racks, vnodes, nodes that join, leave, move and replace, odd replication settings, and a
// policy for them.
type drawing struct{ *rand.Rand }

func (d drawing) one(in int) bool { return d.IntN(in) == 0 }

func (d drawing) between(low, high int) int { return low + d.IntN(high-low+1) }

func (d drawing) ring() cassandra.Ring {
	dcs := []string{"dc1", "dc2", "dc3"}[:d.between(1, 3)]
	racks, vnodes, size := d.between(1, 4), d.between(1, 4), d.between(1, 12)
	tokens := d.Perm(81)
	r := cassandra.Ring{Name: "r"}
	for i := range size {
		n := cassandra.Node{
			HostID: fmt.Sprintf("h%02d", i), Address: fmt.Sprintf("10.0.0.%d", i), Status: cassandra.Normal,
			DC: dcs[d.IntN(len(dcs))], Rack: fmt.Sprintf("r%d", d.between(1, racks)),
		}
		if i > 0 && d.one(2) {
			n.Status = []cassandra.NodeStatus{cassandra.Leaving, cassandra.Moving, cassandra.Joining}[d.IntN(3)]
		}
		for _, token := range tokens[i*vnodes : (i+1)*vnodes] {
			n.Tokens = append(n.Tokens, cassandra.Token(token-40))
		}
		r.Nodes = append(r.Nodes, n)
	}
	d.replace(&r)
	r.Keyspaces = d.keyspaces(dcs)
	for range d.IntN(4) {
		p := cassandra.Pending{Keyspace: fmt.Sprintf("ks%d", d.IntN(2)), Address: r.Nodes[d.IntN(size)].Address, Range: cassandra.Range{
			Start: cassandra.Token(d.between(-45, 45)), End: cassandra.Token(d.between(-45, 45)),
		}}
		if d.one(8) {
			p.Address = fmt.Sprintf("10.9.9.%d", d.IntN(2))
		}
		r.Pending = append(r.Pending, p)
		if d.one(2) { // as Cassandra has it: the same for another keyspace
			p.Keyspace = "ks2"
			r.Pending = append(r.Pending, p)
		}
	}
	return r
}

// replace lets a joiner stand in the token map for the dead node that it replaces, at its own address or at the dead
// one's; sometimes nobody lists the dead node any more.
func (d drawing) replace(r *cassandra.Ring) {
	last := len(r.Nodes) - 1
	if last < 1 || r.Nodes[last].Status != cassandra.Joining || d.one(2) {
		return
	}
	dead := &r.Nodes[0]
	r.Nodes[last].Replacing = dead.Address
	switch d.IntN(4) {
	case 0:
		r.Nodes[last].Replacing = "10.0.0.99"
	case 1: // the dead node still has its tokens
	case 2:
		r.Nodes[last].Address, dead.Tokens = dead.Address, nil
	default:
		dead.Tokens = nil
	}
}

func (d drawing) keyspaces(dcs []string) []cassandra.Keyspace {
	out := []cassandra.Keyspace{{Name: "system", Strategy: "LocalStrategy"}}
	for i := range d.between(1, 3) {
		k := cassandra.Keyspace{Name: fmt.Sprintf("ks%d", i), Strategy: "SimpleStrategy", RF: map[string]int{}}
		if d.one(2) {
			k.RF[""] = d.between(1, 5)
		} else {
			k.Strategy = "NetworkTopologyStrategy"
			for _, dc := range append(slices.Clone(dcs), "dc9") {
				if len(k.RF) == 0 || !d.one(3) {
					k.RF[dc] = d.between(1, 5)
				}
			}
		}
		if i > 0 && d.one(3) { // two keyspaces that are placed alike
			k.Strategy, k.RF = out[i].Strategy, out[i].RF
		}
		out = append(out, k)
	}
	return out
}

func (d drawing) policy() galen.Policy {
	p := galen.Policy{Levels: levels(), KeyspaceLevels: map[string][]string{}}
	if d.one(2) {
		p.GuardKeyspaces = []string{"ks0", "ks1"}
	}
	if d.one(3) {
		p.KeyspaceLevels["ks0"] = levels()
	}
	if d.one(3) {
		all := d.Perm(len(levels()))
		p.Levels = nil
		for _, i := range all[:d.between(1, 3)] {
			p.Levels = append(p.Levels, levels()[i])
		}
	}
	return p
}

func (d drawing) down(r cassandra.Ring, in int) map[string]bool {
	down := map[string]bool{}
	for _, n := range r.Nodes {
		if d.one(in) {
			down[n.HostID] = true
		}
	}
	return down
}

// eachDrawing calls check for so many random drawings, and names the one that failed: run it alone with that seed.
func eachDrawing(t *testing.T, count int, check func(t *testing.T, d drawing)) {
	t.Helper()
	for seed := range uint64(count) {
		check(t, drawing{rand.New(rand.NewPCG(seed, 4))})
		if t.Failed() {
			t.Fatalf("drawing %d", seed)
		}
	}
}

func TestQuorumAgreesWithTheNaiveCount(t *testing.T) {
	eachDrawing(t, drawnRings, func(t *testing.T, d drawing) {
		r, p := d.ring(), d.policy()
		before, after := d.down(r, 4), d.down(r, 3)
		q, n := cassandra.NewQuorum(r, p), newNaive(r, p)
		if len(n.places) == 0 {
			return
		}
		compare(t, "verdict", q.Verdict(after), n.judge(after, nil))
		compare(t, "lowered", q.Lowered(before, after), n.judge(after, before))
	})
}

func compare(t *testing.T, what string, got cassandra.Judgement, want verdict) {
	t.Helper()
	lost, had := map[string]int{}, map[string]int{}
	for key, l := range want.lost {
		lost[key] = l.ranges
	}
	for _, b := range got.Breaks {
		had[lossKey(b)] = b.Ranges
		l := want.lost[lossKey(b)]
		if b.Ranges = 1; l != nil && !slices.Contains(l.worst, b) {
			t.Errorf("%s: %s in %v is not one of the worst: %v", what, b, b.Range, l.worst)
		}
	}
	if diff := cmp.Diff(lost, had); diff != "" {
		t.Errorf("%s, ranges that lost a level (-naive +fast):\n%s", what, diff)
	}
	if want.any != (got.Margin != nil) {
		t.Fatalf("%s: margin %v, naive has one: %t", what, got.Margin, want.any)
	}
	if want.any && !slices.Contains(want.margins, *got.Margin) {
		t.Errorf("%s: least spare %d (%s in %v), naive %d: %v", what, got.Margin.Spare(), got.Margin, got.Margin.Range, want.least, want.margins)
	}
}

func TestQuorumRangesAgreeWithTheNaivePlacement(t *testing.T) {
	eachDrawing(t, drawnRings/4, func(t *testing.T, d drawing) {
		r := d.ring()
		q, n := cassandra.NewQuorum(r, galen.Policy{}), newNaive(r, galen.Policy{})
		if len(n.places) == 0 {
			return
		}
		k := r.Keyspaces[1+d.IntN(len(r.Keyspaces)-1)]
		token := cassandra.Token(d.between(-50, 50))
		var want []string
		for _, i := range n.replicas(k, token) {
			if id := n.nodes[i].HostID; !n.ghosts[id] {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		got := slices.DeleteFunc(q.Replicas(k.Name, token), func(id string) bool { return id == "replaced 10.0.0.99" })
		if !slices.Equal(want, got) {
			t.Errorf("replicas of %d of %v: %v, naive %v", token, k, got, want)
		}
		for _, node := range r.Nodes {
			has := slices.ContainsFunc(q.Ranges(k.Name, node.HostID), func(r cassandra.Range) bool { return inside(r, token) })
			if has != slices.Contains(want, node.HostID) {
				t.Errorf("ranges of %s hold token %d: %t, naive %v", node.HostID, token, has, want)
			}
		}
		a, b := r.Nodes[d.IntN(len(r.Nodes))].HostID, r.Nodes[d.IntN(len(r.Nodes))].HostID
		if got, want := q.Sharing(k.Name, a, b), n.sharing(k, a, b); got != want {
			t.Errorf("%s and %s share a range of %v: %t, naive %t", a, b, k, got, want)
		}
	})
}

func (n *naive) sharing(k cassandra.Keyspace, a, b string) bool {
	return slices.ContainsFunc(n.places, func(p place) bool {
		var ids []string
		for _, i := range n.replicas(k, p.token) {
			ids = append(ids, n.nodes[i].HostID)
		}
		return slices.Contains(ids, a) && slices.Contains(ids, b)
	})
}

// TestADataCentreWithAJoinerOnly is a drawing in which the fast form once forgot that a data centre whose only node joins
// has lost LOCAL_ONE and LOCAL_QUORUM, whoever else is down.
func TestADataCentreWithAJoinerOnly(t *testing.T) {
	node := func(id, address, dc string, s cassandra.NodeStatus, tokens ...cassandra.Token) cassandra.Node {
		return cassandra.Node{HostID: id, Address: address, DC: dc, Rack: "r1", Status: s, Tokens: tokens}
	}
	pending := func(address string, start, end cassandra.Token) cassandra.Pending {
		return cassandra.Pending{Keyspace: "ks0", Address: address, Range: cassandra.Range{Start: start, End: end}}
	}
	r := cassandra.Ring{
		Name: "r",
		Nodes: []cassandra.Node{
			node("h00", "10.0.0.0", "dc1", cassandra.Normal, 38, -24, -3, 2),
			node("h01", "10.0.0.1", "dc3", cassandra.Joining, 3, -21, 0, 1),
			node("h02", "10.0.0.2", "dc1", cassandra.Normal, -6, 33, -16, 32),
		},
		Keyspaces: []cassandra.Keyspace{{Name: "ks0", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 5, "dc2": 5, "dc3": 2}}},
		Pending:   []cassandra.Pending{pending("10.0.0.1", 0, 3), pending("10.0.0.1", -3, 15), pending("10.0.0.2", 5, -4)},
	}
	p := galen.Policy{Levels: levels(), KeyspaceLevels: map[string][]string{}}
	q, n := cassandra.NewQuorum(r, p), newNaive(r, p)
	for set := range 1 << len(r.Nodes) {
		down := map[string]bool{}
		for i, node := range r.Nodes {
			if set>>i&1 == 1 {
				down[node.HostID] = true
			}
		}
		got := q.Verdict(down)
		compare(t, fmt.Sprint(down), got, n.judge(down, nil))
		for _, level := range []string{"LOCAL_ONE", "LOCAL_QUORUM"} {
			if !slices.ContainsFunc(got.Breaks, func(b cassandra.Break) bool { return b.DC == "dc3" && b.Level == level }) {
				t.Errorf("with %v down, %s is not lost in dc3", down, level)
			}
		}
	}
}
