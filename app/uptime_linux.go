package app

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// uptime is the monotonic clock by which the gate measures ages: no clock step changes it, and it goes on while the
// machine is suspended, when Go's own stands still. An engine that slept with its machine must know that it did.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(fmt.Sprintf("read CLOCK_BOOTTIME: %v", err)) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}
