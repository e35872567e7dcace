package advice

import (
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestReckonedOnceAnswersAlike: what was reckoned for another question answers as if it were reckoned for this one, whatever moved in the
// ledger meanwhile, and no two questions disturb each other.
func TestReckonedOnceAnswersAlike(t *testing.T) {
	r := ring.Varied(heard(3, 30), 5)
	r.Nodes[0].Down = true
	v := viewOf(r)
	once := v.Kind.ByHand.Reckon(r, v.Policy)
	shared := v
	shared.Reckoned = func() galen.Reckoning[galen.State] { return once }
	for i, n := range r.Nodes {
		t.Run(n.HostID, func(t *testing.T) {
			t.Parallel()
			v, shared := v, shared
			v.Ledger.Open = []galen.Intent{stopping(r, (i+7)%len(r.Nodes))}
			shared.Ledger.Open = v.Ledger.Open
			for _, verb := range []string{"stop", "decommission", "start"} {
				if galen.HashJSON(asked(t, v, verb, n.HostID)) != galen.HashJSON(asked(t, shared, verb, n.HostID)) {
					t.Errorf("%s %s is answered otherwise", verb, n.HostID)
				}
			}
			if galen.HashJSON(WhatIf(v, []string{n.HostID})) != galen.HashJSON(WhatIf(shared, []string{n.HostID})) {
				t.Errorf("what-if %s is answered otherwise", n.HostID)
			}
		})
	}
}
