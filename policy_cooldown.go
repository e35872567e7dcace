package galen

import (
	"errors"
	"fmt"
)

// Cooldown is how long the engine waits between two recoveries of one target for one cause by one class of steps.
type Cooldown struct {
	Cause Code     `json:"cause"`
	Class Class    `json:"class"`
	For   Duration `json:"for"`
}

func (c Cooldown) valid() error {
	switch {
	case c.Cause == "":
		return errors.New("cause: empty; name a finding's code, such as node-down")
	case c.Class < Reversible || c.Class > Destructive:
		return fmt.Errorf("class: want reversible, disruptive or destructive, got %s", c.Class)
	case c.For < 0 || c.For.D() > MaxLookBack:
		return fmt.Errorf("for: %s is not from 0s to %s: the journal counts no further back", c.For, MaxLookBack)
	}
	return nil
}

// CooldownOf is how long a target rests after a recovery before a step of that cause and class: the one of that pair if the
// recovery was of the same, and otherwise that of any two recoveries.
func (p Policy) CooldownOf(r Recovery, cause Code, class Class) Duration {
	if r.Cause != cause || r.Class != class {
		return p.Cooldown
	}
	for _, c := range p.Cooldowns {
		if c.Cause == cause && c.Class == class {
			return c.For
		}
	}
	return p.Cooldown
}
