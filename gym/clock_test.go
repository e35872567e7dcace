package gym

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// An engine whose clock is a few seconds off the journal's does nothing, also long after its clock was set, and however old
// the view may be on which it would act.
func TestAClockThatIsOff(t *testing.T) {
	for step, acts := range map[time.Duration]bool{
		400 * time.Millisecond: true, 600 * time.Millisecond: false, 5 * time.Second: false,
		-400 * time.Millisecond: true, -600 * time.Millisecond: false, -5 * time.Second: false,
	} {
		in := Incident{Seed: 1, Sort: "clock", Engines: 1, Policy: galen.SafePolicy(), Limit: 10 * time.Minute}
		in.Policy.Mode = galen.ModeAct
		in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1}
		in.Happen = []Happening{
			{At: quiet, What: Clock, Who: "0", Step: step},
			{At: quiet + 2*time.Minute, What: string(ring.Kill), Who: "n2"},
		}
		p, err := Play(t.Context(), in, Engine{})
		if err != nil || len(p.Violations) > 0 || strings.Contains(p.Story, "the ring accepts") != acts {
			t.Errorf("off by %s: %v, %v; it should act: %t\n%s", step, err, p.Violations, acts, p.Story)
		}
	}
}
