package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/journal"
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

// TestACloseLongAfterTheLook: the engine that was to write the end died, and another one comes up when nobody has looked for long.
// Verified is looked for anew; what says nothing of the world is written.
func TestACloseLongAfterTheLook(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "db-3", nil)
	d := c.decide(run, 0, galen.RunWaiting, "all instances serve")
	in := activities.CloseInput{Run: run.ID, Status: d.Final, Why: d.Why, Looked: d.Looked}
	c.late = func() { c.cloud.Advance(galen.DecideWithin + time.Second) }
	closed, err := c.acts.Close(t.Context(), in)
	if now := c.run(run.ID); err != nil || !closed.Stale || now.Status != galen.RunWaiting || in.Status != galen.RunVerified {
		t.Errorf("closed %+v, %v; the run is %s", closed, err, now.Status)
	}
	c.logged(`"level":"WARN"`, "run not ended, it is looked at again", run.ID)
	c.close(run, c.decide(run, 0, galen.RunWaiting, "all instances serve"))
	c.cloud.Advance(time.Hour)
	if closed, err := c.acts.Close(t.Context(), in); err != nil || closed.Stale || c.run(run.ID).Status != galen.RunVerified {
		t.Errorf("said again: %+v, %v", closed, err)
	}
	other := c.open("other", "fake/heal", "db-2", nil)
	c.late = func() { c.cloud.Advance(time.Hour) }
	closed, err = c.acts.Close(t.Context(), activities.CloseInput{Run: other.ID, Status: galen.RunCancelled, Why: "enough", Looked: d.Looked})
	if err != nil || closed.Stale || c.run(other.ID).Status != galen.RunCancelled {
		t.Errorf("cancelled: %+v, %v", closed, err)
	}
}

// TestACloseOfARunThatHasEnded otherwise, by another engine or a person: the run stays as it ended, and its workflow ends, too. An
// error would be tried again for ever.
func TestACloseOfARunThatHasEnded(t *testing.T) {
	for _, want := range []galen.RunStatus{galen.RunVerified, galen.RunNotConfirmed} {
		t.Run(string(want), func(t *testing.T) {
			c := newClinic(t, galen.ModeAct)
			run := c.open("k", "fake/heal", "db-3", nil)
			d := c.decide(run, 0, galen.RunWaiting, "all instances serve")
			c.late = func() { c.must(c.store.SetRun(t.Context(), run.ID, galen.RunCancelled, "enough", time.Time{})) }
			closed, err := c.acts.Close(t.Context(), activities.CloseInput{Run: run.ID, Status: want, Why: d.Why, Looked: d.Looked})
			if now := c.run(run.ID); err != nil || closed.Stale || now.Status != galen.RunCancelled || now.Why != "enough" {
				t.Errorf("closed %+v, %v; the run is %s: %s", closed, err, now.Status, now.Why)
			}
			c.logged(`"level":"WARN"`, "run had ended otherwise", run.ID, "ended as cancelled")
		})
	}
}

// lateRows are the journal's, before which something may happen.
type lateRows struct {
	*journal.Store
	c *clinic
}

func (r lateRows) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	r.happen()
	return r.Store.SetRun(ctx, id, status, why, until)
}

func (r lateRows) HoldRun(ctx context.Context, id, why string, was galen.Standing) error {
	r.happen()
	return r.Store.HoldRun(ctx, id, why, was)
}

func (r lateRows) VerifyRun(ctx context.Context, id, why string, looked time.Time) error {
	r.happen()
	return r.Store.VerifyRun(ctx, id, why, looked)
}

func (r lateRows) happen() {
	if late := r.c.late; late != nil {
		r.c.late = nil
		late()
	}
}

// TestAYesAfterADenial: what a person says yes to after the gate has denied it, or after nobody could decide, is not undone by the
// row that says so: the run goes on, and is decided anew.
func TestAYesAfterADenial(t *testing.T) {
	stands := func(c *clinic, run galen.Run) {
		c.Helper()
		if now := c.run(run.ID); now.Status == galen.RunHeld || c.ledger(run).Approval == nil {
			c.Errorf("the yes is gone, and the run %s: %s", now.Status, now.Why)
		}
	}
	t.Run("the gate denies", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		run := c.open("k", "fake/tune", "db-2", nil)
		_, err := c.Look(t.Context(), billing(), nil, nil)
		c.must(err)
		stranger, _ := c.last.(fake.Cluster).Instance("db-3")
		d := c.planned(run, fake.Set(stranger, "work_mem", "8MB", "not its business"))
		c.late = func() { c.approve(run) }
		got, err := c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number})
		if err != nil || got.Sent || got.Refused || got.Wait != c.policy.LookSoon {
			t.Errorf("%+v, %v", got, err)
		}
		stands(c, run)
		c.logged(`"level":"WARN"`, "denied, and not held", run.ID)
		got, err = c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Number}) // denied again, knowing of the yes
		if held := c.run(run.ID); err != nil || got.Sent || held.Status != galen.RunHeld || c.ledger(run).Approval != nil {
			t.Errorf("%+v, %v; the run is %s", got, err, held.Status)
		}
	})
	t.Run("nobody can decide", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		run := c.open("k", "fake/tune", "db-2", nil)
		c.decide(run, 0, galen.RunRunning, "")
		c.newRelease("fake/tune")
		c.late = func() { c.approve(run) }
		if d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); !errors.Is(err, galen.ErrMoved) {
			t.Errorf("decided %+v, %v", d, err)
		}
		stands(c, run)
		c.late = func() { c.approve(run) }
		if err := c.acts.HoldForeign(t.Context(), c.run(run.ID)); !errors.Is(err, galen.ErrMoved) {
			t.Error(err)
		}
		stands(c, run)
	})
	t.Run("nobody sees anything past the deadline", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		run := c.open("k", "fake/tune", "db-2", nil)
		c.decide(run, 0, galen.RunRunning, "")
		c.cloud.Advance(6*time.Hour + time.Second)
		c.dark = errors.New("nobody answers")
		c.late = func() { c.approve(run) }
		if d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); !errors.Is(err, galen.ErrMoved) {
			t.Errorf("decided %+v, %v", d, err)
		}
		c.decide(run, time.Second, galen.RunWaiting, "cannot see the resource")
		stands(c, run)
		c.decide(run, c.policy.ApprovalFor.D(), galen.RunHeld, "past its deadline, and blind") // the yes has expired
	})
}
