package gym

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// outdated: it was silent for longer than the others know what was deleted.
func outdated(c *checker, t ring.Truth, h ring.TrueHost) string {
	if silent := silentFor(t, h); silent > c.in.Policy.GCGrace.D() {
		return "it was silent for " + silent.String()
	}
	return ""
}

func silentFor(t ring.Truth, h ring.TrueHost) time.Duration {
	if h.Silent.IsZero() {
		return 0
	}
	return t.At.Sub(h.Silent)
}

// noticed: its peers keep hints from when they notice that a node is silent.
const noticed = time.Minute

// lacking are the starts of nodes that were silent for longer than hints are kept: they lack writes until they are repaired.
func (c *checker) lacking() []*act {
	var out []*act
	for _, a := range c.effective() {
		if a.Step.Verb != cassandra.VerbStart || a.Status != galen.EffectDone {
			continue
		}
		h, found := targetHost(a.Accepted[0].Truth, a.Step.Target.ID)
		if found && silentFor(a.Accepted[0].Truth, h) > c.in.Policy.HintWindow.D()+noticed {
			out = append(out, a)
		}
	}
	return out
}

// N12: no run calls a node healed that it started and that lacks writes.
func (c *checker) silences() {
	for _, a := range c.lacking() {
		end, ended := c.ends[a.Run]
		if ended && c.runs[a.Run].Status == galen.RunVerified && c.stillLacks(a, end) {
			c.blame("N12 hints", end, "run %s is verified, and %s, which was silent for longer than hints are kept, was not repaired", a.Run, a.Step.Target)
		}
	}
}

// stillLacks: a range that the node had when it was started, and has on the last look of the run, was not repaired since.
func (c *checker) stillLacks(start *act, end time.Time) bool {
	id, then := start.Step.Target.ID, start.Accepted[0].Truth
	last := then
	for _, look := range c.sights[start.Run] {
		if !look.At.After(end) {
			last = look.Truth
		}
	}
	had, done := shared(then, c.keyspaces, id, id), c.repairedRanges(id, start.Settled, end)
	return slices.ContainsFunc(shared(last, c.keyspaces, id, id), func(r cassandra.Range) bool { return sumUp(had, r) && !sumUp(done, r) })
}

// lackBeside blames an act that gives a node up for each node of the same ranges that lacks writes.
func (c *checker) lackBeside(a *act) {
	for _, b := range c.lacking() {
		lacks := b.Step.Target.ID
		if _, member := a.Seen.Member(lacks); !member || !b.Settled.Before(a.Committed) || lacks == a.Step.Target.ID {
			continue
		}
		if c.unrepaired(b, a, lacks) {
			c.blame("I-02 repair owed", a.Committed, "%s before %s, which was silent for longer than hints are kept, was repaired", a.Step, b.Step.Target)
		}
	}
}
