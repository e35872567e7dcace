package ring

import (
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// streamStep is how often a stream asks how fast its sources may send: a throttle that changes on the way counts from
// then on.
const streamStep = 10 * time.Second

// stream lets a joiner receive what a node holds, then does what follows. No source, no room, or a stream that breaks is the end
// of the join: the process stays and says JOINING_FAILED.
func (c *Cluster) stream(h *host, p *process, left float64, then func(time.Time)) func(time.Time) {
	return func(at time.Time) {
		if p.phase != phaseJoining {
			return
		}
		if h.breaks > 0 {
			h.breaks--
			p.phase, p.streams = phaseFailed, 0
			return
		}
		if left <= 0 {
			then(at)
			return
		}
		rate := c.streamRate(h)
		if rate == 0 || float64(h.free) < left {
			p.phase, p.streams = phaseFailed, 0
			return
		}
		step := min(streamStep, time.Duration(left/rate*float64(time.Second))+time.Millisecond)
		sent := rate * step.Seconds()
		c.life(h, p, at.Add(step), func(at time.Time) {
			got := int64(min(sent, left))
			h.free, h.streamed = h.free-got, h.streamed+got
			c.stream(h, p, left-sent, then)(at)
		})
	}
}

// unthrottled is what one source sends without a limit, in bytes per second.
const unthrottled = 400 << 20

// streamRate is what the nodes in service may send together to one that joins; one replica of each range sends, so that
// as many as there are racks take part.
func (c *Cluster) streamRate(to *host) float64 {
	var total float64
	var racks []string
	for _, m := range c.members {
		from := m.host
		rack := from.config.DC + "/" + from.config.Rack
		if from == to || m.status != cassandra.Normal || !c.serves(from) || slices.Contains(racks, rack) {
			continue
		}
		racks = append(racks, rack)
		limit := from.proc.throttle.Stream
		if from.config.DC != to.config.DC {
			limit = from.proc.throttle.InterDC
		}
		if limit.Value <= 0 {
			total += unthrottled
			continue
		}
		total += limit.Bytes()
	}
	return total
}
