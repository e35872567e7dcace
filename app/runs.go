package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/internal/watch"
)

// runs opens runs, and wakes them through Temporal.
type runs struct {
	watch.Opener
	journal  *journal.Store
	temporal *temporal.Client
}

// flood tells the journal that more findings wait than runs are opened for.
func (e *Engine) flood(ctx context.Context, waiting int) error {
	body, err := json.Marshal(map[string]any{"waiting": waiting, "why": "more findings at once than runs are opened for: look for the common cause; the most urgent go first"})
	if err != nil {
		return fmt.Errorf("encode a flood: %w", err)
	}
	return e.journal.Append(ctx, galen.Event{Kind: galen.EventFlood, Body: body})
}

// Wake wakes every open run of a resource. A run whose workflow is gone is the reconciler's business.
func (r *runs) Wake(ctx context.Context, resource galen.Resource) error {
	open, err := r.journal.OpenRuns(ctx, resource)
	if err != nil {
		return fmt.Errorf("list the open runs of %s: %w", resource, err)
	}
	var errs []error
	for _, run := range open {
		if err := r.temporal.Wake(ctx, run.Key); err != nil && !errors.Is(err, temporal.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
