package cassandra

// rows are replica sets of equal width, one after the other.
type rows struct {
	width int
	count int
	nodes []int32
}

func (r rows) row(i int) []int32 { return r.nodes[i*r.width : (i+1)*r.width] }

// index lists the rows by the nodes in them.
type index struct {
	start []int32 // by node; its rows end where those of the next one start
	rows  []int32
}

func newIndex(r rows, nodes int) index {
	x := index{start: make([]int32, nodes+1), rows: make([]int32, len(r.nodes))}
	for _, n := range r.nodes {
		x.start[n+1]++
	}
	for n := range nodes {
		x.start[n+1] += x.start[n]
	}
	next := make([]int32, nodes)
	copy(next, x.start)
	for i := range r.count {
		for _, n := range r.row(i) {
			x.rows[next[n]] = int32(i)
			next[n]++
		}
	}
	return x
}

// sites are the rows that a node is in, in order.
func (x index) sites(node int32) []int32 { return x.rows[x.start[node]:x.start[node+1]] }

// scope is where levels count: the ranges of one replication setting, in a data centre or over all of them, with
// natural and pending replicas; as many in each range.
type scope struct {
	rows    // width and count only where it is joined
	joined  []joint
	natural int
	pending int
	of      index
	rangeAt func(i int) Range
	// strictest is the most that a level needs here. Set while the Quorum is made.
	strictest int
}

// joint is what one data centre adds to each row of all of them: the row of its own that holds the same ranges. A whole ring is not
// written out: that would cost more than all data centres do, and few ask for more than the rows of some nodes.
type joint struct {
	*zone
	here *scope
}

// row are the replicas of a range. Where they are joined they are put together in buf.
func (s *scope) row(i int, buf []int32) []int32 {
	if len(s.joined) == 0 {
		return s.rows.row(i)
	}
	buf = buf[:0]
	for _, j := range s.joined {
		buf = append(buf, j.here.rows.row(int(j.at[i]))...)
	}
	return buf
}

// sites are the rows that a node is in, in order. A node holds data of its own data centre only; one that was added after the natural
// ring was laid out holds none.
func (s *scope) sites(node int32) []int32 {
	if len(s.joined) == 0 {
		return s.of.sites(node)
	}
	for _, j := range s.joined {
		if int(node) < len(j.rack) && j.rack[node] >= 0 {
			return j.spread(j.here.of.sites(node), s.count)
		}
	}
	return nil
}

// spread are the sites of the whole ring that begin at these of the data centre, in order: those after the one before, up to its own.
// The first holds what is behind the last, too.
func (z *zone) spread(own []int32, count int) []int32 {
	out := make([]int32, 0, (len(own)+1)*(count/len(z.sites)+1))
	for _, j := range own {
		from := int32(0)
		if j > 0 {
			from = z.pos[j-1] + 1
		}
		for i := from; i <= z.pos[j]; i++ {
			out = append(out, i)
		}
	}
	if len(own) > 0 && own[0] == 0 {
		for i := z.pos[len(z.pos)-1] + 1; int(i) < count; i++ {
			out = append(out, i)
		}
	}
	return out
}

// part is a range with its replicas, before it is sorted into a scope of its shape.
type part struct {
	Range
	natural []int32
	pending []int32
}

// gather puts parts of the same shape into one scope each, in order of appearance.
func (l *layout) gather(parts []part) []*scope {
	type shape struct{ natural, pending int }
	var out []*scope
	byShape, ranges := map[shape]*scope{}, map[*scope][]Range{}
	for _, p := range parts {
		sh := shape{len(p.natural), len(p.pending)}
		s := byShape[sh]
		if s == nil {
			s = &scope{natural: sh.natural, pending: sh.pending, rows: rows{width: sh.natural + sh.pending}}
			byShape[sh] = s
			out = append(out, s)
		}
		s.nodes = append(append(s.nodes, p.natural...), p.pending...)
		s.count++
		ranges[s] = append(ranges[s], p.Range)
	}
	for _, s := range out {
		s.of = newIndex(s.rows, len(l.nodes))
		s.rangeAt = func(i int) Range { return ranges[s][i] }
	}
	return out
}

// in keeps the nodes of a data centre, or all.
func (l *layout) in(dc string, nodes []int32) []int32 {
	var out []int32
	for _, n := range nodes {
		// A pending replica at an address that no node has could be anywhere.
		if at := l.nodes[n].DC; dc == "" || at == dc || at == "" {
			out = append(out, n)
		}
	}
	return out
}

// natural are the scopes of the natural replicas in a data centre, or in all; nil for one without nodes.
func (l *layout) natural(p *placement, dc string) []*scope {
	switch {
	case dc == "":
		return []*scope{p.whole}
	case p.simple:
		return l.within(p, dc)
	default:
		return []*scope{p.zones[dc]}
	}
}

// within are the scopes of SimpleStrategy in one data centre: as many replicas as chance put there.
func (l *layout) within(p *placement, dc string) []*scope {
	if _, known := p.split[dc]; !known {
		parts := make([]part, 0, p.whole.count)
		for i := range p.whole.count {
			parts = append(parts, part{Range: p.whole.rangeAt(i), natural: l.in(dc, p.whole.row(i, nil))})
		}
		p.split[dc] = l.gather(parts)
	}
	return p.split[dc]
}
