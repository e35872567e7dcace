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

// I-02: no run calls healed what it replaced and did not finish, whoever fenced the dead node: who took the place got each range from one
// replica until all of them are repaired, and its start configuration replaces the dead one until the flag is out.
func (c *checker) unfinished() {
	for _, a := range c.replaced() {
		end, ended := c.ends[a.Run]
		looks := c.holding(a.Run, end)
		if !ended || c.runs[a.Run].Status != galen.RunVerified || len(a.Accepted) == 0 || len(looks) == 0 {
			continue
		}
		last, name := looks[len(looks)-1].Truth, a.Accepted[0].Instance
		heir, member := memberAt(last, name)
		if !member {
			continue
		}
		given := &act{Committed: end, Seen: last} // as if its own place were given up then
		if given.Step.Target.ID = heir; c.unrepaired(a, given, heir) {
			c.blame("I-02 repair owed", end, "run %s is verified, and %s, which joined from one replica in the place of %s, is not repaired", a.Run, name, a.Step.Target)
		}
		if h, _ := last.Host(name); h.Flag != "" {
			c.blame("I-02 repair owed", end, "run %s is verified, and %s would replace %s at its next start", a.Run, name, h.Flag)
		}
	}
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
