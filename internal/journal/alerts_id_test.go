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
