package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

// rows is the journal as the API reads it.
type rows struct{ *journal.Store }

func (r rows) Runs(ctx context.Context, f galenhttp.RunFilter) ([]galen.Run, error) {
	return r.Store.Runs(ctx, journal.RunFilter{Resource: f.Resource, Status: f.Status, OpenOnly: f.OpenOnly, Limit: f.Limit, Before: f.Before})
}

func (r rows) Approvals(ctx context.Context, f galenhttp.ApprovalFilter) ([]galen.GivenApproval, error) {
	return r.Store.Approvals(ctx, journal.ApprovalFilter(f))
}

func (r rows) Events(ctx context.Context, f galenhttp.EventFilter) ([]galen.Event, error) {
	return r.Store.Events(ctx, journal.EventFilter{Resource: f.Resource, Run: f.Run, Kind: f.Kind, After: f.After, Before: f.Before, From: f.From, To: f.To, Limit: f.Limit, Newest: f.Newest})
}

// epochs is whether the engine may act, as the API tells it.
type epochs struct{ *journal.Store }

func (e epochs) Observe(ctx context.Context) (string, error) {
	now, err := e.Epoch(ctx)
	return now.Observe(), err
}

func (e epochs) Rearm(ctx context.Context, by, why string) error {
	_, err := e.Store.Rearm(ctx, by, why)
	if errors.Is(err, journal.ErrArmed) {
		return galenhttp.Conflict(err)
	}
	return err
}

// requests is how people and programs ask for runs.
type requests struct{ *Engine }

// Request opens the run. A key that opened one of the resource before names that one, ended or not; with other contents it is refused.
func (q requests) Request(ctx context.Context, in galenhttp.Request) (galen.Run, bool, error) {
	if err := q.elsewhere(); err != nil {
		return galen.Run{}, false, err
	}
	before, err := q.journal.LastRun(ctx, in.Resource, keyOf(in))
	if errors.Is(err, galen.ErrNotFound) { // an earlier release stored it as it came
		before, err = q.journal.LastRun(ctx, in.Resource, in.Key)
	}
	switch {
	case err == nil:
		return before, false, q.sameRequest(in, before)
	case !errors.Is(err, galen.ErrNotFound):
		return galen.Run{}, false, err
	}
	open := q.runs.Opener
	open.Inbox = talliedInbox{alone{q.journal}, q.tally, q.trace}
	run, opened, err := open.Request(ctx, keyOf(in), wanted(in), in.By)
	var already *galen.AlreadyError
	switch {
	case errors.As(err, &already):
		return galen.Run{}, false, galenhttp.Conflict(already)
	case err != nil:
		return galen.Run{}, false, senseless(err)
	}
	if !opened {
		err = q.sameRequest(in, run)
	}
	return run, opened, err
}

// keyOf is the key of a request among those of its resource: who may ask on one resource learns of no run of another by guessing keys.
func keyOf(in galenhttp.Request) string {
	return "request:" + in.Resource.String() + "/" + strings.TrimPrefix(in.Key, "request/")
}

// alone is the journal for requests: see [journal.Store.OpenAlone].
type alone struct{ *journal.Store }

func (a alone) OpenRun(ctx context.Context, run galen.Run) (galen.Run, bool, error) {
	return a.OpenAlone(ctx, run)
}

func wanted(in galenhttp.Request) galen.Run {
	return galen.Run{Runbook: in.Runbook, Resource: in.Resource, Params: in.Params, AskedPerson: in.Person}
}

// senseless: what is not there, other than what is wrong in itself, stays an error of its own.
func senseless(err error) error {
	if errors.Is(err, watch.ErrBadRequest) && !errors.Is(err, galen.ErrNotFound) {
		return galenhttp.Unprocessable(err)
	}
	return err
}

// sameRequest refuses a key that was used for something else.
func (q requests) sameRequest(in galenhttp.Request, have galen.Run) error {
	params := in.Params
	if rb, ok := q.opened.runbooks[in.Runbook]; ok {
		whole, err := rb.Params(in.Params)
		if err != nil {
			return galenhttp.Unprocessable(err)
		}
		params = whole
	}
	if in.Resource == have.Resource && in.Runbook == have.Runbook && galen.HashJSON(params) == galen.HashJSON(have.Params) {
		return nil
	}
	return galenhttp.Conflict(fmt.Errorf("this Idempotency-Key opened run %s (%s on %s) with other contents: take a new key", have.ID, have.Runbook, have.Resource))
}

// Preview looks and decides as the run would, and stores nothing.
func (q requests) Preview(ctx context.Context, in galenhttp.Request) (galen.Decision, error) {
	if err := q.elsewhere(); err != nil {
		return galen.Decision{}, err
	}
	run, err := q.runs.Requested(wanted(in))
	if err != nil {
		return galen.Decision{}, senseless(err)
	}
	run.Key, run.Asked, run.AskedPerson = "preview", galen.AskedBy(in.By), in.Person
	asked := time.Now()
	ledger, err := q.journal.Preview(ctx, run)
	if err != nil {
		return galen.Decision{}, err
	}
	return q.acts.Preview(ctx, ledger.ReadBetween(asked, time.Now()))
}

// people is what people decide about runs.
type people struct{ *Engine }

// link ties the trace of a person's call to the one of the run. That there is no such run the call itself tells.
func (p people) link(ctx context.Context, run string) {
	if p.trace.Carry(ctx) == "" {
		return
	}
	if r, err := p.journal.Run(ctx, run); err == nil {
		p.trace.Link(ctx, r.Trace)
	}
}

func (p people) Approve(ctx context.Context, a galen.Approval) error {
	if err := p.elsewhere(); err != nil {
		return err
	}
	p.link(ctx, a.Run)
	return p.journal.Approve(ctx, a)
}

func (p people) Shown(ctx context.Context, run string, plan int, shown string) (galen.Decision, error) {
	return p.journal.Shown(ctx, run, plan, shown)
}

func (p people) Reject(ctx context.Context, run, by, why string) error {
	p.link(ctx, run)
	return p.journal.Reject(ctx, run, by, why)
}

// Acknowledge counts for the target under all its names: it may have been treated before it had its present one.
func (p people) Acknowledge(ctx context.Context, r galen.Resource, target, by string) error {
	names := []string{target}
	if state, seen := p.world.Last(r); seen {
		names = galen.NamesOf(state.Members(), target)
	}
	return p.journal.Acknowledge(ctx, r, names, by)
}

// Cancel asks the run to reach a safe point and end.
func (p people) Cancel(ctx context.Context, id, by, why string) error {
	p.link(ctx, id)
	return p.journal.Stop(ctx, id, galen.StopCancel, by, why)
}
