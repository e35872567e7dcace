package cassandra_test

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func TestFlapping(t *testing.T) {
	const often, window = 4, 10 * time.Minute
	minutes := func(at ...int) []time.Time {
		var out []time.Time
		for _, m := range at {
			out = append(out, noon().Add(time.Duration(m)*time.Minute))
		}
		return out
	}
	for name, c := range map[string]struct {
		flipped []time.Time
		now     int // minutes after noon
		since   int // -1: it does not flap
	}{
		"never":                        {nil, 60, -1},
		"one restart":                  {minutes(0, 2), 3, -1},
		"two restarts":                 {minutes(0, 2, 5, 7), 8, 7},
		"two, far apart":               {minutes(0, 2, 9, 11), 12, -1},
		"quiet, not for long enough":   {minutes(0, 1, 2, 3), 13, 3},
		"quiet":                        {minutes(0, 1, 2, 3), 14, -1},
		"slower, and never quiet":      {minutes(0, 1, 2, 3, 12, 21, 30), 35, 3},
		"quiet in between, then once":  {minutes(0, 1, 2, 3, 30), 31, -1},
		"quiet in between, then again": {minutes(0, 1, 2, 3, 30, 31, 32, 33), 34, 33},
	} {
		since, is := cassandra.Node{Flipped: c.flipped}.Flapping(noon().Add(time.Duration(c.now)*time.Minute), often, window)
		if is != (c.since >= 0) || is && !since.Equal(minutes(c.since)[0]) {
			t.Errorf("%s: %t since %s, want %d", name, is, since, c.since)
		}
	}
}

// TestAPlannedRestartIsNoFlapping: what Galen stops, and whoever starts it again, does not count; a death before or after that does.
func TestAPlannedRestartIsNoFlapping(t *testing.T) {
	const third = "00000000-0000-4000-8000-000000000003"
	s := newSim(t)
	folded := s.look()
	look := func(open ...galen.Intent) cassandra.Node {
		t.Helper()
		s.Advance(20 * time.Second)
		seen, err := s.Look(t.Context(), demo(), nil, open)
		if err != nil {
			t.Fatal(err)
		}
		folded = cassandra.Fold(folded, seen)
		return node(t, folded, third)
	}
	trouble := func(of ring.Trouble) {
		t.Helper()
		if err := s.Make(of, "n3"); err != nil {
			t.Fatal(err)
		}
	}
	stop := galen.Intent{Step: galen.Step{Verb: cassandra.VerbStop, Target: galen.Target{ID: third}}}
	other := galen.Intent{Step: galen.Step{Verb: cassandra.VerbRepair, Target: galen.Target{ID: third}}}
	look(stop) // it still runs
	for _, c := range []struct {
		trouble       ring.Trouble
		open          []galen.Intent
		down, planned bool
		flips         int
	}{
		{ring.Freeze, []galen.Intent{stop}, true, true, 0},
		{"", nil, true, true, 0},
		{ring.Thaw, nil, false, false, 0},
		{ring.Freeze, []galen.Intent{other}, true, false, 1},
		{"", []galen.Intent{stop}, true, false, 1}, // it was down before
		{ring.Thaw, nil, false, false, 2},
	} {
		if c.trouble != "" {
			trouble(c.trouble)
		}
		if n := look(c.open...); n.Down != c.down || n.Planned != c.planned || n.Flips != c.flips || len(n.Flipped) != c.flips {
			t.Errorf("%s: down %t, planned %t, %d flips, want %+v", c.trouble, n.Down, n.Planned, n.Flips, c)
		}
	}
}

// The fold carries when a node changed, as the looks showed it, and forgets the oldest.
func TestFoldCarriesFlips(t *testing.T) {
	s := newSim(t)
	folded := s.look()
	look := func() {
		seen, err := s.Look(t.Context(), demo(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		folded = cassandra.Fold(folded, seen)
	}
	for i := range 40 {
		for _, trouble := range []ring.Trouble{ring.Freeze, ring.Thaw} {
			if err := s.Make(trouble, "n3"); err != nil {
				t.Fatal(err)
			}
			s.Advance(20 * time.Second)
			look()
		}
		n := third(folded)
		if want := min(2*(i+1), 64); len(n.Flipped) != want || n.Flips != 2*(i+1) || !n.LastFlip().Equal(s.Now()) || n.FlipsFull() != (want == 64) {
			t.Fatalf("round %d: %d of %d flips kept, the last at %s", i, len(n.Flipped), n.Flips, n.LastFlip())
		}
		if !slices.IsSortedFunc(n.Flipped, time.Time.Compare) {
			t.Fatalf("not in order: %v", n.Flipped)
		}
	}
	if n, _ := folded.NodeOf("n2"); len(n.Flipped) != 0 {
		t.Errorf("n2 never changed: %v", n.Flipped)
	}
}
