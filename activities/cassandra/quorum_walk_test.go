package cassandra

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/galenhq/galen"
)

// thrown is a ring of two to nine nodes in one or two data centres, without keyspaces.
func thrown(dice *rand.Rand) Ring {
	var r Ring
	for i := range 2 + dice.IntN(8) {
		n := Node{HostID: fmt.Sprint("h", i), Address: fmt.Sprint("a", i), DC: fmt.Sprint("dc", dice.IntN(2)), Rack: fmt.Sprint("r", dice.IntN(3)), Status: Normal}
		for range 1 + dice.IntN(4) {
			n.Tokens = append(n.Tokens, Token(dice.Uint64()))
		}
		r.Nodes = append(r.Nodes, n)
	}
	return r
}

// TestWhoHoldsWithoutANode compares the walks of single tokens in a layout without a node with a layout that is made, and placed, anew.
func TestWhoHoldsWithoutANode(t *testing.T) {
	compared := 0
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 11))
		r := thrown(dice)
		keyspaces := []Keyspace{
			{Name: "simple", Strategy: strategySimple, RF: map[string]int{"": dice.IntN(4)}},
			{Name: "topology", Strategy: strategyTopology, RF: map[string]int{"dc0": dice.IntN(5), "dc1": dice.IntN(3), "dc9": 1}},
		}
		all, _ := newLayout(r)
		for gone := range r.Nodes {
			rest := r
			rest.Nodes = slices.Delete(slices.Clone(r.Nodes), gone, gone+1)
			anew, _ := newLayout(rest)
			if len(anew.ring) == 0 {
				continue
			}
			after := all.without(int32(gone))
			for _, k := range keyspaces {
				place := anew.place(k)
				for range 20 {
					token := Token(dice.Uint64())
					compared++
					if got, want := holdersIn(after, k, token), anew.replicas(place, token); !slices.Equal(got, want) {
						t.Fatalf("seed %d: %s without %s, token %d: %v, want %v of %+v", seed, k.Name, r.Nodes[gone].HostID, token, got, want, r)
					}
				}
			}
		}
	}
	if compared < 10_000 {
		t.Errorf("only %d tokens were compared", compared)
	}
}

// holdersIn are those in all data centres, by host ID.
func holdersIn(l *layout, k Keyspace, t Token) []string {
	dcs := []string{"dc0", "dc1", "dc9"}
	if k.Strategy == strategySimple {
		dcs = dcs[:1]
	}
	var out []string
	for _, dc := range dcs {
		for _, n := range l.holders(k, dc, t) {
			out = append(out, l.nodes[n].HostID)
		}
	}
	slices.Sort(out)
	return out
}

// TestWhoInheritsHowMuch compares the shares with those of a ring that is placed anew, range by range.
func TestWhoInheritsHowMuch(t *testing.T) {
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 12))
		r := thrown(dice)
		r.Keyspaces = []Keyspace{{Name: "topology", Strategy: strategyTopology, RF: map[string]int{"dc0": 1 + dice.IntN(4), "dc1": dice.IntN(3)}}}
		if dice.IntN(3) == 0 {
			r.Keyspaces[0] = Keyspace{Name: "simple", Strategy: strategySimple, RF: map[string]int{"": 1 + dice.IntN(3)}}
		}
		q, k, gone := NewQuorum(r, galen.Policy{}), r.Keyspaces[0], r.Nodes[0].HostID
		rest := r
		rest.Nodes = r.Nodes[1:]
		anew, _ := newLayout(rest)
		place, had, want := anew.place(k), 0.0, map[string]float64{}
		for i, s := range q.layout.ring {
			before := q.layout.ring[(i+len(q.layout.ring)-1)%len(q.layout.ring)].token
			width := float64(uint64(s.token) - uint64(before))
			was := q.Replicas(k.Name, s.token)
			if !slices.Contains(was, gone) {
				continue
			}
			had += width
			for _, id := range anew.replicas(place, s.token) {
				if !slices.Contains(was, id) {
					want[id] += width
				}
			}
		}
		got := inherited(q, r.Keyspaces, gone)
		for id := range want {
			if share := want[id] / had; math.Abs(got[id]-share) > 1e-9 {
				t.Fatalf("seed %d: %s inherits %g of %s, want %g: %+v", seed, id, got[id], gone, share, r)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: %v, want %v", seed, got, want)
		}
	}
}
