package cassandra

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// site is one token of the natural ring and the node that owns it: the end of the range (token before, token].
type site struct {
	token Token
	node  int32
}

// layout is the natural ring: the nodes that own data now. A joining node owns nothing yet; a leaving or moving one
// still does.
type layout struct {
	nodes []Node           // those of the Ring, then phantoms
	real  int              // how many are no phantoms; a phantom is always down, and is in no index by host ID
	index map[string]int32 // by host ID
	by    map[string]int32 // by address; a joiner before the node that it replaces there
	ring  []site           // sorted by token
	dcs   []string         // sorted; those that hold natural nodes
	// per DC: its own sites, its natural nodes and its racks. At shows, for each site of the whole ring, the site of
	// the DC at which a walk through the DC begins.
	zones map[string]*zone
	// made are the placements of a data centre by how many replicas it has: keyspaces that are replicated unlike may be alike there.
	made map[walk]*scope
}

// walk names a placement in a data centre.
type walk struct {
	dc string
	rf int
}

type zone struct {
	sites []site
	at    []int32
	pos   []int32 // of each own site, the same in the whole ring
	nodes int
	racks int
	rack  []int32 // of each node, -1 for nodes of another DC
}

// newLayout sorts the tokens. What it cannot place for sure it tells as doubts.
func newLayout(r Ring) (*layout, []Doubt) {
	l := &layout{
		nodes: slices.Clone(r.Nodes), real: len(r.Nodes),
		index: make(map[string]int32, len(r.Nodes)), by: make(map[string]int32, len(r.Nodes)), zones: map[string]*zone{}, made: map[walk]*scope{},
	}
	for i, n := range r.Nodes {
		l.index[n.HostID] = int32(i)
		if other, taken := l.by[n.Address]; !taken || l.nodes[other].Status != Joining {
			l.by[n.Address] = int32(i)
		}
	}
	doubts := l.placeTokens(hibernating(r))
	slices.SortFunc(l.ring, func(a, b site) int {
		switch {
		case a.token < b.token:
			return -1
		case a.token > b.token:
			return 1
		default:
			return int(a.node - b.node)
		}
	})
	for i := 1; i < len(l.ring); i++ {
		if a, b := l.ring[i-1], l.ring[i]; a.token == b.token {
			doubts = append(doubts, Doubt{Why: "token " + strconv.FormatInt(int64(a.token), 10) + " is owned by both " + l.nodes[a.node].HostID + " and " + l.nodes[b.node].HostID})
		}
	}
	if len(l.ring) == 0 {
		doubts = append(doubts, Doubt{Why: "no token of the ring is known"})
	}
	l.zone()
	return l, append(doubts, l.addStrangers(r.Pending)...)
}

// addStrangers makes a phantom for each address at which a range is pending and that no node has.
func (l *layout) addStrangers(pending []Pending) []Doubt {
	var doubts []Doubt
	for _, p := range pending {
		if _, known := l.by[p.Address]; known {
			continue
		}
		l.by[p.Address] = int32(len(l.nodes))
		l.nodes = append(l.nodes, Node{Address: p.Address})
		doubts = append(doubts, Doubt{Why: "a range is pending at " + p.Address + ", which is no node of the ring"})
	}
	return doubts
}

// nodeOf is the index of a node by its host ID, -1 if it is not known.
func (l *layout) nodeOf(hostID string) int32 {
	if n, known := l.index[hostID]; known {
		return n
	}
	return -1
}

// placeTokens gives each token to its natural owner. While a node is replaced, the token map of Cassandra shows the
// dead node's tokens under the joiner: they still belong to the dead one.
func (l *layout) placeTokens(asleep map[string]bool) []Doubt {
	bare, tokens := map[int32]bool{}, 0
	for _, n := range l.nodes {
		tokens += len(n.Tokens)
	}
	l.ring = make([]site, 0, tokens)
	for i := range l.nodes {
		n := &l.nodes[i]
		if n.Status == Joining {
			continue
		}
		bare[int32(i)] = len(n.Tokens) == 0
		for _, t := range n.Tokens {
			l.ring = append(l.ring, site{t, int32(i)})
		}
	}
	for _, n := range l.nodes[:l.real] {
		if n.Status == Joining && (n.Replacing != "" || asleep[n.Address]) {
			l.placeReplaced(n, bare)
		}
	}
	var doubts []Doubt
	for i, n := range l.nodes[:l.real] {
		if bare[int32(i)] {
			doubts = append(doubts, Doubt{Why: "node " + n.HostID + " is " + string(n.Status) + " and owns no token"})
		}
	}
	return doubts
}

// placeReplaced gives the tokens of a joiner to the dead node whose place it takes, if they are shown under the joiner
// only.
func (l *layout) placeReplaced(joiner Node, bare map[int32]bool) {
	dead := int32(slices.IndexFunc(l.nodes, func(o Node) bool { return o.Address == joiner.Replacing && o.Status != Joining }))
	switch {
	case dead < 0:
		// The dead node is no longer listed, and the joiner has nothing to serve yet: a phantom keeps the place.
		dead = int32(len(l.nodes))
		l.nodes = append(l.nodes, Node{HostID: "replaced " + joiner.Replacing, DC: joiner.DC, Rack: joiner.Rack, Status: Normal, Down: true})
	case !bare[dead]:
		return
	}
	bare[dead] = false
	for _, t := range joiner.Tokens {
		l.ring = append(l.ring, site{t, dead})
	}
}

// hibernating are the addresses at which a node replaces itself: it is in no list of joining nodes, has no pending
// ranges, and serves none of the tokens that stand under its address.
func hibernating(r Ring) map[string]bool {
	out := map[string]bool{}
	for _, v := range r.Views {
		for _, e := range v.Peers {
			if v.Live() && e.Status == "hibernate" {
				out[e.Address] = true
			}
		}
	}
	return out
}

// zone splits the ring by data centre.
func (l *layout) zone() {
	racks := map[string]int32{}
	seen := make([]bool, len(l.nodes))
	home := make([]*zone, len(l.nodes))
	for i, s := range l.ring {
		if seen[s.node] {
			home[s.node].add(s, i)
			continue
		}
		seen[s.node] = true
		n := &l.nodes[s.node]
		z := l.zones[n.DC]
		if z == nil {
			z = &zone{rack: make([]int32, len(l.nodes))}
			for i := range z.rack {
				z.rack[i] = -1
			}
			l.zones[n.DC] = z
			l.dcs = append(l.dcs, n.DC)
		}
		z.add(s, i)
		home[s.node] = z
		z.nodes++
		domain := n.DC + "\x00" + n.Rack
		rack, known := racks[domain]
		if !known {
			rack = int32(z.racks)
			racks[domain] = rack
			z.racks++
		}
		z.rack[s.node] = rack
	}
	slices.Sort(l.dcs)
	for _, z := range l.zones {
		z.at = make([]int32, len(l.ring))
		j := 0
		for i, s := range l.ring {
			for j < len(z.sites) && z.sites[j].token < s.token {
				j++
			}
			z.at[i] = int32(j % len(z.sites))
		}
	}
}

// add takes a site of the whole ring at that index.
func (z *zone) add(s site, i int) {
	z.sites = append(z.sites, s)
	z.pos = append(z.pos, int32(i))
}

// at is the index of the site that owns token t.
func (l *layout) at(t Token) int {
	i, _ := slices.BinarySearchFunc(l.ring, t, func(s site, t Token) int { return cmp.Compare(s.token, t) })
	return i % len(l.ring)
}

// placement is where the replicas of one replication setting lie.
type placement struct {
	simple bool
	rf     map[string]int // per DC; under "" the whole of SimpleStrategy
	total  int            // sum of rf
	dcs    []string       // sorted keys of rf with rf > 0
	// whole has all replicas, by site of the ring; zones those of one DC by its own sites, where it has nodes.
	whole *scope
	zones map[string]*scope
	split map[string][]*scope // of SimpleStrategy, see within
}

// replicas are the host IDs that hold a token in a placement, sorted.
func (l *layout) replicas(p *placement, t Token) []string {
	var out []string
	for _, n := range p.whole.row(l.at(t), nil) {
		out = append(out, l.nodes[n].HostID)
	}
	slices.Sort(out)
	return out
}

// place computes the placement of a keyspace's setting.
func (l *layout) place(k Keyspace) *placement {
	p := &placement{simple: k.Strategy == strategySimple, rf: k.RF, zones: map[string]*scope{}, split: map[string][]*scope{}}
	for dc, rf := range k.RF {
		if rf > 0 {
			p.total += rf
			p.dcs = append(p.dcs, dc)
		}
	}
	slices.Sort(p.dcs)
	if p.simple {
		p.whole = l.scope(walkSimple(l, p.total), l.ring)
		return p
	}
	for _, dc := range p.dcs {
		if z := l.zones[dc]; z != nil {
			p.zones[dc] = l.walked(walk{dc, p.rf[dc]}, z)
		}
	}
	p.whole = l.join(p)
	return p
}

// scope is that of natural replicas, one row for each site.
func (l *layout) scope(r rows, sites []site) *scope {
	return &scope{
		rows: r, natural: r.width, of: newIndex(r, len(l.nodes)), rangeAt: rangesOf(sites),
	}
}

// rangesOf tells the range that ends at a site.
func rangesOf(sites []site) func(i int) Range {
	return func(i int) Range {
		return Range{Start: sites[(i+len(sites)-1)%len(sites)].token, End: sites[i].token}
	}
}

// join puts the replicas of all data centres together, by site of the ring.
func (l *layout) join(p *placement) *scope {
	if len(p.zones) == 1 && len(l.zones) == 1 {
		for _, only := range p.zones {
			return only
		}
	}
	all := &scope{rows: rows{count: len(l.ring)}, rangeAt: rangesOf(l.ring)}
	for _, dc := range p.dcs {
		if s := p.zones[dc]; s != nil {
			all.joined = append(all.joined, joint{zone: l.zones[dc], here: s})
			all.width += s.width
		}
	}
	if len(all.joined) == 0 { // no data centre that it names has nodes
		return l.scope(all.rows, l.ring)
	}
	all.natural = all.width
	return all
}

// walked is the placement in a data centre, made once.
func (l *layout) walked(w walk, z *zone) *scope {
	s := l.made[w]
	if s == nil {
		s = l.scope(walkZone(z, w.rf), z.sites)
		l.made[w] = s
	}
	return s
}

// mostReplicas is more than any keyspace has, and small enough for sums.
const mostReplicas = 1 << 16

// The strategies that can be judged.
const (
	strategyTopology = "NetworkTopologyStrategy"
	strategySimple   = "SimpleStrategy"
	strategyLocal    = "LocalStrategy"
)

// unjudged says why a keyspace's replication cannot be judged, "" if it can.
func unjudged(k Keyspace) string {
	_, whole := k.RF[""]
	switch {
	case k.Transient:
		return "keyspace " + k.Name + " has transient replicas"
	case k.Strategy != strategyTopology && k.Strategy != strategySimple:
		return "keyspace " + k.Name + " has the unknown replication class " + strconv.Quote(k.Strategy)
	case len(k.RF) == 0:
		return "keyspace " + k.Name + " tells no replication factor"
	case slices.ContainsFunc(slices.Collect(maps.Values(k.RF)), func(rf int) bool { return rf < 0 || rf > mostReplicas }):
		return "keyspace " + k.Name + " has a replication factor that no keyspace can have"
	case k.Strategy == strategySimple && (len(k.RF) != 1 || !whole), k.Strategy == strategyTopology && whole:
		return "keyspace " + k.Name + " has a replication factor that does not fit " + k.Strategy
	}
	return ""
}
