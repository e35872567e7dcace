package cassandra

import (
	"cmp"
	"maps"
	"slices"
)

// byKeyspace are the pending ranges of each keyspace, in one order.
func byKeyspace(all []Pending) map[string][]Pending {
	out := map[string][]Pending{}
	for _, p := range all {
		keyspace := p.Keyspace
		p.Keyspace = "" // so that the lists of two keyspaces can be equal
		out[keyspace] = append(out[keyspace], p)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b Pending) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Address, b.Address))
		})
	}
	return out
}

// guardPending checks the ranges with pending replicas once more, as a write counts them: it waits for its level and
// for each pending replica. Counted without them, as a read does, they are among the others. Keyspaces of a share with
// the same pending ranges, which is how Cassandra makes them, are checked at once.
func (q *Quorum) guardPending(s *share, pending map[string][]Pending) {
	rest := s.keyspaces
	for len(rest) > 0 {
		list := pending[rest[0]]
		alike := *s
		alike.keyspaces = nil
		var others []string
		for _, name := range rest {
			if slices.Equal(pending[name], list) {
				alike.keyspaces = append(alike.keyspaces, name)
			} else {
				others = append(others, name)
			}
		}
		if len(list) > 0 {
			q.guardParts(&alike, q.layout.pendingParts(s.place, list))
		}
		rest = others
	}
}

// guardParts checks each level of a share where it counts.
func (q *Quorum) guardParts(s *share, parts []part) {
	scopes := map[string][]*scope{}
	for _, lv := range s.levels {
		for _, dc := range q.dcs(s, lv) {
			here, known := scopes[dc]
			if !known {
				here = q.layout.gather(q.layout.partsIn(dc, parts))
				scopes[dc] = here
			}
			for _, sc := range here {
				if c, counts := s.check(lv, dc, sc); counts {
					q.keep(c)
				}
			}
		}
	}
}

// partsIn are the parts as a data centre counts them, without those that have nothing pending there.
func (l *layout) partsIn(dc string, parts []part) []part {
	var out []part
	for _, p := range parts {
		if p.pending = l.in(dc, p.pending); len(p.pending) > 0 {
			p.natural = l.in(dc, p.natural)
			out = append(out, p)
		}
	}
	return out
}

// pendingParts cuts the pending ranges at every token and at each other's ends, so that each part has one set of natural
// and one set of pending replicas. Who is a natural replica already is not pending.
func (l *layout) pendingParts(place *placement, pending []Pending) []part {
	ends := make([]Token, 0, len(l.ring)+2*len(pending))
	for _, site := range l.ring {
		ends = append(ends, site.token)
	}
	for _, p := range pending {
		ends = append(ends, p.Start, p.End)
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	nodes := l.spread(ends, pending)
	var out []part
	for _, i := range slices.Sorted(maps.Keys(nodes)) {
		natural := place.whole.row(l.at(ends[i]), nil)
		pend := slices.DeleteFunc(nodes[i], func(n int32) bool { return slices.Contains(natural, n) })
		if len(pend) > 0 {
			before := ends[(i+len(ends)-1)%len(ends)]
			out = append(out, part{Range: Range{Start: before, End: ends[i]}, natural: natural, pending: pend})
		}
	}
	return out
}

// spread gives the pending nodes of each segment, by the index of its end.
func (l *layout) spread(ends []Token, pending []Pending) map[int][]int32 {
	at := func(t Token) int { i, _ := slices.BinarySearch(ends, t); return i }
	nodes := map[int][]int32{}
	for _, p := range pending {
		node := l.by[p.Address]
		// (Start, End]: from the segment after Start to that which ends at End; Start = End is the whole ring.
		for i, last := at(p.Start), at(p.End); ; {
			i = (i + 1) % len(ends)
			if !slices.Contains(nodes[i], node) {
				nodes[i] = append(nodes[i], node)
			}
			if i == last {
				break
			}
		}
	}
	return nodes
}
