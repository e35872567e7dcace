package app

import (
	"testing"
	"time"
)

// The clock goes on, and in time with Go's own while the machine is awake.
func TestUptimeGoesOn(t *testing.T) {
	began, first := time.Now(), uptime()
	last := first
	for time.Since(began) < 20*time.Millisecond {
		now := uptime()
		if now < last {
			t.Fatalf("went back from %s to %s", last, now)
		}
		last = now
	}
	last = uptime() // the process may have been left waiting since the last reading
	if passed := last - first; passed < 15*time.Millisecond || passed > time.Minute {
		t.Errorf("%s passed in 20 ms", passed)
	}
}
