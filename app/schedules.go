package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/config"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/schedule"
)

// scheduleTick is how often schedules are looked at: their times are whole minutes.
const scheduleTick = time.Second

// fireSchedules fires schedules until the context ends, while the clock can be believed, as it must be to act on the resource.
func (e *Engine) fireSchedules(ctx context.Context) {
	tick := time.NewTicker(scheduleTick)
	defer tick.Stop()
	e.scheduler().Run(ctx, tick.C)
}

func (e *Engine) scheduler() schedule.Runner {
	return schedule.Runner{Journal: e.journal, Door: e.scheduled, Doubt: e.clockDoubt, Now: time.Now, Logger: e.o.Logger}
}

// clockDoubt says why nothing should go by the clock now, as the gate would before it acts on the resource; off is by how much the journal's
// is off ours.
func (e *Engine) clockDoubt(r galen.Resource, off time.Duration) string {
	policy := e.o.Config.Policy(r)
	return policy.ClockDoubt(e.gate.ClockStep(policy), off)
}

// scheduled makes the run that a schedule asks for, as [requests.Request] would for its author. What this engine does not know another one
// may, which was started with a newer release or configuration: while the time is not late it is left to that one.
func (e *Engine) scheduled(ctx context.Context, s galen.Schedule) (galen.Run, error) {
	if err := e.lacks(s); err != nil {
		if time.Since(s.Next) <= s.Late.D() && !e.worksAlone(ctx) {
			err = fmt.Errorf("%w: %w", schedule.ErrNotYet, err)
		}
		return galen.Run{}, err
	}
	if _, seen := e.world.Last(s.Resource); !seen {
		return galen.Run{}, fmt.Errorf("%w: %s has not been seen since this engine's start", schedule.ErrNotYet, s.Resource)
	}
	return e.runs.Requested(galen.Run{Runbook: s.Runbook, Resource: s.Resource, Params: s.Params})
}

// lacks tells what of a schedule this engine does not know.
func (e *Engine) lacks(s galen.Schedule) error {
	if !slices.ContainsFunc(e.o.Config.Resources, func(r config.Resource) bool { return r.Resource == s.Resource }) {
		return fmt.Errorf("%s is not looked after any more", s.Resource)
	}
	if !slices.ContainsFunc(e.o.Catalogue.Runbooks, func(rb galen.ListedRunbook) bool { return rb.Name == s.Runbook }) {
		return fmt.Errorf("no runbook %q; galen runbooks lists them", s.Runbook)
	}
	return nil
}

// worksAlone: no other engine lives on the journal, as far as it can be told.
func (e *Engine) worksAlone(ctx context.Context) bool {
	if !e.shared() {
		return true
	}
	living, err := e.journal.Engines(ctx)
	return err == nil && !slices.ContainsFunc(living, func(id string) bool { return id != e.self.ID })
}

// schedules are the schedules as the API knows them.
type schedules struct{ *Engine }

// CreateSchedule refuses what could open no run now.
func (s schedules) CreateSchedule(ctx context.Context, want galen.Schedule) (galen.Schedule, error) {
	if err := s.elsewhere(); err != nil {
		return want, err
	}
	next, err := s.nextOf(want)
	if err != nil {
		return want, err
	}
	run, err := s.runs.Requested(galen.Run{Runbook: want.Runbook, Resource: want.Resource, Params: want.Params})
	if err != nil {
		return want, senseless(err)
	}
	want.Params, want.Next = run.Params, next
	made, err := s.journal.CreateSchedule(ctx, want)
	if errors.Is(err, journal.ErrScheduleName) {
		err = galenhttp.Conflict(err)
	}
	return made, err
}

// nextOf is the next time of a schedule from now on, by a clock that can be believed.
func (s schedules) nextOf(of galen.Schedule) (time.Time, error) {
	times, err := schedule.Parse(of)
	if err != nil {
		return time.Time{}, galenhttp.Unprocessable(err)
	}
	if why := s.clockDoubt(of.Resource, 0); why != "" {
		return time.Time{}, galenhttp.Unavailable(fmt.Errorf("its next time cannot be told: %s", why))
	}
	next, err := times.Next(time.Now())
	if err != nil {
		return next, galenhttp.Unprocessable(err)
	}
	return next.UTC(), nil
}

// Schedules are those that nobody deleted.
func (s schedules) Schedules(ctx context.Context) ([]galen.Schedule, error) {
	return s.journal.Schedules(ctx)
}

// PauseSchedule stops one from firing.
func (s schedules) PauseSchedule(ctx context.Context, name, by, why string) (galen.Schedule, error) {
	return s.journal.PauseSchedule(ctx, name, by, why)
}

// ResumeSchedule has one fire again, from its next time on.
func (s schedules) ResumeSchedule(ctx context.Context, name, by string) (galen.Schedule, error) {
	all, err := s.journal.Schedules(ctx)
	if err != nil {
		return galen.Schedule{}, err
	}
	for _, one := range all {
		if one.Name != name {
			continue
		}
		next, err := s.nextOf(one)
		if err != nil {
			return one, err
		}
		return s.journal.ResumeSchedule(ctx, name, next, by)
	}
	return galen.Schedule{}, fmt.Errorf("schedule %q: %w", name, galen.ErrNotFound)
}

// DeleteSchedule ends one for good.
func (s schedules) DeleteSchedule(ctx context.Context, name, by string) error {
	return s.journal.DeleteSchedule(ctx, name, by)
}
