package gym

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// sender is an incident in which a person lets n1 and n2 send faster while n4 joins.
func sender(limit time.Duration, then ...Happening) Incident {
	in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: galen.SafePolicy(), Limit: limit}
	in.Policy.Mode = galen.ModeAct
	in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 2, VNodes: 1, Load: 6 << 30}
	slices.SortFunc(then, func(a, b Happening) int { return cmp.Compare(a.At, b.At) })
	in.Happen = append([]Happening{
		{At: quiet, What: string(ring.ForeignAdd), Who: "n4"},
		{At: quiet + 15*time.Second, What: AskFor, Verb: "cassandra/tune-streaming", Params: `{"nodes":["n1","n2"],"to":100,"for":"9m"}`},
	}, then...)
	return in
}

// TestARaiseIsNoTreatment: a sender that dies is started as if nobody had raised its throttle before, and before the raise is taken back.
func TestARaiseIsNoTreatment(t *testing.T) {
	in := sender(time.Hour, Happening{At: quiet + 25*time.Second, What: string(ring.Kill), Who: "n1"})
	p, err := Play(t.Context(), in, Engine{})
	if err != nil || len(p.Violations) > 0 || !strings.Contains(p.Story, "the ring accepts start") || strings.Contains(p.Story, "was treated by") {
		t.Errorf("%v, %v\n%s", err, p.Violations, p.Story)
	}
}

// TestASenderThatIsGoneIsOwedNothing: a raise dies with its process, and who has left the ring sends nothing. The run that owes it back
// ends, by itself or on a cancel, and so does the one that is found in its place.
func TestASenderThatIsGoneIsOwedNothing(t *testing.T) {
	died := []Happening{{At: quiet + 25*time.Second, What: string(ring.Kill), Who: "n1"}, {At: quiet + 25*time.Second, What: string(ring.LoseData), Who: "n1"}}
	for name, c := range map[string]struct {
		then []Happening
		ends string
	}{
		"replaced by us": {died, "run run1 is verified"},
		"removed by somebody, its host lost": {append([]Happening{
			{At: quiet + 20*time.Second, What: string(ring.HideHost), Who: "n1"},
			{At: quiet + 20*time.Minute, What: string(ring.RemoveNode), Who: "n2", Of: "n1"},
		}, died...), "000001 has left the ring"},
		"its host lost, cancelled": {append([]Happening{
			{At: quiet + 20*time.Second, What: string(ring.HideHost), Who: "n1"}, {At: quiet + 20*time.Minute, What: Cancel},
		}, died...), "run run1 is cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Play(t.Context(), sender(3*time.Hour, c.then...), Engine{})
			if err != nil || len(p.Violations) > 0 || !strings.Contains(p.Story, c.ends) {
				t.Errorf("want %q: %v, %v\n%s", c.ends, err, p.Violations, p.Story)
			}
		})
	}
}
