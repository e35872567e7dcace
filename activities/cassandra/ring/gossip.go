package ring

import (
	"maps"
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// pair is an observer's instance and the address that it speaks of.
type pair struct{ observer, address string }

// link is what an observer calls an address: UP or DOWN, and a change of mind that is under way.
type link struct {
	up      bool
	turning bool
	when    time.Time
}

func (l *link) settle(now time.Time) bool {
	if l.turning && !now.Before(l.when) {
		l.up, l.turning = !l.up, false
	}
	return l.up
}

// turn begins a change of mind, or takes one back that is no longer needed.
func (l *link) turn(up bool, now, when time.Time) {
	switch {
	case l.settle(now) == up:
		l.turning = false
	case !l.turning:
		l.turning, l.when = true, when
	}
}

// endpoint is what gossip knows of an address.
type endpoint struct {
	address    string
	host       *host
	hostID     string
	status     string
	generation int64
	silent     time.Time // zero: it speaks
}

// speaks tells whether the process of which gossip knows is there and takes part.
func (e *endpoint) speaks() bool {
	p := e.host.proc
	return p != nil && p.speaks && !p.stopped && p.generation == e.generation
}

// link makes the observer's opinion of an address, DOWN at first.
func (c *Cluster) link(observer *host, address string) *link {
	key := pair{observer.Name, address}
	if c.links[key] == nil {
		c.links[key] = &link{}
	}
	return c.links[key]
}

// gossip lets every running node form its opinion of every address anew: whom it hears, by whatever way, comes UP soon,
// whom it does not goes DOWN when its failure detector gives up. Who missed news hears them.
func (c *Cluster) gossip(now time.Time) {
	parts := c.parts()
	for _, address := range slices.Sorted(maps.Keys(c.endpoints)) {
		e := c.endpoints[address]
		speaks := c.note(e, now)
		for _, observer := range c.hosts {
			if observer.Address == address || observer.proc == nil || observer.proc.stopped {
				continue
			}
			l := c.link(observer, address)
			if speaks && !observer.deaf && !e.host.mute && (parts[observer] == 0 || parts[observer] == parts[e.host]) {
				l.turn(true, now, now.Add(c.spec.Timing.Gossip))
			} else {
				l.turn(false, now, now.Add(c.vary(c.spec.Timing.Phi)))
			}
		}
	}
	c.catchUp(parts, now)
}

// note keeps since when an endpoint is silent, and tells whether it speaks.
func (c *Cluster) note(e *endpoint, now time.Time) bool {
	if e.speaks() {
		if !e.silent.IsZero() {
			c.deliver(e.host, now)
		}
		e.silent = time.Time{}
		return true
	}
	if e.silent.IsZero() {
		e.silent = now
		c.hintLater(e.host, now)
	}
	return false
}

// wake gives a node that just became NORMAL its view of the others: it has just exchanged gossip with those that live.
func (c *Cluster) wake(h *host) {
	if h.proc.coming = 0; c.news != nil {
		h.proc.learn(c.news)
	}
	for address, e := range c.endpoints {
		up := e.silent.IsZero() && !c.blocked[pair{h.Name, address}] && !h.deaf && !e.host.mute
		*c.link(h, address) = link{up: up}
	}
}

// talk tells whether two nodes can ask each other and answer.
func (c *Cluster) talk(a, b *host) bool {
	cut := func(h *host) bool { return h.mute || h.deaf }
	return a == b || !c.blocked[pair{a.Name, b.Address}] && !c.blocked[pair{b.Name, a.Address}] && !cut(a) && !cut(b)
}

// farewell lets all peers call an address DOWN at once: it said goodbye.
func (c *Cluster) farewell(h *host) {
	for _, observer := range c.hosts {
		*c.link(observer, h.Address) = link{}
	}
}

// calls tells whether an observer calls an address UP.
func (c *Cluster) callsUp(observer *host, address string, now time.Time) bool {
	if observer.Address == address {
		return true
	}
	return c.link(observer, address).settle(now)
}

// anyUp tells whether any working node calls the address UP.
func (c *Cluster) anyUp(address string, now time.Time) bool {
	return slices.ContainsFunc(c.hosts, func(h *host) bool {
		return h.Address != address && h.proc != nil && !h.proc.stopped && h.proc.phase == phaseNormal && c.callsUp(h, address, now)
	})
}

// peers are what a node says of every address it knows.
func (c *Cluster) peers(h *host, now time.Time) []cassandra.Endpoint {
	n := h.proc.news
	if n == nil {
		return nil
	}
	t := c.chart(n)
	out := make([]cassandra.Endpoint, 0, len(t.addresses))
	for _, address := range t.addresses {
		e := n.states[address]
		if h.proc.flag == address && e.host != h && e.generation < h.generation && h.proc.phase == phaseNormal {
			continue // who took a place does not know who had it
		}
		out = append(out, c.says(h, e, now))
	}
	return out
}

// says is what a node says of one endpoint.
func (c *Cluster) says(h *host, e *endpoint, now time.Time) cassandra.Endpoint {
	p := cassandra.Endpoint{
		Address: e.address, Up: c.callsUp(h, e.address, now), Status: e.status, HostID: e.hostID,
		DC: e.host.config.DC, Rack: e.host.config.Rack, Version: Version, Generation: e.generation,
		Heartbeat: int64(now.Sub(time.Unix(e.generation, 0)) / time.Second),
		RPCReady:  e.status == "NORMAL" && e.silent.IsZero(),
	}
	switch e.status {
	case "BOOT", "BOOT_REPLACE", "hibernate", "":
	default:
		if !c.untold(e.host) {
			p.Load = c.load()
		}
	}
	if !e.silent.IsZero() {
		p.Heartbeat = int64(e.silent.Sub(time.Unix(e.generation, 0)) / time.Second)
	}
	if e.status == "shutdown" {
		p.Heartbeat = 1<<31 - 1
	}
	return p
}

// Version of Cassandra that the nodes tell.
const Version = "5.0.9"
