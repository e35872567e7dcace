package gym

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// unrepaired: the node that a replacement brought, or a start after a long silence, shares with the target of an act a range of "orders" that it took over, and its
// repairs since then do not sum up to that range.
func (c *checker) unrepaired(replacement, a *act, heir string) bool {
	dead := replacement.Step.Target.ID
	taken := shared(replacement.Accepted[0].Truth, c.keyspaces, dead, dead)
	done := c.repairedRanges(heir, replacement.Settled, a.Committed)
	return slices.ContainsFunc(shared(a.Seen, c.keyspaces, heir, a.Step.Target.ID), func(r cassandra.Range) bool {
		return sumUp(taken, r) && !sumUp(done, r)
	})
}

// repairedRanges of the keyspace whose ranges all nodes share.
func (c *checker) repairedRanges(id string, from, until time.Time) []cassandra.Range {
	var out []cassandra.Range
	for _, a := range c.acts {
		args, err := galen.Decode[cassandra.RepairArgs](a.Step.Args)
		if err == nil && a.Step.Verb == cassandra.VerbRepair && a.Step.Target.ID == id && a.Status == galen.EffectDone &&
			args.Keyspace == "orders" && a.Settled.After(from) && !a.Settled.After(until) {
			out = append(out, args.Ranges...)
		}
	}
	return out
}

// shared are the ranges of "orders" that both nodes hold replicas of.
func shared(t ring.Truth, keyspaces []cassandra.Keyspace, a, b string) []cassandra.Range {
	var out []cassandra.Range
	all := owners(t)
	for _, k := range keyspaces {
		for i := range all {
			if k.Name != "orders" {
				break
			}
			of := replicas(all, i, k)
			has := func(id string) bool { return slices.ContainsFunc(of, func(o owner) bool { return o.id == id }) }
			if has(a) && has(b) {
				out = append(out, cassandra.Range{Start: all[(i+len(all)-1)%len(all)].token, End: all[i].token})
			}
		}
	}
	return out
}

// sumUp walks from the end of a range back to its start, through whatever parts there are. What it counts is less by one, for
// the whole ring has one token more than a number can tell.
func sumUp(parts []cassandra.Range, whole cassandra.Range) bool {
	for at := uint64(whole.End); ; {
		left, step := at-uint64(whole.Start)-1, uint64(0)
		for _, p := range parts {
			reach, length := at-uint64(p.Start)-1, uint64(p.End)-uint64(p.Start)-1
			switch {
			case reach > length: // it does not hold this token
			case reach >= left:
				return true
			default:
				step = max(step, reach+1)
			}
		}
		if step == 0 {
			return false
		}
		at -= step
	}
}
