package journal

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/galenhq/galen"
)

// TestAlertsOfACallAreOne: if one of them cannot be stored, none is.
func TestAlertsOfACallAreOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := Open(t.Context(), path, Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON alerts WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if kept, err := s.StoreAlerts(t.Context(), Alert{ID: "good"}, Alert{ID: "bad"}); err == nil || kept != nil {
		t.Errorf("kept %+v, %v", kept, err)
	}
	n, err := s.CountPendingAlerts(t.Context(), 10)
	if err != nil || n != 0 {
		t.Errorf("%d are pending, %v", n, err)
	}
	if events, err := s.Events(t.Context(), EventFilter{}); err != nil || len(events) != 0 {
		t.Errorf("events %+v, %v", events, err)
	}
	if kept, err := s.StoreAlerts(t.Context(), Alert{ID: "good"}); err != nil || len(kept) != 1 || kept[0].Again {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

// TestGatherMindsWeight: what stands for many requests fills a transaction as they would, and who has given up weighs nothing.
func TestGatherMindsWeight(t *testing.T) {
	asks := func(weight int, gone bool) *request {
		r := &request{do: func(context.Context, *tx) error { return nil }, reply: make(chan error, 1), weight: weight}
		r.taken.Store(gone)
		return r
	}
	w := newWriter(nil, nil, nil)
	for _, r := range []*request{asks(batchLimit, true), asks(0, false), asks(batchLimit/2, false), asks(batchLimit/2, false), asks(1, false), asks(1, false)} {
		w.requests <- r
	}
	for i, want := range []int{3, 2} {
		if got := len(w.gather(<-w.requests)); got != want {
			t.Errorf("transaction %d has %d requests, want %d", i, got, want)
		}
	}
}

// TestAnAlertIsWrittenAsItIs: its event is canonical JSON, without the body but with its hash, and its document reads as the alert itself.
func TestAnAlertIsWrittenAsItIs(t *testing.T) {
	at := time.Date(2026, 1, 5, 3, 0, 0, 7, time.UTC)
	for name, a := range map[string]Alert{
		"plain":      {Source: "am", Fingerprint: "f", Status: "firing", Labels: map[string]string{"b": "2", "a": "1"}, StartsAt: at, Received: at, Body: []byte(`{"x":1}`)},
		"bare":       {ID: "1"},
		"bytes":      {ID: "1", Source: "am", Body: []byte{0xff, 0, '"'}},
		"hostile":    {Source: "am", By: "a\"b", Fingerprint: "<&>", Labels: map[string]string{"\"": "\u2028", "z": "\\"}, Annotations: map[string]string{"a": "</script>"}, Body: []byte(`"`)},
		"refused":    {ID: "refused-1", Source: "am", Body: []byte("x"), State: AlertRefused, Why: "label \"a\" is <long>"},
		"not UTF-8":  {ID: "1", Source: "am", Why: "a\xff", State: AlertRefused},
		"its traces": {Source: "am", Trace: "00-1-2-01", Body: []byte("{}")},
	} {
		m, err := makeAlert(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hint := m.alert
		hint.Body = nil
		want := map[string]any{"alert": hint, "body": galen.HashJSON(string(a.Body))}
		if a.State == AlertRefused {
			want["refused"] = a.Why
		}
		body, err := galen.Canonical(want)
		if err != nil || string(m.body) != string(body) {
			t.Errorf("%s: its event is\n%s, want\n%s, %v", name, m.body, body, err)
		}
		is, err := undoc[Alert]([]byte(m.doc))
		as := m.alert // whose other fields are columns
		as.State, as.Why = "", ""
		if diff := cmp.Diff(as, is, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("%s: read again: %v %s", name, err, diff)
		}
	}
}

// TestOtherLabelsAreAnotherAlert: whatever a sender takes for a fingerprint, nothing that says something else is lost as a duplicate.
func TestOtherLabelsAreAnotherAlert(t *testing.T) {
	id := func(instance string) string {
		m, err := makeAlert(Alert{Source: "am", Fingerprint: "f", Status: "firing", Labels: map[string]string{"instance": instance}})
		if err != nil {
			t.Fatal(err)
		}
		return m.alert.ID
	}
	one, again, other := id("n1"), id("n1"), id("n3")
	if one != again || one == other {
		t.Errorf("%s, %s; with another label %s", one, again, other)
	}
}
