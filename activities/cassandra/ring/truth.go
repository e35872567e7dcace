package ring

import (
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// Truth is what really is, at one moment, for whoever judges from outside of the ring. No engine sees it.
type Truth struct {
	At      time.Time
	Hosts   []TrueHost   // by name
	Members []TrueMember // of the token map
}

// TrueHost is a machine, what stands on its disk and the process that it runs.
type TrueHost struct {
	Name, Address string
	// DC and Rack are where it stands, whatever its configuration says.
	DC, Rack string
	Spare    bool
	// Running: it has a process; Frozen: a stopped one.
	Running, Frozen bool
	Mode            string // of the process, "" before it has one
	PID             int
	Started         time.Time
	HostID          string // of the process; passing before it has joined
	Generation      int64
	Told            []int64 // the generations that its working peers know, each once
	// Data of a node that has joined, HalfData of one that has not.
	Data, HalfData   bool
	Device           uint64
	Free             int64 // bytes on its disk
	Fenced, Prepared string
	// Flag is the replace flag of the start configuration.
	Flag   string
	Config cassandra.Config
	// Schema differs from "" where it knows another one than the rest.
	Schema string
	// Hidden: its host answers nobody; Cut: the engine gets no answer from the node, its peers do.
	Hidden, Cut bool
	// Throttle of its streams; the next process has the default again.
	Throttle cassandra.Throttle
	// Serves: its process takes part in reads and writes, and at least one other node reaches it.
	Serves bool
	// Waiting requests, and Streams in and out of it; both of a working process.
	Waiting, Streams int
	// Tasks on its sstables, by kind, of a process that serves clients; Cassandra tells nobody else.
	Tasks map[string]int
	// Takes is the address whose place its process was started to take, until it has joined.
	Takes string
	// Silent is since when it takes no part in gossip, zero while it does.
	Silent time.Time
	// Up and Down are the working nodes that call it so.
	Up, Down []string
}

// TrueMember is a node of the token map.
type TrueMember struct {
	HostID, Host string
	Status       cassandra.NodeStatus
	Tokens       []cassandra.Token
	Replacing    string
	// Load is how many bytes it holds, or held when it was well; Told: gossip has it.
	Load int64
	Told bool
	// Foreign: nothing of ours made it move. Intent that did, "" if a person or another tool did.
	Foreign bool
	Intent  string
}

// Truth now.
func (c *Cluster) Truth() Truth {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.truth(c.pass())
}

func (c *Cluster) truth(now time.Time) Truth {
	t := Truth{At: now, Hosts: make([]TrueHost, 0, len(c.hosts)), Members: make([]TrueMember, 0, len(c.members))}
	for _, h := range c.hosts {
		t.Hosts = append(t.Hosts, c.trueHost(h, now))
	}
	for _, m := range c.members {
		t.Members = append(t.Members, TrueMember{
			HostID: m.hostID, Host: m.host.Name, Status: m.status, Tokens: m.tokens, Replacing: m.replacing, Foreign: m.foreign, Intent: m.intent(),
			Load: c.load(), Told: !c.untold(m.host),
		})
	}
	return t
}

func (c *Cluster) trueHost(h *host, now time.Time) TrueHost {
	out := TrueHost{
		Name: h.Name, Address: h.Address, DC: h.DC, Rack: h.Rack, Spare: h.Spare, Device: h.device, Free: h.free, Fenced: h.fenced, Prepared: h.prepared,
		Flag: h.flag, Config: h.config, Schema: h.schema, Hidden: h.unreadable, Cut: h.cut != "",
		Data: h.data != nil && !h.data.half, HalfData: h.data != nil && h.data.half, Generation: h.generation,
	}
	out.Config.Seeds = slices.Clone(h.config.Seeds)
	if p := h.proc; p != nil {
		out.Running, out.Frozen, out.Mode, out.PID, out.Started, out.HostID = true, p.stopped, p.phase.mode(), p.pid, p.started, p.hostID
		out.Serves, out.Throttle = c.serves(h), p.throttle
		out.burden(h)
		out.Tasks = c.tasks(h, now)
	}
	if e := c.endpoints[h.Address]; e != nil {
		out.Silent = e.silent
		c.told(&out, h, now)
	}
	return out
}

// told is what the working peers of a host say of it.
func (c *Cluster) told(out *TrueHost, h *host, now time.Time) {
	for _, o := range c.hosts {
		if o == h || o.proc == nil || o.proc.stopped || o.proc.phase != phaseNormal {
			continue
		}
		if c.callsUp(o, h.Address, now) {
			out.Up = append(out.Up, o.Name)
		} else {
			out.Down = append(out.Down, o.Name)
		}
		if known := o.proc.news.states[h.Address]; known != nil && !slices.Contains(out.Told, known.generation) {
			out.Told = append(out.Told, known.generation)
		}
	}
}

func (t *TrueHost) burden(h *host) {
	t.Waiting, t.Streams = h.waiting, h.proc.streams
	if h.loading {
		t.Streams++
	}
	t.Streams += h.syncing
	if h.proc.phase < phaseNormal {
		t.Takes = h.proc.flag
	}
}

// Host of that name; false if there is none.
func (t Truth) Host(name string) (TrueHost, bool) {
	i := slices.IndexFunc(t.Hosts, func(h TrueHost) bool { return h.Name == name })
	if i < 0 {
		return TrueHost{}, false
	}
	return t.Hosts[i], true
}

// Member with that host ID; false if there is none.
func (t Truth) Member(hostID string) (TrueMember, bool) {
	i := slices.IndexFunc(t.Members, func(m TrueMember) bool { return m.HostID == hostID })
	if i < 0 {
		return TrueMember{}, false
	}
	return t.Members[i], true
}
