package gym

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestARunGoesOnWhenTheKillSwitchIsReleased, by itself, long after a step may be refused: up to the run's own deadline.
func TestARunGoesOnWhenTheKillSwitchIsReleased(t *testing.T) {
	for after, want := range map[time.Duration]galen.RunStatus{15 * time.Minute: galen.RunVerified, 3 * time.Hour: galen.RunHeld} {
		in := Incident{Seed: 1, Sort: Single, Engines: 1, Policy: galen.SafePolicy(), Limit: after + time.Hour, Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 2, VNodes: 4}}
		in.Policy.Mode, in.Policy.RunDeadline = galen.ModeAct, galen.Duration(2*time.Hour)
		in.Happen = []Happening{{At: quiet, What: string(ring.Kill), Who: "n3"}, {At: quiet + 10*time.Second, What: Hold}, {At: quiet + after, What: Release}}
		p, err := Play(t.Context(), in, Engine{})
		if err != nil || len(p.Violations) > 0 || len(p.Runs) != 1 || p.Runs[0].Status != want {
			t.Errorf("released after %s: %v, violations %v, want one run, %s\n%s", after, err, p.Violations, want, p.Story)
		}
	}
}
