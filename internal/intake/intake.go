// Package intake takes alerts in: durable before the answer, duplicates only counted, what the configuration alone settles
// settled; then a loop matches the others with the resources and members that we know ourselves. An alert is a hint: nothing
// of it but the answer of that look-up goes on.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/galenhq/galen"
)

// Alert is one alert as the journal keeps it.
type Alert struct {
	// ID is the journal's; empty before it is stored.
	ID     string
	Source string
	// By is the name of the token that brought it.
	By          string
	Fingerprint string
	Status      string // firing or resolved
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	// Body as it was received.
	Body     []byte
	Received time.Time
	// Trace is the span of the call that brought it; "" unless traces are kept.
	Trace string

	// N numbers the alerts of the journal in the order in which they came.
	N int64
	// State is one of the states below, before it is stored "" for one that somebody must deal with; Why it stands so, Run the run that looks into it.
	State, Why, Run string
	// Resource that it was matched to; zero: none, or several.
	Resource galen.Resource
	// Duplicates is how often the same came again.
	Duplicates int64
}

// The states of an alert. Before it is stored it has none if somebody is to look at what it is about.
const (
	Matched   = "matched"
	Unmatched = "unmatched"
	Refused   = "refused"
)

// End is what became of an alert.
type End struct {
	ID, State, Why, Run string
	// Resource that it was matched to; zero: none, or several.
	Resource galen.Resource
}

// Kept is what the store has of an alert that it was given.
type Kept struct {
	// Alert as it was stored; one that was there before, as it came again.
	Alert Alert
	Again bool
	// Pending: it is to be dealt with.
	Pending bool
}

// Store keeps alerts.
type Store interface {
	// StoreAlerts has all of them on disk when it returns, or none.
	StoreAlerts(ctx context.Context, alerts ...Alert) ([]Kept, error)
	// PendingAlerts are those after a number that nobody has dealt with, oldest first.
	PendingAlerts(ctx context.Context, after int64, limit int) ([]Alert, error)
	// CountPendingAlerts counts them, up to a limit.
	CountPendingAlerts(ctx context.Context, limit int) (int, error)
	AlertsDone(ctx context.Context, ends ...End) error
}

// The limits of what is taken in.
const (
	// DefaultMaxPending is how many alerts may wait at once.
	DefaultMaxPending = 50_000
	maxCalls          = 128              // calls at work at once: each may hold a megabyte
	storeLimit        = 20 * time.Second // a journal that needs longer for one call is slow, and the sender should come again
	countEvery        = time.Second      // the pending ones are counted anew that often; other engines share them
)

// Errors that a sender should answer by trying again later.
var (
	// ErrFull: too many alerts wait to be dealt with.
	ErrFull = errors.New("the inbox is full")
	// ErrBusy: too many calls are at work.
	ErrBusy = errors.New("the inbox is busy")
	// ErrSlow: the journal did not store in time.
	ErrSlow = errors.New("the journal is slow")
)

// InboxOptions of [NewInbox].
type InboxOptions struct {
	Store Store
	// MaxPending is how many alerts may wait at once; 0: [DefaultMaxPending].
	MaxPending int
	// Triage gives those alerts an end that need no look, when they come; nil: the matcher deals with all.
	Triage *Triage
	Now    func() time.Time
}

// Inbox takes alerts in.
type Inbox struct {
	store  Store
	triage *Triage
	most   int
	now    func() time.Time
	signal chan struct{}
	calls  chan struct{}
	fresh  fresh
	slow   error // why a call was given up

	counting sync.Mutex
	counted  time.Time
	pending  atomic.Int64 // as counted last, and what came and went since

	stored, duplicates, refused, turnedAway atomic.Int64
	matched, unmatched                      atomic.Int64 // what became of alerts
}

// NewInbox takes alerts into a store.
func NewInbox(o InboxOptions) *Inbox {
	if o.MaxPending == 0 {
		o.MaxPending = DefaultMaxPending
	}
	return &Inbox{store: o.Store, triage: o.Triage, most: o.MaxPending, now: o.Now, signal: make(chan struct{}, 1), calls: make(chan struct{}, maxCalls),
		slow: fmt.Errorf("%w: it has not stored the alerts within %s: send again", ErrSlow, storeLimit)}
}

// Receipt says what became of the alerts of one call.
type Receipt struct {
	Stored, Duplicates, Refused int
	// Why the first few were refused.
	Why error
}

// Counts are since the inbox was made, but for Pending, which is now. Matched and Unmatched are what became of alerts, each time that one was
// dealt with: a repeat of a matched one is not, one of an unmatched one is.
type Counts struct{ Stored, Duplicates, Refused, TurnedAway, Pending, Matched, Unmatched int64 }

// Counts tells what came in. The pending ones are counted anew if that was not done lately: what is added up in between drifts when alerts
// come in while they are counted.
func (in *Inbox) Counts(ctx context.Context) (Counts, error) {
	err := in.count(ctx)
	return Counts{
		Stored: in.stored.Load(), Duplicates: in.duplicates.Load(), Refused: in.refused.Load(), TurnedAway: in.turnedAway.Load(),
		Pending: max(0, in.pending.Load()), Matched: in.matched.Load(), Unmatched: in.unmatched.Load(),
	}, err
}

// Alertmanager stores every alert of one webhook call. When it returns without error, all of them are on disk, the refused
// ones with the reason. An [ErrBad] and an [ErrRefused] will not get better; after any other error the sender should try again: what was
// stored is a duplicate then.
func (in *Inbox) Alertmanager(ctx context.Context, body []byte) (Receipt, error) {
	select {
	case in.calls <- struct{}{}:
		defer func() { <-in.calls }()
	default:
		return Receipt{}, fmt.Errorf("%w: %d calls are at work: send again", ErrBusy, maxCalls)
	}
	alerts, refused, err := parse(body, in.now())
	if err != nil {
		in.refused.Add(1) // how many alerts are lost with it nobody can tell
		return Receipt{}, err
	}
	out := Receipt{Refused: len(refused), Why: why(refused)}
	ctx, cancel := context.WithTimeoutCause(ctx, storeLimit, in.slow)
	defer cancel()
	if err := in.room(ctx, in.triage.settle(alerts)); err != nil {
		return Receipt{}, err
	}
	_, err = in.keep(ctx, refused)
	if err == nil {
		out.Duplicates, err = in.keep(ctx, alerts)
	}
	if err != nil {
		in.recount() // some of them may be stored
		return out, fmt.Errorf("store alerts: %w", err)
	}
	out.Stored = len(alerts) - out.Duplicates
	if len(alerts) == 0 && len(refused) > 0 {
		return out, fmt.Errorf("%w: %w", ErrRefused, out.Why)
	}
	return out, nil
}

// TooLarge keeps that a call of a sender had more bytes than that, and was not read. Each is counted, one a day is kept: it may come for ever.
func (in *Inbox) TooLarge(ctx context.Context, sender string, limit int) error {
	in.refused.Add(1) // how many alerts are lost with it nobody can tell
	why := fmt.Errorf("a call of %s was larger than %d bytes, and all of its alerts are lost: group by more labels (group_by), so that less is sent at once", sender, limit)
	return in.lost(ctx, map[string]any{"sender": sender, "bytesOver": limit}, nil, why)
}

// Unread keeps that a call of a sender could not be read, and its beginning. Each was counted, one a day is kept: it may come for ever.
func (in *Inbox) Unread(ctx context.Context, sender string, body []byte, why error) error {
	why = fmt.Errorf("a call of %s could not be read, and all of its alerts are lost: %w", sender, why)
	return in.lost(ctx, map[string]any{"sender": sender, "unread": true}, body, why)
}

// lost keeps why all alerts of a call are, once a day of each sort of call, and how that began; nil: nobody has read it.
func (in *Inbox) lost(ctx context.Context, sort map[string]any, began []byte, why error) error {
	sort["day"] = in.now().UTC().Format(time.DateOnly)
	raw, err := json.Marshal(sort)
	if err != nil {
		return fmt.Errorf("keep that %w: %w", why, err)
	}
	a := refusedAlert(raw, why)
	if began != nil {
		a.Body = began[:min(len(began), keptBody)]
	}
	if _, err := in.store.StoreAlerts(ctx, a); err != nil {
		return fmt.Errorf("keep that %w: %w", why, err)
	}
	return nil
}

// TurnedAway counts a call that was told to come again.
func (in *Inbox) TurnedAway() { in.turnedAway.Add(1) }

// why the first few were refused.
func why(refused []Alert) error {
	var errs []error
	for _, a := range refused[:min(len(refused), maxReason)] {
		errs = append(errs, errors.New(a.Why))
	}
	return errors.Join(errs...)
}

// arrived hands the matcher what it is to deal with.
func (in *Inbox) arrived(kept []Kept) {
	for _, k := range kept {
		if k.Pending && !k.Again { // one that came again may have been counted
			in.pending.Add(1)
		}
	}
	if in.fresh.put(kept) {
		select {
		case in.signal <- struct{}{}:
		default:
		}
	}
}

// room is nil if so many alerts more may wait. A call of one alert is never too large for an empty inbox.
func (in *Inbox) room(ctx context.Context, more int) error {
	if more == 0 {
		return nil
	}
	if err := in.count(ctx); err != nil {
		return err
	}
	if now := in.pending.Load(); now > 0 && now+int64(more) > int64(in.most) {
		return fmt.Errorf("%w: %d alerts wait, %d may (inbox.max_pending): send again later", ErrFull, now, in.most)
	}
	return nil
}

// count counts the pending ones now and then; in between, what comes and goes here is added up.
func (in *Inbox) count(ctx context.Context) error {
	in.counting.Lock()
	defer in.counting.Unlock()
	if now := in.now(); in.counted.IsZero() || now.Sub(in.counted) >= countEvery || now.Before(in.counted) {
		n, err := in.store.CountPendingAlerts(ctx, in.most+1)
		if err != nil {
			return fmt.Errorf("count the alerts that wait: %w", err)
		}
		in.pending.Store(int64(n))
		in.counted = now
	}
	return nil
}

func (in *Inbox) recount() {
	in.counting.Lock()
	defer in.counting.Unlock()
	in.counted = time.Time{}
}

// done takes alerts out.
func (in *Inbox) done(ctx context.Context, ends []End) error {
	if len(ends) == 0 {
		return nil
	}
	if err := in.store.AlertsDone(ctx, ends...); err != nil {
		return fmt.Errorf("finish %d alerts: %w", len(ends), err)
	}
	in.pending.Add(-int64(len(ends)))
	for _, end := range ends {
		in.became(end.State)
	}
	return nil
}

// became counts what became of an alert.
func (in *Inbox) became(state string) {
	switch state {
	case Matched:
		in.matched.Add(1)
	case Unmatched:
		in.unmatched.Add(1)
	}
}

// storing is how many alerts of one call are stored in one transaction: others wait for it.
const storing = 128

// keep stores alerts, and tells how many were there already; the first error ends it. What was stored until then is counted, for it is no
// news when it comes again.
func (in *Inbox) keep(ctx context.Context, alerts []Alert) (again int, err error) {
	for some := range slices.Chunk(alerts, storing) {
		kept, err := in.store.StoreAlerts(ctx, some...)
		if err != nil {
			return again, err
		}
		for _, k := range kept {
			switch refused := k.Alert.State == Refused; {
			case refused: // each time: what is cut off, or cannot be read, is lost each time
				in.refused.Add(1)
			case k.Again:
				again++
				in.duplicates.Add(1)
				in.became(k.Alert.State) // what is settled at the door is so each time; what is not says nothing here
			default:
				in.stored.Add(1)
				in.became(k.Alert.State)
			}
		}
		in.arrived(kept)
	}
	return again, nil
}
