package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
)

// runs is how findings, alerts and people become runs.
type runs struct {
	catalogue Catalogue
	journal   *journal.Store
	temporal  *temporal.Client
	policy    func(galen.Resource) galen.Policy
	now       func() time.Time
	logger    *slog.Logger
}

func kindOf(runbook string) string {
	kind, _, _ := strings.Cut(runbook, "/")
	return kind
}

// Open opens the run that heals a finding. A finding that no runbook heals is told to people by the list of findings.
func (r *runs) Open(ctx context.Context, f galen.Finding) error {
	rb, ok := r.catalogue.healer(f.Resource.Kind, f.Code)
	if !ok {
		r.logger.Warn("no runbook heals this finding, a person is needed", "resource", f.Resource.String(), "code", string(f.Code), "why", f.Why)
		return nil
	}
	run, err := r.build(rb, f.Resource, nil)
	if err != nil {
		return err
	}
	run.Key, run.Finding, run.Scope, run.Urgency, run.Asked = f.Key(), &f, f.Targets, f.Urgency, "detector "+string(f.Code)
	return r.open(ctx, run)
}

// OpenHint opens the run that an alert hints at: it looks, and does nothing until a State confirms the finding of
// that key.
func (r *runs) OpenHint(ctx context.Context, resource galen.Resource, code galen.Code, domain, alert string) error {
	rb, ok := r.catalogue.healer(resource.Kind, code)
	if !ok {
		return fmt.Errorf("no runbook heals %s on %s", code, resource.Kind)
	}
	run, err := r.build(rb, resource, nil)
	if err != nil {
		return err
	}
	run.Key = galen.Finding{Resource: resource, Code: code, Domain: domain}.Key()
	run.Asked, run.Urgency = galen.AskedAlert+" "+alert, galen.Medium
	return r.open(ctx, run)
}

// Request opens a run that a person or program asked for. key removes duplicates.
func (r *runs) Request(ctx context.Context, key, runbook string, resource galen.Resource, params json.RawMessage, by string) (galen.Run, bool, error) {
	run, err := r.Requested(runbook, resource, params)
	if err != nil {
		return galen.Run{}, false, err
	}
	run.Key, run.Asked = key, "person "+by
	run, created, err := r.journal.OpenRun(ctx, run)
	if err != nil {
		return galen.Run{}, false, fmt.Errorf("store the run: %w", err)
	}
	return run, created, nil
}

// Requested is the run that a request would open, as plan mode needs it too.
func (r *runs) Requested(runbook string, resource galen.Resource, params json.RawMessage) (galen.Run, error) {
	for _, rb := range r.catalogue.Runbooks {
		if rb.Name != runbook {
			continue
		}
		if kindOf(rb.Name) != resource.Kind {
			return galen.Run{}, badRequest(fmt.Errorf("runbook %s is for resources of kind %s, not for %s", rb.Name, kindOf(rb.Name), resource))
		}
		run, err := r.build(rb, resource, params)
		if err != nil {
			return galen.Run{}, badRequest(err)
		}
		run.Urgency = galen.Medium
		return run, nil
	}
	return galen.Run{}, badRequest(fmt.Errorf("no runbook %q; galen runbooks lists them", runbook))
}

// ErrBadRequest marks what the asker must mend.
var ErrBadRequest = errors.New("bad request")

func badRequest(err error) error { return fmt.Errorf("%w: %w", ErrBadRequest, err) }

func (r *runs) build(rb galen.ListedRunbook, resource galen.Resource, params json.RawMessage) (galen.Run, error) {
	whole, err := rb.Params(params)
	if err != nil {
		return galen.Run{}, err
	}
	now := r.now()
	return galen.Run{
		Resource: resource, Runbook: rb.Name, Version: rb.Version, Params: whole, Status: galen.RunOpened,
		Created: now, Deadline: now.Add(r.policy(resource).RunDeadline.D()),
	}, nil
}

func (r *runs) open(ctx context.Context, run galen.Run) error {
	run, created, err := r.journal.OpenRun(ctx, run)
	if err != nil {
		return fmt.Errorf("store the run %s: %w", run.Key, err)
	}
	if created {
		r.logger.Info("run opened", "run", run.ID, "resource", run.Resource.String(), "runbook", run.Runbook, "asked", run.Asked)
	}
	return nil
}

// Wake wakes every open run of a resource. A run whose workflow is gone is the reconciler's business.
func (r *runs) Wake(ctx context.Context, resource galen.Resource) error {
	open, err := r.journal.Runs(ctx, journal.RunFilter{Resource: resource, OpenOnly: true})
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
