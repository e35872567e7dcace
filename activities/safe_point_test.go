package activities_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestAYieldedRunGoesOn: it waits at its safe point for as long as the other one works, holds nothing, and then does what it was opened for.
func TestAYieldedRunGoesOn(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
	other := c.open("other", "fake/tune", "db-3", nil)
	c.must(c.store.Stop(t.Context(), run.ID, galen.StopYield, other.ID, "that run is more urgent and needs the same"))
	for range 10 {
		if d := c.decide(run, time.Minute, galen.RunWaiting, "at a safe point, waits for run "+other.ID+": stopped as asked, before anything was changed"); d.Done || d.Steps > 0 {
			t.Fatalf("yields, and decides %+v", d)
		}
	}
	if held := c.ledger(run).Claims; len(held) > 0 || c.calls() > 0 {
		t.Errorf("yields, and keeps %+v, %d calls", held, c.calls())
	}
	c.must(c.store.SetRun(t.Context(), other.ID, galen.RunCancelled, "over", time.Time{}))
	c.act(run, c.decide(run, time.Minute, galen.RunRunning, "owe the old value"))
}

// TestAYieldHasADeadline: whoever waits for a run that does not end is held when its own time is over, and goes on by a yes only.
func TestAYieldHasADeadline(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/tune", "db-2", nil)
	other := c.open("other", "fake/tune", "db-3", nil)
	c.must(c.store.Stop(t.Context(), run.ID, galen.StopYield, other.ID, "that run is more urgent and needs the same"))
	c.decide(run, time.Minute, galen.RunWaiting, "at a safe point")
	c.decide(run, 6*time.Hour, galen.RunHeld, "the run is past its deadline")
	c.must(c.store.SetRun(t.Context(), other.ID, galen.RunCancelled, "over", time.Time{}))
	c.decide(run, time.Minute, galen.RunHeld, "the run is past its deadline")
	c.approve(run)
	if d := c.decide(run, time.Minute, galen.RunRunning, ""); d.Steps != 1 {
		t.Errorf("approved, and decides %+v", d)
	}
}

// TestCancelEndsARunThatNeedsAPerson, one that is held for it, too, and it keeps its target from no other run any more.
func TestCancelEndsARunThatNeedsAPerson(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "no-such-instance", nil)
	c.decide(run, 0, galen.RunHeld, "has vanished, which is no cure")
	c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "enough"))
	d := c.decide(run, 24*time.Hour, galen.RunWaiting, "cancelled; no effect of it is open, and its runbook needs a person to go on: no-such-instance has vanished")
	if !d.Done || d.Final != galen.RunCancelled || d.Looks != 1 {
		t.Fatalf("cancelled, and decides %+v", d)
	}
	c.close(run, d)
	if next := c.open("next", "fake/heal", "no-such-instance", nil); next.ID == run.ID || !next.Status.Open() {
		t.Errorf("the next run on its target is %+v", next)
	}
}
