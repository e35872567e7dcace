package cassandra

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/galenhq/galen"
)

// Quorum answers which ranges of a ring keep which consistency level when a set of nodes is down. It places replicas
// exactly as Cassandra does, for every range of every guarded keyspace, and indexes them by node, so that an answer costs
// what the nodes in question hold and not what the ring does. Immutable: make a new one from each Ring.
type Quorum struct {
	layout   *layout
	places   map[string]*placement // by keyspace, guarded or not
	scopes   []*scope              // those that a check counts in
	checks   []check               // in the order in which people read them
	reported []Reported
	strays   []string // what the policy names and the ring does not have
	told     []check  // of what is only reported: what people are told of it
	doubts   []Doubt
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
	place     *placement
	levels    []level
	own       bool // the policy declares the levels for these very keyspaces
}

// check is one level of some keyspaces in one scope.
type check struct {
	keyspaces []string
	dc        string // "": all data centres
	level     string
	needed    int
	scope     *scope // nil: a data centre without nodes
}

// NewQuorum places the keyspaces of a ring, and guards them by the levels of the policy, names as in CQL. Keyspaces whose
// replication factors sum up to at most 2 are only reported, unless the policy names them.
func NewQuorum(r Ring, p galen.Policy) *Quorum {
	q := &Quorum{places: map[string]*placement{}}
	q.layout, q.doubts = newLayout(r)
	if len(r.Keyspaces) == 0 {
		q.doubts = append(q.doubts, Doubt{Why: "no live node told the keyspaces"})
	}
	q.strays = strays(r, p)
	shares, reported := q.share(r.Keyspaces, p)
	for _, s := range shares {
		q.guard(s)
	}
	for _, s := range reported {
		q.told = append(q.told, q.checksOf(s)...)
	}
	pending := byKeyspace(r.Pending)
	for _, s := range shares {
		q.guardPending(s, pending)
	}
	return q
}

// strays are what the policy names and the ring does not have: dropped, of another resource, or a slip of the pen.
func strays(r Ring, p galen.Policy) []string {
	var out []string
	keyspace := func(field, name string) {
		if !slices.ContainsFunc(r.Keyspaces, func(k Keyspace) bool { return k.Name == name }) {
			out = append(out, field+" "+name)
		}
	}
	for _, name := range sortedKeys(p.KeyspaceLevels) {
		keyspace("keyspace_levels", name)
	}
	for _, name := range p.GuardKeyspaces {
		keyspace("guard_keyspaces", name)
	}
	for _, dc := range sortedKeys(p.Floors) {
		if !slices.ContainsFunc(r.Nodes, func(n Node) bool { return n.DC == dc }) {
			out = append(out, "floors "+dc)
		}
	}
	return out
}

// share places every keyspace that can be placed, and puts those together that are guarded alike, and those that are only reported.
func (q *Quorum) share(keyspaces []Keyspace, p galen.Policy) (guarded, reported []*share) {
	bySetting, byGuard := map[string]*placement{}, map[string]*share{}
	for _, k := range keyspaces {
		if !q.placeable(k) {
			continue
		}
		name := setting(k)
		place := bySetting[name]
		if place == nil {
			place = q.layout.place(k)
			bySetting[name] = place
		}
		q.places[k.Name] = place
		declared, own := p.KeyspaceLevels[k.Name]
		if !own {
			declared = p.Levels
		}
		told := place.total <= 2 && !own && !slices.Contains(p.GuardKeyspaces, k.Name)
		key := fmt.Sprint(name, own, told, declared)
		s := byGuard[key]
		switch {
		case s == nil && told:
			s = &share{place: place, levels: q.levels(declared)}
			reported = append(reported, s)
		case s == nil:
			s = &share{place: place, levels: q.levels(declared), own: own}
			guarded = append(guarded, s)
		}
		byGuard[key] = s
		s.keyspaces = append(s.keyspaces, k.Name)
		if told {
			q.reported = append(q.reported, Reported{Keyspace: k.Name, Replicas: place.total})
		}
	}
	return guarded, reported
}

// placeable tells whether a keyspace has replicas on other nodes, and we know where.
func (q *Quorum) placeable(k Keyspace) bool {
	if k.local() {
		return false
	}
	if why := unjudged(k); why != "" {
		q.doubts = append(q.doubts, Doubt{Why: why, Lasting: true})
		return false
	}
	return len(q.layout.ring) > 0
}

// levels by their names. One that is unknown is a doubt.
func (q *Quorum) levels(names []string) []level {
	var out []level
	for _, name := range names {
		if lv, known := levelOf(name); known {
			out = append(out, lv)
			continue
		}
		d := Doubt{Why: "consistency level " + strconv.Quote(name) + " is unknown", Lasting: true}
		if !slices.Contains(q.doubts, d) {
			q.doubts = append(q.doubts, d)
		}
	}
	return out
}

// guard keeps the checks of a share.
func (q *Quorum) guard(s *share) {
	for _, c := range q.checksOf(s) {
		q.keep(c)
	}
}

// checksOf are those of each level of a share where it counts: in each data centre, or over all of them.
func (q *Quorum) checksOf(s *share) []check {
	var out []check
	for _, lv := range s.levels {
		for _, dc := range q.dcs(s, lv) {
			for _, sc := range q.layout.natural(s.place, dc) {
				if c, counts := s.check(lv, dc, sc); counts {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// dcs are the data centres in which a level counts by itself; "" for all together.
func (q *Quorum) dcs(s *share, lv level) []string {
	switch {
	case s.wide(lv):
		return []string{""}
	case s.place.simple:
		return q.layout.dcs
	default:
		return s.place.dcs
	}
}

// wide tells whether a level counts over all data centres. SimpleStrategy knows none, so that a local level says little
// there: it counts as its wide counterpart, unless the policy declares it for that very keyspace. Then it counts as
// Cassandra counts it, a quorum of all replicas within one data centre.
func (s *share) wide(lv level) bool {
	return !lv.local || s.place.simple && (!s.own || lv.each)
}

// check is one level in one scope. No scope: the data centre has no nodes, which only a level that wants each data
// centre minds.
func (s *share) check(lv level, dc string, sc *scope) (c check, counts bool) {
	rf := s.place.total
	if dc != "" && !s.place.simple {
		rf = s.place.rf[dc]
	}
	c = check{keyspaces: s.keyspaces, dc: dc, level: lv.name, scope: sc}
	switch {
	case sc == nil:
		c.needed = lv.needed(rf, 0, 0)
		return c, lv.each
	case dc != "" && s.place.simple && sc.natural < lv.needed(rf, sc.natural, 0):
		return c, false // with every node up this data centre does not have the level here: nobody uses it
	}
	c.needed = lv.needed(rf, sc.natural, sc.pending)
	return c, true
}

// keep makes a check one that the ring has to pass.
func (q *Quorum) keep(c check) {
	if sc := c.scope; sc != nil {
		sc.strictest = max(sc.strictest, c.needed)
		if !slices.Contains(q.scopes, sc) {
			q.scopes = append(q.scopes, sc)
		}
	}
	q.checks = append(q.checks, c)
}

// Reported are the keyspaces that are not guarded, in the Ring's order.
func (q *Quorum) Reported() []Reported { return slices.Clone(q.reported) }

// Verdict judges the ring with these host IDs down, and all others up: what is lost then.
func (q *Quorum) Verdict(down map[string]bool) Judgement { return q.judge(q.mark(down, nil)) }

// Lowered judges only what a step makes worse: levels that are lost with the nodes of after down, in ranges that have
// more replicas with those of before down.
func (q *Quorum) Lowered(before, after map[string]bool) Judgement {
	if before == nil {
		before = map[string]bool{}
	}
	return q.judge(q.mark(after, before))
}

// Ranges are the ranges of a keyspace that a node has a replica of, each within one boundary of the ring, sorted as
// the ring is. A keyspace or node that is not known has none.
func (q *Quorum) Ranges(keyspace, hostID string) []Range {
	place, node := q.places[keyspace], q.layout.nodeOf(hostID)
	if place == nil || node < 0 {
		return nil
	}
	var out []Range
	for _, site := range place.whole.sites(node) {
		out = append(out, place.whole.rangeAt(int(site)))
	}
	return out
}

// Replicas are the host IDs that hold token t of a keyspace, sorted; none if the keyspace is not known.
func (q *Quorum) Replicas(keyspace string, t Token) []string {
	if place := q.places[keyspace]; place != nil {
		return q.layout.replicas(place, t)
	}
	return nil
}

// Sharing tells whether two nodes hold replicas of one range of a keyspace. Where a node or the keyspace is not known,
// they do.
func (q *Quorum) Sharing(keyspace, a, b string) bool {
	place, i, j := q.places[keyspace], q.layout.nodeOf(a), q.layout.nodeOf(b)
	if place == nil || i < 0 || j < 0 {
		return true
	}
	var buf []int32
	return slices.ContainsFunc(place.whole.sites(i), func(site int32) bool {
		buf = place.whole.row(int(site), buf)
		return slices.Contains(buf, j)
	})
}

// Last are the keyspaces, guarded or not, of which a node has a range that no other node outside of gone has a replica of; sorted.
func (q *Quorum) Last(hostID string, gone map[string]bool) []string {
	node := q.layout.nodeOf(hostID)
	if node < 0 {
		return nil
	}
	elsewhere := func(n int32) bool { return n != node && !gone[q.layout.nodes[n].HostID] }
	var out []string
	var buf []int32
	for _, keyspace := range sortedKeys(q.places) {
		whole := q.places[keyspace].whole
		if slices.ContainsFunc(whole.sites(node), func(site int32) bool {
			buf = whole.row(int(site), buf)
			return !slices.ContainsFunc(buf, elsewhere)
		}) {
			out = append(out, keyspace)
		}
	}
	return out
}

// with is the set and one more.
func with(down map[string]bool, hostID string) map[string]bool {
	out := maps.Clone(down)
	if out == nil {
		out = map[string]bool{}
	}
	out[hostID] = true
	return out
}

// setting names a replication setting, so that keyspaces that share one are placed once.
func setting(k Keyspace) string {
	parts := make([]string, 0, len(k.RF))
	for dc, rf := range k.RF {
		parts = append(parts, dc+"="+strconv.Itoa(rf))
	}
	slices.Sort(parts)
	return k.Strategy + "{" + strings.Join(parts, ",") + "}"
}
