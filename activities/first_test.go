package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
)

// down opens a run for an instance that has been down for so long that its next decision has a step.
func (c *clinic) down() galen.Run {
	c.Helper()
	run := c.open("k", "fake/heal", "db-2", nil)
	c.cloud.Crash("db-2", false)
	for _, wait := range []time.Duration{fake.APILag, c.policy.DownFor.D()} {
		c.decide(run, wait, galen.RunWaiting, "")
	}
	c.cloud.Advance(c.policy.RestartAfter.D())
	return run
}

// TestTheFirstStepGoesWithItsDecision: through the gate, and only if it is asked for.
func TestTheFirstStepGoesWithItsDecision(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.down()
	d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID})
	c.must(err)
	if d.Steps != 1 || d.First != nil || c.calls() != 0 {
		t.Fatalf("nobody asked for the step: %+v, %d calls", d, c.calls())
	}
	d, err = c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID, First: true})
	c.must(err)
	if d.Steps != 1 || d.First == nil || !d.First.Sent || d.Lost || c.calls() != 1 {
		t.Errorf("decided %+v, %d calls", d, c.calls())
	}
	if past := c.ledger(run).Past; len(past) != 1 || past[0].Sent != galen.SentYes {
		t.Errorf("the journal has the intents %+v", past)
	}
	c.cloud.Advance(time.Second)
	d, err = c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID, First: true})
	if err != nil || d.Steps != 0 || d.First != nil || c.calls() != 1 {
		t.Errorf("repeated, it looks: %+v, %v, %d calls", d, err, c.calls())
	}
}

// TestALostFirstStep: what did not tell its end is no error of the decision, which is stored and not made again without a look.
func TestALostFirstStep(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.down()
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	c.after = func() {
		if looks++; looks == 2 { // the gate's
			cancel()
		}
	}
	d, err := c.acts.Decide(ctx, activities.DecideInput{Run: run.ID, First: true})
	if err != nil || !d.Lost || d.First != nil || c.calls() != 0 {
		t.Errorf("decided %+v, %v, %d calls", d, err, c.calls())
	}
	if !strings.Contains(c.log.String(), "the first step did not tell its end") {
		t.Errorf("nobody was told: %s", c.log)
	}
}
