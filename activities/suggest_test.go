package activities_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/journal"
)

// TestWhatASuggestionEndsAs: in mode suggest nothing is done, what would be is kept from its first plan on, and the end tells that the
// trouble ended otherwise.
func TestWhatASuggestionEndsAs(t *testing.T) {
	c := newClinic(t, galen.ModeSuggest)
	c.cloud.Crash("db-2", false)
	run := c.open("k", "fake/heal", "db-2", nil)
	c.decide(run, fake.APILag+c.policy.DownFor.D(), galen.RunWaiting, "db-2 may come back by itself")
	if got := c.run(run.ID); got.Suggested != nil || got.Only != "" || got.Idle() {
		t.Errorf("while it waits it suggests %+v, its mode %q", got.Suggested, got.Only)
	}
	c.decide(run, c.policy.RestartAfter.D(), galen.RunWaiting, "mode suggest, would reboot")
	first := c.run(run.ID).Suggested
	c.decide(run, time.Minute, galen.RunWaiting, "mode suggest, would reboot")
	got := c.run(run.ID).Suggested
	if first == nil || got == nil || got.Plan != first.Plan || !got.At.Equal(first.At) || len(got.Steps) != 1 || !strings.Contains(got.Steps[0], "reboot") {
		t.Fatalf("it suggests %+v, at first %+v", got, first)
	}
	if is := c.run(run.ID); !is.Idle() || is.Only != galen.ModeSuggest {
		t.Errorf("it is %+v", is)
	}
	if c.calls() != 0 {
		t.Fatalf("%d calls in mode suggest", c.calls())
	}
	plan, err := c.store.Plan(t.Context(), run.ID, got.Plan)
	c.must(err)
	if _, err := c.cloud.Do(t.Context(), galen.Intent{ID: "by hand", Resource: billing(), Step: plan.Plan.Steps[0], At: c.cloud.Now()}); err != nil {
		t.Fatal(err)
	}
	d := c.decide(run, 2*time.Minute, galen.RunWaiting, "it ended otherwise")
	if !d.Done || d.Final != galen.RunVerified || !strings.Contains(d.Why, "galen did nothing (mode suggest)") || !strings.Contains(d.Why, got.Steps[0]) {
		t.Errorf("decided %+v", d)
	}
	if is := c.run(run.ID); is.Idle() {
		t.Errorf("the trouble is gone, and it is %+v", is)
	}
	c.close(run, d)
	ends, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventEnded})
	if err != nil || len(ends) != 1 || !strings.Contains(string(ends[0].Body), "it ended otherwise") {
		t.Errorf("the journal tells %v, %v", ends, err)
	}
	asked, err := c.store.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventDecided})
	if err != nil || !slices.ContainsFunc(asked, func(e galen.Event) bool { return strings.Contains(string(e.Body), `"suggests":["reboot`) }) {
		t.Errorf("no decision of the journal tells what it suggests: %v, %v", asked, err)
	}
}

// suggesting is a run in mode suggest that would reboot db-2.
func suggesting(t *testing.T) (*clinic, galen.Run) {
	t.Helper()
	c := newClinic(t, galen.ModeSuggest)
	c.cloud.Crash("db-2", false)
	run := c.open("k", "fake/heal", "db-2", nil)
	c.decide(run, fake.APILag+c.policy.DownFor.D(), galen.RunWaiting, "db-2 may come back by itself")
	c.decide(run, c.policy.RestartAfter.D(), galen.RunWaiting, "mode suggest, would reboot")
	return c, run
}

// TestWhoCannotSeeIsNotIdle: of what nobody sees it is not the mode that nothing is done about it; and the journal agrees with itself.
func TestWhoCannotSeeIsNotIdle(t *testing.T) {
	c, run := suggesting(t)
	if is := c.run(run.ID); !is.Idle() {
		t.Fatalf("it is %+v", is)
	}
	c.dark = errors.New("nobody answers")
	c.decide(run, time.Second, galen.RunWaiting, "cannot see the resource")
	if is := c.run(run.ID); is.Idle() {
		t.Errorf("blind, and it is %+v", is)
	}
	c.dark = nil
	c.decide(run, time.Second, galen.RunWaiting, "mode suggest, would reboot")
	if is := c.run(run.ID); !is.Idle() {
		t.Errorf("it sees again, and is %+v", is)
	}
	c.must(c.store.SetRun(t.Context(), run.ID, galen.RunHeld, "not now", time.Time{}))
	if is := c.run(run.ID); is.Only != "" {
		t.Errorf("held, and it is %+v", is)
	}
}

// TestASuggestionOfACancelledRun: nobody has looked whether the trouble is over.
func TestASuggestionOfACancelledRun(t *testing.T) {
	c, run := suggesting(t)
	c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ann", "I do it"))
	d := c.decide(run, time.Second, galen.RunWaiting, "has not done, and the trouble may stand; suggested since")
	if d.Final != galen.RunCancelled || strings.Contains(d.Why, "ended otherwise") {
		t.Errorf("decided %+v", d)
	}
}

// TestASuggestionEndsWithItsMode: a run that acts, or asks, says no more that it only suggests.
func TestASuggestionEndsWithItsMode(t *testing.T) {
	for mode, status := range map[galen.Mode]galen.RunStatus{galen.ModeAct: galen.RunRunning, galen.ModeApprove: galen.RunAsking, galen.ModeObserve: galen.RunWaiting} {
		c, run := suggesting(t)
		c.policy.Mode = mode
		c.decide(run, time.Second, status, "")
		if got := c.run(run.ID); got.Suggested != nil || got.Idle() == mode.Acts() || got.Idle() && got.Only != mode {
			t.Errorf("mode %s: %+v", mode, got)
		}
	}
}
