package cassandra

// downs are the nodes that a question supposes to be down.
type downs struct {
	list []int32
	is   []bool
	// before are those that were down anyway; nil: everything counts that is lost.
	before []bool
}

// mark resolves host IDs; who is not known has no replica, and a phantom is always down.
func (q *Quorum) mark(down, before map[string]bool) downs {
	d := downs{is: make([]bool, len(q.layout.nodes))}
	d.list = q.layout.mark(down, d.is)
	if before != nil {
		d.before = make([]bool, len(q.layout.nodes))
		q.layout.mark(before, d.before)
	}
	return d
}

func (l *layout) mark(down map[string]bool, is []bool) []int32 {
	list := make([]int32, 0, len(down)+len(l.nodes)-l.real)
	for id, gone := range down {
		if n, known := l.index[id]; known && gone {
			is[n] = true
			list = append(list, n)
		}
	}
	for n := l.real; n < len(l.nodes); n++ {
		is[n] = true
		list = append(list, int32(n))
	}
	return list
}

// toll is what the nodes that are down cost a scope.
type toll struct {
	ranges []int   // how many ranges miss so many replicas, where the question minds them
	first  []int32 // and the first of them
	worst  int     // most replicas that a range misses
	at     int32   // and the first such range
}

func (s *scope) toll(d downs) toll {
	t := toll{ranges: make([]int, s.width+1), first: make([]int32, s.width+1)}
	touched := 0
	buf := make([]int32, 0, s.width)
	for _, node := range d.list {
		for _, site := range s.sites(node) {
			gone, was, first := d.missing(s.row(int(site), buf))
			if first != node {
				continue // counted with that one
			}
			touched++
			if gone > t.worst || gone == t.worst && site < t.at {
				t.worst, t.at = gone, site
			}
			if d.before == nil || gone > was {
				t.add(gone, site)
			}
		}
	}
	if d.before == nil {
		t.ranges[0] = s.count - touched
	}
	return t
}

// missing counts the replicas of a range that are down now and were before, and names the first that is down now.
func (d *downs) missing(row []int32) (gone, was int, first int32) {
	for _, n := range row {
		if d.is[n] {
			if gone == 0 {
				first = n
			}
			gone++
		}
		if d.before != nil && d.before[n] {
			was++
		}
	}
	return gone, was, first
}

func (t *toll) add(gone int, site int32) {
	if t.ranges[gone] == 0 || site < t.first[gone] {
		t.first[gone] = site
	}
	t.ranges[gone]++
}

// beyond counts the ranges that miss more replicas than may be missing, and tells the worst.
func (t *toll) beyond(may int) (ranges, worst int) {
	for gone := max(may+1, 0); gone < len(t.ranges); gone++ {
		if t.ranges[gone] > 0 {
			ranges += t.ranges[gone]
			worst = gone
		}
	}
	return ranges, worst
}

// tolls are what the nodes that are down cost each scope of some checks.
func tolls(checks []check, d downs) map[*scope]toll {
	out := map[*scope]toll{}
	for _, c := range checks {
		if _, counted := out[c.scope]; !counted && c.scope != nil {
			out[c.scope] = c.scope.toll(d)
		}
	}
	return out
}

// judge goes over all checks and keeps what is lost, and the least margin.
func (q *Quorum) judge(d downs) Judgement {
	tolls := tolls(q.checks, d)
	j := Judgement{Doubts: q.doubts}
	for _, c := range q.checks {
		worst, lost := c.weigh(tolls[c.scope], d)
		j.keep(worst, c, false)
		if lost.Ranges > 0 {
			j.keep(lost, c, true)
		}
	}
	return j
}

// weigh tells the worst range of a check, and, where there are such, the worst of those that lost the level and how many they are.
func (c check) weigh(t toll, d downs) (worst, lost Break) {
	worst = Break{DC: c.dc, Level: c.level, Needed: c.needed, Ranges: 1}
	lost = worst
	if c.scope == nil {
		if d.before != nil {
			lost.Ranges = 0
		}
		return worst, lost
	}
	worst.Replicas = c.scope.width
	lost = worst
	worst.Alive, worst.Range = worst.Replicas-t.worst, c.scope.rangeAt(int(t.at))
	ranges, most := t.beyond(lost.Replicas - c.needed)
	if lost.Ranges = ranges; ranges > 0 {
		lost.Alive, lost.Range = lost.Replicas-most, c.scope.rangeAt(int(t.first[most]))
	}
	return worst, lost
}

// keep notes a lost level for each keyspace, or the least margin.
func (j *Judgement) keep(b Break, c check, lost bool) {
	b.Keyspace = c.keyspaces[0]
	if j.Margin == nil || b.Spare() < j.Margin.Spare() {
		least := b
		j.Margin = &least
	}
	if !lost {
		return
	}
	for _, b.Keyspace = range c.keyspaces {
		j.add(b)
	}
}

// add joins what is lost in one keyspace, data centre and level.
func (j *Judgement) add(b Break) {
	for i := range j.Breaks {
		old := &j.Breaks[i]
		if old.Keyspace != b.Keyspace || old.DC != b.DC || old.Level != b.Level {
			continue
		}
		ranges := old.Ranges + b.Ranges
		if b.Spare() < old.Spare() {
			*old = b
		}
		old.Ranges = ranges
		return
	}
	j.Breaks = append(j.Breaks, b)
}
