package ring

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// Happening is one thing that happens to the ring: a trouble with its numbers. It is plain data, so that an incident can
// be written down, printed and replayed.
type Happening struct {
	Trouble  Trouble `json:"trouble"`
	Instance string  `json:"instance"`
	// Of is the other instance that it is about: who is removed, replaced, or repaired with.
	Of string `json:"of,omitempty"`
	// For: after so long the opposite happens by itself (thaw, mend); 0: never. A repair of a person lasts that long.
	For galen.Duration `json:"for,omitzero"`
	// Every and Times repeat it, for a node that flaps: each Every anew, Times in all.
	Every galen.Duration `json:"every,omitzero"`
	Times int            `json:"times,omitempty"`
}

// String is for people: "freeze n2 for 30s, 3 times every 1m0s".
func (h Happening) String() string {
	s := string(h.Trouble) + " " + h.Instance
	if h.Of != "" {
		s += " of " + h.Of
	}
	if h.For > 0 {
		s += " for " + h.For.D().String()
	}
	if h.Times > 1 {
		s += fmt.Sprintf(", %d times every %s", h.Times, h.Every.D())
	}
	return s
}

// Make lets trouble happen to an instance now. It errs where it makes no sense.
func (c *Cluster) Make(t Trouble, instance string) error {
	return c.Happen(Happening{Trouble: t, Instance: instance})
}

// Happen lets something happen now, and what follows from it later. It errs where it makes no sense now; where a
// repetition or an end makes none any more, nothing happens then.
func (c *Cluster) Happen(h Happening) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.pass()
	if h.Times > 1 && h.Every <= 0 {
		return fmt.Errorf("%s: %d times needs a period", h, h.Times)
	}
	if err := c.happen(h, now); err != nil {
		return err
	}
	c.publish(now)
	for i := 1; i < h.Times; i++ {
		c.later(now.Add(time.Duration(i)*h.Every.D()), func(at time.Time) { c.perhaps(h, at) })
	}
	return nil
}

// perhaps lets something happen if it still makes sense.
func (c *Cluster) perhaps(h Happening, at time.Time) {
	if err := c.happen(h, at); err != nil {
		c.missed++
	}
}

func (c *Cluster) happen(h Happening, now time.Time) error {
	if err := c.trouble(h, now); err != nil {
		return err
	}
	if end, ends := h.Trouble.opposite(); ends && h.For > 0 {
		c.later(now.Add(h.For.D()), func(at time.Time) { c.perhaps(Happening{Trouble: end, Instance: h.Instance}, at) })
	}
	return nil
}

// opposite ends a trouble.
func (t Trouble) opposite() (Trouble, bool) {
	switch t {
	case Freeze:
		return Thaw, true
	case Cut, HideHost, Isolate, Mute, Deafen, Slow, Disagree:
		return Mend, true
	case Kill, Stop:
		return Start, true
	case Overload:
		return Relief, true
	case BulkLoad:
		return BulkEnds, true
	case Cleanup:
		return Cleaned, true
	default:
		return "", false
	}
}

// Missed is how many repetitions and ends of happenings made no sense any more when they were due.
func (c *Cluster) Missed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missed
}

// Next is when something is due next by itself; false: nothing is. Whoever keeps the clock may jump there.
func (c *Cluster) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	if len(c.due) == 0 {
		return time.Time{}, false
	}
	return c.due[0].at, true
}
