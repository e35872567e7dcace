package cassandra

import (
	"cmp"
	"slices"
)

// Batch is what may rest at once in a rack, or in the whole ring.
type Batch struct {
	DC   string // "", with Rack: the whole ring
	Rack string
	// Nodes may all be down at once, beside those that are; Others are the rack's nodes that are up and may not join them.
	// Both by host ID.
	Nodes  []string
	Others []string
	// Largest: no larger set of this rack may. The question is a hard one where the racks are fewer than the replicas; a
	// search that takes too long ends with a good set that is not proved to be the largest.
	Largest bool
}

// Rolling gives for each rack the largest set of its nodes that may be down at once beside those that are down, for
// rolling work. A rack where everything is down is left out. By data centre and rack. For runbooks that work their way through
// a ring; the guards ask about one step at a time.
func (q *Quorum) Rolling(down map[string]bool) []Batch {
	d := q.mark(down, nil)
	racks := map[[2]string][]int32{}
	for i, n := range q.layout.nodes[:q.layout.real] {
		if !d.is[i] {
			racks[[2]string{n.DC, n.Rack}] = append(racks[[2]string{n.DC, n.Rack}], int32(i))
		}
	}
	out := make([]Batch, 0, len(racks))
	for at, nodes := range racks {
		b := q.batch(nodes, d)
		b.DC, b.Rack = at[0], at[1]
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Batch) int { return cmp.Or(cmp.Compare(a.DC, b.DC), cmp.Compare(a.Rack, b.Rack)) })
	return out
}

// mostTogether is in how large a ring sets are looked for that are spread over racks: there are many limits to keep in a larger one.
const mostTogether = 200

// Together is the largest set of the whole ring that may be down at once beside those that are down: it may be spread over racks. Where
// the search takes too long it is at least as large as that of any rack, which are those of Rolling, and of a large ring it is one of those.
func (q *Quorum) Together(down map[string]bool, racks []Batch) Batch {
	d := q.mark(down, nil)
	var up []int32
	for i := range q.layout.nodes[:q.layout.real] {
		if !d.is[i] {
			up = append(up, int32(i))
		}
	}
	out := Batch{}
	if len(up) <= mostTogether {
		out = q.batch(up, d)
	} else {
		for _, n := range up {
			out.Others = append(out.Others, q.layout.nodes[n].HostID)
		}
	}
	if out.Largest {
		return out
	}
	for _, b := range racks {
		if len(b.Nodes) <= len(out.Nodes) {
			continue
		}
		all := slices.Concat(out.Nodes, out.Others)
		out.Nodes = b.Nodes
		out.Others = slices.DeleteFunc(all, func(id string) bool { return slices.Contains(b.Nodes, id) })
		slices.Sort(out.Others)
	}
	return out
}

// batch is the largest set of some nodes that are up that may go down at once.
func (q *Quorum) batch(nodes []int32, d downs) Batch {
	stay, sure := stayers(q.limits(nodes, d), len(d.is))
	b := Batch{Largest: sure}
	for _, n := range nodes {
		if stay[n] {
			b.Others = append(b.Others, q.layout.nodes[n].HostID)
		} else {
			b.Nodes = append(b.Nodes, q.layout.nodes[n].HostID)
		}
	}
	return b
}

// limit says how many of some nodes may be down at once.
type limit struct {
	nodes []int32
	may   int
}

// limits are those that these nodes would break if they all were down at once, each once.
func (q *Quorum) limits(nodes []int32, d downs) []limit {
	asked := make([]bool, len(d.is))
	for _, n := range nodes {
		asked[n] = true
	}
	tightest := map[string]limit{}
	for _, s := range q.scopes {
		for _, n := range nodes {
			for _, site := range s.sites(n) {
				l := s.limit(int(site), asked, d)
				if l.nodes[0] != n || len(l.nodes) <= l.may {
					continue
				}
				name := nameOf(l.nodes)
				if old, known := tightest[name]; !known || l.may < old.may {
					tightest[name] = l
				}
			}
		}
	}
	out := make([]limit, 0, len(tightest))
	for _, name := range sortedKeys(tightest) {
		out = append(out, tightest[name])
	}
	return out
}

func (s *scope) limit(site int, asked []bool, d downs) limit {
	gone := 0
	var l limit
	for _, n := range s.row(site, nil) {
		switch {
		case d.is[n]:
			gone++
		case asked[n]:
			l.nodes = append(l.nodes, n)
		}
	}
	slices.Sort(l.nodes)
	l.may = s.may(gone)
	return l
}

func nameOf(nodes []int32) string {
	b := make([]byte, 0, 4*len(nodes))
	for _, n := range nodes {
		b = append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return string(b)
}

// maxSearch bounds the search for the largest set: limits looked at. About 20 ms.
const maxSearch = 5_000_000

// stayers are as few nodes as can be that have to stay up, so that the others keep within all limits; sure tells whether
// fewer would not do.
func stayers(limits []limit, nodes int) (stay []bool, sure bool) {
	s := &search{
		limits: limits, of: make([][]int32, nodes), over: make([]int, len(limits)),
		stay: make([]bool, nodes), goes: make([]bool, nodes), work: maxSearch,
	}
	for i, l := range limits {
		s.over[i] = len(l.nodes) - l.may
		for _, n := range l.nodes {
			s.of[n] = append(s.of[n], int32(i))
		}
	}
	s.fewest, s.best = s.greedy()
	s.try()
	return s.best, s.work > 0
}

// search is branch and bound over who stays up.
type search struct {
	limits []limit
	of     [][]int32 // limits by node
	over   []int     // by limit, how many of its nodes are too many
	stay   []bool
	count  int    // of those that stay
	goes   []bool // decided to go down, on this branch
	fewest int
	best   []bool
	work   int // left
}

func (s *search) hold(n int32) {
	s.stay[n] = true
	s.count++
	for _, l := range s.of[n] {
		s.over[l]--
	}
}

func (s *search) drop(n int32) {
	s.stay[n] = false
	s.count--
	for _, l := range s.of[n] {
		s.over[l]++
	}
}

// greedy finds a first set: for each broken limit whoever is in most of them stays; then who need not stay goes.
func (s *search) greedy() (count int, best []bool) {
	var held []int32
	for i, l := range s.limits {
		for s.over[i] > 0 {
			n := slices.MaxFunc(l.nodes, func(a, b int32) int { return cmp.Compare(s.broken(a), s.broken(b)) })
			s.hold(n)
			held = append(held, n)
		}
	}
	for _, n := range held {
		if !slices.ContainsFunc(s.of[n], func(l int32) bool { return s.over[l] == 0 }) {
			s.drop(n)
		}
	}
	count, best = s.count, slices.Clone(s.stay)
	for n, stays := range best {
		if stays {
			s.drop(int32(n))
		}
	}
	return count, best
}

// broken are the broken limits that a node is in; none for one that stays.
func (s *search) broken(n int32) int {
	out := 0
	for _, l := range s.of[n] {
		if s.over[l] > 0 && !s.stay[n] {
			out++
		}
	}
	return out
}

// try keeps each node of the worst limit up in turn, and those before it down, unless the best so far cannot be beaten.
func (s *search) try() {
	s.work -= len(s.limits)
	worst, over := 0, 0
	for i, o := range s.over {
		if o > over {
			worst, over = i, o
		}
	}
	if s.work <= 0 || s.count+over >= s.fewest {
		return
	}
	if over == 0 {
		s.fewest, s.best = s.count, slices.Clone(s.stay)
		return
	}
	var gone []int32
	for _, n := range s.limits[worst].nodes {
		if s.stay[n] || s.goes[n] {
			continue
		}
		s.hold(n)
		s.try()
		s.drop(n)
		s.goes[n] = true
		gone = append(gone, n)
	}
	for _, n := range gone {
		s.goes[n] = false
	}
}
