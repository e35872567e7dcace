package gym

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestTheLessUrgentLetsPass: what a person asked for lets a healing pass that needs the same rack, in drawn incidents, and goes on.
func TestTheLessUrgentLetsPass(t *testing.T) {
	yields, on := 0, 0
	for seed := range uint64(20) {
		in := Draw(seed)
		w := &writer{dice: newDice(seed), in: &in}
		w.overtaken()
		in.sort()
		in.Limit = in.last() + in.Policy.RunDeadline.D()
		p, err := Play(t.Context(), in, Engine{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 {
			t.Errorf("seed %d: %v\n%s", seed, p.Violations, p.Story)
		}
		if strings.Contains(p.Story, "is to "+galen.StopYield) {
			yields++
		}
		if strings.Contains(p.Story, "goes on: ") {
			on++
		}
	}
	if yields < 5 || on < yields/2 {
		t.Errorf("%d of 20 yield, %d go on", yields, on)
	}
}

// TestWhoYieldsIsNotDone, and goes on when the other one has ended.
func TestWhoYieldsIsNotDone(t *testing.T) {
	for name, c := range map[string]struct {
		run   galen.Run
		other galen.RunStatus
		want  int
	}{
		"verified while it yields":     {galen.Run{Status: galen.RunVerified, Stop: galen.StopYield}, galen.RunVerified, 1},
		"verified":                     {galen.Run{Status: galen.RunVerified}, galen.RunVerified, 0},
		"cancelled while it yields":    {galen.Run{Status: galen.RunCancelled, Stop: galen.StopYield}, galen.RunVerified, 0},
		"waits for one that goes on":   {galen.Run{Status: galen.RunWaiting, Stop: galen.StopYield}, galen.RunRunning, 0},
		"waits for one that has ended": {galen.Run{Status: galen.RunWaiting, Stop: galen.StopYield}, galen.RunVerified, 1},
		"held besides":                 {galen.Run{Status: galen.RunHeld, Stop: galen.StopYield}, galen.RunVerified, 0},
	} {
		judge := checkerOf()
		c.run.StopBy = "other"
		judge.runs["r"], judge.runs["other"] = c.run, galen.Run{ID: "other", Status: c.other}
		judge.ends["other"] = judge.now().Add(-3 * judge.in.Policy.Fallback.D())
		if judge.yields(); len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", name, judge.found, c.want)
		}
	}
}
