package journal

import (
	"context"
	"fmt"

	"github.com/galenhq/galen"
)

// StoreAlert puts an alert into the inbox, on disk when it returns. One with the ID of a stored one is a duplicate: it
// costs a counter.
func (s *Store) StoreAlert(ctx context.Context, a Alert) (bool, error) {
	if a.ID == "" {
		a.ID = galen.HashJSON([]any{a.Source, a.Fingerprint, a.Status, a.StartsAt.UTC()})
	}
	var dup bool
	err := s.write(ctx, "store alert "+a.ID, func(ctx context.Context, t *tx) error {
		a := a
		n, err := t.execCount(ctx, "UPDATE alerts SET duplicates = duplicates + 1 WHERE id = ?", a.ID)
		if dup = n > 0; err != nil || dup {
			return err
		}
		if a.Received.IsZero() {
			a.Received = t.now
		}
		text, err := asDoc(a)
		if err != nil {
			return err
		}
		err = t.exec(ctx, "INSERT INTO alerts (id, received, done, outcome, doc) VALUES (?, ?, 0, '', ?)", a.ID, stamp(a.Received), text)
		if err != nil {
			return err
		}
		hint := a
		hint.Body = nil // in the inbox; the event keeps its hash
		return t.event(ctx, galen.Event{Kind: galen.EventAlert, By: a.Source}, map[string]any{"alert": hint, "body": galen.HashJSON(string(a.Body))})
	})
	if err != nil {
		return false, err
	}
	return dup, nil
}

// PendingAlerts are the alerts that nobody has dealt with, oldest first.
func (s *Store) PendingAlerts(ctx context.Context, limit int) ([]Alert, error) {
	var out []Alert
	err := s.read(ctx, "list pending alerts", func(ctx context.Context, q querier) (err error) {
		out, err = docs[Alert](ctx, q, "SELECT doc FROM alerts WHERE done = 0 ORDER BY n LIMIT ?", limitOr(limit))
		return err
	})
	return out, err
}

// AlertDone takes an alert out of the pending ones and says what became of it.
func (s *Store) AlertDone(ctx context.Context, id, outcome string) error {
	return s.write(ctx, "finish alert "+id, func(ctx context.Context, t *tx) error {
		n, err := t.execCount(ctx, "UPDATE alerts SET done = 1, outcome = ? WHERE id = ?", outcome, id)
		if err == nil && n == 0 {
			err = fmt.Errorf("alert %q: %w", id, galen.ErrNotFound)
		}
		return err
	})
}
