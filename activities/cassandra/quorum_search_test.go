package cassandra

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStayersAreAsFewAsCanBe compares the search with a look at every set of nodes.
func TestStayersAreAsFewAsCanBe(t *testing.T) {
	for seed := range uint64(2000) {
		dice := rand.New(rand.NewPCG(seed, 9))
		nodes := 1 + dice.IntN(9)
		var limits []limit
		for range dice.IntN(9) {
			l := limit{}
			for _, n := range dice.Perm(nodes)[:1+dice.IntN(nodes)] {
				l.nodes = append(l.nodes, int32(n))
			}
			slices.Sort(l.nodes)
			l.may = dice.IntN(len(l.nodes))
			limits = append(limits, l)
		}
		// holds tells whether all limits hold when only these nodes stay.
		holds := func(stay uint) bool {
			return !slices.ContainsFunc(limits, func(l limit) bool {
				gone := 0
				for _, n := range l.nodes {
					if stay>>n&1 == 0 {
						gone++
					}
				}
				return gone > l.may
			})
		}
		fewest := nodes
		for set := range uint(1) << nodes {
			if holds(set) {
				fewest = min(fewest, bits.OnesCount(set))
			}
		}
		stay, sure := stayers(limits, nodes)
		var got uint
		for n, stays := range stay {
			if stays {
				got |= 1 << n
			}
		}
		if !holds(got) || !sure || bits.OnesCount(got) != fewest || len(stay) != nodes {
			t.Fatalf("seed %d: %v of %d nodes: %v stay (sure: %t), %d are enough", seed, limits, nodes, stay, sure, fewest)
		}
	}
}

// TestASearchThatIsCutShort keeps a set that is within all limits.
func TestASearchThatIsCutShort(t *testing.T) {
	limits := []limit{{nodes: []int32{0, 1, 2}, may: 1}, {nodes: []int32{2, 3, 4}, may: 1}}
	s := &search{limits: limits, of: [][]int32{{0}, {0}, {0, 1}, {1}, {1}}, over: []int{2, 2}, stay: make([]bool, 5), goes: make([]bool, 5), work: 1}
	s.fewest, s.best = s.greedy()
	if s.fewest != 3 || !s.best[2] || s.count != 0 || slices.Contains(s.stay, true) {
		t.Errorf("greedy: %d stay: %v; left behind: %d, %v", s.fewest, s.best, s.count, s.stay)
	}
	if diff := cmp.Diff([]int{2, 2}, s.over); diff != "" {
		t.Errorf("greedy leaves the limits changed:\n%s", diff)
	}
	s.try()
	if s.work > 0 || s.fewest != 3 {
		t.Errorf("work left %d, %d stay", s.work, s.fewest)
	}
	s.work = 100
	if s.try(); s.work <= 0 || s.count != 0 || slices.Contains(s.goes, true) {
		t.Errorf("work left %d, left behind: %d, %v", s.work, s.count, s.goes)
	}
}

// TestSetsArePackedWithoutLoss: in the order of size, then of nodes, up to the largest node.
func TestSetsArePackedWithoutLoss(t *testing.T) {
	const last = 1<<packBits - 2
	sets := [][]int32{{0}, {1}, {last}, {0, 1}, {0, last}, {1, 2}, {last - 1, last}, {0, 1, 2}, {0, 1, last}, {last - 2, last - 1, last}}
	before := uint64(0)
	for _, set := range sets {
		key := uint64(0)
		for _, n := range set {
			key = pack(key, n)
		}
		if diff := cmp.Diff(set, unpack(key)); diff != "" {
			t.Errorf("%v:\n%s", set, diff)
		}
		if key <= before {
			t.Errorf("%v is packed below the set before it", set)
		}
		before = key
	}
}

// TestNamesOfSets differ where the sets do.
func TestNamesOfSets(t *testing.T) {
	seen := map[string][]int32{}
	nodes := []int32{0, 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 131072, 1<<24 - 1, 1 << 24, 1 << 25}
	for i, a := range nodes {
		for _, set := range [][]int32{{a}, {a, 1 << 26}, {nodes[(i+1)%len(nodes)], a}} {
			if other, taken := seen[nameOf(set)]; taken && !slices.Equal(other, set) {
				t.Errorf("%v and %v have one name", other, set)
			}
			seen[nameOf(set)] = set
		}
	}
}

// TestLevelsCountAsCassandraSays: what a level needs of three natural replicas with none, one and two pending.
func TestLevelsCountAsCassandraSays(t *testing.T) {
	for name, want := range map[string][3]int{
		"ANY": {0, 0, 0}, "ONE": {1, 2, 3}, "TWO": {2, 3, 4}, "THREE": {3, 4, 5}, "QUORUM": {2, 3, 4}, "ALL": {3, 4, 5}, "SERIAL": {2, 3, 6},
		"LOCAL_ONE": {1, 2, 3}, "LOCAL_QUORUM": {2, 3, 4}, "LOCAL_SERIAL": {2, 3, 6}, "EACH_QUORUM": {2, 3, 4},
	} {
		lv, known := levelOf(name)
		got := [3]int{lv.needed(3, 3, 0), lv.needed(3, 3, 1), lv.needed(3, 3, 2)}
		if !known || lv.name != name || got != want {
			t.Errorf("%s: known %t, needs %v, want %v", lv.name, known, got, want)
		}
	}
	if _, known := levelOf("quorum"); known {
		t.Error("names are those of Cassandra, in capitals")
	}
}
