package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// What an error asks of the caller; see [Bad], [Unprocessable], [Conflict] and [Unavailable].
var (
	// ErrBad: the call has not the form of the OpenAPI file; the answer is 400.
	ErrBad = errors.New("bad request")
	// ErrUnprocessable: it has, and asks for what makes no sense here or now; 422.
	ErrUnprocessable = errors.New("unprocessable")
	// ErrConflict: the present state forbids it; 409.
	ErrConflict = errors.New("conflict")
	// ErrUnauthorized: nobody knows who calls; 401.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: who calls may not do that; 403.
	ErrForbidden = errors.New("forbidden")
	// ErrUnavailable: try again later; 503.
	ErrUnavailable = errors.New("unavailable")
)

// Bad marks err as an [ErrBad]; its text stays as it is.
func Bad(err error) error { return markedError{err, ErrBad} }

// Unprocessable marks err as an [ErrUnprocessable]; its text stays as it is.
func Unprocessable(err error) error { return markedError{err, ErrUnprocessable} }

// Unauthorized marks err as an [ErrUnauthorized]; its text stays as it is.
func Unauthorized(err error) error { return markedError{err, ErrUnauthorized} }

// Forbidden marks err as an [ErrForbidden]; its text stays as it is.
func Forbidden(err error) error { return markedError{err, ErrForbidden} }

// Conflict marks err as an [ErrConflict]; its text stays as it is.
func Conflict(err error) error { return markedError{err, ErrConflict} }

// Unavailable marks err as an [ErrUnavailable]; its text stays as it is.
func Unavailable(err error) error { return markedError{err, ErrUnavailable} }

// OutageError is what the engine cannot do, and why. Who calls without a token is told what alone: a cause names users, addresses and files.
type OutageError struct {
	What  string
	Cause error
}

// Error implements error.
func (e *OutageError) Error() string { return e.What + ": " + e.Cause.Error() }

// Unwrap is the cause.
func (e *OutageError) Unwrap() error { return e.Cause }

// markedError is an error with a mark that errors.Is finds.
type markedError struct {
	error
	mark error
}

func (e markedError) Unwrap() error        { return e.error }
func (e markedError) Is(target error) bool { return target == e.mark }

func badf(format string, args ...any) error { return Bad(fmt.Errorf(format, args...)) }

func senselessf(format string, args ...any) error {
	return Unprocessable(fmt.Errorf(format, args...))
}

// RunFilter chooses runs, newest first.
type RunFilter struct {
	Resource galen.Resource
	Status   galen.RunStatus
	OpenOnly bool
	Limit    int
	// Before is a run's ID: only older ones.
	Before string
}

// ApprovalFilter chooses approvals, newest first.
type ApprovalFilter struct {
	Resource galen.Resource
	Run      string
	State    galen.ApprovalState
	Limit    int
	// Before: only those with a smaller number; 0: from the newest.
	Before int64
}

// AlertFilter chooses alerts, newest first.
type AlertFilter struct {
	State string
	// Resource that they were matched to; Owned: to whatever one.
	Resource    galen.Resource
	Owned       bool
	Run         string
	Fingerprint string
	// Labels are some that they have, with these values.
	Labels map[string]string
	// From: then or later; zero: whenever.
	From  time.Time
	Limit int
	// Before: only those with a smaller number; 0: from the newest.
	Before int64
}

// EventFilter chooses events: the oldest, or the newest.
type EventFilter struct {
	Resource galen.Resource
	Run      string
	Kind     galen.EventKind
	// After and Before: only with a greater and with a smaller seq; Before 0: whatever.
	After, Before int64
	// From and To: then or later, and earlier; zero: whenever.
	From, To time.Time
	Limit    int
	Newest   bool
}

// Runs reads runs.
type Runs interface {
	Run(ctx context.Context, id string) (galen.Run, error)
	Runs(ctx context.Context, f RunFilter) ([]galen.Run, error)
	Plan(ctx context.Context, run string, number int) (galen.Decision, error)
	// Plans are those with a smaller number than before (0: all), newest first.
	Plans(ctx context.Context, run string, before, limit int) ([]galen.Decision, error)
	Ledger(ctx context.Context, run string) (galen.Ledger, error)
}

// Intents reads what runs did.
type Intents interface {
	// Intents are those of a run that are older than the one of that ID ("": all), newest first.
	Intents(ctx context.Context, run, before string, limit int) ([]galen.Intent, error)
}

// Records reads what else the journal holds.
type Records interface {
	Findings(ctx context.Context, r galen.Resource) ([]galen.Finding, error)
	Holds(ctx context.Context) ([]galen.Hold, error)
	Events(ctx context.Context, f EventFilter) ([]galen.Event, error)
}

// Request asks for a run.
type Request struct {
	// Key removes duplicates; empty: a new run.
	Key      string
	Runbook  string
	Resource galen.Resource
	Params   json.RawMessage
	By       string
	// Person is who asks by a name that they cannot change, "" for a named token.
	Person string
}

// Requests opens runs, or says what they would do.
type Requests interface {
	// Request opens the run, or finds the one of that key (false).
	Request(ctx context.Context, q Request) (galen.Run, bool, error)
	// Preview is what a run would decide now; nothing is stored or started.
	Preview(ctx context.Context, q Request) (galen.Decision, error)
}

// Decisions is what people decide about runs and what they did.
type Decisions interface {
	// Approve stores the yes; a held run goes on.
	Approve(ctx context.Context, a galen.Approval) error
	// Shown is a plan with the grounds of its targets as they were when shown began so ("": as they were shown last); [galen.ErrNotFound].
	Shown(ctx context.Context, run string, plan int, shown string) (galen.Decision, error)
	Reject(ctx context.Context, run, by, why string) error
	Cancel(ctx context.Context, run, by, why string) error
	// Acknowledge ends the cool-down of a target.
	Acknowledge(ctx context.Context, r galen.Resource, target, by string) error
}

// Approvals tells what became of each yes.
type Approvals interface {
	Approvals(ctx context.Context, f ApprovalFilter) ([]galen.GivenApproval, error)
}

// Holds sets and releases the kill switch.
type Holds interface {
	SetHold(ctx context.Context, h galen.Hold) error
	// ExtendHold moves its end; nothing else of it changes.
	ExtendHold(ctx context.Context, id string, until time.Time, by, why string) (galen.Hold, error)
	Release(ctx context.Context, id, by string) error
}

// Quarantines are the runbooks that failed alike on several targets.
type Quarantines interface {
	Quarantines(ctx context.Context) ([]galen.Quarantine, error)
	ClearQuarantine(ctx context.Context, runbook, by, why string) error
}

// Schedules ask for runs again and again.
type Schedules interface {
	// CreateSchedule is an [ErrBad] for one that could open no run now, an [ErrConflict] if the name has one.
	CreateSchedule(ctx context.Context, s galen.Schedule) (galen.Schedule, error)
	Schedules(ctx context.Context) ([]galen.Schedule, error)
	PauseSchedule(ctx context.Context, name, by, why string) (galen.Schedule, error)
	ResumeSchedule(ctx context.Context, name, by string) (galen.Schedule, error)
	DeleteSchedule(ctx context.Context, name, by string) error
}

// Epochs tells whether the engine may act on its journal, and lets a person re-arm it.
type Epochs interface {
	// Observe is why it only observes, "" when it may act.
	Observe(ctx context.Context) (string, error)
	Rearm(ctx context.Context, by, why string) error
}

// Watched is a resource that is looked after.
type Watched struct {
	Resource    galen.Resource
	PolicyName  string
	Policy      galen.Policy
	Differences []api.Difference
}

// World is what is looked after, and how it was seen last.
type World interface {
	// Watched are the resources in the order of the configuration.
	Watched() []Watched
	// Last is the newest State that this engine has seen or taken up from another one, false before the first.
	Last(r galen.Resource) (galen.State, bool)
}

// Advice is what people are told before they touch a member by hand. Members go by their IDs.
type Advice interface {
	// CanI answers from what was seen last, for the policy's levels and these besides; an error that is an [ErrUnprocessable] says that
	// there is no such verb or level.
	CanI(ctx context.Context, r galen.Resource, verb, member string, levels []string) (galen.Advice, error)
	WhatIf(ctx context.Context, r galen.Resource, down, levels []string) (galen.Advice, error)
	Saved(ctx context.Context, r galen.Resource) (galen.Saved, error)
	// Margin is "" before the first look.
	Margin(ctx context.Context, r galen.Resource) (string, error)
}

// Alerts is the inbox.
type Alerts interface {
	// Store stores the alerts of one call of Alertmanager durably before it returns. An error that is neither an [ErrBad] nor an
	// [ErrUnprocessable] is ours, and the sender should try again. [Author] knows who sent it.
	Store(ctx context.Context, body []byte) (api.Accepted, error)
	// TooLarge takes down that a call was not read, for its body has more bytes than that: its alerts are lost. [Author] knows who sent it.
	TooLarge(ctx context.Context, limit int) error
	// TurnedAway counts a call that was told to come again, of a sender that may be known.
	TurnedAway()
	// List lists them without bodies.
	List(ctx context.Context, f AlertFilter) ([]api.Alert, error)
	Alert(ctx context.Context, id string) (api.Alert, error)
}
