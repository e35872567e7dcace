package journal

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/galenhq/galen"
)

// StoreAlert puts an alert into the inbox, on disk when it returns. One with the ID of a stored one is a duplicate: it
// costs a counter, and makes an unmatched one pending again: the resource may know it by now. One that comes refused is only kept.
func (s *Store) StoreAlert(ctx context.Context, a Alert) (bool, error) {
	if a.ID == "" {
		a.ID = galen.HashJSON([]any{a.Source, a.Fingerprint, a.Status, a.StartsAt.UTC()})
	}
	if a.State != AlertRefused {
		a.State = AlertPending
	}
	made, err := writtenAlert(a)
	if err != nil {
		return false, err
	}
	var dup bool
	err = s.writeSure(ctx, "store alert "+a.ID, func(ctx context.Context, t *tx) error {
		n, err := t.newAlert(ctx, a, made)
		if dup = n == 0; err != nil || !dup {
			return err
		}
		if err := t.exec(ctx, "UPDATE alerts SET duplicates = duplicates + 1 WHERE id = ?", a.ID); err != nil {
			return err
		}
		return t.exec(ctx, "UPDATE alerts SET done = 0, outcome = '', state = ? WHERE id = ? AND state = ?", AlertPending, a.ID, AlertUnmatched)
	})
	if err != nil {
		return false, err
	}
	return dup, nil
}

// alertText is an alert as it is stored. In a storm there is one writer and many who call: what can be made beforehand is.
type alertText struct {
	doc  string
	body canonical // of its event
}

func writtenAlert(a Alert) (out alertText, err error) {
	if out.doc, err = asDoc(a); err != nil {
		return out, err
	}
	hint := a
	hint.Body = nil // in the inbox; the event keeps its hash
	body := map[string]any{"alert": hint, "body": galen.HashJSON(string(a.Body))}
	if a.Why != "" {
		body["refused"] = a.Why
	}
	out.body, err = galen.Canonical(body)
	return out, err
}

// newAlert stores an alert that is not there yet, and tells how many that were.
func (t *tx) newAlert(ctx context.Context, a Alert, made alertText) (int64, error) {
	if a.Received.IsZero() {
		a.Received = t.now
	}
	var done int64
	if a.State == AlertRefused {
		done = 1
	}
	n, err := t.execCount(ctx, "INSERT INTO alerts (id, received, done, outcome, state, run, doc) VALUES (?, ?, ?, ?, ?, '', ?) ON CONFLICT (id) DO NOTHING",
		a.ID, stamp(a.Received), done, a.Why, a.State, made.doc)
	if err != nil || n == 0 {
		return n, err
	}
	return n, t.event(ctx, galen.Event{Kind: galen.EventAlert, By: cmp.Or(a.By, a.Source)}, made.body)
}

const alertColumns = "SELECT n, received, state, outcome, run, duplicates, doc FROM alerts WHERE "

func alertsOf(ctx context.Context, q querier, query string, args ...any) ([]Alert, error) {
	var out []Alert
	err := each(ctx, q, func(rows cursor) error {
		var a Alert
		var text string
		var received int64
		if err := rows.Scan(&a.N, &received, &a.State, &a.Why, &a.Run, &a.Duplicates, &text); err != nil {
			return err
		}
		as, err := undoc[Alert]([]byte(text))
		as.N, as.State, as.Why, as.Run, as.Duplicates, as.Received = a.N, a.State, a.Why, a.Run, a.Duplicates, moment(received)
		out = append(out, as)
		return err
	}, query, args...)
	return out, err
}

// PendingAlerts are the alerts after a number that nobody has dealt with, oldest first.
func (s *Store) PendingAlerts(ctx context.Context, after int64, limit int) ([]Alert, error) {
	var out []Alert
	err := s.read(ctx, "list pending alerts", func(ctx context.Context, q querier) (err error) {
		out, err = alertsOf(ctx, q, alertColumns+"done = 0 AND n > ? ORDER BY n LIMIT ?", after, limitOr(limit))
		return err
	})
	return out, err
}

// CountPendingAlerts counts the alerts that nobody has dealt with, up to a limit.
func (s *Store) CountPendingAlerts(ctx context.Context, limit int) (int, error) {
	var count int
	err := s.read(ctx, "count pending alerts", func(ctx context.Context, q querier) error {
		count = 0
		return each(ctx, q, func(cursor) error { count++; return nil }, "SELECT n FROM alerts WHERE done = 0 LIMIT ?", limit)
	})
	return count, err
}

// Alerts lists alerts, newest first, without their bodies.
func (s *Store) Alerts(ctx context.Context, f AlertFilter) ([]Alert, error) {
	where, args := []string{"n > 0"}, []any{}
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	if f.State != "" {
		add("state = ?", f.State)
	}
	if f.Before > 0 {
		add("n < ?", f.Before)
	}
	var out []Alert
	err := s.read(ctx, "list alerts", func(ctx context.Context, q querier) (err error) {
		out, err = alertsOf(ctx, q, alertColumns+strings.Join(where, " AND ")+" ORDER BY n DESC LIMIT ?", append(args, limitOr(f.Limit))...)
		return err
	})
	for i := range out {
		out[i].Body = nil
	}
	return out, err
}

// Alert is the alert with an ID, or with that number; [galen.ErrNotFound].
func (s *Store) Alert(ctx context.Context, id string) (Alert, error) {
	column, key := "id", any(id)
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		column, key = "n", n
	}
	var out []Alert
	err := s.read(ctx, "read alert "+id, func(ctx context.Context, q querier) (err error) {
		out, err = alertsOf(ctx, q, alertColumns+column+" = ? LIMIT ?", key, 1)
		if err == nil && len(out) == 0 {
			err = fmt.Errorf("alert %q: %w", id, galen.ErrNotFound)
		}
		return err
	})
	if err != nil {
		return Alert{}, err
	}
	return out[0], nil
}

// AlertsDone takes alerts out of the pending ones, all or none, and says what became of each.
func (s *Store) AlertsDone(ctx context.Context, ends ...AlertEnd) error {
	return s.write(ctx, "finish alerts", func(ctx context.Context, t *tx) error {
		for _, end := range ends {
			if err := t.alertDone(ctx, end); err != nil {
				return err
			}
		}
		return nil
	})
}

// alertDone leaves alone what another engine has dealt with meanwhile.
func (t *tx) alertDone(ctx context.Context, end AlertEnd) error {
	n, err := t.execCount(ctx, "UPDATE alerts SET done = 1, outcome = ?, state = ?, run = ? WHERE id = ? AND done = 0", end.Why, end.State, end.Run, end.ID)
	if err != nil || n > 0 {
		return err
	}
	var done int64
	known, err := first(ctx, t, []any{&done}, "SELECT done FROM alerts WHERE id = ?", end.ID)
	if err == nil && !known {
		err = fmt.Errorf("alert %q: %w", end.ID, galen.ErrNotFound)
	}
	return err
}
