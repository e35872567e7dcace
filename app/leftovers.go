package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// leftovers ends what was found on resources that are in the configuration no more: nobody looks at them, and it would page for ever. Of their
// open runs it warns. What another engine looks at stays.
func (e *Engine) leftovers(ctx context.Context) error {
	orphaned, err := e.orphaned(ctx)
	if err != nil {
		return err
	}
	return errors.Join(e.endLeftovers(ctx, orphaned), e.warnOfRuns(ctx, orphaned))
}

// leftoversEvery is how often an engine that shares its journal looks for them again: what another one still had at the start is let go later.
const leftoversEvery = time.Minute

func (e *Engine) leftoversAgain(ctx context.Context) {
	if !e.shared() {
		return
	}
	every(ctx, leftoversEvery, func() {
		orphaned, err := e.orphaned(ctx)
		if err == nil {
			err = e.endLeftovers(ctx, orphaned)
		}
		if err != nil && ctx.Err() == nil {
			e.o.Logger.Warn("what was found on resources that are in the configuration no more has not ended yet", "error", err.Error())
		}
	})
}

func (e *Engine) endLeftovers(ctx context.Context, orphaned func(galen.Resource) bool) error {
	findings, err := e.journal.Findings(ctx, galen.Resource{})
	if err != nil {
		return err
	}
	for _, f := range findings {
		if !orphaned(f.Resource) {
			continue
		}
		_, ended, err := e.journal.SaveFindings(ctx, f.Resource, nil) // all of them, the first time
		if err != nil {
			return err
		}
		if len(ended) > 0 {
			e.o.Logger.Warn("a resource is in the configuration no more: its findings end", "resource", f.Resource.String(), "findings", len(ended))
		}
	}
	return nil
}

// orphaned tells which resources no engine looks after now: this one does not have them, and no other one leases them.
func (e *Engine) orphaned(ctx context.Context) (func(galen.Resource) bool, error) {
	leased, err := e.journal.Leased(ctx)
	if err != nil {
		return nil, err
	}
	return func(r galen.Resource) bool {
		holder, taken := leased[r.String()]
		return !e.lookedAfter(r) && (!taken || holder == e.self.ID)
	}, nil
}

// warnOfRuns tells of the open runs on resources that nobody looks after any more.
func (e *Engine) warnOfRuns(ctx context.Context, orphaned func(galen.Resource) bool) error {
	open, err := e.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: countLimit})
	if err != nil {
		return err
	}
	for _, run := range open {
		if orphaned(run.Resource) {
			e.o.Logger.Warn("a run is open on a resource that is in the configuration no more: cancel it, or put the resource back", "run", run.ID, "resource", run.Resource.String())
		}
	}
	return nil
}

// lookedAfter tells whether a resource is in the configuration.
func (e *Engine) lookedAfter(r galen.Resource) bool {
	return slices.ContainsFunc(e.o.Config.Resources, func(c config.Resource) bool { return c.Resource == r })
}
