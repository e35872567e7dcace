package galen

import "fmt"

// Class is how much harm a verb can do.
type Class int

// The classes in order.
const (
	Read        Class = iota + 1
	Reversible        // start, repair, throttle, prepare an empty node
	Disruptive        // stop, drain, kill a stuck process
	Destructive       // fence, replace, remove, terminate, delete
)

// String is the class's name.
func (c Class) String() string {
	switch c {
	case Read:
		return "read"
	case Reversible:
		return "reversible"
	case Disruptive:
		return "disruptive"
	case Destructive:
		return "destructive"
	default:
		return fmt.Sprintf("class(%d)", int(c))
	}
}

// TakesAway tells whether a verb of the class takes something out of service.
func (c Class) TakesAway() bool { return c > Reversible }

// MarshalText writes the name; an unknown class is an error.
func (c Class) MarshalText() ([]byte, error) {
	if c < Read || c > Destructive {
		return nil, fmt.Errorf("class %d: want 1 (read) to 4 (destructive)", int(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads the name.
func (c *Class) UnmarshalText(b []byte) error {
	for k := Read; k <= Destructive; k++ {
		if k.String() == string(b) {
			*c = k
			return nil
		}
	}
	return fmt.Errorf("class %q: want read, reversible, disruptive or destructive", b)
}

// Schema says its form to programs.
func (Class) Schema() map[string]any {
	return map[string]any{"enum": []string{Read.String(), Reversible.String(), Disruptive.String(), Destructive.String()}}
}
