package gym

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// The rule about room can be broken at the fence and at the replacement, and by a hair.
func TestRoomRule(t *testing.T) {
	const held = 1000
	n3 := cassandra.Node{HostID: "id3", Instance: "n3", Address: "127.0.0.3"}
	fence, replace := cassandra.Fence(n3), cassandra.Replace(n3, cassandra.Instance{Name: "n4"})
	free := func(n4, n5 int64) func(*ring.Truth) {
		return func(w *ring.Truth) { w.Hosts[3].Free, w.Hosts[4].Free = n4, n5 }
	}
	untold := func(n4 int64) func(*ring.Truth) {
		return func(w *ring.Truth) {
			w.Hosts[3].Free = n4
			for i := range w.Members {
				w.Members[i].Told = false
			}
		}
	}
	for name, c := range map[string]struct {
		step  galen.Step
		world func(*ring.Truth)
		yes   bool
		broke bool
	}{
		"a spare has room at the fence":                     {fence, free(1300, 0), false, false},
		"none of its data centre has":                       {fence, free(1299, 5000), false, true},
		"even if a person said yes":                         {fence, free(1299, 0), true, true},
		"the spare has room at the replacement":             {replace, free(1300, 0), false, false},
		"it has none any more":                              {replace, free(1299, 5000), false, true},
		"there is none":                                     {fence, func(w *ring.Truth) { w.Hosts[3].Spare = false }, false, true},
		"nobody tells what is held, and a person said yes":  {fence, untold(1), true, false},
		"nobody tells what is held, and nobody said yes":    {fence, untold(1299), false, true},
		"nobody tells, and there is room":                   {fence, untold(1300), false, false},
		"nobody tells, the disk is full, a person said yes": {replace, untold(0), true, true},
	} {
		seen := threeAndSpares(func(h []ring.TrueHost) { h[2].Running, h[2].Mode, h[2].Fenced = false, "", "f" })
		for i := range seen.Members {
			seen.Members[i].Load, seen.Members[i].Told = held, true
		}
		c.world(&seen)
		a := &act{Intent: galen.Intent{Run: "run1", Step: c.step}, Seen: seen, Committed: epoch().Add(time.Minute), Accepted: []accepted{{Instance: "n3", Truth: seen}}}
		var args cassandra.ReplaceArgs
		if err := json.Unmarshal(c.step.Args, &args); err == nil {
			a.Accepted[0].Instance = args.Instance
		}
		checks := checkerOf(a)
		if c.yes {
			checks.yes["run1"] = []time.Time{epoch()}
		}
		checks.headroom()
		if got := len(checks.found) == 1 && checks.found[0].Invariant == "I-24"; got != c.broke || len(checks.found) > 1 {
			t.Errorf("%s: broke %v, want %t", name, checks.found, c.broke)
		}
	}
}
