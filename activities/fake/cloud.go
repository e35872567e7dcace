package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// Fault is what goes wrong with one call.
type Fault int

// The faults.
const (
	LostReply   Fault = iota + 1 // accepted, and the answer is lost
	Throttled                    // not accepted, an error
	HangsBefore                  // not accepted, no answer until the caller gives up
	HangsAfter                   // accepted, no answer until the caller gives up
	Forgets                      // the client token is forgotten: an operation that was accepted before is accepted again
)

// How long the provider takes.
const (
	setTakes      = 2 * time.Second
	rebootTakes   = 30 * time.Second
	failoverTakes = 15 * time.Second
	replaceTakes  = 3 * time.Minute
	// APILag is how late the API shows the truth.
	APILag = 10 * time.Second
)

// Cloud is a provider in memory, in virtual time: time passes only by [Cloud.Advance]. It is safe for concurrent use.
type Cloud struct {
	mu       sync.Mutex
	name     string
	now      time.Time
	servers  map[string]server // the truth
	deleted  []string
	versions []version // of the truth, oldest first: what the API still shows
	due      []change
	faults   []Fault
	deaf     map[string]bool
	hidden   map[string]bool
	accepted map[string]int
	repeats  int
	fences   map[string]int64
	looks    int
}

// server is the truth about an instance.
type server struct {
	Instance
	up       bool
	stubborn bool // no reboot helps
}

type version struct {
	at      time.Time
	servers map[string]server
	deleted []string
}

type change struct {
	at   time.Time
	does func()
}

// NewCloud has a cluster of one writer, db-1, and readers db-2 to db-n, each in a zone of its own.
func NewCloud(name string, instances int, now time.Time) *Cloud {
	c := &Cloud{
		name: name, now: now, servers: map[string]server{}, deaf: map[string]bool{}, hidden: map[string]bool{},
		accepted: map[string]int{}, fences: map[string]int64{},
	}
	for n := range instances {
		role := Reader
		if n == 0 {
			role = Writer
		}
		id := fmt.Sprintf("db-%d", n+1)
		c.servers[id] = server{up: true, Instance: Instance{
			ID: id, Boots: 1, Zone: fmt.Sprintf("zone-%c", 'a'+n%3), Role: role, Status: Available,
			Settings: map[string]string{"max_connections": "100", "work_mem": "4MB"},
		}}
	}
	c.keep()
	return c
}

// Now is the virtual time.
func (c *Cloud) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets time pass, and what is due happen.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.now.Add(d)
	for len(c.due) > 0 && !c.due[0].at.After(end) {
		next := c.due[0]
		c.due, c.now = c.due[1:], next.at
		next.does()
		c.keep()
	}
	c.now = end
}

// Fail makes the next calls go wrong, one fault each.
func (c *Cloud) Fail(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, faults...)
}

// LoseReply makes the next call be executed and answered with an error.
func (c *Cloud) LoseReply() { c.Fail(LostReply) }

// Crash takes an instance down; if it is stubborn no reboot brings it back.
func (c *Cloud) Crash(id string, stubborn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change(id, func(s *server) { s.up, s.stubborn, s.Status = false, stubborn, Broken })
	c.keep()
}

// Silence makes an observer unheard ("api", "probe" or an instance's ID), or heard again.
func (c *Cloud) Silence(observer string, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf[observer] = silent
}

// Hide makes the API's listing leave an instance out, as a page that was cut off does.
func (c *Cloud) Hide(id string, hidden bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hidden[id] = hidden
}

// Accepted tells how often the operation of each intent was accepted, and how many calls the client token stopped.
func (c *Cloud) Accepted() (byIntent map[string]int, repeats int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.accepted), c.repeats
}

// Look asks the API for all instances, and probes and peers for those in scope and the writer.
func (c *Cloud) Look(ctx context.Context, r galen.Resource, scope []galen.Target, _ []galen.Intent) (Cluster, error) {
	if err := ctx.Err(); err != nil {
		return Cluster{}, fmt.Errorf("look at %s: %w", r, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r != (galen.Resource{Kind: KindName, Name: c.name}) {
		return Cluster{}, fmt.Errorf("look at %s: this provider has only fake/%s", r, c.name)
	}
	c.looks++
	out := Cluster{Name: c.name, Looked: c.now, Instances: []Instance{}, Missing: c.unheard(), Connections: float64(c.looks % 97)}
	if c.deaf["api"] {
		return out, nil
	}
	shown := c.shown()
	out.Deleted = slices.Clone(shown.deleted)
	for _, id := range slices.Sorted(maps.Keys(shown.servers)) {
		if c.hidden[id] {
			continue
		}
		i := shown.servers[id].Instance
		i.Settings, i.Observations = maps.Clone(i.Settings), []galen.Observation{}
		if inScope(scope, id) || i.Role == Writer {
			i.Looked, i.Observations = c.now, c.observe(i)
		}
		out.Instances = append(out.Instances, i)
	}
	return out, nil
}

// unheard are the observers that tell nothing now.
func (c *Cloud) unheard() []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(c.servers)) {
		if c.deaf[id] || !c.servers[id].up {
			out = append(out, id)
		}
	}
	for _, observer := range []string{"api", "probe"} {
		if c.deaf[observer] {
			out = append(out, observer)
		}
	}
	return out
}

// observe is what the API says late, and the probe and the peers now.
func (c *Cloud) observe(i Instance) []galen.Observation {
	says := func(observer string, kind galen.ObserverKind, good bool) galen.Observation {
		o := galen.Observation{Observer: observer, Kind: kind, Says: galen.Bad, At: c.now}
		if good {
			o.Says = galen.Good
		}
		if c.deaf[strings.TrimPrefix(observer, "peer ")] {
			o.Says = galen.Unknown
		}
		return o
	}
	api := says("api", galen.Cloud, i.Status != Broken)
	if i.Status != Broken && i.Status != Available {
		api.Says, api.Detail = galen.Unknown, string(i.Status)
	}
	up := c.servers[i.ID].up
	out := []galen.Observation{api, says("probe", galen.Probe, up)}
	for _, id := range slices.Sorted(maps.Keys(c.servers)) {
		if id != i.ID && c.servers[id].up {
			out = append(out, says("peer "+id, galen.Peer, up))
		}
	}
	return out
}

// Do makes one call of the API.
func (c *Cloud) Do(ctx context.Context, in galen.Intent) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("call %s: %w", in.Step, err)
	}
	c.mu.Lock()
	fault := Fault(0)
	if len(c.faults) > 0 {
		fault, c.faults = c.faults[0], c.faults[1:]
	}
	reply, err := "", error(nil)
	if fault != Throttled && fault != HangsBefore {
		reply, err = c.accept(in, fault == Forgets)
	}
	c.mu.Unlock()
	switch fault {
	case LostReply:
		return "", errors.New("connection reset while waiting for the answer")
	case Throttled:
		return "", errors.New("throttled: try again later")
	case HangsBefore, HangsAfter:
		<-ctx.Done()
		return "", fmt.Errorf("call %s: %w", in.Step, ctx.Err())
	case Forgets:
	}
	return reply, err
}

// accept checks token and fence, as a careful provider does, and starts the operation.
func (c *Cloud) accept(in galen.Intent, forgets bool) (string, error) {
	id := in.Step.Target.ID
	_, known := c.servers[id]
	switch {
	case in.ID == "" || !known:
		return "", fmt.Errorf("no instance %q, or no client token", id)
	case in.Fence < c.fences[id]:
		return "", fmt.Errorf("fence %d of %s is older than %d", in.Fence, id, c.fences[id])
	case c.accepted[in.ID] > 0 && !forgets:
		c.repeats++
		return "accepted before", nil
	}
	if err := c.start(in); err != nil {
		return "", err
	}
	c.fences[id] = in.Fence
	c.accepted[in.ID]++
	c.keep()
	return "accepted", nil
}

// start begins the operation; it ends by itself when its time has come.
func (c *Cloud) start(in galen.Intent) error {
	id := in.Step.Target.ID
	was := c.servers[id].Status
	switch in.Step.Verb {
	case VerbSet:
		args, err := galen.Decode[SetArgs](in.Step.Args)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		c.change(id, func(s *server) { s.Status = Modifying })
		c.after(setTakes, id, func(s *server) { s.Status, s.Settings = was, with(s.Settings, args) })
	case VerbReboot:
		c.change(id, func(s *server) { s.Status, s.up = Rebooting, false })
		c.after(rebootTakes, id, func(s *server) {
			s.Boots++
			if s.up = !s.stubborn; s.up {
				s.Status = Available
			} else {
				s.Status = Broken
			}
		})
	case VerbFailover:
		args, err := galen.Decode[FailoverArgs](in.Step.Args)
		if err != nil {
			return fmt.Errorf("failover: %w", err)
		}
		c.change(id, func(s *server) { s.Status = FailingOver })
		c.after(failoverTakes, id, func(s *server) {
			s.Role, s.Status = Reader, was
			c.change(args.To, func(to *server) { to.Role = Writer })
		})
	case VerbReplace:
		c.create(in, c.servers[id])
	default:
		return fmt.Errorf("no operation %q", in.Step.Verb)
	}
	return nil
}

func (c *Cloud) create(in galen.Intent, old server) {
	id := fmt.Sprintf("db-%d", len(c.servers)+len(c.deleted)+1)
	c.servers[id] = server{Instance: Instance{
		ID: id, Boots: 1, Zone: old.Zone, Role: Reader, Status: Creating, Settings: maps.Clone(old.Settings), Token: in.ID,
	}}
	c.after(replaceTakes, id, func(s *server) {
		s.up, s.Status = true, Available
		delete(c.servers, old.ID)
		c.deleted = append(c.deleted, old.ID)
	})
}

func with(settings map[string]string, a SetArgs) map[string]string {
	out := maps.Clone(settings)
	out[a.Setting] = a.Value
	return out
}

func (c *Cloud) change(id string, to func(*server)) {
	if s, known := c.servers[id]; known {
		to(&s)
		c.servers[id] = s
	}
}

func (c *Cloud) after(d time.Duration, id string, to func(*server)) {
	c.due = append(c.due, change{at: c.now.Add(d), does: func() { c.change(id, to) }})
	slices.SortStableFunc(c.due, func(a, b change) int { return a.at.Compare(b.at) })
}

// keep remembers the truth for the API, which shows it late, and drops what it will never show again.
func (c *Cloud) keep() {
	c.versions = append(c.versions, version{at: c.now, servers: maps.Clone(c.servers), deleted: slices.Clone(c.deleted)})
	for len(c.versions) > 1 && !c.versions[1].at.After(c.now.Add(-APILag)) {
		c.versions = c.versions[1:]
	}
}

// shown is what the API shows now.
func (c *Cloud) shown() version {
	out := c.versions[0]
	for _, v := range c.versions {
		if !v.at.After(c.now.Add(-APILag)) {
			out = v
		}
	}
	return out
}
