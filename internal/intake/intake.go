// Package intake takes alerts in: durable before the answer, duplicates only counted; then a loop matches them with the
// resources and members that we know ourselves. An alert is a hint: nothing of it but the answer of that look-up goes on.
package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Alert is one alert as the journal keeps it.
type Alert struct {
	// ID is the journal's; empty before it is stored.
	ID          string
	Source      string
	Fingerprint string
	Status      string // firing or resolved
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	// Body as it was received.
	Body     []byte
	Received time.Time
}

// Store keeps alerts.
type Store interface {
	// StoreAlert has it on disk when it returns; dup: it was there already.
	StoreAlert(ctx context.Context, a Alert) (dup bool, err error)
	// PendingAlerts are those that nobody has dealt with, oldest first.
	PendingAlerts(ctx context.Context, limit int) ([]Alert, error)
	AlertDone(ctx context.Context, id, outcome string) error
}

// Inbox takes alerts in.
type Inbox struct {
	store  Store
	signal chan struct{}

	stored, duplicates, refused atomic.Int64
}

// NewInbox stores alerts in store.
func NewInbox(store Store) *Inbox { return &Inbox{store: store, signal: make(chan struct{}, 1)} }

// Receipt says what became of the alerts of one call.
type Receipt struct {
	Stored, Duplicates, Refused int
	// Why the first few were refused.
	Why error
}

// Counts are since the inbox was made.
func (in *Inbox) Counts() (stored, duplicates, refused int64) {
	return in.stored.Load(), in.duplicates.Load(), in.refused.Load()
}

// Alertmanager stores every alert of one webhook call. When it returns without error, all of them but the refused ones
// are on disk. An [ErrBad] will not get better; after any other error the sender should try again: what was stored is a
// duplicate then.
func (in *Inbox) Alertmanager(ctx context.Context, body []byte) (Receipt, error) {
	alerts, refused, err := parse(body)
	if err != nil {
		return Receipt{}, err
	}
	out := Receipt{Refused: len(refused), Why: errors.Join(refused[:min(len(refused), maxReason)]...)}
	in.refused.Add(int64(len(refused)))
	if len(alerts) == 0 && len(refused) > 0 {
		return out, fmt.Errorf("%w: every alert of it was refused: %w", ErrBad, out.Why)
	}
	duplicates, err := in.keep(ctx, alerts)
	if err != nil {
		return out, fmt.Errorf("store alerts: %w", err)
	}
	out.Stored, out.Duplicates = len(alerts)-duplicates, duplicates
	in.stored.Add(int64(out.Stored))
	in.duplicates.Add(int64(out.Duplicates))
	if out.Stored > 0 {
		select {
		case in.signal <- struct{}{}:
		default:
		}
	}
	return out, nil
}

// storing is how many alerts of one call are handed to the store at once: it commits together what waits together.
const storing = 128

// keep stores alerts side by side and counts the duplicates; the first error ends it.
func (in *Inbox) keep(ctx context.Context, alerts []Alert) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, duplicates atomic.Int64
	var wg sync.WaitGroup
	for range min(storing, len(alerts)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(alerts)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				dup, err := in.store.StoreAlert(ctx, alerts[i])
				if err != nil {
					cancel(err)
					return
				}
				if dup {
					duplicates.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(duplicates.Load()), context.Cause(ctx)
}
