package ring

import (
	"maps"
	"time"
)

// Hints are kept only where clients write ([Spec.Writes]): each peer that serves has a file of them for a member that
// has been silent for a while, and delivers it soon after that member is back. A wiped peer, and one that is removed,
// takes its hints along.

// hintLater lets the peers of a host that fell silent begin to keep hints for it.
func (c *Cluster) hintLater(h *host, now time.Time) {
	if !c.spec.Writes {
		return
	}
	c.later(now.Add(c.spec.Timing.Hint), func(time.Time) {
		e := c.endpoints[h.Address]
		if e == nil || e.silent.IsZero() || e.silent.After(now) || c.member(e.hostID) == nil {
			return
		}
		for _, o := range c.hosts {
			if o != h && o.proc != nil && !o.proc.stopped && o.proc.phase == phaseNormal {
				o.hints[e.hostID]++
			}
		}
	})
}

// deliver lets the peers hand over what they keep for a host that speaks again.
func (c *Cluster) deliver(h *host, now time.Time) {
	if e := c.endpoints[h.Address]; e != nil {
		c.dropHints(e.hostID, now.Add(c.spec.Timing.Deliver))
	}
}

func (c *Cluster) dropHints(hostID string, at time.Time) {
	if !c.spec.Writes {
		return
	}
	c.later(at, func(time.Time) {
		for _, o := range c.hosts {
			delete(o.hints, hostID)
		}
	})
}

// hinted is a copy for who looks; nil: none.
func (h *host) hinted() map[string]int {
	if len(h.hints) == 0 {
		return nil
	}
	return maps.Clone(h.hints)
}
