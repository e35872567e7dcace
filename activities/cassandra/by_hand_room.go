package cassandra

import (
	"math"
	"slices"

	"github.com/galenhq/galen"
)

// roomToLeave: who comes to hold what a node leaves behind has room for it (I-24), each for its share, with the headroom of the policy.
func roomToLeave(a galen.Ask[Ring], q *Quorum) galen.Verdict {
	node, leaves := leaving(a)
	if !leaves || node == nil { // who is not there is denied by [departure]
		return allow("%s takes no node out of the ring", a.Step.Verb)
	}
	shares := inherited(q, a.State.Keyspaces, node.HostID)
	room := a.State.RoomFor(*node, a.Policy)
	if len(shares) > 0 && room.Held == 0 {
		return unseen("no live node tells how much data %s holds: whether those that get it have room is unknown", Title(*node))
	}
	for _, id := range sortedKeys(shares) {
		if v := hasRoom(a.State, id, *node, room.part(shares[id])); v.Answer != galen.Allow {
			return v
		}
	}
	return allow("the %d nodes that get what it holds have room", len(shares))
}

// hasRoom tells whether a node can take its share of what another one leaves behind.
func hasRoom(r Ring, heir string, leaver Node, share Room) galen.Verdict {
	n, _ := r.Node(heir)
	i, known := r.Instance(n.Instance)
	switch {
	case n.bad() || r.Emptied(n):
		return lookAgain("%s gets a share of what %s holds, and is not well", Title(n), Title(leaver))
	case !known || i.DiskFree == nil || i.Error != "":
		return unseen("the host of %s does not tell how much is free: whether it has room for its share of what %s holds is unknown", Title(n), Title(leaver))
	case !share.In(i):
		return deny("%s has %s free, and its share of what %s holds, with headroom, is %s", Title(n), sizeOf(i.free()), Title(leaver), sizeOf(share.Need))
	}
	return allow("%s has room", Title(n))
}

// part is what has to be free for a share of what a node held.
func (m Room) part(share float64) Room {
	if need := math.Ceil(share * float64(m.Need)); need < math.MaxInt64 {
		m.Need = int64(need)
	}
	return m
}

// inherited is which share of what a node holds goes to whom when it leaves the ring, by host ID: in each keyspace by the ranges that they come to
// hold, and the largest one of all keyspaces, for which one the data are of nobody tells.
func inherited(q *Quorum, keyspaces []Keyspace, leaver string) map[string]float64 {
	out := map[string]float64{}
	node := q.layout.nodeOf(leaver)
	if node < 0 {
		return out
	}
	seen, after := map[*placement]bool{}, q.layout.without(node)
	for _, k := range keyspaces {
		place := q.places[k.Name]
		if place == nil || seen[place] {
			continue
		}
		seen[place] = true
		had, gained := q.passedOn(k, node, after)
		for n, width := range gained {
			id := q.layout.nodes[n].HostID
			out[id] = max(out[id], width/had)
		}
	}
	return out
}

// passedOn is the width of what a node holds of a keyspace, and of that the part that each node comes to hold in the layout without it, by index.
// What the node holds in its data centre the others there come to hold.
func (q *Quorum) passedOn(k Keyspace, leaver int32, after *layout) (had float64, gained map[int32]float64) {
	gained = map[int32]float64{}
	place, dc := q.places[k.Name], q.layout.nodes[leaver].DC
	held := place.whole
	if !place.simple {
		held = place.zones[dc]
	}
	if held == nil || len(after.ring) == 0 {
		return 0, gained
	}
	for _, site := range held.sites(leaver) {
		r, was := held.rangeAt(int(site)), held.row(int(site), nil)
		had += r.width()
		for _, n := range after.holders(k, dc, r.End) {
			if !slices.Contains(was, n) {
				gained[n] += r.width()
			}
		}
	}
	return had, gained
}

// width is how many tokens a range has; one that begins where it ends is the whole ring.
func (r Range) width() float64 {
	if n := uint64(r.End) - uint64(r.Start); n > 0 {
		return float64(n)
	}
	return math.MaxUint64
}
