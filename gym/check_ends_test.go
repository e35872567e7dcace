package gym

import (
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestAThrottleLeftRaisedIsBlamed, but not while an open run may still put it back: one that raised it, or that is to pay for it.
func TestAThrottleLeftRaisedIsBlamed(t *testing.T) {
	raised := ring.DefaultThrottle()
	raised.Stream.Value = 100
	raise := func(id string) *act {
		step := galen.Step{Verb: cassandra.VerbRaiseStream, Target: galen.Target{ID: id}}
		return &act{Intent: galen.Intent{ID: "r-1", Run: "r", Step: step}, Seen: threeAndSpares(nil)}
	}
	back := &act{Intent: galen.Intent{ID: "p-1", Run: "p", Undoes: "r-1", Step: galen.Step{Verb: cassandra.VerbRestoreStream, Target: galen.Target{ID: "id1"}}}}
	owed := galen.Run{ID: "p", Status: galen.RunHeld, Finding: &galen.Finding{Code: galen.CodeUndoOwed, Targets: []galen.Target{{ID: "id1"}}}}
	ended, held := galen.Run{ID: "r", Status: galen.RunVerified}, galen.Run{ID: "r", Status: galen.RunHeld}
	for name, c := range map[string]struct {
		throttle cassandra.Throttle
		runs     []galen.Run
		acts     []*act
		want     int
	}{
		"as it was":                           {ring.DefaultThrottle(), []galen.Run{ended}, []*act{raise("id1")}, 0},
		"left raised":                         {raised, []galen.Run{ended}, []*act{raise("id1")}, 1},
		"raised by nobody who is known":       {raised, nil, nil, 1},
		"its run is held":                     {raised, []galen.Run{held}, []*act{raise("id1")}, 0},
		"held is a run that raised elsewhere": {raised, []galen.Run{held}, []*act{raise("id2")}, 1},
		"held is a run that raised nothing":   {raised, []galen.Run{ended, {ID: "x", Status: galen.RunHeld}}, []*act{raise("id1")}, 1},
		"one that pays for it is held":        {raised, []galen.Run{ended, owed}, []*act{raise("id1")}, 0},
		"one that asks to put it back":        {raised, []galen.Run{ended, {ID: "p", Status: galen.RunAsking}}, []*act{raise("id1"), back}, 0},
	} {
		judge := checkerOf(c.acts...)
		for _, run := range c.runs {
			judge.runs[run.ID] = run
		}
		for _, a := range c.acts {
			judge.byID[a.ID] = a
		}
		judge.final = threeAndSpares(func(h []ring.TrueHost) {
			for i := range h {
				h[i].Throttle = ring.DefaultThrottle()
			}
			h[0].Throttle = c.throttle
		})
		if judge.putBack(); len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", name, judge.found, c.want)
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
