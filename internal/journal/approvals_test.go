package journal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// testApprovalList: every yes is there, newest first, with what became of it, and the filters and pages are parts of the whole.
func testApprovalList(t *testing.T, w world) {
	ctx := t.Context()
	step := galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1}
	first, second := w.open(t, "k1"), w.openOn(t, "k2", other())
	list := func(f journal.ApprovalFilter) string {
		t.Helper()
		all, err := w.Approvals(ctx, f)
		must(t, err)
		var out []string
		for _, a := range all {
			if a.Resource != ring() && a.Resource != other() || a.Ended.IsZero() != (a.State == galen.ApprovalStands) {
				t.Errorf("%s of %s is %s since %s", a.ID, a.Resource, a.State, a.Ended)
			}
			out = append(out, fmt.Sprint(a.ID, " ", a.State, strings.Repeat("!", len(a.Intents))))
		}
		return strings.Join(out, ", ")
	}
	equal(t, "none", list(journal.ApprovalFilter{}), "")
	w.approve(t, first, "y1", step)
	w.approve(t, first, "y2", step)
	w.approve(t, second, "z1", step)
	in := w.commit(t, first, "a")
	equal(t, "all", list(journal.ApprovalFilter{}), "z1 stands, y2 used!, y1 replaced")
	w.settle(t, in, galen.EffectAbsent)
	equal(t, "given back", list(journal.ApprovalFilter{Run: first.ID}), "y2 stands, y1 replaced")
	w.void(t, "y2")
	w.approve(t, first, "y3", step)
	must(t, w.Reject(ctx, first.ID, "bob", "not now"))
	w.approve(t, first, "y4", step)
	must(t, w.SetRun(ctx, first.ID, galen.RunHeld, "the gate denied it", time.Time{}))
	w.approve(t, first, "y5", step)
	must(t, w.SetRun(ctx, first.ID, galen.RunCancelled, "", time.Time{}))
	w.clock.skip(time.Hour)
	whole := "y5 over, y4 held, y3 rejected, z1 expired, y2 voided, y1 replaced"
	equal(t, "all", list(journal.ApprovalFilter{}), whole)
	equal(t, "of a run", list(journal.ApprovalFilter{Run: second.ID}), "z1 expired")
	equal(t, "of a resource", list(journal.ApprovalFilter{Resource: ring()}), "y5 over, y4 held, y3 rejected, y2 voided, y1 replaced")
	equal(t, "of a state", list(journal.ApprovalFilter{State: galen.ApprovalVoided}), "y2 voided")
	equal(t, "of all of them", list(journal.ApprovalFilter{Run: first.ID, Resource: other()}), "")
	var paged []string
	for before := int64(0); ; {
		page, err := w.Approvals(ctx, journal.ApprovalFilter{Limit: 1, Before: before})
		must(t, err)
		if len(page) == 0 {
			break
		}
		paged, before = append(paged, fmt.Sprint(page[0].ID, " ", page[0].State)), page[0].Number
	}
	equal(t, "page by page", strings.Join(paged, ", "), whole)
}
