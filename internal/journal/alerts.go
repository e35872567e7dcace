package journal

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/galenhq/galen"
)

// Kept is what the inbox has of an alert that it was given.
type Kept struct {
	// Alert as it was stored; one that was there before, as it came again.
	Alert Alert
	Again bool
	// Pending: somebody is to deal with it.
	Pending bool
}

// StoreAlerts puts alerts into the inbox, all or none, on disk when it returns. One with the ID of a stored one is a duplicate: it
// costs a counter, and makes an unmatched one pending again: the resource may know it by now. One that comes with a state, and why, needs
// nobody to deal with it: it is kept so, unless it is there already and stands otherwise.
func (s *Store) StoreAlerts(ctx context.Context, alerts ...Alert) ([]Kept, error) {
	if len(alerts) == 0 {
		return nil, nil
	}
	made := make([]madeAlert, 0, len(alerts))
	for _, a := range alerts {
		m, err := makeAlert(a)
		if err != nil {
			return nil, err
		}
		if s.earlierAlerts && a.ID == "" {
			m.earlier = earlierIDOf(a, a.Status)
		}
		made = append(made, m)
	}
	out := make([]Kept, len(alerts))
	err := s.writeSure(ctx, "store alerts", len(alerts), func(ctx context.Context, t *tx) (err error) {
		for i, m := range made {
			if out[i], err = t.storeAlert(ctx, m); err != nil {
				return fmt.Errorf("alert %s: %w", m.alert.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err // who gave up may not read what the writer may still write
	}
	return out, nil
}

// madeAlert is an alert with its texts. In a storm there is one writer and many who call: what can be made beforehand is.
type madeAlert struct {
	alert Alert
	doc   string
	body  canonical // of its event
	// earlier is the ID of an earlier release under which it may be there; "": it cannot.
	earlier string
}

func makeAlert(a Alert) (madeAlert, error) {
	a.ID = cmp.Or(a.ID, idOf(a, a.Status))
	a.State = cmp.Or(a.State, AlertPending)
	if !slices.Contains(AlertStates(), a.State) {
		return madeAlert{}, fmt.Errorf("alert %s: there is no state %q", a.ID, a.State)
	}
	text, err := hintOf(a)
	if err != nil {
		return madeAlert{}, fmt.Errorf("write alert %s: %w", a.ID, err)
	}
	refused := ""
	if a.State == AlertRefused {
		why, err := galen.Canonical(a.Why)
		if err != nil {
			return madeAlert{}, fmt.Errorf("write alert %s: %w", a.ID, err)
		}
		refused = `,"refused":` + string(why)
	}
	return madeAlert{
		alert: a,
		doc:   withBody(string(text), a.Body),
		body:  fmt.Appendf(nil, `{"alert":%s,"body":"%s"%s}`, text, galen.HashJSON(string(a.Body)), refused), // its names are in order
	}, nil
}

// The statuses of Alertmanager.
const (
	alertFiring   = "firing"
	alertResolved = "resolved"
)

// withBody is the document of an alert whose body was left out of it: in a storm it is written once for its event and for the inbox.
func withBody(doc string, body []byte) string {
	if len(body) == 0 {
		return doc
	}
	return `{"body":"` + base64.StdEncoding.EncodeToString(body) + `",` + doc[1:]
}

// noOutcome is that of no alert.
const noOutcome = "?"

// storeAlert stores an alert, or counts that it came again.
func (t *tx) storeAlert(ctx context.Context, m madeAlert) (Kept, error) {
	m, err := t.asStored(ctx, m)
	if err != nil {
		return Kept{}, err
	}
	if m.alert.Received.IsZero() {
		m.alert.Received = t.now.Add(t.alerts) // in their order, for which came first tells whether one fires anew
		t.alerts++
	}
	a := m.alert
	out := Kept{Alert: a, Pending: a.State == AlertPending}
	n, err := t.execCount(ctx, "INSERT INTO alerts (id, received, done, outcome, state, run, resource, doc) VALUES (?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (id) DO NOTHING",
		a.ID, stamp(a.Received), flag(a.State != AlertPending), a.Why, a.State, a.Resource.String(), m.doc)
	if err != nil {
		return out, err
	}
	told := galen.Event{Kind: galen.EventAlert, By: cmp.Or(a.By, a.Source)}
	if n > 0 {
		return out, t.event(ctx, told, m.body)
	}
	if err := t.exec(ctx, "UPDATE alerts SET duplicates = duplicates + 1 WHERE id = ?", a.ID); err != nil {
		return out, err
	}
	out.Again = true
	switch out.Pending, err = t.again(ctx, a); {
	case err != nil:
		return out, err
	case out.Pending:
		return out, t.event(ctx, told, m.body)
	}
	// One that is pending still is told as such: who stored it may not have lived to deal with it. An end that was told at the door is of the labels
	// that came: what is stored is dealt with by its own, unless this is its very end.
	var done int64
	if _, err := first(ctx, t, []any{&done}, "SELECT done FROM alerts WHERE id = ?", a.ID); err != nil || done == 0 {
		out.Pending = done == 0
		return out, err
	}
	out.Pending, err = t.moved(ctx, a.ID, "UPDATE alerts SET received = ?, done = 0, outcome = '', state = ?, resource = '' WHERE id = ? AND state <> ? AND state <> ? AND outcome <> ?",
		stamp(a.Received), AlertPending, a.ID, AlertMatched, AlertRefused, cmp.Or(a.Why, noOutcome))
	return out, err
}

// moved changes an alert that has come anew, if it stands so, and gives it its place among those that come now: lists go by their numbers.
func (t *tx) moved(ctx context.Context, id, change string, args ...any) (bool, error) {
	n, err := t.execCount(ctx, change, args...)
	if err != nil || n == 0 {
		return false, err
	}
	var received, done, duplicates int64
	var outcome, state, run, resource, text string
	if _, err := first(ctx, t, []any{&received, &done, &duplicates, &outcome, &state, &run, &resource, &text},
		"SELECT received, done, duplicates, outcome, state, run, resource, doc FROM alerts WHERE id = ?", id); err != nil {
		return false, err
	}
	if err := t.exec(ctx, "DELETE FROM alerts WHERE id = ?", id); err != nil {
		return false, err
	}
	return true, t.exec(ctx, "INSERT INTO alerts (id, received, done, duplicates, outcome, state, run, resource, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		id, received, done, duplicates, outcome, state, run, resource, text)
}

// again tells whether an alert that is there already fires anew: its end was told since. It keeps its start then, as Alertmanager gives it
// where it had let go of an alert that it heard nothing of.
func (t *tx) again(ctx context.Context, a Alert) (bool, error) {
	if a.Status == alertResolved { // how often it has fired since is compared with the newest end
		_, err := t.moved(ctx, a.ID, "UPDATE alerts SET received = ? WHERE id = ?", stamp(a.Received), a.ID)
		return false, err
	}
	fired, err := t.received(ctx, a.ID)
	if err != nil {
		return false, err
	}
	ended, err := t.received(ctx, idOf(a, alertResolved), earlierIDOf(a, alertResolved)) // an engine of an earlier release may be at work, too
	if err != nil || a.Status != alertFiring || ended <= fired {
		return false, err
	}
	return t.moved(ctx, a.ID, "UPDATE alerts SET done = 0, outcome = '', run = '', resource = '', state = ?, received = ? WHERE id = ? AND state = ?",
		AlertPending, stamp(a.Received), a.ID, AlertMatched)
}

// received is when the newest of them came; 0: none is there.
func (t *tx) received(ctx context.Context, ids ...string) (int64, error) {
	var newest int64
	for _, id := range ids {
		var at int64
		if _, err := first(ctx, t, []any{&at}, "SELECT received FROM alerts WHERE id = ?", id); err != nil {
			return 0, err
		}
		newest = max(newest, at)
	}
	return newest, nil
}

// asStored is the alert under the ID under which it is there, if an earlier release stored it.
func (t *tx) asStored(ctx context.Context, m madeAlert) (madeAlert, error) {
	if m.earlier == "" {
		return m, nil
	}
	a, n := m.alert, int64(0)
	a.ID = m.earlier
	there, err := first(ctx, t, []any{&n}, "SELECT n FROM alerts WHERE id = ?", a.ID)
	if err != nil || !there {
		return m, err
	}
	return makeAlert(a)
}

// hasEarlierAlerts tells whether an earlier release stored alerts.
func (s *Store) hasEarlierAlerts(ctx context.Context) (has bool, err error) {
	err = s.read(ctx, "look for alerts of an earlier release", func(ctx context.Context, q querier) (err error) {
		var id string
		has, err = first(ctx, q, []any{&id}, "SELECT id FROM alerts WHERE id < ? ORDER BY id LIMIT 1", beyondEarlierIDs)
		return err
	})
	return has, err
}

const alertColumns = "SELECT n, received, state, outcome, run, resource, duplicates, doc FROM alerts WHERE "

func alertsOf(ctx context.Context, q querier, query string, args ...any) ([]Alert, error) {
	var out []Alert
	err := eachAlert(ctx, q, func(a Alert, text string) error {
		a, err := a.read(text)
		out = append(out, a)
		return err
	}, query, args...)
	return out, err
}

// eachAlert calls scan with the columns and the document of each.
func eachAlert(ctx context.Context, q querier, scan func(Alert, string) error, query string, args ...any) error {
	return each(ctx, q, func(rows cursor) error {
		var a Alert
		var text, resource string
		var received int64
		if err := rows.Scan(&a.N, &received, &a.State, &a.Why, &a.Run, &resource, &a.Duplicates, &text); err != nil {
			return err
		}
		a.Received = moment(received)
		if resource != "" {
			if err := a.Resource.UnmarshalText([]byte(resource)); err != nil {
				return fmt.Errorf("alert %d: %w", a.N, err)
			}
		}
		return scan(a, text)
	}, query, args...)
}

// read is an alert with its document beside its columns.
func (a Alert) read(text string) (Alert, error) {
	as, err := undoc[Alert]([]byte(text))
	as.N, as.State, as.Why, as.Run, as.Resource, as.Duplicates, as.Received = a.N, a.State, a.Why, a.Run, a.Resource, a.Duplicates, a.Received
	return as, err
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
	n, err := t.execCount(ctx, "UPDATE alerts SET done = 1, outcome = ?, state = ?, run = ?, resource = ? WHERE id = ? AND done = 0",
		end.Why, end.State, end.Run, end.Resource.String(), end.ID)
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
