package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/internal/trace"
)

// dispatcher carries the outbox to Temporal, at a bounded rate, at least once; and it finds open runs whose workflow
// is gone.
type dispatcher struct {
	journal  *journal.Store
	runs     activities.Runs // the journal's, counted
	temporal workflowsOf
	release  release
	trace    *trace.Tracer
	shared   bool // with other engines, whose part it takes over when they die
	now      func() time.Time
	logger   *slog.Logger
	limit    *rate.Limiter // of the messages to Temporal; nil: none
	calm     *rate.Limiter // of the starts that decide in their own task; nil: none does
	later    later         // of the outbox; only once touches it
}

// dispatcher is the engine's, with the rate of its configuration.
func (e *Engine) dispatcher(to workflowsOf) *dispatcher {
	return &dispatcher{
		journal: e.journal, runs: talliedRuns{e.journal, e.tally}, temporal: to, release: e.acts, shared: e.shared(), trace: e.trace, now: time.Now, logger: e.o.Logger,
		limit: newLimit(e.o.Config.Inbox.PerSecond()), calm: rate.NewLimiter(calmStarts, calmStarts),
	}
}

// workflowsOf is what the dispatcher needs of Temporal, see [temporal.Client].
type workflowsOf interface {
	StartRun(ctx context.Context, s temporal.Start) (started bool, err error)
	Wake(ctx context.Context, key string) error
	Describe(ctx context.Context, key string) (temporal.Execution, error)
	Terminate(ctx context.Context, key, runID, why string) error
	Served(ctx context.Context, needs string, now time.Time) (bool, error)
}

const (
	batch          = 20                     // items at once, after a quiet time
	calmStarts     = 5                      // in a second: of more than that each decides when there is room for it
	carriers       = 4                      // of them that are on their way together: one that waits for Temporal's disk keeps no other back
	dispatchPause  = 200 * time.Millisecond // at most, while there are more than may go, or longer if none may by then
	dispatchRetry  = time.Second
	dispatchIdle   = 5 * time.Second // while it may be another engine's message that waits
	reconcileEvery = time.Minute
	pruneEvery     = 24 * time.Hour
)

// run goes on until the context ends. At the start and once a day it also lets the journal drop the bodies that have had
// their time: an engine that is restarted daily prunes, too.
func (d *dispatcher) run(ctx context.Context) {
	reconcile := time.NewTicker(reconcileEvery)
	defer reconcile.Stop()
	prune := time.NewTimer(0)
	defer prune.Stop()
	for ctx.Err() == nil {
		wait, err := d.once(ctx)
		d.told(ctx, err, "the outbox could not be carried to Temporal, trying again")
		t := time.NewTimer(wait)
		news := d.journal.OutboxSignal()
		if wait == d.pause() { // more is waiting anyway, and nothing new may shorten the pause
			news = nil
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-t.C:
		case <-reconcile.C:
			d.told(ctx, d.reconcile(ctx), "open runs could not be compared with Temporal")
		case <-prune.C:
			d.told(ctx, d.journal.Prune(ctx), "the journal's old bodies could not be pruned")
			prune.Reset(pruneEvery)
		}
		t.Stop()
	}
}

// told logs trouble, unless it is that the engine stops.
func (d *dispatcher) told(ctx context.Context, err error, what string) {
	if err != nil && ctx.Err() == nil {
		d.logger.Warn("trouble between journal and Temporal", "what", what, "error", err.Error())
	}
}

// once carries one batch; it returns how long to wait for the next if nothing new comes.
func (d *dispatcher) once(ctx context.Context) (time.Duration, error) {
	items, err := d.journal.Outbox(ctx, batch+len(d.later)) // past all that wait
	if err != nil {
		return dispatchRetry, fmt.Errorf("read the outbox: %w", err)
	}
	if d.later == nil {
		d.later = later{}
	}
	due, more := d.later.due(items, d.now())
	admitted := d.admitted(len(due))
	more = more || admitted < len(due)
	done, errs := d.carryAll(ctx, due[:admitted])
	if len(done) > 0 {
		errs = append(errs, d.journal.OutboxDone(ctx, done...))
	}
	idle := reconcileEvery
	switch {
	case more:
		return d.pause(), errors.Join(errs...)
	case d.shared:
		idle = dispatchIdle
	}
	return d.later.wait(d.now(), idle), errors.Join(errs...)
}

// newLimit bounds the messages to Temporal in a second.
func newLimit(perSecond int) *rate.Limiter { return rate.NewLimiter(rate.Limit(perSecond), batch) }

// admitted is how many of n messages may go now.
func (d *dispatcher) admitted(n int) int {
	if d.limit == nil {
		return n
	}
	now := d.now()
	n = max(0, min(n, int(d.limit.TokensAt(now))))
	d.limit.AllowN(now, n)
	return n
}

// quiet tells whether a run that starts now may decide first in its workflow's own task: the worker must then answer for it to Temporal every
// 1.6 s, which it could not in a storm. Engines that share a journal may be of two releases, of which one does not know such a workflow.
func (d *dispatcher) quiet() bool { return !d.shared && d.calm != nil && d.calm.AllowN(d.now(), 1) }

// pause is how long those wait that may not go yet: until a batch may, but no longer than dispatchPause unless none may by then.
func (d *dispatcher) pause() time.Duration {
	if d.limit == nil {
		return dispatchPause
	}
	one := time.Duration(float64(time.Second) / float64(d.limit.Limit()))
	return max(one, min(dispatchPause, batch*one))
}

// carryAll carries messages, a few side by side, in their order, and tells which are done.
func (d *dispatcher) carryAll(ctx context.Context, items []journal.OutboxItem) (done []int64, errs []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan journal.OutboxItem)
	for range min(carriers, len(items)) {
		wg.Go(func() {
			for item := range next {
				ok, err := d.carry(ctx, item)
				mu.Lock()
				if ok {
					done = append(done, item.ID)
				} else {
					d.later.put(item.ID, d.now())
				}
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
	return done, errs
}

// carry does one item. It is not done while a workflow of an earlier run with the same key is still closing.
func (d *dispatcher) carry(ctx context.Context, item journal.OutboxItem) (bool, error) {
	run, err := d.journal.Run(ctx, item.Run)
	if err != nil {
		return false, fmt.Errorf("read run %s: %w", item.Run, err)
	}
	if item.Kind == journal.OutboxWake {
		err := d.temporal.Wake(ctx, item.Key)
		if errors.Is(err, temporal.ErrNotFound) {
			err = nil // ended, or lost: the reconciler finds it
		}
		if err == nil {
			err = d.foreign(ctx, run)
		}
		return err == nil, err
	}
	failpoint.At(failpoint.Opened, "")
	started, err := d.temporal.StartRun(d.trace.Join(ctx, run.Trace), temporal.Start{Key: item.Key, Run: item.Run, Needs: needs(run), Local: d.quiet()})
	failpoint.At(failpoint.Started, "")
	if err == nil && d.release.Lacks(run) != "" {
		err = d.foreign(ctx, run) // no decision of ours will tell that its workflow was there already
		return err == nil, err
	}
	if err != nil || started {
		return started, err
	}
	if run, err = d.journal.Run(ctx, item.Run); err != nil {
		return false, fmt.Errorf("read run %s: %w", item.Run, err)
	}
	return run.Status != galen.RunOpened, nil
}

// outboxGrace is how long a run that was just accepted may be on its way from the outbox into a workflow.
const outboxGrace = 10 * time.Second

// reconcile compares the open runs with Temporal, and starts those again whose workflow was terminated, failed or is
// unknown. One that has decided nothing has done nothing, so it just starts; any other is held: what was under way must
// be looked at by a person first.
func (d *dispatcher) reconcile(ctx context.Context) error {
	open, err := d.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: 10_000})
	if err != nil {
		return fmt.Errorf("list the open runs: %w", err)
	}
	queued, err := d.queued(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range open {
		if run.Status != galen.RunOpened || !queued[run.ID] && d.now().Sub(run.Created) >= outboxGrace {
			errs = append(errs, d.restart(ctx, run))
		}
		errs = append(errs, d.foreign(ctx, run))
	}
	return errors.Join(errs...)
}

// queued are the runs whose start is still in the outbox.
func (d *dispatcher) queued(ctx context.Context) (map[string]bool, error) {
	items, err := d.journal.Outbox(ctx, 10_000)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	out := map[string]bool{}
	for _, item := range items {
		out[item.Run] = out[item.Run] || item.Kind != journal.OutboxWake
	}
	return out, nil
}

func (d *dispatcher) restart(ctx context.Context, run galen.Run) error {
	e, err := d.temporal.Describe(ctx, run.Key)
	if err != nil {
		return err
	}
	if e.Phase == temporal.Open {
		return d.standing(ctx, run, e)
	}
	led, e, gone, err := d.gone(ctx, run)
	if err != nil || !gone {
		return err
	}
	if run.Status == galen.RunOpened {
		d.logger.Warn("run started again, Temporal has lost it", "run", run.ID, "resource", run.Resource.String())
	} else if err := d.lost(ctx, led, e); errors.Is(err, galen.ErrMoved) || errors.Is(err, galen.ErrEnded) {
		return nil // it ended or went on in between
	} else if err != nil {
		return err
	}
	if _, err := d.temporal.StartRun(d.trace.Join(ctx, run.Trace), temporal.Start{Key: run.Key, Run: run.ID, Needs: needs(run)}); err != nil {
		return fmt.Errorf("start the workflow of run %s again: %w", run.ID, err)
	}
	return nil
}

// stuckAfter so many attempts at one task of a workflow, which takes minutes, no release that is here can carry it on.
const stuckAfter = 10

// standing sees to a run whose workflow is open: it may be stuck, or in a queue that it does not belong to.
func (d *dispatcher) standing(ctx context.Context, run galen.Run, e temporal.Execution) error {
	if e.Attempts >= stuckAfter {
		return d.stuck(ctx, run, e)
	}
	return d.move(ctx, run, e)
}

// stuck ends a workflow whose task fails over and over, as where a release cannot follow what another one did: nobody would ever hear of its
// run. It is lost then, as if it had been terminated by a person.
func (d *dispatcher) stuck(ctx context.Context, run galen.Run, e temporal.Execution) error {
	why := fmt.Sprintf("its task failed %d times: no engine that is here can carry it on", e.Attempts-1)
	d.logger.Error("workflow ended, it was stuck", "run", run.ID, "resource", run.Resource.String(), "why", why)
	return d.temporal.Terminate(ctx, run.Key, e.RunID, why)
}

// gone reads how a run stands that had no workflow, and looks again: another engine may have started it before that was read, and what
// comes after it the journal tells. gone is false if the run ended or went on in between; that it is held by an engine that only observes, as after
// the loss of another one, is none of that.
func (d *dispatcher) gone(ctx context.Context, run galen.Run) (led galen.Ledger, e temporal.Execution, gone bool, err error) {
	if led, err = d.journal.Ledger(ctx, run.ID); err != nil {
		return led, e, false, fmt.Errorf("read run %s: %w", run.ID, err)
	}
	now := led.Run
	disarmed := now.Status == galen.RunHeld && led.Observe != ""
	if !now.Status.Open() || now.Status != run.Status && !disarmed || now.Plan != run.Plan {
		return led, e, false, nil
	}
	e, err = d.temporal.Describe(ctx, run.Key)
	return led, e, err == nil && e.Phase != temporal.Open, err
}

// lost holds a run whose workflow ended under it. When Temporal does not know the workflow at all, its history is lost, and
// perhaps that of others: then the engine only observes.
func (d *dispatcher) lost(ctx context.Context, led galen.Ledger, e temporal.Execution) error {
	run := led.Run
	if e.Phase == temporal.Absent {
		why := fmt.Sprintf("Temporal has lost the history of run %s on %s", run.ID, run.Resource)
		d.logger.Error("observe only, a person is needed", "why", why)
		err := d.journal.Disarm(ctx, why)
		if err == nil {
			led, err = d.journal.Ledger(ctx, run.ID) // that holds it, too
		}
		if err != nil {
			return fmt.Errorf("observe only: %w", err)
		}
	}
	why := fmt.Sprintf("its workflow is %s in Temporal (%s): look at what it did, then approve to go on or cancel", e.Phase, e.Status)
	if err := d.runs.HoldRun(ctx, run.ID, why, led.Standing()); err != nil {
		return fmt.Errorf("hold run %s: %w", run.ID, err)
	}
	d.logger.Error("run held, a person is needed", "run", run.ID, "resource", run.Resource.String(), "why", why)
	return nil
}
