package cassandra_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestRepairPaysInWhole: what is owed is paid by a repair of every range that the node replicates when it ends, in whatever parts, and by
// no other.
func TestRepairPaysInWhole(t *testing.T) {
	w := newWorld(t)
	n := *w.node("n2")
	whole := cassandra.RepairRanges(w.state, n, "orders")
	args, err := galen.Decode[cassandra.RepairArgs](whole.Args)
	if err != nil || len(args.Ranges) < 2 {
		t.Fatalf("%v: %+v", err, args)
	}
	first, wraps := args.Ranges[0], cassandra.Range{}
	for _, r := range args.Ranges {
		if r.Start >= r.End {
			wraps = r
		}
	}
	middle := first.Start + (first.End-first.Start)/2
	unknown := w.state
	unknown.Keyspaces = nil
	elsewhere := w.state
	elsewhere.Nodes = nil
	for name, c := range map[string]struct {
		ring   cassandra.Ring
		ranges []cassandra.Range
		paid   bool
	}{
		"all":                       {w.state, args.Ranges, true},
		"one":                       {w.state, args.Ranges[:1], false},
		"all but one":               {w.state, args.Ranges[1:], false},
		"all but what wraps around": {w.state, allBut(args.Ranges, wraps), false},
		"one is two now": {w.state, append(allBut(args.Ranges, first),
			cassandra.Range{Start: first.Start, End: middle}, cassandra.Range{Start: middle, End: first.End}), true},
		"a key is left out between the two": {w.state, append(allBut(args.Ranges, first),
			cassandra.Range{Start: first.Start, End: middle}, cassandra.Range{Start: middle + 1, End: first.End}), false},
		"what wraps around is cut": {w.state, append(allBut(args.Ranges, wraps),
			cassandra.Range{Start: wraps.Start, End: math.MaxInt64}, cassandra.Range{Start: math.MinInt64, End: wraps.End}), true},
		"the whole ring":            {w.state, []cassandra.Range{{Start: 5, End: 5}}, true},
		"the keyspaces are unknown": {unknown, args.Ranges, false},
		"it is no node any more":    {elsewhere, args.Ranges, false},
	} {
		t.Run(name, func(t *testing.T) {
			of := args
			of.Ranges = c.ranges
			step := whole
			if step.Args, err = json.Marshal(of); err != nil {
				t.Fatal(err)
			}
			effect, facts := completed(t, c.ring, step)
			paid := false
			for _, f := range facts {
				paid = paid || f.Key == cassandra.FactRepairOwed+"n2/orders" && f.Gone
			}
			if paid != c.paid || len(facts) > 0 != c.paid {
				t.Errorf("paid %t, want %t: %+v", paid, c.paid, facts)
			}
			if told := strings.Contains(effect.Why, "stays owed"); told == c.paid || effect.Status != galen.EffectDone {
				t.Errorf("%+v", effect)
			}
		})
	}
}

// completed is what the verb makes of a repair that its coordinator calls completed.
func completed(t *testing.T, r cassandra.Ring, step galen.Step) (galen.Effect, []galen.Fact) {
	t.Helper()
	r.Repairs = []cassandra.Repair{{Intent: "in", Instance: "n2", Command: 1, Status: "COMPLETED"}}
	for _, v := range cassandra.Verbs() {
		if v.Name == cassandra.VerbRepair {
			in := galen.Intent{ID: "in", Step: step, At: r.At, Effect: galen.Effect{Status: galen.EffectUnknown}}
			in.Effect = galen.SettleEffect(v, r, in, r.At)
			return in.Effect, v.Facts(r, in, galen.SafePolicy())
		}
	}
	t.Fatal("no such verb")
	return galen.Effect{}, nil
}

func allBut(ranges []cassandra.Range, r cassandra.Range) []cassandra.Range {
	out := []cassandra.Range{}
	for _, o := range ranges {
		if o != r {
			out = append(out, o)
		}
	}
	return out
}
