package cassandra

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galenhq/galen"
)

// Quorum answers which ranges of a ring keep which consistency level when a set of nodes is down. It places replicas
// exactly as Cassandra does, for every range of every guarded keyspace. Immutable: make a new one from each Ring.
type Quorum struct {
	layout   *layout
	shares   []*share
	pending  []segment
	reported []Reported
	doubts   []Doubt
	all      []Keyspace // every keyspace that can be placed, guarded or not
}

// Reported is a keyspace that is told to people and not guarded: with so few replicas no node could ever be touched.
type Reported struct {
	Keyspace string `json:"keyspace"`
	Replicas int    `json:"replicas"` // over all data centres
}

// Doubt is a reason why the ring cannot be judged. Any doubt is unsafe.
type Doubt struct {
	Why string `json:"why"`
	// Lasting: another look will not change it.
	Lasting bool `json:"lasting,omitempty"`
}

// Break is a consistency level that a keyspace does not have: the worst range, and how many there are.
type Break struct {
	Keyspace string `json:"keyspace"`
	// DC is "" where the level counts over all data centres.
	DC    string `json:"dc,omitempty"`
	Level string `json:"level"`
	// Range is the worst of Ranges ranges.
	Range  Range `json:"range"`
	Ranges int   `json:"ranges"`
	// Alive of Replicas are up (pending ones included, as a write counts them), Needed must be.
	Alive    int `json:"alive"`
	Replicas int `json:"replicas"`
	Needed   int `json:"needed"`
}

// Spare is how many more replicas may go; below zero the level is lost.
func (b Break) Spare() int { return b.Alive - b.Needed }

// String is for people.
func (b Break) String() string {
	where := b.Level
	if b.DC != "" {
		where += " in " + b.DC
	}
	return fmt.Sprintf("%s, %s: %d of %d replicas up, %d needed", b.Keyspace, where, b.Alive, b.Replicas, b.Needed)
}

// Judgement is what [Quorum.Verdict] finds.
type Judgement struct {
	Breaks []Break
	Doubts []Doubt
	// Margin is the range with the least to spare over all guarded keyspaces and levels; nil: nothing is guarded.
	Margin *Break
}

// Safe tells whether every level holds beyond doubt.
func (j Judgement) Safe() bool { return len(j.Breaks) == 0 && len(j.Doubts) == 0 }

// MarginText is the margin for people, in the form of [galen.Verdict].Margin.
func (j Judgement) MarginText() string {
	if j.Margin == nil {
		return "no guarded keyspace"
	}
	return fmt.Sprintf("%d to spare: %s", j.Margin.Spare(), j.Margin)
}

// share are the guarded keyspaces of one replication setting and the same levels.
type share struct {
	keyspaces []string
	levels    []level
	place     *placement
}

// level is a consistency level.
type level struct {
	name string
	// local: counted in each data centre by itself.
	local bool
	// absent: a data centre without nodes counts too.
	absent bool
	serial bool
	of     func(rf int) int
}

// NewQuorum places the keyspaces of a ring, and guards them by the levels of the policy, names as in CQL. Keyspaces whose
// replication factors sum up to at most 2 are only reported, unless the policy names them.
func NewQuorum(r Ring, p galen.Policy) *Quorum {
	q := &Quorum{}
	q.layout, q.doubts = newLayout(r)
	if len(r.Keyspaces) == 0 {
		q.doubts = append(q.doubts, Doubt{Why: "no live node told the keyspaces"})
	}
	bySetting := map[string]*share{}
	for _, k := range r.Keyspaces {
		q.add(k, p, bySetting)
	}
	q.addPending(r.Pending)
	return q
}

// levelsOf are the levels of a keyspace: its own, or those of all. One that is unknown is a doubt.
func (q *Quorum) levelsOf(keyspace string, p galen.Policy) (names []string, out []level) {
	names, own := p.KeyspaceLevels[keyspace]
	if !own {
		names = p.Levels
	}
	for _, name := range names {
		lv, known := levelOf(name)
		if !known {
			d := Doubt{Why: "consistency level " + strconv.Quote(name) + " is unknown", Lasting: true}
			if !slices.Contains(q.doubts, d) {
				q.doubts = append(q.doubts, d)
			}
			continue
		}
		out = append(out, lv)
	}
	return names, out
}

func (q *Quorum) add(k Keyspace, p galen.Policy, bySetting map[string]*share) {
	if k.Strategy == strategyLocal {
		return
	}
	if why := unjudged(k); why != "" {
		q.doubts = append(q.doubts, Doubt{Why: why, Lasting: true})
		return
	}
	if len(q.layout.ring) == 0 {
		return
	}
	q.all = append(q.all, k)
	total := 0
	for _, rf := range k.RF {
		total += max(rf, 0)
	}
	_, declared := p.KeyspaceLevels[k.Name]
	if total <= 2 && !declared && !slices.Contains(p.GuardKeyspaces, k.Name) {
		q.reported = append(q.reported, Reported{Keyspace: k.Name, Replicas: total})
		return
	}
	names, levels := q.levelsOf(k.Name, p)
	name := setting(k) + strings.Join(names, ",")
	s := bySetting[name]
	if s == nil {
		s = &share{place: q.layout.place(k), levels: levels}
		bySetting[name] = s
		q.shares = append(q.shares, s)
	}
	s.keyspaces = append(s.keyspaces, k.Name)
}

// levelOf knows the levels of Cassandra.
func levelOf(name string) (level, bool) {
	constant := func(n int) func(int) int { return func(int) int { return n } }
	quorum := func(rf int) int { return rf/2 + 1 }
	lv, known := map[string]level{
		"ANY":          {of: constant(0)}, // a hint on the coordinator is enough
		"ONE":          {of: constant(1)},
		"TWO":          {of: constant(2)},
		"THREE":        {of: constant(3)},
		"QUORUM":       {of: quorum},
		"ALL":          {of: func(rf int) int { return rf }},
		"SERIAL":       {of: quorum, serial: true},
		"LOCAL_ONE":    {of: constant(1), local: true},
		"LOCAL_QUORUM": {of: quorum, local: true},
		"LOCAL_SERIAL": {of: quorum, local: true, serial: true},
		"EACH_QUORUM":  {of: quorum, local: true, absent: true},
	}[name]
	lv.name = name
	return lv, known
}

// needed replicas of a range: rf by the setting, natural as many as there are, pending ones besides. A write waits
// for its level and for every pending replica; paxos counts all participants, and refuses more than one pending.
func (lv level) needed(rf, natural, pending int) int {
	switch {
	case lv.name == "ANY":
		return 0
	case lv.serial && pending > 1:
		return natural + pending + 1
	case lv.serial:
		return lv.of(natural + pending)
	default:
		return lv.of(rf) + pending
	}
}

// Reported are the keyspaces that are not guarded, in the Ring's order.
func (q *Quorum) Reported() []Reported { return slices.Clone(q.reported) }

// Verdict judges the ring with these host IDs down, and all others up.
func (q *Quorum) Verdict(down map[string]bool) Judgement {
	t := &tally{quorum: q, down: q.mark(down)}
	t.count()
	return Judgement{Breaks: t.breaks, Doubts: q.doubts, Margin: t.margin}
}

// Lowered judges only what a step makes worse: levels that are lost with the nodes of after down, in ranges that have
// more replicas with those of before down.
func (q *Quorum) Lowered(before, after map[string]bool) Judgement {
	t := &tally{quorum: q, down: q.mark(after), before: q.mark(before)}
	t.count()
	return Judgement{Breaks: t.breaks, Doubts: q.doubts, Margin: t.margin}
}

func (q *Quorum) mark(down map[string]bool) []bool {
	out := make([]bool, len(q.layout.nodes))
	for id, is := range down {
		if i, known := q.layout.index[id]; known && is {
			out[i] = true
		}
	}
	for i := q.layout.real; i < len(out); i++ {
		out[i] = true
	}
	return out
}

// Ranges are the ranges of a keyspace that a node has a replica of, each within one boundary of the ring, sorted as
// the ring is. A keyspace or node that is not known has none.
func (q *Quorum) Ranges(keyspace, hostID string) []Range {
	i := slices.IndexFunc(q.all, func(k Keyspace) bool { return k.Name == keyspace })
	node, known := q.layout.index[hostID]
	if i < 0 || !known {
		return nil
	}
	p := q.placed(q.all[i])
	var out []Range
	for s := range q.layout.ring {
		if p.holds(q.layout, s, node) {
			out = append(out, q.layout.rangeAt(s))
		}
	}
	return out
}

// Replicas are the host IDs that hold token t of a keyspace, sorted; none if the keyspace is not known.
func (q *Quorum) Replicas(keyspace string, t Token) []string {
	i := slices.IndexFunc(q.all, func(k Keyspace) bool { return k.Name == keyspace })
	if i < 0 {
		return nil
	}
	p, at := q.placed(q.all[i]), q.layout.at(t)
	var out []string
	for _, dc := range p.dcs {
		for _, n := range p.replicas(q.layout, dc, at) {
			out = append(out, q.layout.nodes[n].HostID)
		}
	}
	slices.Sort(out)
	return out
}

// Sharing tells whether two nodes hold replicas of one range of a keyspace. Where a node or the keyspace is not known,
// they do.
func (q *Quorum) Sharing(keyspace, a, b string) bool {
	k := slices.IndexFunc(q.all, func(k Keyspace) bool { return k.Name == keyspace })
	i, knownA := q.layout.index[a]
	j, knownB := q.layout.index[b]
	if k < 0 || !knownA || !knownB {
		return true
	}
	p := q.placed(q.all[k])
	for s := range q.layout.ring {
		if p.holds(q.layout, s, i) && p.holds(q.layout, s, j) {
			return true
		}
	}
	return false
}

func (q *Quorum) placed(k Keyspace) *placement {
	for _, s := range q.shares {
		if slices.Contains(s.keyspaces, k.Name) {
			return s.place
		}
	}
	return q.layout.place(k)
}

func (p *placement) holds(l *layout, i int, node int32) bool {
	return slices.ContainsFunc(p.dcs, func(dc string) bool { return slices.Contains(p.replicas(l, dc, i), node) })
}

// segment is a part of a keyspace's range with pending replicas.
type segment struct {
	keyspace string
	Range
	site    int
	nodes   []int32 // pending, -1: an address that no node has
	sharing *share
}

// addPending cuts the pending ranges at every token and at each other's ends, so that each segment has one set of
// natural and one set of pending replicas.
func (q *Quorum) addPending(pending []Pending) {
	byKeyspace := map[string][]Pending{}
	for _, p := range pending {
		byKeyspace[p.Keyspace] = append(byKeyspace[p.Keyspace], p)
		if _, known := q.layout.by[p.Address]; !known {
			q.doubts = append(q.doubts, Doubt{Why: "a range is pending at " + p.Address + ", which is no node of the ring"})
		}
	}
	for _, s := range q.shares {
		for _, name := range s.keyspaces {
			q.pending = append(q.pending, q.segments(name, s, byKeyspace[name])...)
		}
	}
}

func (q *Quorum) segments(keyspace string, s *share, pending []Pending) []segment {
	if len(pending) == 0 {
		return nil
	}
	ends := make([]Token, 0, len(q.layout.ring)+2*len(pending))
	for _, site := range q.layout.ring {
		ends = append(ends, site.token)
	}
	for _, p := range pending {
		ends = append(ends, p.Start, p.End)
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	nodes := q.spread(ends, pending)
	out := make([]segment, 0, len(nodes))
	for i, pend := range nodes {
		site := q.layout.at(ends[i])
		pend = slices.DeleteFunc(pend, func(n int32) bool { return n >= 0 && s.place.holds(q.layout, site, n) })
		if len(pend) > 0 {
			out = append(out, segment{
				keyspace: keyspace, Range: Range{Start: ends[(i+len(ends)-1)%len(ends)], End: ends[i]},
				site: site, nodes: pend, sharing: s,
			})
		}
	}
	slices.SortFunc(out, func(a, b segment) int { return cmp.Compare(a.End, b.End) })
	return out
}

// spread gives the pending nodes of each segment, by the index of its end.
func (q *Quorum) spread(ends []Token, pending []Pending) map[int][]int32 {
	at := func(t Token) int { i, _ := slices.BinarySearch(ends, t); return i }
	nodes := map[int][]int32{}
	for _, p := range pending {
		node, known := q.layout.by[p.Address]
		if !known {
			node = -1
		}
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
