package ring

import (
	"cmp"
	"maps"
	"slices"

	"github.com/galenhq/galen/activities/cassandra"
)

// The world has its own placement of replicas, plain and slow, so that it can be held against the quorum mathematics of
// the guards instead of repeating them.

// seat is a token and the member that owns it.
type seat struct {
	token cassandra.Token
	of    *member
}

// seats are the tokens of the natural owners, sorted: members that join own nothing yet.
func seats(members []*member) []seat {
	var out []seat
	for _, m := range members {
		if m.status == cassandra.Joining {
			continue
		}
		for _, t := range m.tokens {
			out = append(out, seat{t, m})
		}
	}
	slices.SortFunc(out, func(a, b seat) int {
		return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.of.hostID, b.of.hostID))
	})
	return out
}

// placed are the members that hold the range which ends at seat i, in the order of the ring.
func placed(k cassandra.Keyspace, ring []seat, i int) []*member {
	switch k.Strategy {
	case "NetworkTopologyStrategy":
		var out []*member
		for _, dc := range slices.Sorted(maps.Keys(k.RF)) {
			out = append(out, inDC(dc, k.RF[dc], ring, i)...)
		}
		return out
	case "SimpleStrategy":
		return next(ring, i, k.RF[""])
	default:
		return nil
	}
}

// next are the first n different members from seat i on.
func next(ring []seat, i, n int) []*member {
	var out []*member
	for k := range ring {
		m := ring[(i+k)%len(ring)].of
		if len(out) < n && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// inDC places rf replicas in a data centre: a node of a rack that has one already is taken only when every rack has one,
// or as often as there are fewer racks than replicas.
func inDC(dc string, rf int, ring []seat, i int) []*member {
	var out []*member
	racks, used := map[string]bool{}, map[string]bool{}
	for _, s := range ring {
		if s.of.host.config.DC == dc {
			racks[s.of.host.config.Rack] = true
		}
	}
	again := rf - len(racks)
	for k := range ring {
		m := ring[(i+k)%len(ring)].of
		rack := m.host.config.Rack
		if m.host.config.DC != dc || len(out) >= rf || slices.Contains(out, m) {
			continue
		}
		if used[rack] {
			if again <= 0 {
				continue
			}
			again--
		}
		used[rack] = true
		out = append(out, m)
	}
	return out
}
