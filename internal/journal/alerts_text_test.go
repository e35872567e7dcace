package journal

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// FuzzIDOf: however it is written, the ID of an alert is the hash of the same canonical JSON.
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
		if got := idOf(a, status); got != want {
			t.Errorf("%s, want %s: %s", got, want, plainID(a, status))
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
