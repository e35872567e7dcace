package gym

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestANodeThatDiesOverItsRepairIsStartedAgain: the repair that its start owed was too much for it.
func TestANodeThatDiesOverItsRepairIsStartedAgain(t *testing.T) { dies(t, false) }

// TestANodeThatIsLostOverItsRepair: its disk is gone too; a person cancels, and the run must end, so that another one may replace it.
func TestANodeThatIsLostOverItsRepair(t *testing.T) { dies(t, true) }

func dies(t *testing.T, lose bool) {
	in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Limit: 48 * time.Hour,
		Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}}
	in.Policy.HintWindow = galen.Duration(5 * time.Second)
	in.Happen = []Happening{{At: quiet, What: string(ring.Kill), Who: "n1"}}
	w, err := newWorld(t.Context(), in, Engine{}.orDefault())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	turns := func(is func() bool, limit time.Duration) bool {
		for end := w.now.Add(limit); !is(); {
			if w.now.After(end) {
				return false
			}
			if err := w.turn(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.now = w.next(epoch().Add(in.Limit + time.Second))
		}
		return true
	}
	repairing := func() bool {
		open, err := w.store.OpenIntents(t.Context(), Resource())
		return err == nil && slices.ContainsFunc(open, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbRepair && in.Sent == galen.SentYes })
	}
	if !turns(repairing, time.Hour) {
		t.Fatalf("no repair\n%s", w.trace.story())
	}
	if err := w.ring.Make(ring.Kill, "n1"); err != nil {
		t.Fatal(err)
	}
	if lose {
		if err := w.ring.Make(ring.LoseData, "n1"); err != nil {
			t.Fatal(err)
		}
	}
	killed := w.now
	runs := func() bool {
		seen, err := w.ring.Look(t.Context(), Resource(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := seen.Instance("n1")
		return i.Process == cassandra.Running
	}
	if lose {
		turns(func() bool { return false }, 3*time.Hour) // past every deadline
		if err := w.cancel(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended := func() bool {
			all, err := w.store.OpenRuns(t.Context(), Resource())
			return err == nil && len(all) == 0
		}
		if !turns(ended, 24*time.Hour) {
			all, _ := w.store.OpenRuns(t.Context(), Resource())
			t.Errorf("a day after a person cancelled it, the run is %s: %s\n%s", all[0].Status, all[0].Why, w.trace.story())
		}
		return
	}
	back := turns(runs, 30*time.Minute)
	t.Logf("back: %t after %s\n%s", back, w.now.Sub(killed), w.trace.story())
	if !back {
		t.Error("30 minutes after it died over its repair, with all its data there, the node is not started again")
	}
}
