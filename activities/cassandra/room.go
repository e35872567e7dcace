package cassandra

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/galenhq/galen"
)

// Room is what has to be free where a node's place is taken.
type Room struct {
	// Held is how many bytes the node holds, or may hold; 0: no live node tells.
	Held int64
	// As is the member whose load stands for the node's own, which nobody tells: the fullest one of its data centre.
	As string
	// Need is Held with the headroom of the policy.
	Need int64
}

// RoomFor tells what an heir of a node needs. What the node held is the most that any live one knows; gossip keeps it when the
// node is dead. One that died before it told is taken to hold as much as the fullest member of its data centre.
func (r Ring) RoomFor(n Node, p galen.Policy) Room {
	room := Room{Held: loadOf(r, n)}
	if room.Held == 0 {
		told := r.loads()
		for _, o := range r.Nodes {
			if load := told[o.Address]; o.DC == n.DC && load > room.Held {
				room.Held, room.As = load, Title(o)
			}
		}
	}
	need := math.Ceil(p.DiskHeadroom * float64(room.Held))
	room.Need = math.MaxInt64
	if need < math.MaxInt64 {
		room.Need = int64(need)
	}
	return room
}

// In tells whether an instance is known to have it: where nobody tells what is needed, whatever is not full.
func (m Room) In(i Instance) bool {
	if m.Held == 0 {
		return i.free() > 0
	}
	return i.free() >= m.Need
}

// Missing says why none of some empty instances has room for what a node held, "" if one has. silent: the host of one does
// not tell how much is free, and may at the next look.
func (m Room) Missing(of []Instance) (why string, silent bool) {
	if slices.ContainsFunc(of, m.In) {
		return "", false
	}
	if i := slices.IndexFunc(of, func(i Instance) bool { return i.DiskFree == nil }); i >= 0 {
		return fmt.Sprintf("the host of %s does not tell how much is free, and %s", of[i].Name, m), true
	}
	best := roomiest(of)
	return fmt.Sprintf("%s has %s free, and %s", best.Name, sizeOf(best.free()), m), false
}

func roomiest(of []Instance) Instance {
	return slices.MaxFunc(of, func(i, k Instance) int { return cmp.Compare(i.free(), k.free()) })
}

// String is for people.
func (m Room) String() string {
	switch {
	case m.Held == 0:
		return "nobody tells what it held"
	case m.As != "":
		return fmt.Sprintf("%s are needed: nobody tells what it held, and %s holds %s", sizeOf(m.Need), m.As, sizeOf(m.Held))
	}
	return fmt.Sprintf("%s are needed: it held %s", sizeOf(m.Need), sizeOf(m.Held))
}

// free is what is known to be free, less than nothing where the host does not tell.
func (i Instance) free() int64 {
	if i.DiskFree == nil {
		return -1
	}
	return *i.DiskFree
}

// loadOf is the most that any live node knows of the data of a node, in bytes; 0: nobody knows.
func loadOf(r Ring, n Node) int64 {
	var most int64
	for v := range r.live() {
		if e, known := v.peer(n.Address); known {
			most = max(most, e.Load)
		}
	}
	return most
}

// loads is the same of all addresses.
func (r Ring) loads() map[string]int64 {
	out := make(map[string]int64, len(r.Nodes))
	for v := range r.live() {
		for i := range v.Peers {
			e := &v.Peers[i]
			out[e.Address] = max(out[e.Address], e.Load)
		}
	}
	return out
}

// sizeOf is a number of bytes for people.
func sizeOf(n int64) string {
	const kib, units = 1024, "KMGTPE"
	if n < kib {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/kib, 0
	for size >= kib && unit < len(units)-1 {
		size, unit = size/kib, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", size, units[unit])
}
