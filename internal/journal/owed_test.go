package journal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// testAbandoned: what a run owes is its own business while it is open, held for a person included, and is told once it has ended, until
// another run pays it.
func testAbandoned(t *testing.T, w world) {
	run := w.open(t, "k")
	told := func(what, want string) {
		t.Helper()
		undos, duties, err := w.Abandoned(t.Context(), ring())
		must(t, err)
		var got []string
		for _, d := range undos {
			got = append(got, d.Step.Verb)
		}
		for _, d := range duties {
			got = append(got, fmt.Sprintf("%s/%s/%s by %s at %s", d.What, d.Instance, d.Of, d.Run, d.At.Format(time.TimeOnly)))
		}
		equal(t, what, strings.Join(got, ", "), want)
	}
	commit := func(r galen.Run, target string, facts ...galen.Fact) galen.Intent {
		t.Helper()
		c := w.commitOf(t, r, target)
		c.Facts = facts
		in, err := w.Commit(t.Context(), c)
		must(t, err)
		return in
	}
	told("nothing is owed", "")
	in := commit(run, "a", galen.Fact{Key: "repair-owed/n4/orders"}, galen.Fact{Key: "repair-owed/n4/auth"}, galen.Fact{Key: "replaced/dc1"})
	undo := galen.Fact{Key: galen.UndoOwed + in.ID, Value: []byte(`{"verb":"start","why":"","target":{"id":"a"},"within":"1m"}`)}
	told("the run is open", "")
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "nobody knows", time.Time{}))
	told("the run is held", "")
	done := galen.Effect{Status: galen.EffectDone}
	must(t, w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: done, Facts: []galen.Fact{undo}}}))
	must(t, w.SetRun(t.Context(), run.ID, galen.RunCancelled, "enough", time.Time{}))
	told("the run has ended", fmt.Sprintf("start, repair/n4/auth by %[1]s at 23:59:00, repair/n4/orders by %[1]s at 23:59:00", run.ID))
	if _, duties, err := w.Abandoned(t.Context(), other()); err != nil || len(duties) > 0 {
		t.Errorf("of another resource: %v, %v", duties, err)
	}
	second := w.open(t, "k")
	again := commit(second, "b", galen.Fact{Key: "repair-owed/n4/auth"}) // it owes that one now
	told("another run owes it too", "start, repair/n4/orders by "+run.ID+" at 23:59:00")
	must(t, w.Settle(t.Context(), second.ID, []galen.Settlement{{Intent: again.ID, Effect: done, Facts: []galen.Fact{
		{Key: "repair-owed/n4/orders", Gone: true}, {Key: undo.Key, Gone: true},
	}}}))
	told("it was paid", "")
	must(t, w.SetRun(t.Context(), second.ID, galen.RunVerified, "well", time.Time{}))
	told("the second run has ended", "repair/n4/auth by "+second.ID+" at 23:59:00")
}
