package journal_test

import (
	"testing"

	"github.com/galenhq/galen"
)

// testYield: a yield names the run that goes first and ends when that needs nothing any more; a cancel outlives both.
func testYield(t *testing.T, w world) {
	run := w.open(t, "k")
	must(t, w.Resume(t.Context(), run.ID, "it did not yield"))
	must(t, w.Stop(t.Context(), run.ID, galen.StopYield, "other-run", "because"))
	l := w.ledger(t, run)
	equal(t, "stop", l.Run.Stop, galen.StopYield)
	equal(t, "for whom", l.Run.StopBy, "other-run")
	must(t, w.Resume(t.Context(), run.ID, "the other one has ended"))
	after := w.ledger(t, run)
	equal(t, "goes on", after.Run.Stop, "")
	equal(t, "for nobody", after.Run.StopBy, "")
	if after.Revision == l.Revision {
		t.Error("a gate that read the ledger before would not notice")
	}
	must(t, w.Stop(t.Context(), run.ID, galen.StopCancel, "ann", "because"))
	must(t, w.Resume(t.Context(), run.ID, "a cancel stays"))
	equal(t, "cancelled", w.ledger(t, run).Run.Stop, galen.StopCancel)
	equal(t, "by", w.ledger(t, run).Run.StopBy, "ann")
}
