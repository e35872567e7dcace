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

// owing is an incident in a ring of two nodes a rack whose hints last a minute: who was down for longer owes its repair.
func owing(happen ...Happening) Incident {
	in := Incident{Seed: 1, Sort: Double, Engines: 1, Policy: galen.SafePolicy(), Happen: happen, Limit: 2 * time.Hour}
	in.Policy.Mode, in.Policy.RestartAfter, in.Policy.HintWindow = galen.ModeAct, galen.Duration(time.Minute), galen.Duration(time.Minute)
	in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 2, Spares: 1, VNodes: 1}
	in.sort()
	return in
}

func at(after time.Duration, what ring.Trouble, who string) Happening {
	return Happening{At: quiet + after, What: string(what), Who: who}
}

// TestANewcomerIsRepaired: a neighbour that joins the trouble of a rack is started by the run of the first one, and owes its repair when
// it is in no finding any more. The run sees to it before it ends.
func TestANewcomerIsRepaired(t *testing.T) {
	p, err := Play(t.Context(), owing(at(0, ring.HideHost, "n5"), at(0, ring.Kill, "n5"), at(30*time.Second, ring.Kill, "n2"), at(15*time.Minute, ring.Mend, "n5")), Engine{})
	_, after, started := strings.Cut(p.Story, "the ring accepts start of run1-1 on n2")
	repaired, _, verified := strings.Cut(after, "run run1 is verified")
	if err != nil || len(p.Violations) > 0 || !started || !verified || strings.Count(repaired, "still owes a repair for what this run did") != 3 {
		t.Errorf("%v, %v\n%s", err, p.Violations, p.Story)
	}
}

// TestWhoLeftWithADebtKeepsNoRunOpen: a person takes a node out before it is repaired. No run can pay that any more; the note tells it.
func TestWhoLeftWithADebtKeepsNoRunOpen(t *testing.T) {
	in := owing(at(0, ring.Kill, "n2"), at(100*time.Second, ring.Leave, "n2"), Happening{At: quiet, What: Strike, Verb: cassandra.VerbRepair, N: 2, Fault: ring.Dropped})
	p, err := Play(t.Context(), in, Engine{})
	if err != nil || len(p.Violations) > 0 || !strings.Contains(p.Story, "leave n2") || !strings.Contains(p.Story, "run run1 is verified") {
		t.Errorf("%v, %v\n%s", err, p.Violations, p.Story)
	}
}

// TestWhoPaidAnUndoEnds: what was prepared for a node that is still down is taken back. That run was about the spare alone.
func TestWhoPaidAnUndoEnds(t *testing.T) {
	in := owing(at(0, ring.Kill, "n2"), at(0, ring.LoseData, "n2"), Happening{At: quiet, What: Cancel, Verb: cassandra.VerbPrepare},
		Happening{At: quiet, What: Strike, Verb: cassandra.VerbDiscard, N: 3, Fault: ring.Dropped})
	p, err := Play(t.Context(), in, Engine{})
	if err != nil || len(p.Violations) > 0 || !strings.Contains(p.Story, "run run2 is verified: nothing is owed any more") {
		t.Errorf("%v, %v\n%s", err, p.Violations, p.Story)
	}
}
