package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
)

// logged fails the test unless one line of the log has all of these.
func (c *clinic) logged(want ...string) {
	c.Helper()
	for line := range strings.Lines(c.log.String()) {
		if !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(line, w) }) {
			return
		}
	}
	c.Errorf("no line with %q in the log:\n%s", want, c.log)
}

// TestTheLogCallsAPerson: whoever reads only the log learns that a run asks, for what, and how to answer; once.
func TestTheLogCallsAPerson(t *testing.T) {
	c := newClinic(t, galen.ModeApprove)
	run := c.open("k", "fake/tune", "db-2", nil)
	for range 2 {
		c.decide(run, time.Second, galen.RunAsking, "approved")
	}
	c.logged(`"level":"WARN"`, "asks for a yes", run.ID, "fake/billing", `"step":"set db-2`, "galen runs approve "+run.ID)
	if n := strings.Count(c.log.String(), "asks for a yes"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestTheLogTellsWhatATargetRefused: it was called, and its reason is there.
func TestTheLogTellsWhatATargetRefused(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/tune", "db-2", nil)
	if _, err := c.Look(t.Context(), billing(), nil, nil); err != nil {
		t.Fatal(err)
	}
	i, _ := c.last.(fake.Cluster).Instance("db-2")
	d := c.planned(run, fake.Set(i, "work_mem", "8MB", "a test"))
	c.refuse = &galen.OvertakenError{By: "theirs-7", Why: "intent theirs-7 had 1000 already"}
	got, err := c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number})
	if err != nil || got.Sent || got.Refused || got.Wait != c.policy.LookSoon {
		t.Errorf("%+v, %v", got, err)
	}
	c.logged(`"level":"WARN"`, "answered with an error", run.ID, "a later intent has acted on the target: intent theirs-7 had 1000 already")
}
