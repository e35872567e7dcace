package ring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

var _ galen.Driver[cassandra.Ring] = (*Cluster)(nil)

// Look asks every node and every host, whatever the scope: small rings share all data with each other. It errs when
// nothing answers at all, or for another resource.
func (c *Cluster) Look(ctx context.Context, r galen.Resource, _ []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	if err := ctx.Err(); err != nil {
		return cassandra.Ring{}, fmt.Errorf("look at %s: %w", r, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r != (galen.Resource{Kind: cassandra.KindName, Name: c.spec.Name}) {
		return cassandra.Ring{}, fmt.Errorf("look at %s: this ring is %s/%s", r, cassandra.KindName, c.spec.Name)
	}
	now := c.pass()
	var views []cassandra.View
	var instances []cassandra.Instance
	seen := false
	for _, h := range c.hosts {
		v, i := c.view(h, now), c.instance(h, now)
		seen = seen || v.Jolokia != cassandra.Hung || i.Error == ""
		views, instances = append(views, v), append(instances, i)
	}
	if !seen {
		return cassandra.Ring{}, fmt.Errorf("look at %s: %w", r, errors.New("no node and no host answered"))
	}
	var repairs []cassandra.Repair
	for _, in := range open {
		if in.Step.Verb == cassandra.VerbRepair {
			repairs = append(repairs, c.repairStatus(in))
		}
	}
	return cassandra.Merge(c.spec.Name, now, views, instances, repairs).Under(open), nil
}

// instance is what the host plane tells.
func (c *Cluster) instance(h *host, now time.Time) cassandra.Instance {
	out := cassandra.Instance{Name: h.Name, Address: h.Address, Spare: h.Spare, At: now, Process: cassandra.Absent, Data: cassandra.DataUnknown}
	if h.unreadable {
		out.Error = "the host does not answer"
		return out
	}
	out.Data, out.Device, out.DiskFree = cassandra.DataGone, h.device, new(h.free)
	if h.data != nil {
		out.Data = cassandra.DataPresent
	}
	out.Attempts = slices.Clone(h.attempts)
	slices.Sort(out.Attempts)
	out.Fenced, out.Prepared, out.Config, out.ReplaceFlag = h.fenced, h.prepared, h.config, h.flag
	out.Hints = h.hinted()
	if p := h.proc; p != nil {
		out.Process, out.PID, out.Started, out.Intent = cassandra.Running, p.pid, p.started, p.intent
		if p.stopped {
			out.Process = cassandra.Stopped
		}
		out.ReplaceFlag = cmp.Or(p.flag, h.flag)
	}
	return out
}

// view is what the node itself answers.
func (c *Cluster) view(h *host, now time.Time) cassandra.View {
	v := cassandra.View{Instance: h.Name, Address: h.Address, At: now, Jolokia: cassandra.Refused, CQL: cassandra.Refused}
	p := h.proc
	switch {
	case h.cut != "":
		v.Jolokia, v.CQL = h.cut, h.cut
		return v
	case p == nil || p.phase == phaseExec:
		if p != nil && p.stopped {
			v.Jolokia, v.CQL = cassandra.Hung, cassandra.Hung
		}
		return v
	case p.stopped:
		v.Jolokia, v.CQL = cassandra.Hung, cassandra.Hung
		return v
	case p.phase == phaseBooting:
		v.Jolokia = cassandra.Booting
		return v
	}
	v.Jolokia, v.Mode = cassandra.Answered, p.phase.mode()
	v.HostID, v.Generation, v.Version, v.Cluster = p.hostID, p.generation, Version, p.config.Cluster
	v.ReplaceFlag, v.Seeds, v.Streams, v.Schema = p.flag, slices.Clone(p.config.Seeds), p.streams, cmp.Or(h.schema, "schema-1")
	throttle := p.throttle
	v.Throttle, v.Keyspaces = &throttle, slices.Clone(c.spec.Keyspaces)
	v.Peers = c.peers(h, now)
	c.topology(&v, p.news)
	h.burden(&v)
	v.Tasks = c.tasks(h, now)
	if p.phase == phaseNormal {
		v.CQL, v.CQLError = c.cql(h, now)
	}
	return v
}

// cql is what a client meets that reads through the node.
func (c *Cluster) cql(h *host, now time.Time) (cassandra.Answer, string) {
	switch {
	case h.slow: // it takes longer than the client waits
		return cassandra.Hung, ""
	case c.coordinates(h, now):
		return cassandra.Answered, ""
	default:
		return cassandra.BadAnswer, "not enough replicas for LOCAL_QUORUM"
	}
}

// topology is the token map as Cassandra shows it.
func (c *Cluster) topology(v *cassandra.View, n *news) {
	if n == nil {
		return
	}
	t := c.chart(n)
	v.Tokens, v.TokenHash, v.Owners = t.tokens, t.hash, t.owners
	v.Joining, v.Leaving, v.Moving, v.Pending = t.joining, t.leaving, t.moving, t.pending
}

// coordinates tells whether the read by which a client finds out that the node serves would succeed: one of four keys has
// a quorum of replicas that the node calls UP and that answer.
func (c *Cluster) coordinates(h *host, now time.Time) bool {
	proofs := c.chart(h.proc.news).proofs
	for _, replicas := range proofs {
		alive := 0
		for _, m := range replicas {
			p := m.host.proc
			if p != nil && !p.stopped && c.callsUp(h, m.host.Address, now) && c.talk(h, m.host) {
				alive++
			}
		}
		if alive > len(replicas)/2 {
			return true
		}
	}
	return len(proofs) == 0
}
