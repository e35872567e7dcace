package cassandra_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestAYesIsEnoughWhereNobodyCanSee: who took the last place, or owes a repair, has left the ring: a person who knows why lets the next one be
// replaced. While somebody owes it who may yet come, no yes helps.
func TestAYesIsEnoughWhereNobodyCanSee(t *testing.T) {
	for name, c := range map[string]struct {
		key     string
		value   any
		step    func(*world) galen.Step
		refused bool
	}{
		"the last replacement has left":    {"replaced/dc1", cassandra.ReplaceArgs{Instance: "n9"}, fenceStep, false},
		"its place is taken, and the next": {"replaced/dc1", cassandra.ReplaceArgs{Instance: "n9"}, replaceStep, false},
		"who owes a repair has left":       {"repair-owed/n9/orders", nil, replaceStep, false},
		"who owes a repair is to come":     {"repair-owed/n4/orders", nil, fenceStep, true},
	} {
		w := ready(t)
		w.fact(c.key, c.value, 90*24*time.Hour)
		w.wait(30 * time.Second)
		refused := false
		for _, g := range cassandra.Guards() {
			v := g.Check(w.approved(c.step(w)))
			refused = refused || v.Answer != galen.Allow
			if v.Answer != galen.Allow && !c.refused {
				t.Errorf("%s: with a person's yes %s by %s: %s", name, v.Answer, g.Name, v.Why)
			}
		}
		if refused != c.refused {
			t.Errorf("%s: refused %t", name, refused)
		}
	}
}
