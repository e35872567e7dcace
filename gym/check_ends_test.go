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

// TestASingleTroubleEnds: it is healed, or a person is told why not; an engine that finds nothing fails.
func TestASingleTroubleEnds(t *testing.T) {
	for name, c := range map[string]struct {
		runs   []galen.Run
		others bool
		want   string
	}{
		"healed":             {[]galen.Run{{Status: galen.RunVerified}}, false, ""},
		"held, and says why": {[]galen.Run{{Status: galen.RunHeld, Why: "no spare"}}, false, ""},
		"held without a why": {[]galen.Run{{Status: galen.RunHeld}}, false, "L-1"},
		"still waiting":      {[]galen.Run{{Status: galen.RunWaiting, Why: "for a look"}}, false, "L-1"},
		"no run":             {nil, false, "L-2"},
		"a test's runbook":   {nil, true, ""},
	} {
		judge := &checker{trace: newTrace(Incident{Sort: Single}, epoch), runs: map[string]galen.Run{}, others: c.others}
		for _, run := range c.runs {
			judge.runs["r"] = run
		}
		judge.healed()
		if got := len(judge.found) > 0; got != (c.want != "") || got && judge.found[0].Invariant != c.want {
			t.Errorf("%s: %v, want %q", name, judge.found, c.want)
		}
	}
	seed := uint64(1)
	for Draw(seed).Sort != Single {
		seed++
	}
	p, err := Play(t.Context(), Draw(seed), Engine{Detectors: []galen.Detector[galen.State]{}})
	if err != nil || !p.broke("L-2") {
		t.Errorf("without a detector: %v, %v, want L-2", p.Violations, err)
	}
}
