package ring

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// FaultKind is what goes wrong with a call.
type FaultKind string

// The faults of calls.
const (
	LostReply  FaultKind = "lost-reply"  // it has its effect, and the caller an error
	Delayed    FaultKind = "delayed"     // it has its effect later, and the caller an error at once
	HungBefore FaultKind = "hung-before" // no effect; it hangs until the caller's deadline
	HungAfter  FaultKind = "hung-after"  // it has its effect, and hangs
	Dropped    FaultKind = "dropped"     // no effect, and an error
	Throttled  FaultKind = "throttled"   // no effect, and the answer that too many came
	LiedOK     FaultKind = "lied-ok"     // no effect, and an answer that sounds like one
	Twice      FaultKind = "twice"       // it arrives twice: at once, and later
)

// Fault is what the next calls of a verb meet.
type Fault struct {
	// Verb it waits for; "" is any.
	Verb string         `json:"verb,omitempty"`
	Kind FaultKind      `json:"kind"`
	By   galen.Duration `json:"by,omitzero"` // of Delayed, and of the second arrival of Twice
	// Times it strikes, at least once.
	Times int `json:"times,omitempty"`
}

// Strike lets the next calls of a verb meet a fault, after those that were set before.
func (c *Cluster) Strike(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.Times = max(f.Times, 1)
	c.faults = append(c.faults, f)
}

func (c *Cluster) nextFault(verb string) (Fault, bool) {
	for i := range c.faults {
		f := &c.faults[i]
		if f.Verb != "" && f.Verb != verb {
			continue
		}
		out := *f
		if f.Times--; f.Times == 0 {
			c.faults = slices.Delete(c.faults, i, i+1)
		}
		return out, true
	}
	return Fault{}, false
}

// Trouble is what happens to a node, a host or the way to it.
type Trouble string

// The troubles. Each names one instance.
const (
	Kill       Trouble = "kill"        // kill -9 of its process
	Freeze     Trouble = "freeze"      // SIGSTOP
	Thaw       Trouble = "thaw"        // SIGCONT
	LoseData   Trouble = "lose-data"   // its data folders are emptied
	Unmount    Trouble = "unmount"     // they are empty because another device is there
	Start      Trouble = "start"       // a person starts it, fence or not
	Stop       Trouble = "stop"        // a person stops it
	Cut        Trouble = "cut"         // the engine gets no answer from the node; its peers do
	Mend       Trouble = "mend"        // all ways to it work again, and it knows the ring's schema
	HideHost   Trouble = "hide-host"   // the engine gets no answer from its host
	Isolate    Trouble = "isolate"     // no other node hears it, nor it them; the engine does
	Mute       Trouble = "mute"        // no other node hears it; it hears them, and the engine does
	Deafen     Trouble = "deafen"      // it hears no other node; they hear it
	Disagree   Trouble = "disagree"    // it knows another schema
	Leave      Trouble = "leave"       // a person decommissions it; it takes as long as a join
	Hibernate  Trouble = "hibernate"   // a person replaces it at its own address: dead and empty before
	ForeignAdd Trouble = "foreign-add" // a person lets the spare join as a further node
	BadConfig  Trouble = "bad-config"  // somebody switches its auto_bootstrap off

	FillDisk Trouble = "fill-disk" // something else fills its disk: nothing is free
	FreeDisk Trouble = "free-disk" // and somebody makes room

	Slow     Trouble = "slow"          // its disk is slow: whatever it does takes four times as long, and requests wait there
	Overload Trouble = "overload"      // more requests wait there than it can serve
	Relief   Trouble = "relief"        // and it has caught up
	BulkLoad Trouble = "bulk-load"     // another tool streams data into it: a rebuild, sstableloader
	BulkEnds Trouble = "bulk-load-end" // and is done
	Break    Trouble = "break-stream"  // of its next join: the streams end on the way
	Cleanup  Trouble = "cleanup"       // a person deletes from it what nodes that were added own now
	Cleaned  Trouble = "cleanup-end"   // and that is done

	// A person with nodetool, or another tool. Instance is where the tool runs, Of is whom it is about.
	ForeignReplace Trouble = "foreign-replace" // lets the spare join in the place of Of
	RemoveNode     Trouble = "removenode"      // of a dead node
	Assassinate    Trouble = "assassinate"     // takes Of out of gossip, whatever becomes of its data
	ForeignRepair  Trouble = "foreign-repair"  // full repair of all that the node holds; with Of: with that node alone, whatever else is a replica. For: so long at least
)

// trouble lets it happen once, now.
func (c *Cluster) trouble(of Happening, now time.Time) error {
	t, h := of.Trouble, c.host(of.Instance)
	if h == nil {
		return fmt.Errorf("%s: no instance %q", t, of.Instance)
	}
	switch t {
	case Kill, Freeze, Thaw, Stop, Leave:
		if h.proc == nil {
			return fmt.Errorf("%s: %s has no process", t, h.Name)
		}
		return c.hurtProcess(t, h, now)
	case Start, Hibernate, ForeignAdd:
		if h.proc != nil {
			return fmt.Errorf("%s: %s runs", t, h.Name)
		}
		c.personStarts(t, h, now)
	case ForeignReplace:
		return c.foreignReplace(h, c.host(of.Of), now)
	case RemoveNode, Assassinate, ForeignRepair:
		return c.nodetool(of, h, now)
	case FillDisk, FreeDisk, LoseData, Unmount, HideHost, Cut, Mend, Isolate, Mute, Deafen, Slow, Break, Disagree, BadConfig, Overload, Relief, BulkLoad, BulkEnds, Cleanup, Cleaned:
		c.hurtHost(t, h, now)
	default:
		return fmt.Errorf("trouble %q is unknown", t)
	}
	return nil
}

func (c *Cluster) hurtProcess(t Trouble, h *host, now time.Time) error {
	p := h.proc
	switch t {
	case Kill:
		c.kill(h, now)
	case Freeze:
		p.stopped = true
		c.gossip(now)
	case Thaw:
		p.stopped = false
		waiting := p.waiting
		p.waiting = nil
		for _, do := range waiting {
			c.life(h, p, now, do)
		}
		c.gossip(now)
	case Stop:
		c.halt(h, now)
	default: // Leave
		return c.decommission(h, now)
	}
	return nil
}

func (c *Cluster) personStarts(t Trouble, h *host, now time.Time) {
	switch t {
	default: // Start
	case Hibernate:
		h.wipe()
		h.flag, h.config.AutoBootstrap = h.Address, true
		h.config.Seeds = slices.DeleteFunc(slices.Clone(h.config.Seeds), func(s string) bool { return s == h.Address })
	case ForeignAdd:
		h.config.AutoBootstrap = true
	}
	c.exec(h, "", now)
}

func (c *Cluster) hurtHost(t Trouble, h *host, now time.Time) {
	switch t {
	case FillDisk, FreeDisk, LoseData, Unmount:
		h.hurtDisk(t)
	case Overload, Relief, BulkLoad, BulkEnds, Cleanup, Cleaned:
		h.busy(t)
	case HideHost:
		h.unreadable = true
	case Cut:
		h.cut = cassandra.Hung
	case Disagree:
		h.schema = "schema-of-" + h.Name
	case BadConfig:
		h.config.AutoBootstrap = false
	case Break:
		h.breaks++
	case Slow:
		h.slow, h.waiting = true, crowd
	default: // Mute, Deafen, Isolate, Mend
		c.hurtNetwork(t, h)
		c.gossip(now)
	}
}

func (c *Cluster) hurtNetwork(t Trouble, h *host) {
	if t == Mute || t == Deafen {
		h.mute, h.deaf = h.mute || t == Mute, h.deaf || t == Deafen
		return
	}
	for _, other := range c.hosts {
		if other != h {
			c.blocked[pair{h.Name, other.Address}] = t == Isolate
			c.blocked[pair{other.Name, h.Address}] = t == Isolate
		}
	}
	if t == Mend {
		h.mend()
	}
}

// mend takes back whatever a trouble left that is no loss.
func (h *host) mend() {
	h.unreadable, h.cut, h.schema = false, "", ""
	h.mute, h.deaf = false, false
	if h.slow {
		h.slow, h.waiting = false, 0
	}
}

// How many requests wait at a node that is overloaded, and at a slow one.
const (
	flood = 5000
	crowd = 200
)

func (h *host) busy(t Trouble) {
	switch t {
	case Overload:
		h.waiting = flood
	case Relief:
		h.waiting = 0
	case BulkLoad, BulkEnds:
		h.loading = t == BulkLoad
	default: // Cleanup, Cleaned
		h.cleaning = t == Cleanup
	}
}

// burden is what a node in service tells of its work.
func (h *host) burden(v *cassandra.View) {
	if h.loading {
		v.Streams++
	}
	v.Streams += h.syncing
	if h.waiting > 0 {
		v.Gauges = map[string]float64{cassandra.GaugeReads: float64(h.waiting)}
	}
}

func (h *host) hurtDisk(t Trouble) {
	switch t {
	case FillDisk:
		h.free = 0
	case FreeDisk:
		h.free = cmp.Or(h.Free, roomy)
	case LoseData:
		h.wipe()
		clear(h.hints)
	default: // Unmount
		h.data, h.streamed = nil, 0
		h.device++
	}
}

// wipe deletes its data: what streams brought is free again.
func (h *host) wipe() {
	h.data, h.free, h.streamed = nil, h.free+h.streamed, 0
}
