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
	q := c.quorum()
	var views []cassandra.View
	var instances []cassandra.Instance
	seen := false
	for _, h := range c.hosts {
		v, i := c.view(h, q, now), c.instance(h, now)
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
	return cassandra.Merge(c.spec.Name, now, views, instances, repairs), nil
}

// instance is what the host plane tells.
func (c *Cluster) instance(h *host, now time.Time) cassandra.Instance {
	out := cassandra.Instance{Name: h.Name, Address: h.Address, Spare: h.Spare, At: now, Process: cassandra.Absent, Data: cassandra.DataUnknown}
	if h.unreadable {
		out.Error = "the host does not answer"
		return out
	}
	out.Data, out.Device, out.DiskFree = cassandra.DataGone, h.device, 1<<36
	if h.data != nil {
		out.Data = cassandra.DataPresent
	}
	out.Attempts = slices.Clone(h.attempts)
	slices.Sort(out.Attempts)
	out.Fenced, out.Prepared, out.Config, out.ReplaceFlag = h.fenced, h.prepared, h.config, h.flag
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
func (c *Cluster) view(h *host, q *cassandra.Quorum, now time.Time) cassandra.View {
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
	c.topology(&v, q)
	if p.phase == phaseNormal && c.coordinates(h, q, now) {
		v.CQL = cassandra.Answered
	} else if p.phase == phaseNormal {
		v.CQL, v.CQLError = cassandra.BadAnswer, "not enough replicas for LOCAL_QUORUM"
	}
	return v
}

// topology is the token map as Cassandra shows it: the tokens of who is replaced stand under who joins.
func (c *Cluster) topology(v *cassandra.View, q *cassandra.Quorum) {
	owners := map[cassandra.Token]cassandra.Owner{}
	for _, joins := range []bool{false, true} {
		for _, m := range c.members {
			if (m.status == cassandra.Joining) != joins {
				continue
			}
			for _, t := range m.tokens {
				owners[t] = cassandra.Owner{Token: t, Address: m.host.Address, HostID: m.hostID}
			}
			c.stand(v, m, q)
		}
	}
	for _, o := range owners {
		v.Tokens = append(v.Tokens, o)
	}
	slices.SortFunc(v.Tokens, func(a, b cassandra.Owner) int { return cmp.Compare(a.Token, b.Token) })
	for _, list := range [][]string{v.Joining, v.Leaving, v.Moving, v.Owners} {
		slices.Sort(list)
	}
}

// stand notes where a member stands.
func (c *Cluster) stand(v *cassandra.View, m *member, q *cassandra.Quorum) {
	switch m.status {
	case cassandra.Joining:
		v.Joining = append(v.Joining, m.host.Address)
		v.Pending = append(v.Pending, c.pending(m, q)...)
		return
	case cassandra.Leaving:
		v.Leaving = append(v.Leaving, m.host.Address)
	case cassandra.Moving:
		v.Moving = append(v.Moving, m.host.Address)
	default:
	}
	if len(m.tokens) > 0 {
		v.Owners = append(v.Owners, m.host.Address)
	}
}

// pending are the ranges that move to a joiner: those of the dead node that it replaces, or those up to its own tokens.
func (c *Cluster) pending(m *member, q *cassandra.Quorum) []cassandra.Pending {
	var out []cassandra.Pending
	for _, k := range c.spec.Keyspaces {
		ranges := []cassandra.Range{}
		if dead := c.owner(m.replacing); dead != nil {
			ranges = q.Ranges(k.Name, dead.hostID)
		} else if k.Strategy != "LocalStrategy" {
			for _, t := range m.tokens {
				ranges = append(ranges, cassandra.Range{Start: t - 1000, End: t})
			}
		}
		for _, r := range ranges {
			out = append(out, cassandra.Pending{Keyspace: k.Name, Range: r, Address: m.host.Address})
		}
	}
	return out
}

// coordinates tells whether a LOCAL_QUORUM read through the node would succeed in every range: whom it calls DOWN, and
// who does not answer, is missing.
func (c *Cluster) coordinates(h *host, q *cassandra.Quorum, now time.Time) bool {
	down := map[string]bool{}
	for _, m := range c.members {
		if !c.callsUp(h, m.host.Address, now) || m.host.proc == nil || m.host.proc.stopped {
			down[m.hostID] = true
		}
	}
	return len(q.Verdict(down).Breaks) == 0
}
