package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// exec starts the process of a host; what becomes of it depends on what it finds on disk and in its configuration.
func (c *Cluster) exec(h *host, intent string, now time.Time) *process {
	c.pid++
	h.generation = max(now.Unix(), h.generation+1)
	p := &process{
		pid: c.pid, started: now, intent: intent, flag: h.flag, config: h.config, generation: h.generation,
		hostID:   fmt.Sprintf("boot-%d", c.pid), // Cassandra shows a passing ID at first
		throttle: DefaultThrottle(),
	}
	h.proc = p
	t := c.spec.Timing
	if h.data != nil {
		p.news = c.news // as its own tables tell
	}
	c.life(h, p, now.Add(t.JVM), func(time.Time) { p.phase = phaseBooting })
	c.life(h, p, now.Add(t.Agent), func(at time.Time) { c.boot(h, p, at) })
	return p
}

// boot decides what the node does with what it finds.
func (c *Cluster) boot(h *host, p *process, at time.Time) {
	p.phase = phaseStarting
	t := c.spec.Timing
	switch {
	case h.data != nil && (h.data.half || h.data.left):
		c.exit(h, at) // "was decommissioned and will not rejoin"; or the rest of a failed join
	case h.data != nil:
		// The flag replace_address_first_boot means nothing to a node that has booted.
		p.hostID = h.data.hostID
		c.life(h, p, p.started.Add(c.vary(t.Start)), func(at time.Time) { c.normal(h, p, at) })
	case p.flag != "":
		c.life(h, p, p.started.Add(t.Join), func(at time.Time) { c.joinInPlace(h, p, at) })
	case c.occupied(h.Address):
		h.data = &dataset{half: true} // its first tables are written before it asks the others
		c.exit(h, at)                 // "A node with address ... already exists, cancelling join"
	default:
		c.life(h, p, p.started.Add(t.Join), func(at time.Time) { c.joinFresh(h, p, at) })
	}
}

// occupied: gossip knows a node at the address that has not gone for good.
func (c *Cluster) occupied(address string) bool {
	e := c.endpoints[address]
	return e != nil && e.status != "LEFT" && e.status != "removed"
}

// exit ends a process.
func (c *Cluster) exit(h *host, at time.Time) {
	h.proc = nil
	c.dropJoiner(h, at)
	if m := c.owner(h.Address); m != nil && len(m.tokens) == 0 { // robbed: to its peers it is a client that fell silent
		c.remove(m)
		c.changed(nil)
		c.evict(h, at.Add(c.spec.Timing.Evict/2))
	}
	c.gossip(at)
}

// dropJoiner lets the peers forget a joiner that died: they call it DOWN first.
func (c *Cluster) dropJoiner(h *host, at time.Time) {
	died := h.generation
	c.later(at.Add(c.spec.Timing.Phi+c.spec.Timing.Forget), func(time.Time) {
		if h.proc != nil || h.generation != died {
			return
		}
		c.members = slices.DeleteFunc(c.members, func(m *member) bool { return m.host == h && m.status == cassandra.Joining })
		c.changed(nil)
		if e := c.endpoints[h.Address]; e != nil && (e.status == "BOOT_REPLACE" || e.status == "BOOT" || e.status == "") {
			delete(c.endpoints, h.Address)
			for _, o := range c.hosts {
				delete(c.links, pair{o.Name, h.Address})
			}
		}
	})
}

// normal makes a node with data a working one. If another one took its place meanwhile, it takes all its tokens back:
// nobody objects, and the robbed node stays UP and NORMAL.
func (c *Cluster) normal(h *host, p *process, at time.Time) {
	if h.data == nil {
		c.exit(h, at) // they were deleted while it started
		return
	}
	p.phase, p.speaks, p.streams = phaseNormal, true, 0
	m := c.member(h.data.hostID)
	if m == nil {
		m = &member{hostID: h.data.hostID, host: h, tokens: slices.Clone(h.data.tokens)}
		c.harm(at, h, "the corpse "+h.Name+" took its tokens back")
		for _, other := range c.members {
			other.tokens = slices.DeleteFunc(slices.Clone(other.tokens), func(t cassandra.Token) bool { return slices.Contains(m.tokens, t) })
		}
		c.members = append(c.members, m)
	}
	m.status, m.replacing, m.foreign = cassandra.Normal, "", false
	c.announce(h, p, "NORMAL")
	c.wake(h)
	c.gossip(at)
}

// announce puts a node's state into gossip.
func (c *Cluster) announce(h *host, p *process, status string) {
	p.speaks = true
	if status == "NORMAL" {
		c.dropHints(p.hostID, c.at.Add(c.spec.Timing.Deliver))
	}
	c.endpoints[h.Address] = &endpoint{address: h.Address, host: h, hostID: p.hostID, status: status, generation: p.generation}
	c.changed(h)
}

// evict lets the peers forget an address that is silent and no member any more.
func (c *Cluster) evict(h *host, at time.Time) {
	died := h.generation
	c.later(at, func(time.Time) {
		if e := c.endpoints[h.Address]; h.generation != died || c.owner(h.Address) != nil || e == nil || e.status != "NORMAL" {
			return
		}
		delete(c.endpoints, h.Address)
		for _, o := range c.hosts {
			delete(c.links, pair{o.Name, h.Address})
		}
		c.changed(nil)
	})
}

// restate changes a host's state in gossip; who has not heard of it sees the old one.
func (c *Cluster) restate(h *host, status string) {
	if e := c.endpoints[h.Address]; e != nil {
		now := *e
		now.status = status
		c.endpoints[h.Address] = &now
		c.changed(h)
	}
}

// joinInPlace begins a replacement. Cassandra refuses some of what would go wrong: the node exits.
func (c *Cluster) joinInPlace(h *host, p *process, at time.Time) {
	p.phase = phaseJoining
	p.learn(c.news)
	dead := c.owner(p.flag)
	moving := slices.ContainsFunc(c.members, func(m *member) bool { return m.status != cassandra.Normal && m.host != h })
	switch {
	case dead == nil, moving, c.anyUp(p.flag, at), !c.reachesSeed(h, p):
		c.exit(h, at)
		return
	}
	h.data = &dataset{half: true}
	c.made++
	p.hostID = hostID(1000 + c.made)
	if !p.config.AutoBootstrap || slices.Contains(p.config.Seeds, h.Address) {
		c.harm(at, h, h.Name+" joined without data")
		c.takePlace(h, p, dead, at)
		h.data.bare = true
		return
	}
	t := c.spec.Timing
	if dead.host == h { // same address: hibernate, in no list, no pending ranges
		c.announce(h, p, "hibernate")
		p.speaks = false
		c.life(h, p, p.started.Add(t.Joined/2), func(at time.Time) { c.takePlace(h, p, dead, at) })
		return
	}
	c.life(h, p, p.started.Add(t.Seen), func(at time.Time) {
		c.announce(h, p, "")
		c.gossip(at)
	})
	c.life(h, p, p.started.Add(t.Pending), func(time.Time) {
		c.announce(h, p, "BOOT_REPLACE")
		joiner := &member{hostID: p.hostID, host: h, status: cassandra.Joining, tokens: slices.Clone(dead.tokens), replacing: p.flag}
		c.crowded(joiner, c.at)
		c.members = append(c.members, joiner)
	})
	c.life(h, p, p.started.Add(t.Stream), func(time.Time) {
		if !c.hasSources(dead) {
			p.phase = phaseFailed
			return
		}
		p.streams = 1
	})
	c.life(h, p, p.started.Add(t.Joined), c.stream(h, p, float64(c.spec.Load), func(at time.Time) { c.takePlace(h, p, dead, at) }))
}

// reachesSeed: a node finds the ring only through a live seed.
func (c *Cluster) reachesSeed(h *host, p *process) bool {
	return slices.ContainsFunc(p.config.Seeds, func(seed string) bool {
		e := c.endpoints[seed]
		return seed == h.Address || e != nil && e.silent.IsZero() && e.status == "NORMAL"
	})
}

// hasSources tells whether each range of the dead node with more than one replica has one left to stream from.
func (c *Cluster) hasSources(dead *member) bool {
	q := c.quorum()
	for _, k := range c.spec.Keyspaces {
		for _, r := range q.Ranges(k.Name, dead.hostID) {
			replicas := q.Replicas(k.Name, r.End)
			alive := slices.ContainsFunc(replicas, func(id string) bool {
				m := c.member(id)
				return m != dead && m != nil && c.endpoints[m.host.Address].silent.IsZero()
			})
			if len(replicas) > 1 && !alive {
				return false
			}
		}
	}
	return true
}

// takePlace makes a joiner a NORMAL node with the dead one's tokens. The dead one's address stays DOWN in gossip
// until its peers forget it.
func (c *Cluster) takePlace(h *host, p *process, dead *member, at time.Time) {
	tokens := slices.Clone(dead.tokens)
	c.remove(dead)
	c.members = slices.DeleteFunc(c.members, func(m *member) bool { return m.hostID == p.hostID })
	h.data = &dataset{hostID: p.hostID, tokens: tokens}
	c.members = append(c.members, &member{hostID: p.hostID, host: h, tokens: tokens})
	c.normal(h, p, at)
	if dead.host != h {
		c.evict(dead.host, at.Add(c.spec.Timing.Evict))
	}
}

// joinFresh is a node that somebody else lets join, with tokens between those of the others.
func (c *Cluster) joinFresh(h *host, p *process, at time.Time) {
	p.phase = phaseJoining
	p.learn(c.news)
	if !c.reachesSeed(h, p) || slices.ContainsFunc(c.members, func(m *member) bool { return m.status != cassandra.Normal }) {
		c.exit(h, at)
		return
	}
	c.made++
	p.hostID = hostID(1000 + c.made)
	h.data = &dataset{half: true}
	m := &member{hostID: p.hostID, host: h, status: cassandra.Joining, foreign: true}
	for _, other := range c.members {
		for _, t := range other.tokens {
			if len(m.tokens) < c.spec.VNodes {
				m.tokens = append(m.tokens, t+cassandra.Token(1000*c.made))
			}
		}
	}
	slices.Sort(m.tokens)
	c.life(h, p, p.started.Add(min(c.spec.Timing.Seen, c.spec.Timing.Boot)), func(at time.Time) {
		c.announce(h, p, "")
		c.gossip(at)
	})
	c.life(h, p, p.started.Add(c.spec.Timing.Boot), func(at time.Time) {
		c.crowded(m, at)
		c.members = append(c.members, m)
		c.announce(h, p, "BOOT")
		c.gossip(at)
	})
	c.life(h, p, p.started.Add(c.vary(c.spec.Timing.Added)), c.stream(h, p, float64(c.spec.Load), func(at time.Time) {
		h.data = &dataset{hostID: p.hostID, tokens: m.tokens}
		c.normal(h, p, at)
	}))
}

// halt drains a node and ends its process.
func (c *Cluster) halt(h *host, now time.Time) {
	p, t := h.proc, c.spec.Timing
	p.phase = phaseDraining
	c.life(h, p, now.Add(t.Drain), func(at time.Time) {
		p.phase, p.speaks = phaseDrained, false
		c.restate(h, "shutdown")
		c.changed(nil) // it told everybody before it stopped
		c.farewell(h)
		c.gossip(at)
	})
	c.life(h, p, now.Add(t.Exit), func(at time.Time) { c.exit(h, at) })
}

// kill ends a process at once.
func (c *Cluster) kill(h *host, now time.Time) {
	if h.proc == nil {
		return
	}
	c.exit(h, now)
}
