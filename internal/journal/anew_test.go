package journal_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// testFiresAnew: an alert whose end was told, and that fires again with the start that it had, is no duplicate; each further one is, until its
// end is told again.
func testFiresAnew(t *testing.T, w world) {
	come := func(status string, again, pending bool) journal.Kept {
		t.Helper()
		w.clock.skip(time.Second)
		a := journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: status}
		if status == "resolved" {
			a.State, a.Why = journal.AlertMatched, "over"
		}
		kept := w.keep(t, a)
		equal(t, status+" again", kept.Again, again)
		equal(t, status+" pending", kept.Pending, pending)
		return kept
	}
	matched := func(kept journal.Kept, run string) {
		t.Helper()
		must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: kept.Alert.ID, State: journal.AlertMatched, Why: "run " + run, Run: run, Resource: ring()}))
	}
	first := come("firing", false, true)
	matched(first, "r1")
	come("firing", true, false)
	for i, run := range []string{"r2", "r3"} {
		come("resolved", i > 0, false)
		anew := come("firing", true, true)
		waiting, err := w.PendingAlerts(t.Context(), 0, 10)
		must(t, err)
		equal(t, "waiting", len(waiting), 1)
		equal(t, "it came later", waiting[0].Received.After(first.Alert.Received), true)
		equal(t, "its run", waiting[0].Run, "")
		matched(anew, run)
		come("firing", true, false)
		first = anew
	}
	equal(t, "events", w.count(t, galen.EventAlert), 4)
}

// testFiresAnewAtOnce: its end, and that it fires again, are told apart when they come in one transaction.
func testFiresAnewAtOnce(t *testing.T, w world) {
	fires := journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "firing"}
	over := fires
	over.Status, over.State, over.Why = "resolved", journal.AlertMatched, "over"
	kept, err := w.StoreAlerts(t.Context(), fires, over)
	must(t, err)
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: kept[0].Alert.ID, State: journal.AlertMatched, Run: "r1", Resource: ring()}))
	w.clock.skip(time.Second)
	equal(t, "it fires anew", w.keep(t, fires).Pending, true)
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: kept[0].Alert.ID, State: journal.AlertMatched, Run: "r2", Resource: ring()}))
	w.clock.skip(time.Second)
	equal(t, "it fires still", w.keep(t, fires).Pending, false)
	kept, err = w.StoreAlerts(t.Context(), over, fires)
	must(t, err)
	equal(t, "it fires anew at once", kept[1].Pending, true)
}

// testWaitsAnew: an alert that nothing of ours was found for, and that comes again, waits from then on; one that waits still, from its first time.
func testWaitsAnew(t *testing.T, w world) {
	a := journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "firing"}
	first := w.keep(t, a)
	w.clock.skip(time.Hour)
	w.keep(t, a)
	since := func(what string, want time.Time) {
		t.Helper()
		waiting, err := w.PendingAlerts(t.Context(), 0, 10)
		must(t, err)
		equal(t, "waiting", len(waiting), 1)
		equal(t, what, waiting[0].Received.Equal(want), true)
	}
	since("it waits since its first time", first.Alert.Received)
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: first.Alert.ID, State: journal.AlertUnmatched, Why: "no such member"}))
	w.clock.skip(72 * time.Hour)
	again := w.keep(t, a)
	equal(t, "pending", again.Pending, true)
	since("it waits since it came again", again.Alert.Received)
}

// testIsAmongTheNewest: however many came between its first time and that it fires anew, which is told with how often it came.
func testIsAmongTheNewest(t *testing.T, w world) {
	a := journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "firing", Body: []byte("{}")}
	over := journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "resolved", State: journal.AlertMatched, Why: "over"}
	first := w.keep(t, a)
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: first.Alert.ID, State: journal.AlertMatched, Run: "r1", Resource: ring()}))
	w.keep(t, a)
	w.clock.skip(time.Minute)
	w.keep(t, over)
	var others []journal.Alert
	for i := range 1100 {
		others = append(others, journal.Alert{Source: "alertmanager", Fingerprint: fmt.Sprint("o", i), Status: "firing"})
	}
	_, err := w.StoreAlerts(t.Context(), others...)
	must(t, err)
	w.clock.skip(72 * time.Hour)
	w.keep(t, a)
	got, err := w.Alerts(t.Context(), journal.AlertFilter{From: w.clock.read().Add(-time.Hour), Limit: 30})
	must(t, err)
	equal(t, "of the last hour", len(got), 1)
	equal(t, "its ID", got[0].ID, first.Alert.ID)
	equal(t, "its state", got[0].State, journal.AlertPending)
	equal(t, "duplicates", got[0].Duplicates, int64(2))
	whole, err := w.Alert(t.Context(), first.Alert.ID)
	must(t, err)
	equal(t, "its body", string(whole.Body), "{}")
	w.clock.skip(time.Hour)
	w.keep(t, over)
	got, err = w.Alerts(t.Context(), journal.AlertFilter{Limit: 1})
	must(t, err)
	equal(t, "the newest is its end", got[0].Status+" "+got[0].State, "resolved "+journal.AlertMatched)
}
