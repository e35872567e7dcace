package activities_test

import (
	"errors"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
)

// TestADecisionOnAnOldLook: an engine that was suspended after its look stores nothing that it then thinks of it, though nobody has
// decided since. What the look settles is read again, and makes the look no younger.
func TestADecisionOnAnOldLook(t *testing.T) {
	for name, settles := range map[string]bool{"nothing to settle": false, "an effect to settle": true} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t, galen.ModeAct)
			run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
			if settles {
				c.act(run, c.decide(run, 0, galen.RunRunning, "owe the old value"))
				c.cloud.Advance(time.Minute)
			}
			before := c.run(run.ID)
			c.after = func() { c.cloud.Advance(galen.DecideWithin + time.Second) }
			if d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); !errors.Is(err, galen.ErrMoved) {
				t.Errorf("decided %+v, %v on a look of long ago", d, err)
			}
			if now := c.run(run.ID); now.Plan != before.Plan || now.Status != before.Status || now.Why != before.Why {
				t.Errorf("it was stored: %+v", now)
			}
			c.after = nil
			if d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); err != nil || d.Plan == before.Plan {
				t.Errorf("after another look: %+v, %v", d, err)
			}
		})
	}
}
