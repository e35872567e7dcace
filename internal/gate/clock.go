package gate

import (
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// clockWatch notices that the wall clock was set: it and the monotonic clock then tell of different times passed. What a time
// daemon slews changes both.
type clockWatch struct {
	mu     sync.Mutex
	known  bool
	origin time.Time     // the wall time of the monotonic clock's zero
	step   time.Duration // the newest
	at     time.Duration // when it was noticed, on the monotonic clock
}

// read tells by how much the clock was set, for as long as settle afterwards; 0: it runs as it should.
func (c *clockWatch) read(wall time.Time, mono, most, settle time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	origin := wall.Round(0).Add(-mono)
	if !c.known {
		c.known, c.origin = true, origin
	}
	if moved := origin.Sub(c.origin); moved.Abs() > most {
		c.origin, c.step, c.at = origin, moved, mono
	}
	if c.step != 0 && mono-c.at >= settle {
		c.step = 0
	}
	return c.step
}

// clockStep reads both clocks at one moment: a process that is stopped between the two readings must not look like a clock
// that was set.
func (g *Gate) clockStep(p galen.Policy) time.Duration {
	most := p.ClockSkew.D()
	var wall time.Time
	var mono time.Duration
	for range 3 {
		before := g.o.Mono()
		wall, mono = g.o.Now(), g.o.Mono()
		if mono-before < most/2 {
			break
		}
	}
	return g.clock.read(wall, mono, most, p.ClockSettle.D())
}
