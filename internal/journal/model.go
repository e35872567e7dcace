package journal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Options of [Open].
type Options struct {
	// Now is the clock. Required, but for PostgreSQL, whose own clock is used then.
	Now func() time.Time
	// Logger; nil discards.
	Logger *slog.Logger
	// NewID makes the IDs of runs, intents and approvals that come without one; nil: time-ordered UUIDs (version 7). It is
	// called by the writer only, one call at a time.
	NewID func(now time.Time) string
	// Witness is a file, apart from the journal, that remembers the end of the chain; empty: none. A journal that does not have
	// it any more is disarmed.
	Witness string
	// Engine is the name of this process. A journal in a file belongs to the engine that opened it last; another one that still
	// writes disarms it. Empty: a tool that owns nothing.
	Engine string
	// Mono is a monotonic clock, by which a jump of the store's clock is seen; nil: not looked at.
	Mono func() time.Duration
	// NoSync leaves out every fsync. Only for simulations, whose journal nobody will miss.
	NoSync bool
}

// RunFilter chooses runs; the zero value: the newest 100 of all.
type RunFilter struct {
	Resource galen.Resource
	Key      string
	Status   galen.RunStatus
	OpenOnly bool
	// Limit of the list, 0: 100.
	Limit int
	// Before is a run's ID: only runs older than it, for the next page.
	Before string
}

// ApprovalFilter chooses approvals, newest first; the zero value: the newest 100 of all.
type ApprovalFilter struct {
	Resource galen.Resource
	Run      string
	State    galen.ApprovalState
	// Limit of the list, 0: 100.
	Limit int
	// Before: only those with a smaller number, for the next page; 0: from the newest.
	Before int64
}

// EventFilter chooses events; the zero value: the oldest 100 of all.
type EventFilter struct {
	Resource galen.Resource
	Run      string
	Kind     galen.EventKind
	// After and Before: only events with a greater and with a smaller seq; Before 0: whatever.
	After, Before int64
	// From and To: only events then or later, and earlier; zero: whenever.
	From, To time.Time
	// Limit of the list, 0: 100.
	Limit int
	// Newest: the newest ones that match, newest first, instead of the oldest.
	Newest bool
}

// Alert is one alert of an inbox. Its fields are hints: nothing of it reaches a command.
type Alert struct {
	// ID removes duplicates; empty: derived from source, fingerprint, status, start and labels.
	ID     string `json:"id"`
	Source string `json:"source"`
	// By is the name of the token that brought it first.
	By          string            `json:"by,omitempty"`
	Fingerprint string            `json:"fingerprint"`
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"starts_at,omitzero"`
	// Body as it was received.
	Body     []byte    `json:"body,omitempty"`
	Received time.Time `json:"received,omitzero"`
	// Trace is the span of the call that brought it, as W3C's traceparent; "" unless traces are kept.
	Trace string `json:"trace,omitempty"`

	// N numbers the alerts in the order in which they came. It and what follows are columns of their own.
	N int64 `json:"-"`
	// State is pending, matched, unmatched or refused; Why says so in words, and Run is the run that looks into it.
	State, Why, Run string `json:"-"`
	// Resource that it was matched to; zero: none, or several.
	Resource galen.Resource `json:"-"`
	// Duplicates is how often the same alert came again.
	Duplicates int64 `json:"-"`
}

// The states of an alert.
const (
	AlertPending   = "pending"   // nobody has dealt with it
	AlertMatched   = "matched"   // the configuration knows it, and a run looks into it, or it tells that something is over
	AlertUnmatched = "unmatched" // nothing in the configuration, or nothing that was seen, is what it names
	AlertRefused   = "refused"   // it breaks a limit: only what says so is kept
)

// AlertStates lists them.
func AlertStates() []string {
	return []string{AlertPending, AlertMatched, AlertUnmatched, AlertRefused}
}

// AlertEnd is what became of an alert.
type AlertEnd struct {
	ID, State, Why, Run string
	Resource            galen.Resource
}

// AlertFilter chooses alerts, newest first.
type AlertFilter struct {
	State string // "": all
	// Resource that they were matched to; Owned: to whatever one.
	Resource    galen.Resource
	Owned       bool
	Run         string
	Fingerprint string
	// Labels are some that they have, with these values.
	Labels map[string]string
	// From: only those that came then or later; zero: whenever.
	From  time.Time
	Limit int // 0: 100
	// Before: only those with a smaller number, for the next page; 0: from the newest.
	Before int64
}

// The kinds of outbox items.
const (
	OutboxStart = "start" // a run was opened: start its workflow
	OutboxWake  = "wake"  // something that a run waits for has changed
)

// OutboxItem is one message to the workflow engine, to be done at least once.
type OutboxItem struct {
	ID   int64
	Kind string // start or wake
	Run  string
	Key  string // of the run
}

// WatchedResource is a resource with its policy as it was last set.
type WatchedResource struct {
	Resource galen.Resource
	Policy   json.RawMessage
	By       string
	At       time.Time
}

// Report is the answer of [Verify].
type Report struct {
	Events int64
	// Head is the hash of the newest event, "" when there is none.
	Head   string
	Faults []Fault
}

// OK tells that nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// err says in one line that what was verified is not sound, nil if it is.
func (r Report) err(what string) error {
	if r.OK() {
		return nil
	}
	first := r.Faults[0]
	return fmt.Errorf("%s does not verify (%d faults, the first: %s): look at the source with galen journal verify", what, len(r.Faults), strings.TrimSpace(first.Row+" "+first.What))
}

// Fault is one place where the journal does not agree with itself.
type Fault struct {
	// Seq is the event concerned, or that cites the row; 0: none.
	Seq int64
	// Row is the row concerned, such as "intent/<id>"; empty: the event itself.
	Row string
	// What is wrong.
	What string
}
