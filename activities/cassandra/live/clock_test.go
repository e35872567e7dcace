package live

import (
	"testing"
	"time"
)

// TestOffset: a clock that tells whole seconds is off by what neither its resolution nor the way there and back explains.
func TestOffset(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ told, asked, answered, want time.Duration }{
		{0, 0, 0, 0},
		{0, 999 * time.Millisecond, 999 * time.Millisecond, 0},
		{0, 1500 * time.Millisecond, 1600 * time.Millisecond, -500 * time.Millisecond},
		{2 * time.Second, 1400 * time.Millisecond, 1500 * time.Millisecond, 500 * time.Millisecond},
		{2 * time.Second, 0, 2500 * time.Millisecond, 0},
		{time.Hour, 0, 100 * time.Millisecond, time.Hour - 100*time.Millisecond},
		{-time.Hour, 0, 100 * time.Millisecond, time.Second - time.Hour},
	} {
		if got := offset(noon.Add(c.told).Unix(), noon.Add(c.asked), noon.Add(c.answered)); got != c.want {
			t.Errorf("told %s, asked %s, answered %s: %s, want %s", c.told, c.asked, c.answered, got, c.want)
		}
	}
}
