package gym

import (
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestAThrottleLeftRaisedIsBlamed, but not while a run may still put it back.
func TestAThrottleLeftRaisedIsBlamed(t *testing.T) {
	raised := ring.DefaultThrottle()
	raised.Stream.Value = 100
	for _, c := range []struct {
		name     string
		throttle cassandra.Throttle
		status   galen.RunStatus
		want     int
	}{
		{"as it was", ring.DefaultThrottle(), galen.RunVerified, 0},
		{"left raised", raised, galen.RunVerified, 1},
		{"its run is held", raised, galen.RunHeld, 0},
	} {
		judge := &checker{
			trace: newTrace(Incident{}, epoch), runs: map[string]galen.Run{"r": {ID: "r", Status: c.status}},
			final: ring.Truth{Hosts: []ring.TrueHost{{Name: "n1", Running: true, Throttle: c.throttle}, {Name: "n2"}}},
		}
		judge.putBack()
		if len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", c.name, judge.found, c.want)
		}
	}
}
