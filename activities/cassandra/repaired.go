package cassandra

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/galenhq/galen"
)

// leaves tells what of the target the repair did not cover, by the ring as it is now; "": it covered each range that the
// target replicates.
func (a RepairArgs) leaves(r Ring, target string) string {
	n, _ := r.Find(target)
	if n == nil || n.Instance != a.Instance {
		return a.Instance + " is not that node any more"
	}
	all := NewQuorum(r, galen.Policy{}).Ranges(a.Keyspace, n.HostID)
	if len(all) == 0 {
		return "no range of " + a.Keyspace + " is known there"
	}
	covered, left := union(a.Ranges), 0
	for _, own := range all {
		if !covered.hold(own) {
			left++
		}
	}
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the %d ranges of %s there are left out", left, len(all), a.Keyspace)
}

func (a RepairArgs) completed(r Ring, target string, command int) galen.Effect {
	if left := a.leaves(r, target); left != "" {
		return done("repair command %d is completed, and %s: a repair that is owed stays owed", command, left)
	}
	return done("repair command %d is completed", command)
}

// stretches of the ring, (Start, End] each and none wrapping around, apart and sorted.
type stretches []Range

// union: what was one range when the repair began may be two now, or two one.
func union(ranges []Range) stretches {
	var flat, out stretches
	for _, r := range ranges {
		flat = append(flat, r.flat()...)
	}
	slices.SortFunc(flat, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
	for _, r := range flat {
		if last := len(out) - 1; last >= 0 && r.Start <= out[last].End {
			out[last].End = max(out[last].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s stretches) hold(r Range) bool {
	return !slices.ContainsFunc(r.flat(), func(part Range) bool {
		i, found := slices.BinarySearchFunc(s, part.Start, func(o Range, start Token) int { return cmp.Compare(o.Start, start) })
		if !found {
			i-- // the last that begins before it
		}
		return i < 0 || s[i].End < part.End
	})
}

// flat cuts a range at the end of the ring. The least token belongs to no key.
func (r Range) flat() []Range {
	if r.Start < r.End {
		return []Range{r}
	}
	return slices.DeleteFunc([]Range{{r.Start, math.MaxInt64}, {math.MinInt64, r.End}}, func(part Range) bool { return part.Start == part.End })
}
