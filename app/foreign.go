package app

import (
	"context"
	"fmt"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/temporal"
)

// release is what this release of the engine can carry on, see [activities.Activities]. Each version of a runbook has a
// task queue of its own: an engine that lacks it does not poll there, so a run is never given to a release that would
// have to guess.
type release interface {
	// Lacks says what of a run this release does not have; "" if nothing.
	Lacks(run galen.Run) string
	HoldForeign(ctx context.Context, run galen.Run) error
	EndForeign(ctx context.Context, run galen.Run) (ended bool, err error)
}

func needs(run galen.Run) string { return activities.Needs(run.Runbook, run.Version) }

// foreign sees to an open run that this release cannot carry on. While another engine does its work, as during a rolling
// upgrade, it is left alone; else it is held, and ends by a person's cancel.
func (d *dispatcher) foreign(ctx context.Context, run galen.Run) error {
	if !run.Status.Open() || d.release.Lacks(run) == "" {
		return nil
	}
	served, err := d.temporal.Served(ctx, needs(run), d.now())
	if err != nil || served {
		return err
	}
	if run, err = d.journal.Run(ctx, run.ID); err != nil {
		return fmt.Errorf("read run %s: %w", run.ID, err)
	}
	if run.Stop != galen.StopCancel {
		return d.release.HoldForeign(ctx, run)
	}
	e, err := d.temporal.Describe(ctx, run.Key) // the next run of the key may have a workflow as soon as this one has ended
	if err != nil {
		return err
	}
	ended, err := d.release.EndForeign(ctx, run)
	if err != nil || !ended || e.Phase != temporal.Open {
		return err
	}
	// Nobody polls for its workflow, which would keep the key from the next run.
	return d.temporal.Terminate(ctx, run.Key, e.RunID, "the run was cancelled; no engine has what it needs")
}

// move puts a run whose workflow waits in another queue, that of a release from before the queues by version, into its
// own. All that the workflow knew is in the journal.
func (d *dispatcher) move(ctx context.Context, run galen.Run, e temporal.Execution) error {
	if e.Needs == needs(run) {
		return nil
	}
	d.logger.Info("run moved to the queue of what it needs", "run", run.ID, "was", e.Needs, "needs", needs(run))
	if err := d.temporal.Terminate(ctx, run.Key, e.RunID, "moved to the queue "+needs(run)); err != nil {
		return err
	}
	if _, err := d.temporal.StartRun(ctx, temporal.Start{Key: run.Key, Run: run.ID, Needs: needs(run)}); err != nil {
		return fmt.Errorf("start the workflow of run %s in its own queue: %w", run.ID, err)
	}
	return nil
}
