package cassandra

import (
	"cmp"
	"slices"

	"github.com/galenhq/galen"
)

// Kind is the pure half of the kind cassandra.
func Kind() galen.Kind[Ring] {
	return galen.Kind[Ring]{Name: KindName, Verbs: Verbs(), Guards: Guards(), Fold: Fold, Vitals: vitals, Margin: margin, Remedy: remedy, ByHand: byHand()}
}

// margin is the range with the least replicas to spare, with everybody down who may be.
func margin(r Ring, open []galen.Intent, p galen.Policy) string {
	return marginBy(r, open, NewQuorum(r, p))
}

func marginBy(r Ring, open []galen.Intent, q *Quorum) string {
	if len(r.Keyspaces) == 0 { // no ring has none: nobody told them
		return "unknown: no node told its keyspaces"
	}
	j := q.Verdict(suspects(r, open))
	if why := r.torn(); why != "" {
		return "unknown: " + why
	}
	if len(j.Doubts) > 0 {
		return "unknown: " + j.Doubts[0].Why
	}
	return j.MarginText()
}

// vitals are the gauges of the newest views and hosts. Names carry the unit.
func vitals(r Ring) []galen.Sample {
	var out []galen.Sample
	for _, v := range r.Views {
		for _, name := range sortedKeys(v.Gauges) {
			out = append(out, galen.Sample{At: v.At, Member: v.Instance, Name: name, Value: v.Gauges[name]})
		}
	}
	for _, i := range r.Instances {
		if i.Error == "" && i.DiskFree != nil {
			out = append(out, galen.Sample{At: i.At, Member: i.Name, Name: "disk_free_bytes", Value: float64(*i.DiskFree)})
		}
	}
	slices.SortStableFunc(out, func(a, b galen.Sample) int { return cmp.Compare(a.Member, b.Member) })
	return out
}
