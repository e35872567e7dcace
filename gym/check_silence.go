package gym

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// outdated: it was silent for longer than the others know what was deleted, or became so for longer ago, was started, and lacks
// ever since what was written meanwhile.
func outdated(c *checker, t ring.Truth, h ring.TrueHost) string {
	most := c.in.Policy.GCGrace.D()
	if silent := silentFor(t, h); silent > most {
		return "it was silent for " + silent.String()
	}
	for _, a := range c.effective() {
		then := a.Accepted[0].Truth
		was, found := targetHost(then, a.Step.Target.ID)
		if a.Step.Verb != cassandra.VerbStart || !found || was.Name != h.Name || !a.Accepted[0].At.Before(t.At) || !c.missedWrites(then, was) {
			continue
		}
		if ago := t.At.Sub(was.Silent); ago > most && c.lacksSince(a, a.Accepted[0].At, t) {
			return "it became silent " + ago.String() + " ago, and was started and not repaired since"
		}
	}
	return ""
}

// missedWrites: a node was silent for longer than the others keep hints for it.
func (c *checker) missedWrites(t ring.Truth, h ring.TrueHost) bool {
	return silentFor(t, h) > c.in.Policy.HintWindow.D()+noticed
}

// lacksSince: a range that a node had when it was started, and has still, was not repaired between a moment and that of the truth.
func (c *checker) lacksSince(start *act, from time.Time, now ring.Truth) bool {
	id := start.Step.Target.ID
	had, done := shared(start.Accepted[0].Truth, c.keyspaces, id, id), c.repairedRanges(id, from, now.At)
	return slices.ContainsFunc(shared(now, c.keyspaces, id, id), func(r cassandra.Range) bool { return sumUp(had, r) && !sumUp(done, r) })
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
		if found && c.missedWrites(a.Accepted[0].Truth, h) {
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
	last := start.Accepted[0].Truth
	for _, look := range c.sights[start.Run] {
		if !look.At.After(end) {
			last = look.Truth
		}
	}
	last.At = end
	return c.lacksSince(start, start.Settled, last)
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
