package journal_test

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// testIntentList: the intents of a run are there page by page, newest first, and no others.
func testIntentList(t *testing.T, w world) {
	run, beside := w.open(t, "k"), w.openOn(t, "l", other())
	var want []string
	for range 3 {
		in := w.commit(t, run, "a")
		w.settle(t, in, galen.EffectDone)
		w.settle(t, w.commit(t, beside, "b"), galen.EffectDone)
		want = append([]string{in.ID}, want...)
	}
	whole, err := w.Intents(t.Context(), run.ID, "", 0)
	must(t, err)
	ids := func(all []galen.Intent) string {
		var out []string
		for _, in := range all {
			out = append(out, in.ID)
		}
		return strings.Join(out, " ")
	}
	equal(t, "all", ids(whole), strings.Join(want, " "))
	equal(t, "as the ledger has it", whole[0].Effect.Status, w.ledger(t, run).Past[2].Effect.Status)
	page, err := w.Intents(t.Context(), run.ID, "", 2)
	must(t, err)
	equal(t, "the first page", ids(page), strings.Join(want[:2], " "))
	page, err = w.Intents(t.Context(), run.ID, page[1].ID, 2)
	must(t, err)
	equal(t, "the last page", ids(page), want[2])
	none, err := w.Intents(t.Context(), run.ID, want[2], 2)
	must(t, err)
	equal(t, "after it", len(none), 0)
	theirs, err := w.Intents(t.Context(), beside.ID, "", 1)
	must(t, err)
	_, err = w.Intents(t.Context(), run.ID, theirs[0].ID, 1)
	refused(t, err, galen.ErrNotFound)
}
