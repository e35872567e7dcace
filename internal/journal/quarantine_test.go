package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// fails lets a run's verb fail on a target.
func (w world) fails(t *testing.T, run galen.Run, target string) {
	t.Helper()
	in := w.commit(t, run, target)
	must(t, w.Outcome(t.Context(), in.ID, galen.SentYes, ""))
	w.settle(t, in, galen.EffectFailed)
}

func testQuarantine(t *testing.T, w world) {
	run, other := w.open(t, "k"), w.open(t, "other")
	w.fails(t, run, "a")
	w.fails(t, run, "a")
	if q := w.ledger(t, run).Quarantine; q != nil {
		t.Fatalf("one target is one failure: %+v", q)
	}
	before := w.ledger(t, run).Account
	w.fails(t, run, "b")
	q := w.ledger(t, other).Quarantine
	if q == nil || q.Runbook != run.Runbook || len(q.Targets) != 2 || q.Why == "" || q.At.IsZero() {
		t.Fatalf("not in quarantine: %+v", q)
	}
	if w.ledger(t, run).Account == before {
		t.Error("a gate that read the ledger before would not notice")
	}
	w.fails(t, run, "c") // what was under way may fail, too
	list, err := w.Quarantines(t.Context())
	must(t, err)
	equal(t, "one quarantine", len(list), 1)
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventQuarantine})
	must(t, err)
	equal(t, "told once for all, and once for the run", len(events), 2)
	if of, text := events[0].Resource, string(events[0].Body); of != (galen.Resource{}) || !strings.Contains(text, run.Resource.String()+" a") || !strings.Contains(text, run.Resource.String()+" b") {
		t.Errorf("for all: of %s: %s", of, text)
	}
	if text := string(events[1].Body); events[1].Run != run.ID || !strings.Contains(text, run.Resource.String()+" b") || strings.Contains(text, run.Resource.String()+" a") {
		t.Errorf("for the run, which failed on b: %s", text)
	}
	w.clock.skip(48 * time.Hour)
	if w.ledger(t, run).Quarantine == nil {
		t.Error("time alone has ended it")
	}
	if w.ClearQuarantine(t.Context(), run.Runbook, "", "why not") == nil || w.ClearQuarantine(t.Context(), run.Runbook, "ann", "") == nil {
		t.Error("nobody cleared it, or for no reason")
	}
	must(t, w.ClearQuarantine(t.Context(), run.Runbook, "ann", "the image is mended"))
	if q := w.ledger(t, run).Quarantine; q != nil {
		t.Errorf("still there: %+v", q)
	}
	if err := w.ClearQuarantine(t.Context(), run.Runbook, "ann", "again"); !errors.Is(err, galen.ErrNotFound) {
		t.Errorf("cleared twice: %v", err)
	}
	w.fails(t, run, "d")
	if q := w.ledger(t, run).Quarantine; q != nil {
		t.Errorf("what failed before it was cleared counts again: %+v", q)
	}
}

// holds decides, on a look of then, that a run waits for a person.
func (w world) holds(t *testing.T, run galen.Run, then time.Time) {
	t.Helper()
	_, err := w.Decide(t.Context(), galen.Decision{
		Run: run.ID, At: then, Plan: galen.Plan{End: galen.EndEscalate, Why: "it never came"}, Status: galen.RunHeld, Why: "it never came",
	}, nil)
	must(t, err)
}

func (w world) quarantined(t *testing.T, when string, want int) {
	t.Helper()
	list, err := w.Quarantines(t.Context())
	must(t, err)
	equal(t, "quarantines "+when, len(list), want)
}

// waits is a run with an intent whose effect does not come.
func (w world) waits(t *testing.T, key string) galen.Run {
	t.Helper()
	run := w.open(t, key)
	w.commit(t, run, "target of "+key)
	return run
}

func testQuarantineInVain(t *testing.T, w world) {
	early, late := w.waits(t, "early"), w.waits(t, "late")
	soon := w.clock.read()
	w.clock.skip(time.Hour)
	w.holds(t, early, soon) // the engine stood still between its look and this
	w.holds(t, late, w.clock.read())
	w.holds(t, late, w.clock.read())
	w.quarantined(t, "after one target", 0)
	blind := w.waits(t, "blind")
	w.clock.skip(time.Hour)
	must(t, w.SetRun(t.Context(), blind.ID, galen.RunHeld, "past its deadline, and blind", time.Time{}))
	w.quarantined(t, "while nobody has looked", 0)
	w.holds(t, blind, w.clock.read())
	w.quarantined(t, "after two targets", 1)
	must(t, w.ClearQuarantine(t.Context(), blind.Runbook, "ann", "the image is mended"))
	for _, run := range []galen.Run{late, blind} {
		w.holds(t, run, w.clock.read())
	}
	w.quarantined(t, "by what failed before it was cleared", 0)
}

// testQuarantineWindows: a failure on a resource that looks back for an hour takes nothing away from one that looks back for a day.
func testQuarantineWindows(t *testing.T, w world) {
	must(t, w.SetResource(t.Context(), other(), []byte(`{"quarantine_window":"1h"}`), "test"))
	day, hour := w.open(t, "day"), w.openOn(t, "hour", other())
	w.fails(t, day, "a")
	w.clock.skip(2 * time.Hour)
	w.fails(t, hour, "b")
	w.quarantined(t, "after one within the hour", 0)
	w.clock.skip(2 * time.Hour)
	w.fails(t, day, "c")
	list, err := w.Quarantines(t.Context())
	must(t, err)
	if len(list) != 1 || len(list[0].Targets) != 3 {
		t.Errorf("after three within the day: %+v", list)
	}
}

// testDowntimeIsNoFailure: the machine was off for a day, and what it missed is nobody's fault.
func testDowntimeIsNoFailure(t *testing.T, w world) {
	runs := []galen.Run{w.waits(t, "k"), w.waits(t, "l")}
	for _, run := range runs {
		_, err := w.Decide(t.Context(), galen.Decision{Run: run.ID, At: w.clock.read(), Plan: galen.Plan{Wait: galen.Duration(time.Second), Why: "it starts"}, Status: galen.RunWaiting}, nil)
		must(t, err)
	}
	w.clock.skip(24 * time.Hour)
	must(t, w.Disarm(t.Context(), "restored from a backup"))
	equal(t, "status", w.ledger(t, runs[0]).Run.Status, galen.RunHeld)
	w.quarantined(t, "by being away", 0)
}

func testNoQuarantine(t *testing.T, w world) {
	run := w.open(t, "k")
	w.fails(t, run, "a")
	w.clock.skip(24 * time.Hour)
	w.fails(t, run, "b")
	c := w.commitOf(t, run, "c")
	c.Intent.Undoes = "another"
	in, err := w.Commit(t.Context(), c)
	must(t, err)
	w.settle(t, in, galen.EffectFailed)
	c = w.commitOf(t, run, "d")
	c.Intent.Step.Verb = "another"
	in, err = w.Commit(t.Context(), c)
	must(t, err)
	w.settle(t, in, galen.EffectFailed)
	if q := w.ledger(t, run).Quarantine; q != nil {
		t.Errorf("in quarantine: %+v", q)
	}
	policy := []byte(`{"quarantine_after": 1}`)
	must(t, w.SetResource(t.Context(), run.Resource, policy, "ann"))
	w.fails(t, run, "e")
	if w.ledger(t, run).Quarantine == nil {
		t.Error("the resource's policy says one")
	}
}

func testRate(t *testing.T, w world) {
	run := w.open(t, "k")
	const most = 3
	perSecond := most
	commit := func(target string) error {
		c := w.commitOf(t, run, target)
		c.PerSecond = perSecond
		_, err := w.Commit(t.Context(), c)
		return err
	}
	for _, target := range []string{"a", "b", "c"} {
		must(t, commit(target))
	}
	equal(t, "released", len(w.ledger(t, run).Released), most)
	if err := commit("d"); !errors.Is(err, galen.ErrRate) {
		t.Errorf("a fourth in one second: %v", err)
	}
	w.clock.skip(time.Second)
	equal(t, "released a second ago", len(w.ledger(t, run).Released), 0)
	must(t, commit("d"))
	perSecond = 3 * galen.MaxReleasePerSecond // as an older engine may have it
	for i := 1; i < galen.MaxReleasePerSecond; i++ {
		must(t, commit(fmt.Sprint("n", i)))
	}
	if err := commit("e"); !errors.Is(err, galen.ErrRate) {
		t.Errorf("one more than any policy allows in one second: %v", err)
	}
}
