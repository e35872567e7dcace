package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/galenhq/galen"
)

// Journal keeps the schedules.
type Journal interface {
	// DueSchedules are those whose next time has come by the journal's clock, with that clock.
	DueSchedules(ctx context.Context) ([]galen.Schedule, time.Time, error)
	// Fire notes what becomes of a time and sets the next one, in one transaction with the run that it opens, if it is given one. It is
	// false, and nothing is changed, if somebody else did so before.
	Fire(ctx context.Context, s galen.Schedule, f galen.Firing, next time.Time, run *galen.Run) (galen.Firing, bool, error)
}

// Door makes the run that a schedule asks for, as a request of its author. [ErrNotYet]: nobody can tell now; another error refuses it.
type Door func(ctx context.Context, s galen.Schedule) (galen.Run, error)

// ErrNotYet is an error that ends by itself: the time stays due.
var ErrNotYet = errors.New("not yet")

// Runner fires schedules.
type Runner struct {
	Journal Journal
	Door    Door
	// Doubt says why the journal's clock cannot be believed, which was off the engine's by so much for certain: nothing fires by it, and
	// nothing is used up. "": it is believed.
	Doubt func(of galen.Resource, off time.Duration) string
	// Now is the engine's clock.
	Now    func() time.Time
	Logger *slog.Logger
}

// Run fires what is due each time that tick says so, until the context ends.
func (r Runner) Run(ctx context.Context, tick <-chan time.Time) {
	told := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		failed := r.round(ctx)
		for name, err := range failed {
			text, level := err.Error(), slog.LevelError
			if errors.Is(err, ErrNotYet) { // told once, however its words go on
				text, level = ErrNotYet.Error(), slog.LevelWarn
			}
			if told[name] != text && ctx.Err() == nil {
				told[name] = text
				r.Logger.Log(ctx, level, "schedules do not fire", "schedule", name, "error", err.Error())
			}
		}
		for name := range told {
			if failed[name] == nil {
				delete(told, name)
			}
		}
	}
}

// Round fires each schedule that is due, once. What is wrong with one keeps none of the others from firing.
func (r Runner) Round(ctx context.Context) error {
	var errs []error
	for _, err := range r.round(ctx) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// round is [Runner.Round] with what went wrong by schedule; "": nobody knows which are due.
func (r Runner) round(ctx context.Context) map[string]error {
	asked := r.Now()
	due, now, err := r.Journal.DueSchedules(ctx)
	off := galen.ClockOff(now, asked, r.Now())
	if err != nil {
		return map[string]error{"": fmt.Errorf("read the schedules: %w", err)}
	}
	failed := map[string]error{}
	for _, s := range due {
		if why := r.Doubt(s.Resource, off); why != "" { // else a clock that is far ahead for a moment makes it sleep until then
			failed[s.Name] = fmt.Errorf("schedule %s: %w: %s", s.Name, ErrNotYet, why)
			continue
		}
		if err := r.fire(ctx, s, now); err != nil {
			failed[s.Name] = fmt.Errorf("schedule %s: %w", s.Name, err)
		}
	}
	return failed
}

func (r Runner) fire(ctx context.Context, s galen.Schedule, now time.Time) error {
	turn, err := TurnOf(s, now)
	if err != nil || turn.Due.IsZero() {
		return err
	}
	f := galen.Firing{Due: turn.Due, Is: galen.FiringMissed, Why: turn.Why}
	var run *galen.Run
	if turn.Fire {
		wanted, err := r.Door(ctx, s)
		switch {
		case errors.Is(err, ErrNotYet):
			return nil
		case err != nil:
			f.Is, f.Why = galen.FiringRefused, err.Error()
		default:
			f.Is, run = galen.FiringOpened, &wanted
			run.Key, run.Asked = s.Key(turn.Due), galen.AskedBy(s.By)
		}
	}
	f, mine, err := r.Journal.Fire(ctx, s, f, turn.Next, run)
	if err != nil || !mine {
		return err
	}
	r.Logger.Info("schedule fired", "schedule", s.Name, "due", f.Due.UTC().Format(time.RFC3339), "is", f.Is, "run", f.Run, "why", f.Why)
	return nil
}
