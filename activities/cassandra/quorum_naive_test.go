package cassandra_test

import (
	"maps"
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// naive is the mathematics written a second time, slowly and by another road: the placement as Cassandra wrote it
// before 3.0 (skipped nodes fill up when all racks are used), every range by itself, nothing shared or indexed.
type naive struct {
	ring   cassandra.Ring
	policy galen.Policy
	nodes  []cassandra.Node // those of the ring, and ghosts
	ghosts map[string]bool  // always down, by host ID
	places []place
	cache  map[string]map[cassandra.Token][]int
}

type place struct {
	token cassandra.Token
	node  int
}

func newNaive(r cassandra.Ring, p galen.Policy) *naive {
	n := &naive{ring: r, policy: p, nodes: slices.Clone(r.Nodes), ghosts: map[string]bool{}, cache: map[string]map[cassandra.Token][]int{}}
	for _, joiner := range r.Nodes {
		if joiner.Status != cassandra.Joining || joiner.Replacing == "" {
			continue
		}
		// The tokens still belong to the one that is replaced.
		dead := slices.IndexFunc(n.nodes, func(o cassandra.Node) bool {
			return o.Address == joiner.Replacing && o.Status != cassandra.Joining
		})
		if dead < 0 {
			dead = n.ghost(cassandra.Node{DC: joiner.DC, Rack: joiner.Rack, Status: cassandra.Normal})
		}
		if len(n.nodes[dead].Tokens) == 0 {
			n.nodes[dead].Tokens = joiner.Tokens
		}
	}
	for i, node := range n.nodes {
		if node.Status != cassandra.Joining {
			for _, t := range node.Tokens {
				n.places = append(n.places, place{t, i})
			}
		}
	}
	slices.SortFunc(n.places, func(a, b place) int {
		if a.token < b.token {
			return -1
		}
		return 1
	})
	return n
}

func (n *naive) ghost(node cassandra.Node) int {
	node.HostID = "ghost" + string(rune('0'+len(n.ghosts)))
	n.ghosts[node.HostID] = true
	n.nodes = append(n.nodes, node)
	return len(n.nodes) - 1
}

// at is the node with an address: of two, the one that joins there.
func (n *naive) at(address string) int {
	found := -1
	for i, node := range n.nodes {
		if node.Address == address && (found < 0 || node.Status == cassandra.Joining) {
			found = i
		}
	}
	if found < 0 {
		found = n.ghost(cassandra.Node{Address: address, DC: "anywhere"})
	}
	return found
}

// walk gives the owners of token t in order around the ring, each once.
func (n *naive) walk(t cassandra.Token) []int {
	first := slices.IndexFunc(n.places, func(p place) bool { return p.token >= t })
	if first < 0 {
		first = 0
	}
	var out []int
	for i := range n.places {
		node := n.places[(first+i)%len(n.places)].node
		if !slices.Contains(out, node) {
			out = append(out, node)
		}
	}
	return out
}

func (n *naive) replicas(k cassandra.Keyspace, t cassandra.Token) []int {
	known := n.cache[k.Name]
	if known == nil {
		known = map[cassandra.Token][]int{}
		n.cache[k.Name] = known
	}
	out, have := known[t]
	if !have {
		out = n.place(k, n.walk(t))
		known[t] = out
	}
	return out
}

func (n *naive) place(k cassandra.Keyspace, order []int) []int {
	if k.Strategy == "SimpleStrategy" {
		return order[:min(k.RF[""], len(order))]
	}
	var out []int
	for dc, rf := range k.RF {
		here := slices.DeleteFunc(slices.Clone(order), func(i int) bool { return n.nodes[i].DC != dc })
		racks := map[string]bool{}
		for _, i := range here {
			racks[n.nodes[i].Rack] = true
		}
		var taken, skipped []int
		used := map[string]bool{}
		for _, i := range here {
			rack := n.nodes[i].Rack
			switch {
			case !used[rack]:
				used[rack] = true
				taken = append(taken, i)
				if len(used) == len(racks) {
					taken, skipped = append(taken, skipped...), nil
				}
			case len(used) == len(racks):
				taken = append(taken, i)
			default:
				skipped = append(skipped, i)
			}
		}
		out = append(out, taken[:min(rf, len(taken))]...)
	}
	return out
}

func inside(r cassandra.Range, t cassandra.Token) bool {
	if r.Start < r.End {
		return r.Start < t && t <= r.End
	}
	return t > r.Start || t <= r.End
}

// loss is what one keyspace lost of one level in one data centre.
type loss struct {
	ranges int
	spare  int
	worst  []cassandra.Break // the ranges with that spare
}

// verdict is what the naive form finds.
type verdict struct {
	lost  map[string]*loss
	any   bool
	least int
	// margins are the ranges with that spare.
	margins []cassandra.Break
}

func lossKey(b cassandra.Break) string { return b.Keyspace + "/" + b.Level + "/" + b.DC }

func (v *verdict) count(b cassandra.Break, minded bool) {
	if spare := b.Spare(); !v.any || spare < v.least {
		v.any, v.least, v.margins = true, spare, nil
	}
	if b.Spare() == v.least {
		v.margins = append(v.margins, b)
	}
	if b.Spare() >= 0 || !minded {
		return
	}
	l := v.lost[lossKey(b)]
	if l == nil {
		l = &loss{spare: b.Spare()}
		v.lost[lossKey(b)] = l
	}
	l.ranges++
	if b.Spare() < l.spare {
		l.spare, l.worst = b.Spare(), nil
	}
	if b.Spare() == l.spare {
		l.worst = append(l.worst, b)
	}
}

// judge counts every range. Reads know nothing of pending replicas, writes wait for them.
func (n *naive) judge(down, before map[string]bool) verdict {
	v := verdict{lost: map[string]*loss{}}
	for _, k := range n.ring.Keyspaces {
		names, own := n.policy.KeyspaceLevels[k.Name]
		total := 0
		for _, rf := range k.RF {
			total += rf
		}
		if k.Strategy == "LocalStrategy" || total <= 2 && !own && !slices.Contains(n.policy.GuardKeyspaces, k.Name) {
			continue
		}
		if !own {
			names = n.policy.Levels
		}
		q := question{naive: n, keyspace: k, own: own, total: total, down: down, before: before, verdict: &v}
		for _, name := range names {
			for _, dc := range q.dcs(name) {
				q.reads(name, dc)
				q.writes(name, dc)
			}
		}
	}
	return v
}

// question is about one keyspace.
type question struct {
	*naive
	keyspace     cassandra.Keyspace
	own          bool
	total        int
	down, before map[string]bool
	verdict      *verdict
}

func (q question) simple() bool { return q.keyspace.Strategy == "SimpleStrategy" }

// dcs are where a level counts: "" is everywhere.
func (q question) dcs(level string) []string {
	local := slices.Contains([]string{"LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL"}, level)
	if q.simple() {
		if !local || !q.own {
			return []string{""}
		}
		dcs := map[string]bool{}
		for _, p := range q.places {
			dcs[q.nodes[p.node].DC] = true
		}
		return slices.Sorted(maps.Keys(dcs))
	}
	if !local && level != "EACH_QUORUM" {
		return []string{""}
	}
	return slices.Sorted(maps.Keys(q.keyspace.RF))
}

// reads counts the natural replicas of each range.
func (q question) reads(level, dc string) {
	var ends []cassandra.Token
	for _, p := range q.places {
		if dc == "" || q.simple() || q.nodes[p.node].DC == dc {
			ends = append(ends, p.token)
		}
	}
	for i, end := range ends {
		q.count(level, dc, cassandra.Range{Start: ends[(i+len(ends)-1)%len(ends)], End: end}, nil)
	}
	if len(ends) == 0 && level == "EACH_QUORUM" {
		b := cassandra.Break{Keyspace: q.keyspace.Name, DC: dc, Level: level, Ranges: 1, Needed: q.keyspace.RF[dc]/2 + 1}
		q.verdict.count(b, q.before == nil)
	}
}

// writes counts each range with pending replicas.
func (q question) writes(level, dc string) {
	var ends []cassandra.Token
	for _, p := range q.places {
		ends = append(ends, p.token)
	}
	mine := slices.DeleteFunc(slices.Clone(q.ring.Pending), func(p cassandra.Pending) bool { return p.Keyspace != q.keyspace.Name })
	for _, p := range mine {
		ends = append(ends, p.Start, p.End)
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	for i, end := range ends {
		var pending []int
		for _, p := range mine {
			node := q.at(p.Address)
			if inside(p.Range, end) && !slices.Contains(pending, node) && !slices.Contains(q.replicas(q.keyspace, end), node) &&
				(dc == "" || q.nodes[node].DC == dc || q.nodes[node].DC == "anywhere") {
				pending = append(pending, node)
			}
		}
		if len(pending) > 0 {
			q.count(level, dc, cassandra.Range{Start: ends[(i+len(ends)-1)%len(ends)], End: end}, pending)
		}
	}
}

func (q question) count(level, dc string, r cassandra.Range, pending []int) {
	var natural []int
	for _, i := range q.replicas(q.keyspace, r.End) {
		if dc == "" || q.nodes[i].DC == dc {
			natural = append(natural, i)
		}
	}
	rf := q.total
	if dc != "" && !q.simple() {
		rf = q.keyspace.RF[dc]
	}
	if q.simple() && dc != "" && len(natural) < needed(level, rf, len(natural), 0) {
		return // nobody has the level here
	}
	b := cassandra.Break{
		Keyspace: q.keyspace.Name, DC: dc, Level: level, Range: r, Ranges: 1,
		Replicas: len(natural) + len(pending), Needed: needed(level, rf, len(natural), len(pending)),
	}
	was := 0
	for _, i := range slices.Concat(natural, pending) {
		id := q.nodes[i].HostID
		if !q.down[id] && !q.ghosts[id] {
			b.Alive++
		}
		if !q.before[id] && !q.ghosts[id] {
			was++
		}
	}
	q.verdict.count(b, q.before == nil || b.Alive < was)
}

// needed as Cassandra's ConsistencyLevel and Paxos have it.
func needed(level string, rf, natural, pending int) int {
	switch level {
	case "ONE", "LOCAL_ONE":
		return 1 + pending
	case "TWO":
		return 2 + pending
	case "THREE":
		return 3 + pending
	case "ALL":
		return rf + pending
	case "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM":
		return rf/2 + 1 + pending
	case "SERIAL", "LOCAL_SERIAL":
		if pending > 1 {
			return natural + pending + 1
		}
		return (natural+pending)/2 + 1
	default:
		return 0
	}
}
