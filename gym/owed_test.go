package gym

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
)

// TestACancelledRepairIsTold: who cancels the repair of a node that was silent for too long is not overruled, and what is owed is a note from
// then on: it names who needs it and what repairs it, and goes when a run that a person asks for has done so.
func TestACancelledRepairIsTold(t *testing.T) {
	in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Limit: 2 * time.Hour,
		Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}}
	in.Policy.HintWindow = galen.Duration(5 * time.Second)
	in.Happen = []Happening{{At: quiet, What: string(ring.Kill), Who: "n1"}}
	w, err := newWorld(t.Context(), in, Engine{}.orDefault())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	notes := func() []galen.Finding {
		t.Helper()
		all, err := w.store.Findings(t.Context(), Resource())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(f galen.Finding) bool { return f.Code != cassandra.CodeRepairOwed })
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for !is() {
			if w.now.After(epoch().Add(in.Limit)) {
				t.Fatalf("never: %s\n%s", what, w.trace.story())
			}
			if err := w.turn(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.now = w.next(epoch().Add(in.Limit + time.Second))
		}
	}
	runs := func() []galen.Run {
		t.Helper()
		all, err := w.store.Runs(t.Context(), journal.RunFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	until("a repair is under way", func() bool {
		open, err := w.store.OpenIntents(t.Context(), Resource())
		return err == nil && slices.ContainsFunc(open, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbRepair })
	})
	if err := w.cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	until("the run is cancelled", func() bool {
		if runs()[0].Status.Open() && len(notes()) > 0 {
			t.Fatalf("told while the run is open: %+v", notes())
		}
		return !runs()[0].Status.Open()
	})
	until("it is told", func() bool { return len(notes()) > 0 })
	if all := runs(); len(all) != 1 || all[0].Status != galen.RunCancelled {
		t.Fatalf("%+v", all)
	}
	f, remedy := notes()[0], "galen run cassandra/heal-node "+Resource().String()+" --param node=n1"
	if !f.Note || f.Domain != "dc1/r1" || f.Since.IsZero() || !strings.Contains(f.Why, remedy) || !strings.Contains(f.Why, runs()[0].ID) {
		t.Errorf("%+v", f)
	}
	begun := w.now
	until("some time has gone", func() bool { return w.now.After(begun.Add(20 * time.Minute)) })
	if all, now := runs(), notes(); len(all) != 1 || len(now) != 1 || !now[0].Same(f) {
		t.Fatalf("%d runs, and it is told %+v, not %+v", len(all), now, f)
	}
	if err := w.ask(t.Context(), Happening{Verb: "cassandra/heal-node", Who: "n1"}); err != nil {
		t.Fatal(err)
	}
	until("it is repaired", func() bool { return len(notes()) == 0 && !runs()[0].Status.Open() })
	if all := runs(); len(all) != 2 || all[0].Status != galen.RunVerified {
		t.Errorf("%+v\n%s", all, w.trace.story())
	}
}
