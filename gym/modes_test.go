package gym

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestNothingIsTakenAwayThatMayNotComeBack: where the steps that bring a node back may only be suggested, the one that stops or fences it is not
// done either, and where they need a yes, that is asked for before it.
func TestNothingIsTakenAwayThatMayNotComeBack(t *testing.T) {
	restart := []Happening{{At: quiet, What: AskFor, Verb: "cassandra/restart-node", Who: "n1"}}
	emptied := []Happening{{At: quiet, What: string(ring.Kill), Who: "n1"}, {At: quiet, What: string(ring.LoseData), Who: "n1"}}
	for name, c := range map[string]struct {
		mode  galen.Mode // of what is reversible
		what  []Happening
		acts  bool
		story string
	}{
		"restart":            {galen.ModeAct, restart, true, "is verified"},
		"restart, suggest":   {galen.ModeSuggest, restart, false, "is waiting: mode suggest, would stop"},
		"restart, with yes":  {galen.ModeApprove, restart, true, "is asking"},
		"replace":            {galen.ModeAct, emptied, true, "is verified"},
		"replace, suggest":   {galen.ModeSuggest, emptied, false, "is waiting: mode suggest, would fence"},
		"replace, with yes":  {galen.ModeApprove, emptied, true, "is asking"},
		"replace, only told": {galen.ModeObserve, emptied, false, "is waiting: mode observe, would fence"},
	} {
		in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1}, Happen: c.what}
		in.Policy.Mode, in.Policy.Modes = galen.ModeAct, []galen.ModeRule{{Class: galen.Reversible, Mode: c.mode}}
		in.Limit = 30 * time.Minute
		p, err := Play(t.Context(), in, Engine{})
		if err != nil {
			t.Fatal(err)
		}
		before, after, acted := strings.Cut(p.Story, "the ring accepts")
		told := strings.Contains(before, c.story) || c.mode == galen.ModeAct && strings.Contains(after, c.story) // a person says yes here
		if len(p.Violations) > 0 || acted != c.acts || !told {
			t.Errorf("%s: %v, acted %t, want %t and %q\n%s", name, p.Violations, acted, c.acts, c.story, p.Story)
		}
	}
}
