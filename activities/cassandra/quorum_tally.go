package cassandra

// tally goes over all ranges of a [Quorum] and keeps the worst ones.
type tally struct {
	quorum *Quorum
	down   []bool
	before []bool // nil: count every lost level
	breaks []Break
	margin *Break
}

// sum is one scope of one level of one setting: a data centre, or all of them.
type sum struct {
	rf      int
	natural int
	sites   int
	// alive and was count live replicas by site; was only where the tally compares.
	alive, was []int16
}

func (t *tally) count() {
	for _, s := range t.quorum.shares {
		t.countShare(s)
	}
	for _, s := range t.quorum.pending {
		t.countSegment(s)
	}
}

func (t *tally) countShare(s *share) {
	local := map[string]sum{}
	for _, dc := range s.place.dcs {
		local[dc] = t.sumZone(s.place, dc)
	}
	var whole *sum
	for _, lv := range s.levels {
		if lv.local && !s.place.simple {
			for _, dc := range s.place.dcs {
				t.countSum(s, lv, dc, local[dc])
			}
			continue
		}
		if whole == nil {
			all := t.sumWhole(s.place, local)
			whole = &all
		}
		t.countSum(s, lv, "", *whole)
	}
}

// sumZone counts what lives in one data centre; no sites where it has no nodes.
func (t *tally) sumZone(p *placement, dc string) sum {
	set := p.sets[dc]
	out := sum{rf: p.rf[dc], natural: set.width}
	if set.width == 0 {
		return out
	}
	out.sites = len(set.nodes) / set.width
	out.alive = living(set, out.sites, t.down)
	if t.before != nil {
		out.was = living(set, out.sites, t.before)
	}
	return out
}

func living(set rows, sites int, down []bool) []int16 {
	out := make([]int16, sites)
	for i := range out {
		n := int16(set.width)
		for _, node := range set.row(i) {
			if down[node] {
				n--
			}
		}
		out[i] = n
	}
	return out
}

// sumWhole adds the data centres up, by site of the whole ring.
func (t *tally) sumWhole(p *placement, local map[string]sum) sum {
	l := t.quorum.layout
	out := sum{rf: p.total, sites: len(l.ring), alive: make([]int16, len(l.ring))}
	if t.before != nil {
		out.was = make([]int16, len(l.ring))
	}
	for _, dc := range p.dcs {
		part := local[dc]
		out.natural += part.natural
		if part.sites == 0 {
			continue
		}
		if p.simple {
			out.alive, out.was = part.alive, part.was
			continue
		}
		for i, j := range l.zones[dc].at {
			out.alive[i] += part.alive[j]
			if t.before != nil {
				out.was[i] += part.was[j]
			}
		}
	}
	return out
}

// countSum compares one level in one scope. All its ranges need the same number.
func (t *tally) countSum(s *share, lv level, dc string, all sum) {
	needed := lv.needed(all.rf, all.natural, 0)
	found := Break{DC: dc, Level: lv.name, Replicas: all.natural, Needed: needed}
	if all.sites == 0 {
		if lv.absent { // EACH_QUORUM counts a data centre that has no nodes
			found.Ranges = 1
			t.keep(found, s.keyspaces, t.before == nil)
		}
		return
	}
	least, worst, ranges := 0, -1, 0
	for i, alive := range all.alive {
		if alive < all.alive[least] {
			least = i
		}
		if int(alive) >= needed || t.before != nil && alive >= all.was[i] {
			continue
		}
		if ranges++; worst < 0 || alive < all.alive[worst] {
			worst = i
		}
	}
	found.Range, found.Alive, found.Ranges = t.rangeOf(s, dc, least), int(all.alive[least]), 1
	t.keep(found, s.keyspaces, false)
	if worst >= 0 {
		found.Range, found.Alive, found.Ranges = t.rangeOf(s, dc, worst), int(all.alive[worst]), ranges
		t.keep(found, s.keyspaces, true)
	}
}

// rangeOf is the range of a site of the data centre, "" of the whole ring.
func (t *tally) rangeOf(s *share, dc string, i int) Range {
	l := t.quorum.layout
	if dc == "" || s.place.simple {
		return l.rangeAt(i)
	}
	sites := l.zones[dc].sites
	return Range{Start: sites[(i+len(sites)-1)%len(sites)].token, End: sites[i].token}
}

// keep notes a lost level for each keyspace, or the least margin.
func (t *tally) keep(b Break, keyspaces []string, lost bool) {
	for _, name := range keyspaces {
		b.Keyspace = name
		if lost {
			t.addBreak(b)
		}
		if t.margin == nil || b.Spare() < t.margin.Spare() {
			least := b
			t.margin = &least
		}
	}
}

// addBreak joins what is lost in one keyspace, scope and level.
func (t *tally) addBreak(b Break) {
	for i := range t.breaks {
		old := &t.breaks[i]
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
	t.breaks = append(t.breaks, b)
}

// countSegment counts a segment with its pending replicas, as a write does; countShare has counted it without, as a
// read does.
func (t *tally) countSegment(s segment) {
	p := s.sharing.place
	for _, lv := range s.sharing.levels {
		if !lv.local || p.simple {
			t.countPending(s, lv, "", p.dcs)
			continue
		}
		for _, dc := range p.dcs {
			t.countPending(s, lv, dc, []string{dc})
		}
	}
}

func (t *tally) countPending(s segment, lv level, dc string, dcs []string) {
	p, l := s.sharing.place, t.quorum.layout
	rf, natural, alive, was := 0, 0, 0, 0
	for _, d := range dcs {
		rf += p.rf[d]
		for _, n := range p.replicas(l, d, s.site) {
			natural++
			alive += t.up(t.down, n)
			was += t.up(t.before, n)
		}
	}
	pending := 0
	for _, n := range s.nodes {
		if dc != "" && n >= 0 && l.nodes[n].DC != dc {
			continue
		}
		pending++
		alive += t.up(t.down, n)
		was += t.up(t.before, n)
	}
	if pending == 0 {
		return
	}
	b := Break{
		DC: dc, Level: lv.name, Range: s.Range, Ranges: 1,
		Alive: alive, Replicas: natural + pending, Needed: lv.needed(rf, natural, pending),
	}
	t.keep(b, []string{s.keyspace}, b.Spare() < 0 && (t.before == nil || alive < was))
}

// up is 1 if the node is not among those that are down; a node that nobody knows is down.
func (t *tally) up(down []bool, node int32) int {
	if node < 0 || down == nil || down[node] {
		return 0
	}
	return 1
}
