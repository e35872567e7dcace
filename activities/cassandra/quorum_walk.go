package cassandra

import "slices"

// walkZone places rf replicas for each site of a data centre as NetworkTopologyStrategy does.
func walkZone(z *zone, rf int) rows {
	width := min(rf, z.nodes)
	out := rows{width: width, count: len(z.sites), nodes: make([]int32, 0, width*len(z.sites))}
	used := make([]int, z.racks)
	for i := range z.sites {
		out.nodes = z.walk(i, rf, used, out.nodes)
	}
	return out
}

// walk adds the replicas of one site of a data centre: the next node of a rack not yet used is taken; a node of a used rack only as often as
// there are fewer racks than replicas. More replicas than nodes: all nodes. Used has, for each rack, the walk that used it last, plus one.
func (z *zone) walk(from, rf int, used []int, out []int32) []int32 {
	start, n, width, repeats := len(out), len(z.sites), min(rf, z.nodes), rf-z.racks
	for step, j := 0, from; step < n && len(out)-start < width; step++ {
		node := z.sites[j].node
		if j++; j == n {
			j = 0
		}
		if slices.Contains(out[start:], node) {
			continue
		}
		if rack := z.rack[node]; used[rack] == from+1 {
			if repeats <= 0 {
				continue
			}
			repeats--
		} else {
			used[rack] = from + 1
		}
		out = append(out, node)
	}
	return out
}

// walkSimple places rf replicas for each site of the whole ring as SimpleStrategy does.
func walkSimple(l *layout, rf int) rows {
	width := l.width(rf)
	out := rows{width: width, count: len(l.ring), nodes: make([]int32, 0, width*len(l.ring))}
	for i := range l.ring {
		out.nodes = l.walk(i, width, out.nodes)
	}
	return out
}

// width is how many replicas a site of the whole ring has: more than nodes there are not.
func (l *layout) width(rf int) int {
	nodes := 0
	for _, z := range l.zones {
		nodes += z.nodes
	}
	return min(rf, nodes)
}

// walk adds the replicas of one site of the whole ring: the next distinct nodes.
func (l *layout) walk(from, width int, out []int32) []int32 {
	start, n := len(out), len(l.ring)
	for step, j := 0, from; step < n && len(out)-start < width; step++ {
		node := l.ring[j].node
		if j++; j == n {
			j = 0
		}
		if !slices.Contains(out[start:], node) {
			out = append(out, node)
		}
	}
	return out
}

// without is the layout that stays when a node leaves for good, and its tokens with it.
func (l *layout) without(gone int32) *layout {
	rest := &layout{nodes: l.nodes, real: l.real, index: l.index, by: l.by, zones: map[string]*zone{}, made: map[walk]*scope{}}
	rest.ring = slices.DeleteFunc(slices.Clone(l.ring), func(s site) bool { return s.node == gone })
	rest.zone()
	return rest
}

// holders are the nodes of a data centre that hold a token, all nodes of SimpleStrategy, by a walk for it alone: to place a whole ring for a few
// tokens costs more than all walks.
func (l *layout) holders(k Keyspace, dc string, t Token) []int32 {
	if k.Strategy == strategySimple {
		return l.walk(l.at(t), l.width(k.RF[""]), nil)
	}
	z := l.zones[dc]
	if z == nil || k.RF[dc] <= 0 {
		return nil
	}
	return z.walk(int(z.at[l.at(t)]), k.RF[dc], make([]int, z.racks), nil)
}
