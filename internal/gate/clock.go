package gate

import (
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

const (
	// clockGrain is the least difference that a policy may allow (clock_skew): what is less is a step for none.
	clockGrain = time.Millisecond
	// maxOrigins bounds what is remembered. More steps than that while one policy observes are not to be expected.
	maxOrigins = 1024
)

// clockWatch notices that the wall clock was set: it and the monotonic clock then tell of different times passed. What a time
// daemon slews changes both. It remembers what the clock told, and forgets nothing for one policy that another still observes for.
type clockWatch struct {
	mu      sync.Mutex
	origins []origin // oldest first, each another one than that before
}

// origin is the wall time of the monotonic clock's zero.
type origin struct {
	at    time.Time
	since time.Duration // when it was noticed, on the monotonic clock
}

// read tells by how much the clock was set, by more than most, for as long as settle afterwards; 0: it runs as it should.
func (c *clockWatch) read(wall time.Time, mono, most, settle time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(origin{at: wall.Round(0).Add(-mono), since: mono})
	believed := c.origins[0].at
	var step, since time.Duration
	for _, o := range c.origins {
		if moved := o.at.Sub(believed); moved.Abs() > most {
			believed, step, since = o.at, moved, o.since
		}
	}
	if mono-since >= settle {
		return 0
	}
	return step
}

func (c *clockWatch) note(o origin) {
	if n := len(c.origins); n > 0 && o.at.Sub(c.origins[n-1].at).Abs() <= clockGrain {
		return
	}
	c.origins = append(c.origins, o)
	if len(c.origins) > maxOrigins {
		c.origins = slices.Delete(c.origins, 0, 1)
	}
}

// ClockStep is by how much the engine's clock was set lately. It reads both clocks at one moment: a process that is stopped between the two readings must not look like a clock
// that was set. How well they are read is the same for all policies, for what one reads is remembered for all.
func (g *Gate) ClockStep(p galen.Policy) time.Duration {
	var wall time.Time
	var mono time.Duration
	for range 3 {
		before := g.o.Mono()
		wall, mono = g.o.Now(), g.o.Mono()
		if mono-before < clockGrain/2 {
			break
		}
	}
	return g.clock.read(wall, mono, p.ClockSkew.D(), p.ClockSettle.D())
}
