package ring

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// Spec says what a simulated ring looks like when it starts: all nodes NORMAL, all spares empty.
type Spec struct {
	// Name is the resource's name; Cluster that of the nodes' configuration.
	Name    string
	Cluster string
	Hosts   []HostSpec
	// VNodes is the number of tokens per node; they lie evenly, one node after the other.
	VNodes    int
	Keyspaces []cassandra.Keyspace
	Timing    Timing
	// Load is how many bytes each node holds, told by gossip and streamed to who joins; 0: next to nothing, streamed at once.
	Load int64
	// Untold are the nodes whose load gossip does not have, by name: they were started anew and told none since.
	Untold []string
	// Writes: clients write all the time, so that hints wait for who is silent.
	Writes bool
	// Seed of chance.
	Seed uint64
	// Now is the clock. Time never goes back.
	Now func() time.Time
	// Accept is told each accepted call before it has any effect; its error refuses the call. May be nil.
	Accept func(Call) error
	// Witness is told each accepted call with the truth right before its effect. May be nil.
	Witness func(Call, Truth)
	// Hang is how a hung call waits; nil: it returns at once, as though its deadline had passed.
	Hang func(context.Context, Call) error
}

// HostSpec is one slot of the host plane.
type HostSpec struct {
	Name    string
	Address string
	DC      string
	Rack    string
	// Spare: empty and not started.
	Spare bool
	// Seed: in the seed list of all nodes.
	Seed bool
	// Free is how many bytes its disk has free at first; 0: plenty.
	Free int64
}

// Timing is how long things take. All but Phi count from the start of what they belong to.
type Timing struct {
	Phi    time.Duration // silence until a peer says DOWN
	Gossip time.Duration // first sign of life until a peer says UP
	// Lag is the longest until a node has heard news that another one tells; each time chance decides how long.
	Lag time.Duration
	// Jitter makes starts, joins, streams and the patience of failure detectors longer by chance, by up to this part of
	// them; one in ten by up to four times as much. 0: all is exactly as given.
	Jitter float64

	JVM   time.Duration // exec until the agent answers that nothing is there yet
	Agent time.Duration // until it answers for Cassandra: STARTING
	Start time.Duration // until NORMAL, with data

	Join    time.Duration // a joiner: until JOINING
	Seen    time.Duration // until its peers call it UP
	Pending time.Duration // until they list it, and ranges are pending
	Stream  time.Duration // until it streams
	Joined  time.Duration // until NORMAL

	// A node that bootstraps as a further one: until its peers list it, and until NORMAL. Leave: a node that leaves, until LEFT.
	Boot, Added, Leave time.Duration

	Drain   time.Duration // stop: until drained
	Exit    time.Duration // until the process is gone
	Forget  time.Duration // a joiner that died: DOWN until its peers forget it
	Hint    time.Duration // silence until its peers have a file of hints
	Deliver time.Duration // from the first sign of life until they have handed it over
	Evict   time.Duration // who is no member any more and silent: until its peers forget it
	Remove  time.Duration // removenode
	Repair  time.Duration // a repair
	Stuck   time.Duration // a repair with a frozen peer, until it fails
}

// Fast is the timing that was measured on a real ring in the fast profile, phi 5.
func Fast() Timing {
	return Timing{
		Phi: 12 * time.Second, Gossip: 500 * time.Millisecond,
		JVM: time.Second, Agent: 2 * time.Second, Start: 5 * time.Second,
		Join: 3700 * time.Millisecond, Seen: 7600 * time.Millisecond, Pending: 20600 * time.Millisecond,
		Stream: 24900 * time.Millisecond, Joined: 25800 * time.Millisecond, Boot: 12 * time.Second, Added: 18 * time.Second, Leave: 12 * time.Second,
		Drain: 3700 * time.Millisecond, Exit: 6 * time.Second, Forget: 33 * time.Second, Evict: 11 * time.Second, Hint: 6 * time.Second, Deliver: 3500 * time.Millisecond, Remove: 6 * time.Second,
		Repair: 600 * time.Millisecond, Stuck: time.Minute,
	}
}

// Honest is the timing of the honest profile: all default delays.
func Honest() Timing {
	t := Fast()
	t.Phi, t.Start = 19*time.Second, 9*time.Second
	t.Join, t.Seen, t.Pending = 9*time.Second, 13*time.Second, 82*time.Second
	t.Stream, t.Joined = 113*time.Second, 119*time.Second
	t.Boot, t.Added, t.Leave = 75*time.Second, 110*time.Second, 40*time.Second
	t.Evict, t.Remove = time.Minute, 30*time.Second // supposed by the ring delay: not measured
	return t
}

// Faster divides every duration by n.
func (t Timing) Faster(n float64) Timing {
	for _, d := range []*time.Duration{
		&t.Phi, &t.Gossip, &t.JVM, &t.Agent, &t.Start, &t.Join, &t.Seen, &t.Pending, &t.Stream, &t.Joined, &t.Boot, &t.Added, &t.Leave,
		&t.Drain, &t.Exit, &t.Forget, &t.Evict, &t.Hint, &t.Deliver, &t.Remove, &t.Repair, &t.Stuck, &t.Lag,
	} {
		*d = time.Duration(float64(*d) / n)
	}
	return t
}

// New starts a ring. The nodes began an hour before the first moment of the clock.
func New(s Spec) (*Cluster, error) {
	if s.Now == nil || s.Name == "" || s.VNodes < 1 || len(s.Hosts) == 0 {
		return nil, fmt.Errorf("simulated ring %q: want a name, a clock, hosts and at least one token per node", s.Name)
	}
	c := &Cluster{spec: s, at: s.Now(), links: map[pair]*link{}, blocked: map[pair]bool{}, endpoints: map[string]*endpoint{}, pid: 1000, news: &news{}, dice: dice{s.Seed}}
	nodes := slices.DeleteFunc(slices.Clone(s.Hosts), func(h HostSpec) bool { return h.Spare })
	if err := c.machines(nodes); err != nil {
		return nil, err
	}
	for i, hs := range nodes {
		c.found(c.host(hs.Name), i, len(nodes))
	}
	c.changed(nil)
	c.publish(c.at)
	for _, m := range c.members { // they have known each other for an hour, however slowly news spread
		m.host.proc.learn(c.news)
	}
	c.gossip(c.at)
	for _, l := range c.links {
		l.settle(c.at.Add(s.Timing.Gossip))
	}
	return c, nil
}

// machines makes the hosts, each with the start configuration of a node.
func (c *Cluster) machines(nodes []HostSpec) error {
	var seeds []string
	for _, h := range nodes {
		if h.Seed {
			seeds = append(seeds, h.Address)
		}
	}
	for _, hs := range c.spec.Hosts {
		if c.host(hs.Name) != nil {
			return fmt.Errorf("simulated ring %s: two hosts are named %s", c.spec.Name, hs.Name)
		}
		c.hosts = append(c.hosts, &host{
			HostSpec: hs, device: 64769, free: cmp.Or(hs.Free, roomy), hints: map[string]int{},
			config: cassandra.Config{Cluster: c.spec.Cluster, DC: hs.DC, Rack: hs.Rack, Seeds: seeds, Listen: hs.Address},
		})
	}
	slices.SortFunc(c.hosts, func(a, b *host) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// roomy is what is free on a disk at first.
const roomy = 1 << 36

// Slight is what a node tells that holds next to nothing: the sstables of its system keyspaces.
const Slight = 256 << 10

// load is what a node holds.
func (c *Cluster) load() int64 { return cmp.Or(c.spec.Load, Slight) }

func (c *Cluster) untold(h *host) bool { return slices.Contains(c.spec.Untold, h.Name) }

// found makes a node that has always been there, the i-th of n.
func (c *Cluster) found(h *host, i, n int) {
	began := c.at.Add(-time.Hour)
	d := &dataset{hostID: hostID(i + 1)}
	const whole = ^uint64(0)
	for k := range c.spec.VNodes {
		// Evenly, away from the least token, one node after the other.
		share := whole / uint64(n*c.spec.VNodes)
		d.tokens = append(d.tokens, cassandra.Token(int64(share*uint64(k*n+i)+share/2)))
	}
	slices.Sort(d.tokens)
	h.data = d
	c.pid++
	h.proc = &process{pid: c.pid, started: began, generation: began.Unix(), hostID: d.hostID, phase: phaseNormal, config: h.config, speaks: true, throttle: DefaultThrottle()}
	h.generation = began.Unix()
	c.members = append(c.members, &member{hostID: d.hostID, host: h, status: cassandra.Normal, tokens: d.tokens})
	c.endpoints[h.Address] = &endpoint{address: h.Address, host: h, hostID: d.hostID, status: "NORMAL", generation: began.Unix()}
}

// hostID has the form of Cassandra's.
func hostID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
