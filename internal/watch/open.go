package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Inbox takes new runs.
type Inbox interface {
	// OpenRun stores a run, or returns the open one with its key and false.
	OpenRun(ctx context.Context, run galen.Run) (galen.Run, bool, error)
	OpenRuns(ctx context.Context, r galen.Resource) ([]galen.Run, error)
	// LastRun is the newest run with a key, open or ended; [galen.ErrNotFound].
	LastRun(ctx context.Context, r galen.Resource, key string) (galen.Run, error)
}

// ErrBadRequest marks what the asker must mend.
var ErrBadRequest = errors.New("bad request")

// badRequest marks an error as [ErrBadRequest], and says no more than the error.
type badRequest struct{ error }

// Is tells that it is an [ErrBadRequest].
func (badRequest) Is(target error) bool { return target == ErrBadRequest }

// Unwrap gives the error itself.
func (e badRequest) Unwrap() error { return e.error }

// Opener is how findings, alerts and people become runs.
type Opener struct {
	Runbooks []galen.ListedRunbook
	Inbox    Inbox
	Policy   func(galen.Resource) galen.Policy
	// Last is the newest State of a resource, false if there is none yet.
	Last   func(galen.Resource) (galen.State, bool)
	Now    func() time.Time
	Logger *slog.Logger
}

// Open opens the run that heals a finding. It may be asked again and again: a finding whose run is open, or has ended,
// opens no second one, unless it was called verified, and the finding stands, see [Opener.Left]. What a person has cancelled of it is left
// out, see [galen.Run.Left]: the run is for the other targets. taken is false while open runs of other
// keys have its targets in scope, one run for a target, whatever its trouble is called now, see [Opener.covered] (but see [galen.Runbook.Beside]), and while the open run of its own key would not
// answer it if it ended now, see [answers], or has just been verified and the finding may be of a look before that: ask again later. What no runbook heals is for people, who see it in the list of findings.
func (o Opener) Open(ctx context.Context, f galen.Finding) (taken bool, err error) {
	rb, ok := o.healer(f.Resource.Kind, f.Code)
	if !ok {
		return true, nil
	}
	open, err := o.Inbox.OpenRuns(ctx, f.Resource)
	if err != nil {
		return false, fmt.Errorf("list the open runs of %s: %w", f.Resource, err)
	}
	last, err := o.last(ctx, f)
	if err != nil {
		return false, err
	}
	if f = f.Without(last.Left()); len(f.Targets) == 0 {
		return true, nil
	}
	if o.covered(open, f, rb) || o.justVerified(last, f) || told(open, f) {
		return false, nil
	}
	run, err := o.build(rb, f.Resource, nil)
	if err != nil {
		return false, err
	}
	run.Key, run.Finding, run.Scope, run.Urgency, run.Asked = f.Key(), &f, f.Targets, f.Urgency, "detector "+string(f.Code)
	run.Except = last.Left()
	stored, created, err := o.store(ctx, run)
	return err == nil && (created || answers(stored, f)), err
}

// covered tells whether open runs of other keys have all of the finding's targets, or one of them has one and takes the others in, as
// its runbook heals that. What a person asked for on one node of a rack keeps nobody from healing the others.
func (o Opener) covered(open []galen.Run, f galen.Finding, rb galen.ListedRunbook) bool {
	left := slices.Clone(f.Targets)
	for _, run := range open {
		if run.Key == f.Key() || !concerns(run, f) || o.beside(run, rb) {
			continue
		}
		scope := run.InScope()
		left = slices.DeleteFunc(left, func(t galen.Target) bool {
			return slices.ContainsFunc(scope, func(has galen.Target) bool { return has.ID == t.ID })
		})
		if len(left) == 0 || o.heals(run.Runbook, f.Code) {
			return true
		}
	}
	return false
}

func (o Opener) heals(runbook string, code galen.Code) bool {
	return slices.ContainsFunc(o.Runbooks, func(rb galen.ListedRunbook) bool { return rb.Name == runbook && slices.Contains(rb.Heals, code) })
}

// told tells whether to store the finding's run would say nothing new: one of its key is open, as urgent, and does not answer it.
func told(open []galen.Run, f galen.Finding) bool {
	return slices.ContainsFunc(open, func(run galen.Run) bool { return run.Key == f.Key() && run.Urgency >= f.Urgency && !answers(run, f) })
}

// Left tells whether the finding, which was taken and still stands, is left alone: its run was verified, and was wrong.
func (o Opener) Left(ctx context.Context, f galen.Finding) (bool, error) {
	if _, ok := o.healer(f.Resource.Kind, f.Code); !ok {
		return false, nil
	}
	last, err := o.last(ctx, f)
	return verified(last, f.Without(last.Left())) && o.disproved(last), err
}

// last is the newest run of the finding's key; the zero Run if there is none.
func (o Opener) last(ctx context.Context, f galen.Finding) (galen.Run, error) {
	last, err := o.Inbox.LastRun(ctx, f.Resource, f.Key())
	if errors.Is(err, galen.ErrNotFound) {
		return galen.Run{}, nil
	}
	if err != nil {
		return galen.Run{}, fmt.Errorf("find the run of %s: %w", f.Key(), err)
	}
	return last, nil
}

// verified tells whether the run that answers this very finding was called verified.
func verified(last galen.Run, f galen.Finding) bool {
	return last.Status == galen.RunVerified && len(f.Targets) > 0 && answers(last, f)
}

// justVerified: the finding may be of a look before that.
func (o Opener) justVerified(last galen.Run, f galen.Finding) bool {
	return verified(last, f) && !o.disproved(last)
}

// disproved tells that a finding which stands now stands in spite of its verified run: it is not seen in a look from before that end any
// more. As long as a run must see its target well, so that one that is always wrong is not opened over and over in a row.
func (o Opener) disproved(run galen.Run) bool {
	p := o.Policy(run.Resource)
	return o.Now().Sub(run.Ended) > max(p.HoldFor.D(), p.LookEvery.D()+roundLimit)
}

// answers tells whether a run is for this very trouble, so that its end is the finding's, too: it was opened after the trouble began, and
// for all of the targets, and it was more than an alert's hint.
func answers(run galen.Run, f galen.Finding) bool {
	if run.FromAlert() && run.Finding == nil || run.Created.Before(f.Since) {
		return false
	}
	has := run.InScope()
	return !slices.ContainsFunc(f.Targets, func(t galen.Target) bool {
		return !slices.ContainsFunc(has, func(had galen.Target) bool { return had.ID == t.ID })
	})
}

// OpenHint opens the run that an alert hints at: it looks, and does nothing until a State confirms a finding of that key
// or on one of the hint's targets. The open run that has one of them in scope is that run already, whatever its trouble is
// called, and so is the one that proved the problem gone after the alert had come, see [Opener.goneSince].
func (o Opener) OpenHint(ctx context.Context, hint galen.Finding, alert string) (galen.Run, error) {
	rb, ok := o.healer(hint.Resource.Kind, hint.Code)
	if !ok {
		return galen.Run{}, fmt.Errorf("no runbook heals %s on resources of kind %s", hint.Code, hint.Resource.Kind)
	}
	run, err := o.build(rb, hint.Resource, nil)
	if err != nil {
		return galen.Run{}, err
	}
	open, err := o.Inbox.OpenRuns(ctx, hint.Resource)
	if err != nil {
		return galen.Run{}, fmt.Errorf("list the open runs of %s: %w", hint.Resource, err)
	}
	if i := slices.IndexFunc(open, func(run galen.Run) bool { return concerns(run, hint) && !o.beside(run, rb) }); i >= 0 {
		return open[i], nil
	}
	last, err := o.last(ctx, hint)
	if err != nil {
		return galen.Run{}, err
	}
	if o.goneSince(last, hint) {
		return last, nil
	}
	run.Key, run.Scope, run.Except = hint.Key(), hint.Targets, last.Left()
	run.Asked, run.Urgency = galen.AskedAlert+" "+alert, galen.Medium
	run, _, err = o.store(ctx, run)
	return run, err
}

// goneSince tells that a run has proved the problem of a hint gone, on looks that all began after the hint had come: in a storm of alerts the
// last ones are read when it is over.
func (o Opener) goneSince(last galen.Run, hint galen.Finding) bool {
	return last.Status == galen.RunVerified && concerns(last, hint) && !hint.Since.IsZero() &&
		hint.Since.Add(o.Policy(last.Resource).HoldFor.D()).Before(last.Ended)
}

// beside tells whether a run leaves room for one of a runbook on its targets, see [galen.Runbook.Beside].
func (o Opener) beside(run galen.Run, rb galen.ListedRunbook) bool {
	return !rb.Beside && slices.ContainsFunc(o.Runbooks, func(of galen.ListedRunbook) bool { return of.Name == run.Runbook && of.Beside })
}

// concerns tells whether a run has one of the finding's targets in scope.
func concerns(run galen.Run, f galen.Finding) bool {
	return slices.ContainsFunc(run.InScope(), func(t galen.Target) bool { return f.Has(t.ID) })
}

// Request opens a run that a person or program asked for; key removes duplicates. Of want it reads who they are, besides what
// [Opener.Requested] does.
func (o Opener) Request(ctx context.Context, key string, want galen.Run, by string) (run galen.Run, created bool, err error) {
	if run, err = o.Requested(want); err != nil {
		return run, false, err
	}
	run.Key, run.Asked, run.AskedPerson = key, galen.AskedBy(by), want.AskedPerson
	return o.store(ctx, run)
}

// Requested completes the run that a request would open, as plan mode needs it too; of want it reads the runbook, the
// resource and the parameters.
func (o Opener) Requested(want galen.Run) (galen.Run, error) {
	bad := func(err error) (galen.Run, error) { return galen.Run{}, badRequest{err} }
	i := slices.IndexFunc(o.Runbooks, func(rb galen.ListedRunbook) bool { return rb.Name == want.Runbook })
	if i < 0 {
		return bad(fmt.Errorf("no runbook %q; galen runbooks lists them", want.Runbook))
	}
	rb := o.Runbooks[i]
	if kindOf(rb.Name) != want.Resource.Kind {
		return bad(fmt.Errorf("runbook %s is for resources of kind %s, not for %s", rb.Name, kindOf(rb.Name), want.Resource))
	}
	run, err := o.build(rb, want.Resource, want.Params)
	if err != nil {
		return bad(err)
	}
	state, seen := o.Last(want.Resource)
	if !seen {
		return bad(fmt.Errorf("%s has not been seen yet; is it configured, and does it answer?", want.Resource))
	}
	if run.Scope, err = rb.Scope(state, run.Params); err != nil {
		return bad(err)
	}
	run.Urgency = galen.Medium
	return run, nil
}

func kindOf(runbook string) string {
	kind, _, _ := strings.Cut(runbook, "/")
	return kind
}

// healer is the first listed runbook that heals a code on resources of a kind.
func (o Opener) healer(kind string, code galen.Code) (galen.ListedRunbook, bool) {
	for _, rb := range o.Runbooks {
		if kindOf(rb.Name) == kind && slices.Contains(rb.Heals, code) {
			return rb, true
		}
	}
	return galen.ListedRunbook{}, false
}

func (o Opener) build(rb galen.ListedRunbook, r galen.Resource, params json.RawMessage) (galen.Run, error) {
	whole, err := rb.Params(params)
	if err != nil {
		return galen.Run{}, err
	}
	now := o.Now()
	return galen.Run{
		Resource: r, Runbook: rb.Name, Version: rb.Version, Params: whole, Status: galen.RunOpened,
		Created: now, Deadline: now.Add(o.Policy(r).RunDeadline.D()),
	}, nil
}

func (o Opener) store(ctx context.Context, run galen.Run) (galen.Run, bool, error) {
	stored, created, err := o.Inbox.OpenRun(ctx, run)
	if err != nil {
		return galen.Run{}, false, fmt.Errorf("store the run %s: %w", run.Key, err)
	}
	if created {
		o.Logger.Info("run opened", "run", stored.ID, "resource", stored.Resource.String(), "runbook", stored.Runbook, "asked", stored.Asked)
	}
	return stored, created, nil
}
