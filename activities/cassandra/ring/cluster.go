package ring

import (
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// Cluster is a simulated ring with its hosts. It is safe for several goroutines.
type Cluster struct {
	spec Spec

	mu        sync.Mutex
	at        time.Time // all that was due until then has happened
	due       []event   // sorted by time
	hosts     []*host   // by name
	members   []*member
	endpoints map[string]*endpoint // by address: what gossip knows, those long gone included
	links     map[pair]*link       // what the first calls the second
	blocked   map[pair]bool        // links cut by a fault, both ways listed
	pid       int
	made      int // host IDs made
	repairs   []*repair
	faults    []Fault
	calls     []Call
	harms     []Harm
	overlaps  []Harm
	missed    int // happenings that made no sense when they were due
	news      *news
	dirty     bool  // news is not the newest any more
	secret    bool  // who tells what has changed keeps it to himself for now
	from      *host // who tells what has changed, nil: everybody sees it
	dice      dice
}

// host is a slot of the host plane.
type host struct {
	HostSpec
	proc       *process
	data       *dataset // nil: gone
	device     uint64
	config     cassandra.Config
	original   *cassandra.Config // before it was prepared
	flag       string            // replace flag of the start configuration
	fenced     string
	prepared   string
	attempts   []string
	accepted   accepted
	generation int64          // highest so far
	free       int64          // bytes on its disk
	streamed   int64          // bytes of its data that came by streams
	hints      map[string]int // files, by host ID that they are for
	waiting    int            // requests
	loading    bool           // another tool streams data into it
	syncing    int            // repairs of a person that stream with it
	cleaning   bool           // a person cleans it up

	// Faults.
	unreadable bool             // the host plane gets no answer
	cut        cassandra.Answer // "": the engine reaches it
	schema     string           // "": that of the ring
	mute, deaf bool             // no other node hears it; it hears none
	slow       bool             // its disk is
	breaks     int              // joins of it whose streams end on the way
}

// dataset is what a node keeps on disk.
type dataset struct {
	hostID string
	tokens []cassandra.Token
	// half: it began to join and never ended. left: it was decommissioned. Neither starts again.
	half, left bool
	// bare: it joined without receiving what its place held.
	bare bool
}

type phase int

const (
	phaseExec     phase = iota // the process is there, nothing listens
	phaseBooting               // the agent answers 404
	phaseStarting              // STARTING
	phaseJoining
	phaseFailed // JOINING_FAILED
	phaseNormal
	phaseLeaving
	phaseDraining
	phaseDrained
	phaseGone // decommissioned: it runs on, without gossip and clients
)

func (p phase) mode() string {
	switch p {
	case phaseStarting:
		return "STARTING"
	case phaseJoining:
		return "JOINING"
	case phaseFailed:
		return "JOINING_FAILED"
	case phaseNormal:
		return "NORMAL"
	case phaseLeaving:
		return "LEAVING"
	case phaseDraining:
		return "DRAINING"
	case phaseDrained:
		return "DRAINED"
	case phaseGone:
		return "DECOMMISSIONED"
	default:
		return ""
	}
}

type process struct {
	pid        int
	started    time.Time
	intent     string
	flag       string // replace flag of its command line
	config     cassandra.Config
	generation int64
	hostID     string
	phase      phase
	stopped    bool // by SIGSTOP
	speaks     bool // takes part in gossip
	streams    int
	news       *news // what it has heard
	coming     int   // the number of the newest news that are on their way to it
	throttle   cassandra.Throttle
	// waiting is what was due while it was stopped.
	waiting []func(time.Time)
}

// member is a node of the ring.
type member struct {
	hostID    string
	host      *host
	status    cassandra.NodeStatus
	tokens    []cassandra.Token
	replacing string // address, while it joins
	// foreign: nothing of ours made it move.
	foreign bool
}

// event is something that is due.
type event struct {
	at time.Time
	do func(time.Time)
}

// later lets something happen at a time, after all else that is due then.
func (c *Cluster) later(at time.Time, do func(time.Time)) {
	i := len(c.due)
	for i > 0 && c.due[i-1].at.After(at) {
		i--
	}
	c.due = slices.Insert(c.due, i, event{at, do})
}

// life lets something happen to a process if it is still there; to one that is stopped, when it goes on, and to a slow one
// later: never in the past, which a slow one may have overslept.
func (c *Cluster) life(h *host, p *process, at time.Time, do func(time.Time)) {
	if at.Before(c.at) {
		at = c.at
	}
	if h.slow {
		at = at.Add((slower - 1) * at.Sub(c.at))
	}
	c.later(at, func(at time.Time) {
		switch {
		case h.proc != p:
		case p.stopped:
			p.waiting = append(p.waiting, do)
		default:
			do(at)
		}
	})
}

// slower is by what a slow node takes longer.
const slower = 4

// pass lets happen what is due.
func (c *Cluster) pass() time.Time {
	now := c.spec.Now()
	for len(c.due) > 0 && !c.due[0].at.After(now) {
		next := c.due[0]
		c.due = c.due[1:]
		c.at = next.at
		next.do(next.at)
		c.publish(next.at)
	}
	if now.After(c.at) {
		c.at = now
	}
	return c.at
}

func (c *Cluster) host(name string) *host {
	for _, h := range c.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

func (c *Cluster) member(id string) *member {
	for _, m := range c.members {
		if m.hostID == id {
			return m
		}
	}
	return nil
}

// owner is the member at an address, not one that joins.
func (c *Cluster) owner(address string) *member {
	for _, m := range c.members {
		if m.host.Address == address && m.status != cassandra.Joining {
			return m
		}
	}
	return nil
}

func (c *Cluster) remove(gone *member) {
	c.members = slices.DeleteFunc(c.members, func(m *member) bool { return m == gone })
	c.dropHints(gone.hostID, c.at.Add(time.Second))
}

// Harm is damage that no guard should have let happen.
type Harm struct {
	At time.Time `json:"at"`
	// Instance that it came from.
	Instance string `json:"instance"`
	What     string `json:"what"`
}

// Harms are what went wrong in the ring itself, oldest first.
func (c *Cluster) Harms() []Harm {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	return slices.Clone(c.harms)
}

func (c *Cluster) harm(at time.Time, h *host, what string) {
	c.harms = append(c.harms, Harm{At: at, Instance: h.Name, What: what})
}

// quorum is the true placement now.
func (c *Cluster) quorum() *cassandra.Quorum {
	r := cassandra.Ring{Keyspaces: c.spec.Keyspaces}
	for _, m := range c.members {
		r.Nodes = append(r.Nodes, cassandra.Node{
			HostID: m.hostID, Address: m.host.Address, DC: m.host.config.DC, Rack: m.host.config.Rack, Status: m.status, Tokens: m.tokens,
		})
	}
	return cassandra.NewQuorum(r, galen.Policy{Levels: []string{"LOCAL_QUORUM"}})
}
