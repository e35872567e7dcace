package gym

import (
	"cmp"
	"slices"

	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// owner is a token, and who has it where.
type owner struct {
	token        cassandra.Token
	id, dc, rack string
}

// owners is the true token map, by token. Who joins owns nothing yet.
func owners(t ring.Truth) []owner {
	var out []owner
	for _, m := range t.Members {
		if m.Status == cassandra.Joining {
			continue
		}
		h, _ := t.Host(m.Host)
		for _, token := range m.Tokens {
			out = append(out, owner{token, m.HostID, h.Config.DC, h.Config.Rack})
		}
	}
	slices.SortFunc(out, func(a, b owner) int { return cmp.Compare(a.token, b.token) })
	return out
}

// replicas of the range that ends at the i-th token, by walking the ring: the slow way, as the books tell it.
func replicas(all []owner, i int, k cassandra.Keyspace) []owner {
	if k.Strategy == "SimpleStrategy" {
		return walk(all, i, k.RF[""], "", false)
	}
	var out []owner
	for dc, rf := range k.RF {
		out = append(out, walk(all, i, rf, dc, true)...)
	}
	return out
}

// walk takes the next n nodes of a data centre, at first one of each rack, and then those that were passed over.
func walk(all []owner, from, n int, dc string, racks bool) []owner {
	var out, passed []owner
	taken, seen := map[string]bool{}, map[string]bool{}
	for k := range all {
		o := all[(from+k)%len(all)]
		if dc != "" && o.dc != dc || taken[o.id] {
			continue
		}
		taken[o.id] = true
		if racks && seen[o.rack] {
			passed = append(passed, o)
			continue
		}
		seen[o.rack] = true
		out = append(out, o)
	}
	out = append(out, passed...)
	return out[:min(n, len(out))]
}

// broken counts the ranges of the guarded keyspaces that QUORUM or LOCAL_QUORUM cannot be had in without those that are
// down.
func broken(t ring.Truth, keyspaces []cassandra.Keyspace, down map[string]bool) int {
	all, n := owners(t), 0
	for _, k := range keyspaces {
		total := 0
		for _, rf := range k.RF {
			total += rf
		}
		if k.Strategy == "LocalStrategy" || total < 3 {
			continue
		}
		for i := range all {
			if !answers(replicas(all, i, k), k, total, down) {
				n++
			}
		}
	}
	return n
}

func answers(of []owner, k cassandra.Keyspace, total int, down map[string]bool) bool {
	up := map[string]int{}
	all := 0
	for _, o := range of {
		if !down[o.id] {
			up[o.dc]++
			all++
		}
	}
	if all < total/2+1 {
		return false
	}
	for dc, rf := range k.RF {
		if dc != "" && up[dc] < rf/2+1 {
			return false
		}
	}
	return true
}
