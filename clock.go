package galen

import "time"

// ClockOffset is how far the clock of an observer is from the engine's, at least: what the resolution of its answer and the
// time on the way leave open is not held against it.
type ClockOffset struct {
	Observer string
	Offset   time.Duration
}

// Clocked is a [State] whose observers tell their clocks.
type Clocked interface {
	// Clocks are the offsets that were measured in the newest look; who could not be asked is left out.
	Clocks() []ClockOffset
}
