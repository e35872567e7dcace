package ring

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// news is what gossip tells of the ring at one moment: who stands where, and who owns which token. It never changes and
// is shared by all who have heard it; a node whose news are old sees the ring as it was.
type news struct {
	number  int
	states  map[string]*endpoint // by address
	members []*member

	once sync.Once
	told chart
}

// chart is how a node shows the ring that it knows.
type chart struct {
	addresses                        []string // of states, sorted
	tokens                           []cassandra.Owner
	hash                             string
	joining, leaving, moving, owners []string
	pending                          []cassandra.Pending
	proofs                           [][]*member // replicas of the keys that a client probes for
}

// changed notes that gossip has something to tell, which comes from a host; nil: everybody finds it out by itself.
func (c *Cluster) changed(from *host) { c.dirty, c.from = true, from }

// knows notes what a host has to tell and keeps to itself for a while.
func (c *Cluster) knows(h *host) { c.dirty, c.from, c.secret = true, h, true }

// publish makes what has changed the newest news, and lets them spread.
func (c *Cluster) publish(now time.Time) {
	if !c.dirty {
		return
	}
	c.dirty = false
	n := &news{number: c.news.number + 1, states: maps.Clone(c.endpoints)}
	for _, m := range c.members {
		kept := *m
		n.members = append(n.members, &kept)
	}
	c.news = n
	if c.secret {
		c.secret = false
		c.tell(c.from, n, now, false)
		return
	}
	parts := c.parts()
	for _, h := range c.hosts {
		if c.from == nil || h == c.from || !c.from.mute && parts[h] != 0 && parts[h] == parts[c.from] {
			c.tell(h, n, now, h != c.from)
		}
	}
}

// tell lets a host's process learn news, a little later than who told them.
func (c *Cluster) tell(h *host, n *news, now time.Time, later bool) {
	p := h.proc
	if p == nil || !p.gossips() || p.coming >= n.number || later && h.deaf {
		return
	}
	p.coming = n.number
	lag := time.Duration(0)
	if later && c.spec.Timing.Lag > 0 {
		lag = time.Duration(float64(c.spec.Timing.Lag) * c.dice.float())
	}
	if lag == 0 && !p.stopped {
		p.learn(n)
		return
	}
	c.life(h, p, now.Add(lag), func(time.Time) { p.learn(n) })
}

func (p *process) learn(n *news) {
	if p.news == nil || p.news.number < n.number {
		p.news, p.coming = n, max(p.coming, n.number)
	}
}

// gossips: it exchanges gossip with others, although they may not list it yet.
func (p *process) gossips() bool {
	return p.phase >= phaseJoining && p.phase < phaseDrained && p.phase != phaseFailed
}

// parts numbers the parts of the network that hear each other, from 1; who does not run hears nobody. Gossip takes any
// way: a path between two nodes that is cut alone is not seen.
func (c *Cluster) parts() map[*host]int {
	out := make(map[*host]int, len(c.hosts))
	number := 0
	var visit func(h *host)
	visit = func(h *host) {
		out[h] = number
		for _, o := range c.hosts {
			if out[o] == 0 && c.awake(o) && !c.blocked[pair{h.Name, o.Address}] && !c.blocked[pair{o.Name, h.Address}] {
				visit(o)
			}
		}
	}
	for _, h := range c.hosts {
		if out[h] == 0 && c.awake(h) {
			number++
			visit(h)
		}
	}
	return out
}

func (c *Cluster) awake(h *host) bool { return h.proc != nil && !h.proc.stopped && h.proc.gossips() }

// catchUp lets who has missed news hear them from who has not.
func (c *Cluster) catchUp(parts map[*host]int, now time.Time) {
	newest := map[int]*news{}
	for h, part := range parts {
		if n := h.proc.news; n != nil && !h.mute && (newest[part] == nil || n.number > newest[part].number) {
			newest[part] = n
		}
	}
	for _, h := range c.hosts {
		if n := newest[parts[h]]; n != nil {
			c.tell(h, n, now, true)
		}
	}
}

// chart is made once for all who know the news.
func (c *Cluster) chart(n *news) *chart {
	n.once.Do(func() {
		t := &n.told
		t.addresses = slices.Sorted(maps.Keys(n.states))
		owners := map[cassandra.Token]cassandra.Owner{}
		for _, joins := range []bool{false, true} { // the tokens of who is replaced stand under who joins
			for _, m := range n.members {
				if (m.status == cassandra.Joining) != joins {
					continue
				}
				for _, token := range m.tokens {
					owners[token] = cassandra.Owner{Token: token, Address: m.host.Address, HostID: m.hostID}
				}
				t.stand(m)
			}
		}
		for _, o := range owners {
			t.tokens = append(t.tokens, o)
		}
		slices.SortFunc(t.tokens, func(a, b cassandra.Owner) int { return cmp.Compare(a.Token, b.Token) })
		t.hash = cassandra.HashOwners(t.tokens)
		for _, list := range [][]string{t.joining, t.leaving, t.moving, t.owners} {
			slices.Sort(list)
		}
		c.movements(n)
	})
	return &n.told
}

// stand notes where a member stands.
func (t *chart) stand(m *member) {
	switch m.status {
	case cassandra.Joining:
		t.joining = append(t.joining, m.host.Address)
		return
	case cassandra.Leaving:
		t.leaving = append(t.leaving, m.host.Address)
	case cassandra.Moving:
		t.moving = append(t.moving, m.host.Address)
	default:
	}
	if len(m.tokens) > 0 {
		t.owners = append(t.owners, m.host.Address)
	}
}

// movements are the pending ranges, and the replicas of the keys that tell whether a node serves.
func (c *Cluster) movements(n *news) {
	t, now := &n.told, seats(n.members)
	moving := slices.ContainsFunc(n.members, func(m *member) bool { return m.status != cassandra.Normal })
	for _, k := range c.spec.Keyspaces {
		if k.Strategy == "LocalStrategy" || len(now) == 0 {
			continue
		}
		if moving {
			t.pending = append(t.pending, pendingIn(k, n.members, now)...)
		}
		if t.proofs == nil && replicasOf(k) >= 2 {
			for i := range 4 {
				t.proofs = append(t.proofs, placed(k, now, i*len(now)/4))
			}
		}
	}
	slices.SortFunc(t.pending, func(a, b cassandra.Pending) int {
		return cmp.Or(cmp.Compare(a.Keyspace, b.Keyspace), cmp.Compare(a.End, b.End), cmp.Compare(a.Address, b.Address))
	})
}

func replicasOf(k cassandra.Keyspace) int {
	total := 0
	for _, n := range k.RF {
		total += n
	}
	return total
}

// pendingIn are the ranges of a keyspace that will have another replica when all movements are over.
func pendingIn(k cassandra.Keyspace, members []*member, now []seat) []cassandra.Pending {
	after := seats(afterwards(members))
	var out []cassandra.Pending
	ends := make([]cassandra.Token, 0, len(now)+len(after))
	for _, s := range slices.Concat(now, after) {
		ends = append(ends, s.token)
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	for i, end := range ends {
		has := placed(k, now, seatOf(now, end))
		for _, m := range placed(k, after, seatOf(after, end)) {
			if !slices.ContainsFunc(has, func(h *member) bool { return h.hostID == m.hostID }) {
				r := cassandra.Range{Start: ends[(i+len(ends)-1)%len(ends)], End: end}
				out = append(out, cassandra.Pending{Keyspace: k.Name, Range: r, Address: m.host.Address})
			}
		}
	}
	return out
}

// seatOf is the seat that owns a token.
func seatOf(ring []seat, t cassandra.Token) int {
	i, _ := slices.BinarySearchFunc(ring, t, func(s seat, t cassandra.Token) int { return cmp.Compare(s.token, t) })
	return i % max(len(ring), 1)
}

// afterwards are the members when every movement is over: who leaves is gone, who joins is there, who is replaced is
// not.
func afterwards(members []*member) []*member {
	replaced := map[string]bool{}
	for _, m := range members {
		if m.status == cassandra.Joining && m.replacing != "" {
			replaced[m.replacing] = true
		}
	}
	var out []*member
	for _, m := range members {
		if m.status == cassandra.Leaving || m.status != cassandra.Joining && replaced[m.host.Address] {
			continue
		}
		there := *m
		there.status = cassandra.Normal
		out = append(out, &there)
	}
	return out
}
