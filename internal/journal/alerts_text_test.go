package journal

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// FuzzIDOf: however it is written, the ID of an alert has the hash of the same canonical JSON, behind when it began.
func FuzzIDOf(f *testing.F) {
	f.Add("am", "f1", "firing", int64(1_800_000_000), int64(5), "alertname", "Down", "b", "<&>", true)
	f.Add("am", "f1", "firing", int64(-62135596801), int64(0), "é", "\u2028", "é", "x", true)
	f.Add("", "", "", int64(1<<40), int64(999), "z", "\xff", "a\n", "\"", false)
	f.Add("am", "f2", "resolved", int64(0), int64(1_000_000), "b", "1", "a", "2", true)
	f.Fuzz(func(t *testing.T, source, fingerprint, status string, seconds, nanos int64, name, value, other, another string, labels bool) {
		a := Alert{Source: source, Fingerprint: fingerprint, StartsAt: time.Unix(seconds, nanos)}
		if labels {
			a.Labels = map[string]string{name: value, other: another}
		}
		want := galen.HashJSON([]any{a.Source, a.Fingerprint, status, a.StartsAt.UTC(), a.Labels})
		if got := earlierIDOf(a, status); got != want || got >= beyondEarlierIDs {
			t.Errorf("%s, want %s: %s", got, want, plainID(a, status))
		}
		id, later := idOf(a, status), a
		if !strings.HasSuffix(id, "-"+want[:48]) || id <= beyondEarlierIDs {
			t.Errorf("%s of %s", id, want)
		}
		if later.StartsAt = a.StartsAt.Add(time.Hour); later.StartsAt.Year() > 1970 && later.StartsAt.Year() < 10_000 && idOf(later, status) <= id {
			t.Errorf("%s, and of what began an hour later %s", id, idOf(later, status))
		}
	})
}

// FuzzHintOf: however it is written, what is kept of an alert is its canonical JSON.
func FuzzHintOf(f *testing.F) {
	f.Add("am", "am-eu", "f1", "firing", int64(1_800_000_000), int64(5), int64(1_800_000_007), "alertname", "Down", "b", "<&>", "00-1-2-01", 3, true)
	f.Add("am", "", "f1", "firing", int64(-62135596801), int64(0), int64(0), "é", "\u2028", "é", "x", "", 1, true)
	f.Add("am", "é", "f1", "firing", int64(-62135596800), int64(0), int64(-62135596800), "b", "1", "a", "2", "", 2, true)
	f.Add("", "", "", "", int64(1<<40), int64(999), int64(1), "z", "\xff", "a\n", "\"", "x", 3, true)
	f.Add("am", "am", "f2", "resolved", int64(0), int64(1_000_000), int64(5), "b", "1", "a", "2", "", 0, false)
	f.Fuzz(func(t *testing.T, source, by, fingerprint, status string, seconds, nanos, received int64, name, value, other, another, trace string, maps int, utc bool) {
		a := Alert{
			ID: fingerprint + status, Source: source, By: by, Fingerprint: fingerprint, Status: status, Trace: trace, Body: []byte(name),
			StartsAt: time.Unix(seconds, nanos), Received: time.Unix(received, 0).UTC(), State: AlertPending, Why: "why", N: 4,
		}
		if utc {
			a.StartsAt = a.StartsAt.UTC()
		}
		if maps&1 > 0 {
			a.Labels = map[string]string{name: value, other: another}
		}
		if maps&2 > 0 {
			a.Annotations = map[string]string{other: value}
		}
		bare := a
		bare.Body = nil
		want, wantErr := galen.Canonical(bare)
		got, err := hintOf(a)
		if string(got) != string(want) || (err != nil) != (wantErr != nil) {
			t.Errorf("%s (%v), want %s (%v)", got, err, want, wantErr)
		}
		if got := plainHint(bare); got == nil && utc && wantErr == nil && plain(source+by+fingerprint+status+name+value+other+another+trace) {
			t.Errorf("of plain text, and not written by hand: %s", want)
		}
	})
}

// TestAlertsOfEarlierReleases: an alert that is there under the ID of an earlier release is the same alert when it comes again, ends and fires anew.
func TestAlertsOfEarlierReleases(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "journal.db"), t.Context()
	now := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
	var s *Store
	reopen := func() {
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if s, err = Open(ctx, path, Options{Now: func() time.Time { return now }, NoSync: true}); err != nil {
			t.Fatal(err)
		}
	}
	store := func(a Alert) Kept {
		t.Helper()
		now = now.Add(time.Minute)
		kept, err := s.StoreAlerts(ctx, a)
		if err != nil || len(kept) != 1 {
			t.Fatal(kept, err)
		}
		if kept[0].Pending {
			if err := s.AlertsDone(ctx, AlertEnd{ID: kept[0].Alert.ID, State: AlertMatched, Run: "r"}); err != nil {
				t.Fatal(err)
			}
		}
		return kept[0]
	}
	fires := Alert{Source: "am", Fingerprint: "f", Status: alertFiring, Labels: map[string]string{"a": "b"}, StartsAt: now}
	other, ends := fires, fires
	other.Fingerprint, ends.Status = "g", alertResolved
	by := func(a Alert) Alert { a.ID = earlierIDOf(a, a.Status); return a }

	reopen()
	store(by(fires))
	reopen()
	for _, c := range []struct {
		name           string
		alert          Alert
		again, pending bool
		earlier        bool
	}{
		{"the same again", fires, true, false, true},
		{"its end, which is new", ends, false, true, false},
		{"it fires anew", fires, true, true, true},
		{"and again", fires, true, false, true},
		{"another", other, false, true, false},
		{"another again", other, true, false, false},
	} {
		got := store(c.alert)
		want := idOf(c.alert, c.alert.Status)
		if c.earlier {
			want = earlierIDOf(c.alert, c.alert.Status)
		}
		if got.Again != c.again || got.Pending != c.pending || got.Alert.ID != want {
			t.Errorf("%s: %+v, want again %v, pending %v, ID %s", c.name, got, c.again, c.pending, want)
		}
	}

	other = Alert{Source: "am", Fingerprint: "h", Status: alertFiring, Labels: map[string]string{"a": "b"}, StartsAt: now}
	ends = other
	ends.Status = alertResolved
	store(by(other))
	store(by(ends))
	if got := store(other); !got.Again || !got.Pending {
		t.Errorf("fires anew after an end of the earlier release: %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAnEndFromAnEarlierRelease: an engine of an earlier release may tell the end to the same journal, whatever was there at the start.
func TestAnEndFromAnEarlierRelease(t *testing.T) {
	now := time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)
	s, err := OpenMemory(t.Context(), Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	fires := Alert{Source: "am", Fingerprint: "f", Status: alertFiring, Labels: map[string]string{"a": "b"}, StartsAt: now}
	ends := fires
	ends.Status = alertResolved
	ends.ID = earlierIDOf(fires, alertResolved)
	for i, a := range []Alert{fires, ends, fires} {
		now = now.Add(time.Minute)
		kept, err := s.StoreAlerts(t.Context(), a)
		if err != nil || !kept[0].Pending || kept[0].Again != (i == 2) {
			t.Fatalf("%d: %+v, %v", i, kept, err)
		}
		if err := s.AlertsDone(t.Context(), AlertEnd{ID: kept[0].Alert.ID, State: AlertMatched, Run: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
