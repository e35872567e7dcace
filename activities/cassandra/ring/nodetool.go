package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// What a person orders with nodetool. Cassandra takes nearly everything, two orders at once included.

// leaveFor is how long a node that is LEFT to its peers still says LEAVING; it is silent earlier.
const leaveFor = 6 * time.Second

// decommission lets a node leave; the same order again is accepted and does nothing.
func (c *Cluster) decommission(h *host, now time.Time) error {
	p, m := h.proc, c.owner(h.Address)
	switch {
	case p.stopped: // nodetool would wait for an answer, and nothing would have begun
		return fmt.Errorf("decommission %s: it does not answer", h.Name)
	case m == nil || p.phase != phaseNormal && p.phase != phaseLeaving:
		return fmt.Errorf("decommission %s: it is %s", h.Name, p.phase.mode())
	case m.status == cassandra.Leaving:
		return nil
	}
	c.crowded(m, now)
	m.status, m.foreign, p.phase = cassandra.Leaving, true, phaseLeaving
	c.restate(h, "LEAVING")
	c.life(h, p, now.Add(c.vary(c.spec.Timing.Leave)), func(at time.Time) {
		c.remove(m)
		c.restate(h, "LEFT")
		if h.data != nil {
			h.data.left = true
		}
		c.life(h, p, at.Add(leaveFor/3), func(at time.Time) {
			p.speaks = false
			c.gossip(at)
		})
		c.life(h, p, at.Add(leaveFor), func(time.Time) { p.phase = phaseGone })
	})
	return nil
}

// Overlaps are the range movements that began while another one was under way, whoever ordered them: nothing in Cassandra
// objects, and two replicas of a range may move at once.
func (c *Cluster) Overlaps() []Harm {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	return slices.Clone(c.overlaps)
}

// crowded notes that a movement begins while another one is under way. People may do that at any time, so it is no harm
// by itself.
func (c *Cluster) crowded(begins *member, now time.Time) {
	for _, m := range c.members {
		if m != begins && m.status != cassandra.Normal {
			c.overlaps = append(c.overlaps, Harm{At: now, What: begins.host.Name + " moves while " + m.host.Name + " is " + string(m.status)})
		}
	}
}

// removeNode takes a dead node out of the ring; who is called UP is refused.
func (c *Cluster) removeNode(by, dead *host, now time.Time) error {
	m := c.owner(dead.Address)
	switch {
	case m == nil:
		return fmt.Errorf("removenode %s: host ID not found", dead.Name)
	case c.callsUp(by, dead.Address, now):
		return fmt.Errorf("removenode %s: node is alive and owns this ID; use decommission", dead.Name)
	case m.status == cassandra.Leaving:
		return fmt.Errorf("removenode %s: it is being removed", dead.Name)
	}
	c.crowded(m, now)
	m.status, m.foreign = cassandra.Leaving, true
	c.restate(dead, "removing")
	c.knows(by)
	c.orders(by, now.Add(c.vary(c.spec.Timing.Remove)), func(time.Time) {
		c.remove(m)
		c.restate(dead, "removed")
		c.changed(by)
	})
	return nil
}

// orders lets happen what a node tells the others, unless it has left by then: nobody hears of it.
func (c *Cluster) orders(by *host, at time.Time, do func(time.Time)) {
	p := by.proc
	c.life(by, p, at, func(at time.Time) {
		if p.speaks {
			do(at)
		}
	})
}

// assassinate takes an address out of gossip whatever stands there; its ranges are nobody's loss but its own.
func (c *Cluster) assassinate(by, of *host, now time.Time) error {
	if e := c.endpoints[of.Address]; e != nil && e.speaks() {
		return fmt.Errorf("assassinate %s: endpoint still alive", of.Name)
	}
	c.orders(by, now.Add(c.spec.Timing.Remove/2), func(at time.Time) {
		if m := c.owner(of.Address); m != nil {
			if len(m.tokens) > 0 {
				c.harm(at, of, "the ranges of "+of.Name+" were given away without a copy")
			}
			c.remove(m)
		}
		c.endpoints[of.Address] = &endpoint{address: of.Address, host: of, status: "LEFT", generation: of.generation, silent: at}
		c.farewell(of)
		c.changed(by)
	})
	return nil
}

// foreignRepair is a full repair of the first replicated keyspace. With a partner it asks nobody else, and calls that
// complete.
func (c *Cluster) foreignRepair(h, with *host, lasts time.Duration, now time.Time) error {
	self := c.owner(h.Address)
	k := slices.IndexFunc(c.spec.Keyspaces, func(k cassandra.Keyspace) bool { return replicasOf(k) > 1 })
	if self == nil || k < 0 || h.proc.phase != phaseNormal {
		return fmt.Errorf("repair at %s: it is no node in service, or nothing is replicated", h.Name)
	}
	args := cassandra.RepairArgs{Instance: h.Name, Keyspace: c.spec.Keyspaces[k].Name}
	args.Ranges = c.quorum().Ranges(args.Keyspace, self.hostID)
	c.beginRepair(h, args, order{intent: ByPerson, with: with, lasts: lasts}, now)
	if lasts > 0 {
		c.sync(args, now.Add(lasts/2), now.Add(lasts))
	}
	return nil
}

// sync: after the validation, all replicas of a repair stream until it ends.
func (c *Cluster) sync(args cassandra.RepairArgs, from, until time.Time) {
	q, members := c.quorum(), map[string]bool{}
	for _, r := range args.Ranges {
		for _, id := range q.Replicas(args.Keyspace, r.End) {
			members[id] = true
		}
	}
	for _, m := range c.members {
		if members[m.hostID] {
			c.later(from, func(time.Time) { m.host.syncing++ })
			c.later(until, func(time.Time) { m.host.syncing-- })
		}
	}
}

// ByPerson is the intent under which a look tells of the repairs that a person began.
const ByPerson = "person"

// nodetool runs an order of a person.
func (c *Cluster) nodetool(of Happening, h *host, now time.Time) error {
	if p := h.proc; p == nil || p.stopped || p.phase < phaseNormal || !p.speaks { // who has left has ended its gossip
		return fmt.Errorf("%s: %s does not answer", of, h.Name)
	}
	other := c.host(of.Of)
	if other == nil && (of.Of != "" || of.Trouble != ForeignRepair) {
		return fmt.Errorf("%s: no instance %q", of, of.Of)
	}
	switch of.Trouble {
	case RemoveNode:
		return c.removeNode(h, other, now)
	case Assassinate:
		return c.assassinate(h, other, now)
	default:
		return c.foreignRepair(h, other, of.For.D(), now)
	}
}

// foreignReplace lets a person start a node in the place of a dead one, with the flag on the command line alone.
func (c *Cluster) foreignReplace(h, dead *host, now time.Time) error {
	if h.proc != nil || h.data != nil || dead == nil {
		return fmt.Errorf("replace by %s: it runs, holds data, or replaces nobody", h.Name)
	}
	h.config.AutoBootstrap = true
	was := h.flag
	h.flag = dead.Address
	c.exec(h, "", now)
	h.flag = was
	return nil
}
