package ring

import (
	"slices"

	"github.com/galenhq/galen/activities/cassandra"
)

// TrueRange is a range of a keyspace, within one boundary of the ring, and who really has to do with it; host IDs.
type TrueRange struct {
	Keyspace string
	cassandra.Range
	// Replicas own it now, Pending ones take its writes besides.
	Replicas, Pending []string
	// Serving are those of both that take part in reads and writes.
	Serving []string
	// Holding are the replicas whose disks hold what the range held before; down or not.
	Holding []string
}

// Ranges are those of every keyspace that is replicated over the ring, by keyspace and token.
func (c *Cluster) Ranges() []TrueRange {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	return c.ranges()
}

// Lost are the ranges of keyspaces with more than one replica of which no disk of a replica holds the data any more.
func (c *Cluster) Lost() []TrueRange {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	var out []TrueRange
	for _, r := range c.ranges() {
		if len(r.Replicas) > 1 && len(r.Holding) == 0 {
			out = append(out, r)
		}
	}
	return out
}

// holds: what its member owned is on the host's disk.
func (m *member) holds() bool {
	d := m.host.data
	return d != nil && !d.half && !d.bare && d.hostID == m.hostID
}

// Short are the ranges in which fewer replicas serve than LOCAL_QUORUM needs (QUORUM for SimpleStrategy), with these
// host IDs down as well. Each pending replica is needed besides, as Cassandra counts writes. Keyspaces of up to two
// replicas are left out: none of theirs may ever be missing.
func (c *Cluster) Short(down ...string) []TrueRange {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	var out []TrueRange
	for _, r := range c.ranges() {
		i := slices.IndexFunc(c.spec.Keyspaces, func(k cassandra.Keyspace) bool { return k.Name == r.Keyspace })
		if c.short(r, c.spec.Keyspaces[i].RF, down) {
			out = append(out, r)
		}
	}
	return out
}

// intent that started the process which moves, "" where it moves by another hand.
func (m *member) intent() string {
	if m.foreign || m.host.proc == nil {
		return ""
	}
	return m.host.proc.intent
}

// serves: the node's process works, and at least one other one hears it.
func (c *Cluster) serves(h *host) bool {
	p := h.proc
	if p == nil || p.stopped || !p.speaks {
		return false
	}
	return len(c.members) == 1 || slices.ContainsFunc(c.members, func(o *member) bool {
		return o.host != h && o.host.proc != nil && o.host.proc.speaks && c.talk(o.host, h)
	})
}

func (c *Cluster) ranges() []TrueRange {
	var out []TrueRange
	ring := seats(c.members)
	for _, k := range c.spec.Keyspaces {
		if k.Strategy == "LocalStrategy" {
			continue
		}
		for i := range ring {
			out = append(out, c.rangeAt(k, ring, i))
		}
	}
	return out
}

func (c *Cluster) rangeAt(k cassandra.Keyspace, ring []seat, i int) TrueRange {
	r := TrueRange{Keyspace: k.Name, Range: cassandra.Range{Start: ring[(i+len(ring)-1)%len(ring)].token, End: ring[i].token}}
	for _, m := range placed(k, ring, i) {
		r.Replicas = append(r.Replicas, m.hostID)
		if m.holds() {
			r.Holding = append(r.Holding, m.hostID)
		}
	}
	for _, m := range c.members {
		if m.status == cassandra.Joining && c.takes(m, k, ring, i) && !slices.Contains(r.Replicas, m.hostID) {
			r.Pending = append(r.Pending, m.hostID)
		}
	}
	for _, m := range c.members {
		if c.serves(m.host) && (slices.Contains(r.Replicas, m.hostID) || slices.Contains(r.Pending, m.hostID)) {
			r.Serving = append(r.Serving, m.hostID)
		}
	}
	return r
}

// takes tells whether a joiner will hold the range at seat i: as who it replaces does, or as it would with its own
// tokens in the ring.
func (c *Cluster) takes(joiner *member, k cassandra.Keyspace, ring []seat, i int) bool {
	if dead := c.owner(joiner.replacing); joiner.replacing != "" && dead != nil {
		return slices.Contains(placed(k, ring, i), dead)
	}
	with := slices.Clone(ring)
	for _, t := range joiner.tokens {
		with = append(with, seat{t, joiner})
	}
	slices.SortFunc(with, func(a, b seat) int { return compareTokens(a.token, b.token) })
	at := slices.IndexFunc(with, func(s seat) bool { return s.token == ring[i].token })
	// The part of the range that the joiner's token cuts off stands for the whole.
	for ; at >= 0; at = at - 1 {
		if slices.Contains(placed(k, with, at), joiner) {
			return true
		}
		if at == 0 || with[at-1].of != joiner {
			return false
		}
	}
	return false
}

func compareTokens(a, b cassandra.Token) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (c *Cluster) short(r TrueRange, rf map[string]int, down []string) bool {
	total := 0
	for _, n := range rf {
		total += n
	}
	if total <= 2 {
		return false
	}
	for dc, n := range rf {
		counts := func(id string) bool { return dc == "" || c.member(id).host.config.DC == dc }
		needed, alive := n/2+1, 0
		for _, id := range r.Pending {
			if counts(id) {
				needed++
			}
		}
		for _, id := range r.Serving {
			if counts(id) && !slices.Contains(down, id) {
				alive++
			}
		}
		if alive < needed {
			return true
		}
	}
	return false
}
