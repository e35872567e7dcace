package gym

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// repairing is a world in which n1 was silent for longer than hints are kept, was started, and is being repaired for it.
func repairing(t *testing.T) *world {
	t.Helper()
	in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Limit: 48 * time.Hour,
		Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}}
	in.Policy.HintWindow = galen.Duration(5 * time.Second)
	in.Happen = []Happening{{At: quiet, What: string(ring.Kill), Who: "n1"}}
	w, err := newWorld(t.Context(), in, Engine{}.orDefault())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	w.wait(t, "a repair is under way", time.Hour, func() bool {
		open, err := w.store.OpenIntents(t.Context(), Resource())
		return err == nil && slices.ContainsFunc(open, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbRepair && in.Sent == galen.SentYes })
	})
	return w
}

// wait lets time pass until something is so, for so long at most.
func (w *world) wait(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	for end := w.now.Add(limit); !is(); {
		if w.now.After(end) {
			t.Fatalf("not within %s: %s\n%s", limit, what, w.trace.story())
		}
		if err := w.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.now = w.next(end.Add(time.Second))
	}
}

// after lets so much time pass.
func (w *world) after(t *testing.T, d time.Duration) {
	t.Helper()
	end := w.now.Add(d)
	w.wait(t, "the time is over", d+time.Minute, func() bool { return !w.now.Before(end) })
}

func (w *world) suffer(t *testing.T, troubles ...ring.Trouble) {
	t.Helper()
	for _, trouble := range troubles {
		if err := w.ring.Make(trouble, "n1"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestANodeThatDiesOverItsRepairIsStartedAgain: the repair that its start owed was too much for it.
func TestANodeThatDiesOverItsRepairIsStartedAgain(t *testing.T) {
	w := repairing(t)
	w.suffer(t, ring.Kill)
	w.wait(t, "the node is started again, for its data are there", 30*time.Minute, func() bool {
		h, _ := w.ring.Truth().Host("n1")
		return h.Running
	})
}

// TestANodeThatIsLostOverItsRepair: its disk is gone too, or its machine, and a person removes the node from the ring; somebody cancels,
// past every deadline, and the run must end, so that another one may replace it.
func TestANodeThatIsLostOverItsRepair(t *testing.T) {
	for name, troubles := range map[string][]ring.Trouble{
		"the disk":    {ring.Kill, ring.LoseData},
		"the machine": {ring.Kill, ring.LoseData, ring.HideHost},
	} {
		t.Run(name, func(t *testing.T) {
			w := repairing(t)
			w.suffer(t, troubles...)
			w.after(t, 2*time.Minute)
			if slices.Contains(troubles, ring.HideHost) {
				if err := w.ring.Happen(ring.Happening{Trouble: ring.RemoveNode, Instance: "n2", Of: "n1"}); err != nil {
					t.Fatal(err)
				}
			}
			w.after(t, 3*time.Hour)
			if err := w.cancel(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.wait(t, "the run that was cancelled ends", 24*time.Hour, func() bool {
				all, err := w.store.OpenRuns(t.Context(), Resource())
				return err == nil && len(all) == 0
			})
		})
	}
}
