package galen

import (
	"fmt"
	"time"
)

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

// ClockOff is by how much a clock that was read between two readings of our own was off for certain: as far as the length of the reading
// does not explain it.
func ClockOff(clock, asked, got time.Time) time.Duration {
	switch {
	case clock.Before(asked):
		return clock.Sub(asked)
	case clock.After(got):
		return clock.Sub(got)
	}
	return 0
}

// ClockDoubt says why the engine's clock cannot be believed, "" if it can (I-34): it was set by step lately, or the journal's
// clock was off by so much when the engine read both, with a ledger or before a look.
func (p Policy) ClockDoubt(step, off time.Duration) string {
	most := p.ClockSkew.D()
	switch {
	case step.Abs() > most:
		return fmt.Sprintf("the engine's clock was set by %s; observing only for %s", step.Round(time.Millisecond), p.ClockSettle)
	case off.Abs() > most:
		return fmt.Sprintf("the journal's clock was %s off the engine's when both were read, at most %s is allowed", off.Round(time.Millisecond), most)
	}
	return ""
}
