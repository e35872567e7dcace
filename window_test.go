package galen

import (
	"strings"
	"testing"
	"time"
)

func TestWindowCovers(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	nightly := Window{Name: "backup", From: "23:30", For: Duration(2 * time.Hour)}
	sunday := Window{Name: "patch", Days: []string{"sun"}, From: "22:00", For: Duration(4 * time.Hour)}
	berlin := Window{Name: "backup", From: "02:30", For: Duration(time.Hour), Zone: "Europe/Berlin"}
	whole := Window{Name: "day", Days: []string{"sat"}, From: "23:30", For: Duration(24 * time.Hour), Zone: "Europe/Berlin"}
	for _, c := range []struct {
		window Window
		at     string
		until  string // "": not in it
	}{
		{nightly, "2024-02-28T23:29:59Z", ""},
		{nightly, "2024-02-28T23:30:00Z", "2024-02-29T01:30:00Z"},
		{nightly, "2024-02-29T01:29:59Z", "2024-02-29T01:30:00Z"},
		{nightly, "2024-02-29T01:30:00Z", ""},
		{nightly, "2024-03-01T01:00:00Z", "2024-03-01T01:30:00Z"}, // begun on the 29th
		{nightly, "2025-03-01T01:00:00Z", "2025-03-01T01:30:00Z"}, // begun on the 28th
		{nightly, "2027-01-01T00:30:00Z", "2027-01-01T01:30:00Z"},
		{nightly, "2027-01-01T02:00:00+01:00", "2027-01-01T01:30:00Z"},
		{sunday, "2026-03-01T23:00:00Z", "2026-03-02T02:00:00Z"},
		{sunday, "2026-03-02T01:59:00Z", "2026-03-02T02:00:00Z"}, // Monday, begun on Sunday
		{sunday, "2026-03-02T23:00:00Z", ""},
		{berlin, "2026-03-28T01:45:00Z", "2026-03-28T02:30:00Z"}, // winter: 02:45
		{berlin, "2026-03-29T01:45:00Z", "2026-03-29T02:30:00Z"}, // 02:30 is no time of this day: 03:30 in summer
		{berlin, "2026-03-29T01:15:00Z", ""},
		{berlin, "2026-03-30T00:45:00Z", "2026-03-30T01:30:00Z"}, // summer: 02:45
		{berlin, "2026-10-25T00:45:00Z", "2026-10-25T02:30:00Z"}, // the first 02:45 of two
		{berlin, "2026-10-25T01:45:00Z", "2026-10-25T02:30:00Z"}, // the second
		{berlin, "2026-10-25T02:30:00Z", ""},
		{whole, "2026-03-29T22:15:00Z", "2026-03-29T22:30:00Z"}, // 24 hours, on a day of 23
		{whole, "2026-03-29T22:30:00Z", ""},
	} {
		_, until, in, err := c.window.Covers(at(c.at))
		got := ""
		if in {
			got = until.UTC().Format(time.RFC3339)
		}
		if err != nil || got != c.until {
			t.Errorf("%s at %s: until %q, %v; want %q", c.window.Name, c.at, got, err, c.until)
		}
	}
}

// TestWindowOnEveryDay: each day of nine years has its window, as long as it should be, in a zone that sets its clocks.
func TestWindowOnEveryDay(t *testing.T) {
	w := Window{Name: "backup", From: "04:00", For: Duration(90 * time.Minute), Zone: "America/New_York"}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		t.Fatal(err)
	}
	for day := range 9*365 + 3 {
		begins := time.Date(2024, 1, 1+day, 4, 0, 0, 0, zone)
		for after, want := range map[time.Duration]bool{-time.Second: false, 0: true, 90*time.Minute - time.Second: true, 90 * time.Minute: false} {
			from, until, in, err := w.Covers(begins.Add(after).UTC())
			if err != nil || in != want || in && (!from.Equal(begins) || until.Sub(from) != w.For.D()) {
				t.Fatalf("%s after %s: %t, from %s until %s, %v", after, begins, in, from, until, err)
			}
		}
	}
}

func TestWindowValid(t *testing.T) {
	good := Window{Name: "backup", Days: []string{"mon"}, From: "22:30", For: Duration(time.Hour), Zone: "Europe/Berlin"}
	if err := good.Valid(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Window){
		"name: empty":              func(w *Window) { w.Name = " " },
		`days: ["Mon"]: want mon`:  func(w *Window) { w.Days = []string{"Mon"} },
		`from: "24:00"`:            func(w *Window) { w.From = "24:00" },
		"for: 0s":                  func(w *Window) { w.For = 0 },
		"for: 24h0m1s":             func(w *Window) { w.For = Duration(24*time.Hour + time.Second) },
		`zone: "Utopia" is not`:    func(w *Window) { w.Zone = "Utopia" },
		`from: "": want a time of`: func(w *Window) { w.From = "" },
	} {
		w := good
		change(&w)
		if err := w.Valid(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestAllFaultsOfAWindow: each is told with its place, of a schedule's windows too.
func TestAllFaultsOfAWindow(t *testing.T) {
	bad := Window{From: "24:00", For: Duration(time.Hour), Zone: "Utopia"}
	if got := len(strings.Split(bad.Valid().Error(), "\n")); got != 3 {
		t.Errorf("%d faults, want 3: %v", got, bad.Valid())
	}
	bad.Zone = "Local"
	err := Schedule{Within: []Window{{Name: "night", From: "22:00", For: Duration(time.Hour)}, bad}}.checkWindows()
	for _, want := range []string{"within[1]: name: empty", "within[1]: from: ", "within[1]: zone: Local"} {
		if err == nil || strings.Count(err.Error(), want) != 1 || strings.Count(err.Error(), "within") != 3 {
			t.Errorf("%v, want %q once, and three faults", err, want)
		}
	}
}

// TestWindowBegins: a window covers the moment at which it begins next, and nothing between there and the end of the one before.
func TestWindowBegins(t *testing.T) {
	start := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	for _, w := range []Window{
		{Name: "nightly", From: "23:30", For: Duration(2 * time.Hour)},
		{Name: "sunday", Days: []string{"sun"}, From: "02:30", For: Duration(time.Hour), Zone: "Europe/Berlin"},
		{Name: "whole days", Days: []string{"sat", "mon"}, From: "00:00", For: Duration(24 * time.Hour), Zone: "America/New_York"},
		{Name: "twice an hour", From: "02:15", For: Duration(10 * time.Minute), Zone: "Australia/Lord_Howe"},
	} {
		for _, begun := range []time.Time{start, time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC)} {
			next, err := w.Begins(begun)
			if err != nil || !next.After(begun) {
				t.Fatalf("%s after %s begins %s, %v", w.Name, begun, next, err)
			}
			for at := begun.Truncate(time.Minute); at.Before(begun.AddDate(0, 0, 16)); at = at.Add(5 * time.Minute) {
				from, _, in, err := w.Covers(at)
				if err != nil {
					t.Fatal(err)
				}
				if !at.Before(next) {
					if !in || !from.Equal(next) {
						t.Fatalf("%s at %s: %v since %s, should begin at %s", w.Name, at, in, from, next)
					}
					if next, err = w.Begins(at); err != nil {
						t.Fatal(err)
					}
				} else if in && from.After(begun) && at.Equal(from) {
					t.Fatalf("%s begins at %s, and not %s", w.Name, from, next)
				}
			}
		}
	}
}
