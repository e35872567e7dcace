package gym

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/journal"
)

// TestACancelledRepairIsTold: who cancels the repair of a node that was silent for too long is not overruled, and what is owed is a note from
// then on: it names who needs it and what repairs it, and goes when a run that a person asks for has done so.
func TestACancelledRepairIsTold(t *testing.T) {
	w := repairing(t)
	notes := func() []galen.Finding {
		t.Helper()
		all, err := w.store.Findings(t.Context(), Resource())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(f galen.Finding) bool { return f.Code != cassandra.CodeRepairOwed })
	}
	until := func(what string, is func() bool) { t.Helper(); w.wait(t, what, 2*time.Hour, is) }
	runs := func() []galen.Run {
		t.Helper()
		all, err := w.store.Runs(t.Context(), journal.RunFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
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
	w.after(t, 20*time.Minute)
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
