package activities_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
)

// TestEachActivityBeats while it is held up: whoever is silent for longer than the heartbeat's timeout is taken for dead, and its work
// is done again beside it.
func TestEachActivityBeats(t *testing.T) {
	for name, attempt := range map[string]func(c *clinic, run galen.Run, d activities.Decided) (activity, in any){
		"Decide": func(c *clinic, run galen.Run, _ activities.Decided) (any, any) {
			return c.acts.Decide, activities.DecideInput{Run: run.ID}
		},
		"Act": func(c *clinic, run galen.Run, d activities.Decided) (any, any) {
			return c.acts.Act, activities.ActInput{Run: run.ID, Plan: d.Plan}
		},
		"Close": func(c *clinic, run galen.Run, d activities.Decided) (any, any) {
			c.cloud.Advance(time.Minute)
			return c.acts.Close, activities.CloseInput{Run: run.ID, Status: galen.RunVerified, Why: d.Why, Looked: c.cloud.Now()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, galen.ModeAct)
			run := c.open("k", "fake/tune", "db-2", nil)
			doing, in := attempt(c, run, c.decide(run, 0, galen.RunRunning, "owe the old value"))
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			beaten, heldUp := make(chan struct{}, 100), false
			hold := func() {
				heldUp = true
				select {
				case <-beaten:
				case <-ctx.Done():
					t.Error("no heartbeat within a minute")
				}
			}
			c.after, c.late = hold, hold // a look, or a row
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestActivityEnvironment()
			env.SetTestTimeout(2 * time.Minute)
			env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { beaten <- struct{}{} })
			env.RegisterActivity(doing)
			if _, err := env.ExecuteActivity(doing, in); err != nil || !heldUp {
				t.Errorf("held up %t, %v", heldUp, err)
			}
		})
	}
}
