package cassandra

import (
	"cmp"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// Fold puts what was seen onto what was known. Views and instances that the new look asked replace the older ones, the
// others stay; then the consensus is made anew and what only time can tell is carried along: since when a node is down,
// when it was last heard, how often it flipped, its longest restart, the recorded device, since when data are gone, who is unlisted.
//
// Looks overlap: seen may have begun before what is known. Then it only adds what no younger look has told, and what
// changes by it has changed at its own time.
func Fold(prev, seen Ring) Ring {
	if prev.Name == "" {
		prev = Ring{Name: seen.Name}
	}
	r := newer(prev, seen)
	r.Views = overlay(whole(prev.Views), whole(seen.Views), func(v *View) (string, time.Time) { return v.Instance, v.At })
	r.Instances = overlay(prev.Instances, seen.Instances, func(i *Instance) (string, time.Time) { return i.Name, i.At })
	for k, i := range r.Instances {
		if old, known := prev.Instance(i.Name); known {
			r.Instances[k] = carryInstance(old, i)
		} else {
			r.Instances[k] = carryInstance(Instance{}, i)
		}
	}
	r = merge(r, prev.Nodes)
	r.Stopping = seen.Stopping
	carryNodes(prev, &r, seen.At)
	carryDissents(prev.Dissents, r.Dissents, seen.At)
	carryNormal(&r)
	return r
}

// newer is what belongs to the ring as a whole, from the look that began later.
func newer(prev, seen Ring) Ring {
	if prev.At.After(seen.At) {
		prev, seen = seen, prev
	}
	r := Ring{Name: seen.Name, Cluster: cmp.Or(seen.Cluster, prev.Cluster), At: seen.At, Keyspaces: prev.Keyspaces, Repairs: seen.Repairs}
	if len(seen.Keyspaces) > 0 {
		r.Keyspaces = seen.Keyspaces
	}
	return r
}

// whole gives the token map back to the views that Merge left it out of.
func whole(views []View) []View {
	maps := map[string][]Owner{}
	for _, v := range views {
		if len(v.Tokens) > 0 {
			maps[v.TokenHash] = v.Tokens
		}
	}
	out := slices.Clone(views)
	for i := range out {
		if len(out[i].Tokens) == 0 && out[i].TokenHash != "" {
			out[i].Tokens = maps[out[i].TokenHash]
		}
	}
	return out
}

// overlay is old with those of the same key replaced by new ones, unless they are older, sorted by key.
func overlay[T any](old, now []T, of func(*T) (key string, at time.Time)) []T {
	out, places := make([]T, 0, len(old)+len(now)), make(map[string]int, len(old)+len(now))
	for _, all := range [][]T{old, now} {
		for i := range all {
			key, at := of(&all[i])
			place, known := places[key]
			if !known {
				places[key], out = len(out), append(out, all[i])
			} else if _, otherAt := of(&out[place]); !otherAt.After(at) {
				out[place] = all[i]
			}
		}
	}
	byKey := func(a, b T) int {
		ka, _ := of(&a)
		kb, _ := of(&b)
		return cmp.Compare(ka, kb)
	}
	if !slices.IsSortedFunc(out, byKey) {
		slices.SortFunc(out, byKey)
	}
	return out
}

// carryInstance keeps what was last read where the host could not be read now, and what only a row of looks can prove.
func carryInstance(old, now Instance) Instance {
	again := !now.At.After(old.At) // not looked at anew
	if again && old.Name != "" {
		return old
	}
	if now.Error != "" {
		kept := old
		kept.Name, kept.Address, kept.Spare, kept.At, kept.Error = now.Name, now.Address, now.Spare, now.At, now.Error
		kept.GoneSince, kept.GoneLooks = time.Time{}, 0
		if old.Name == "" {
			kept.Data = DataUnknown
		}
		return kept
	}
	now.RecordedDevice, now.EverNormal = old.RecordedDevice, old.EverNormal && old.preparedBy() == now.preparedBy()
	now.GoneSince, now.GoneLooks, now.LameLooks = time.Time{}, 0, 0
	if now.CannotStart != "" {
		now.LameLooks = old.LameLooks + 1
	}
	switch now.Data {
	case DataPresent:
		now.RecordedDevice = now.Device
	case DataGone:
		now.GoneSince, now.GoneLooks = old.GoneSince, old.GoneLooks+1
		if old.GoneSince.IsZero() {
			now.GoneSince = now.At
		}
	case DataUnknown:
	}
	return now
}

// carryNodes carries what time tells of each node, and keeps those that vanished without a proof that they left. at is
// when the look began by which r differs from prev.
func carryNodes(prev Ring, r *Ring, at time.Time) {
	for i := range r.Nodes {
		n := &r.Nodes[i]
		old, known := prev.Node(n.HostID)
		if known {
			carryNode(old, n, slices.Contains(r.Stopping, n.HostID), at)
		}
		carryDown(n, !old.Unlisted, at)
		carryHeard(n, old, at)
		carryUnheard(n, old.UnheardSince, at)
		n.WasDown = !n.Down && known && (old.Down || old.WasDown) && !anyGood(*n)
	}
	keepUnlisted(prev, r)
	slices.SortFunc(r.Nodes, func(a, b Node) int { return cmp.Compare(a.HostID, b.HostID) })
	for _, n := range r.Nodes {
		if n.Unlisted {
			r.Lost++
		}
	}
}

// keepUnlisted keeps the nodes that vanished from the listing without a proof that they left. They count as down, and
// nothing tells since when, save of those that were down before.
func keepUnlisted(prev Ring, r *Ring) {
	for _, old := range prev.Nodes {
		if _, listed := r.Node(old.HostID); listed || hasLeft(*r, old) {
			continue
		}
		old.Observations = []galen.Observation{}
		old.Unlisted, old.Down = true, true
		r.Nodes = append(r.Nodes, old)
	}
}

// carryNode carries what a listed node was. A hole in the listing is no flip.
func carryNode(old Node, n *Node, stopping bool, at time.Time) {
	n.DownSince, n.Flips, n.Flipped, n.LongestRestart = old.DownSince, old.Flips, old.Flipped, old.LongestRestart
	n.Frozen = n.Down && (n.Frozen || old.Frozen)
	if n.flips(old, stopping) && !old.Unlisted {
		n.flipped(at)
	}
}

// carryDown carries since when a listed node is down. How long a restart took is known only of one that was listed all
// the while: another may have been up again long before.
func carryDown(n *Node, wasListed bool, at time.Time) {
	switch {
	case n.Down && n.DownSince.IsZero():
		n.DownSince = at
	case !n.Down && !n.DownSince.IsZero():
		if wasListed {
			n.LongestRestart = max(n.LongestRestart, galen.Duration(at.Sub(n.DownSince)))
		}
		n.DownSince = time.Time{}
	}
}

// carryHeard keeps when a peer last called the node UP, and since when without a break.
func carryHeard(n *Node, old Node, at time.Time) {
	n.Heard = old.Heard
	if !n.heard() || !at.After(old.Heard.At) {
		return
	}
	if !old.heard() || old.Heard.At.IsZero() {
		n.Heard.Since, n.Heard.Before = at, old.Heard.At
	}
	n.Heard.At = at
}

// carryUnheard keeps since when nobody says that a node is good, although not enough say bad to call it down.
func carryUnheard(n *Node, was, at time.Time) {
	n.UnheardSince = time.Time{}
	if n.Down || anyGood(*n) {
		return
	}
	if n.UnheardSince = was; was.IsZero() {
		n.UnheardSince = at
	}
}

func anyGood(n Node) bool {
	return slices.ContainsFunc(n.Observations, func(o galen.Observation) bool { return o.Says == galen.Good })
}

// hasLeft tells whether something proves that a node which is listed no more is no member: it was leaving or had not
// joined yet, a live node calls it gone, or others own all its tokens.
func hasLeft(r Ring, old Node) bool {
	if old.Status == Leaving || old.Status == Joining {
		return true
	}
	for i := range r.Views {
		v := &r.Views[i]
		if !v.Live() || !fresh(r.At, v.At) {
			continue
		}
		e, known := v.peer(old.Address)
		if known && e.HostID == old.HostID && e.gone() {
			return true
		}
	}
	return len(old.Tokens) > 0 && ownedByOthers(r, old)
}

func ownedByOthers(r Ring, old Node) bool {
	owned := map[Token]bool{}
	for _, n := range r.Nodes {
		if n.Status == Joining || n.HostID == old.HostID || n.Unlisted {
			continue
		}
		for _, t := range n.Tokens {
			owned[t] = true
		}
	}
	for _, t := range old.Tokens {
		if !owned[t] {
			return false
		}
	}
	return true
}

func carryDissents(prev, now []Dissent, at time.Time) {
	type key struct{ observer, about string }
	since := map[key]time.Time{}
	for _, d := range prev {
		since[key{d.Observer, d.About}] = d.Since
	}
	for i := range now {
		now[i].Since = since[key{now[i].Observer, now[i].About}]
		if now[i].Since.IsZero() {
			now[i].Since = at
		}
	}
}

// carryNormal notes which instances are, or were since they were prepared, NORMAL nodes.
func carryNormal(r *Ring) {
	for k := range r.Instances {
		i := &r.Instances[k]
		if n, found := r.NodeOf(i.Name); found && n.Status != Joining && !n.Unlisted {
			i.EverNormal = true
		}
	}
}
