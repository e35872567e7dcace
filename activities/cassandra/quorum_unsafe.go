package cassandra

import "slices"

// Threat is a node whose loss, beside those that are down, takes a level away.
type Threat struct {
	HostID string
	Breaks []Break
}

// Unsafe are the nodes of which not even one more may be lost beside those that are down, and what each would break, by
// host ID. What is lost already is no threat, save in ranges where the node would make it worse. For runbooks that tell a person
// what hangs by a thread.
func (q *Quorum) Unsafe(down map[string]bool) []Threat {
	var out []Threat
	for _, n := range q.layout.nodes[:q.layout.real] {
		if down[n.HostID] {
			continue
		}
		if lost := q.Lowered(down, with(down, n.HostID)).Breaks; len(lost) > 0 {
			out = append(out, Threat{HostID: n.HostID, Breaks: lost})
		}
	}
	return out
}

// mostFatal is the size of the sets that Fatal looks for.
const mostFatal = 3

// Fatal are the smallest sets of one, two or three nodes that may not be down at once beside those that are down: a set
// of up to three nodes takes a level away if and only if it holds one of them. Sorted by size, then by host ID. For runbooks that
// plan with several nodes at once.
func (q *Quorum) Fatal(down map[string]bool) [][]string {
	d := q.mark(down, nil)
	var keys []uint64
	for _, s := range q.scopes {
		keys = s.fatal(d, keys)
	}
	slices.Sort(keys)
	keys = smallest(slices.Compact(keys))
	out := make([][]string, len(keys))
	names := make([]string, 0, mostFatal*len(keys)) // one piece of memory for all
	for i, key := range keys {
		from := len(names)
		for _, n := range unpack(key) {
			names = append(names, q.layout.nodes[n].HostID)
		}
		out[i] = names[from:len(names):len(names)]
	}
	return out
}

// may is how many more replicas of a range may go, of which so many are gone; one that is short of a level may spare none.
func (s *scope) may(gone int) int { return max(s.width-s.strictest-gone, 0) }

// fatal adds, for each range, the sets of its live replicas that are just too many.
func (s *scope) fatal(d downs, keys []uint64) []uint64 {
	if s.strictest == 0 {
		return keys
	}
	live := make([]int32, 0, s.width)
	buf := make([]int32, 0, s.width)
	for i := range s.count {
		live = live[:0]
		for _, n := range s.row(i, buf) {
			if !d.is[n] {
				live = append(live, n)
			}
		}
		if size := s.may(s.width-len(live)) + 1; size <= mostFatal {
			slices.Sort(live)
			keys = choose(live, size, 0, keys)
		}
	}
	return keys
}

// A set of up to three nodes is packed into a number: its nodes in order, each plus one, in 21 bits. Numbers sort by
// size, then by node.
const packBits = 21

// choose packs every choice of so many nodes.
func choose(from []int32, size int, key uint64, keys []uint64) []uint64 {
	if size == 0 {
		return append(keys, key)
	}
	for i, n := range from {
		keys = choose(from[i+1:], size-1, pack(key, n), keys)
	}
	return keys
}

func pack(key uint64, n int32) uint64 { return key<<packBits | uint64(n+1) }

func unpack(key uint64) []int32 {
	var out []int32
	for ; key > 0; key >>= packBits {
		out = append(out, int32(key&(1<<packBits-1))-1)
	}
	slices.Reverse(out)
	return out
}

// smallest leaves out the sets that hold a smaller one. Smaller ones come first.
func smallest(keys []uint64) []uint64 {
	var out []uint64
	for _, key := range keys {
		set := unpack(key)
		smaller := false
		for size := 1; size < len(set); size++ {
			for _, part := range choose(set, size, 0, nil) {
				_, found := slices.BinarySearch(out, part)
				smaller = smaller || found
			}
		}
		if !smaller {
			out = append(out, key)
		}
	}
	return out
}
