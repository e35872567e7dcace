//go:build !linux

package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime is the monotonic clock by which the gate measures ages: no clock step changes it. On macOS and the BSDs it goes
// on while the machine is suspended.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error())
	}
	return time.Duration(t.Nano())
}
