package gym

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// settled tells whether the effect of an act was known by then: by the time at which another one was looked at, for what was settled
// after that may be missing in the look, and the journal counts it as under way no more.
func (a *act) settled(by time.Time) bool { return !a.Settled.IsZero() && !a.Settled.After(by) }

// I-19: what an unsettled act of one run has claimed, no other run takes.
func (c *checker) claimed() {
	for i, a := range c.acts {
		for _, b := range c.acts[:i] {
			if b.Run == a.Run || b.settled(a.Looked) {
				continue
			}
			if name, both := common(a.Claims, b.Claims); both {
				c.blame("I-19 claims", a.Committed, "%s of run %s takes %s, which %s of run %s has", a.Step, a.Run, name, b.Step, b.Run)
			}
		}
	}
}

// I-19: from the fence of a node until another one has its place, a run keeps the ring, whatever else it does meanwhile: nobody else
// may move ranges then. That is what the listed runbooks promise; no guard asks it of others.
func (c *checker) kept() {
	for i, a := range c.acts {
		promised := slices.Contains([]string{"cassandra/heal-node", "cassandra/replace-node"}, c.runs[a.Run].Runbook)
		if !promised || a.Undoes != "" || slices.Contains(a.Kept, "ring") { // who takes back may have come for nothing else
			continue
		}
		for _, b := range c.acts[:i] {
			if b.Run == a.Run && b.Step.Verb == cassandra.VerbFence && b.Status == galen.EffectDone && b.settled(a.Looked) && !c.taken(b.Step.Target.ID, a) {
				c.blame("I-19 claims", a.Committed, "%s of run %s, which does not keep the ring, and the place of %s is empty", a.Step, a.Run, b.Step.Target)
			}
		}
	}
}

// taken: the run of an act has put another node into that place by then.
func (c *checker) taken(place string, a *act) bool {
	return slices.ContainsFunc(c.replaced(), func(b *act) bool {
		return b.Run == a.Run && b.Step.Target.ID == place && b.settled(a.Committed)
	})
}

// common is a claim that two have and cannot share.
func common(a, b []galen.Claim) (name string, both bool) {
	for _, x := range a {
		for _, y := range b {
			if x.Name == y.Name && !(x.Shared && y.Shared) {
				return x.Name, true
			}
		}
	}
	return "", false
}

// Of a throttle that was raised the old value comes back: nobody raises it again before that but the run itself, and of
// several raises the newest is taken back first.
func (c *checker) debts() {
	for i, a := range c.acts {
		for _, b := range c.acts[:i] {
			if b.Step.Verb != cassandra.VerbRaiseStream || b.Step.Target.ID != a.Step.Target.ID || !c.owes(b, a.Committed) {
				continue
			}
			of := c.byID[a.Undoes]
			switch {
			case a.Step.Verb == cassandra.VerbRaiseStream && a.Run != b.Run:
				c.blame("undo owed", a.Committed, "%s of run %s before the raise %s of run %s was taken back", a.Step, a.Run, b.ID, b.Run)
			case of != nil && of.Committed.Before(b.Committed):
				c.blame("undo owed", a.Committed, "%s takes %s back before the newer %s", a.Step, of.ID, b.ID)
			}
		}
	}
}

// owes: the raise was committed, is not known to have come to nothing, and nobody has taken it back by then.
func (c *checker) owes(raise *act, by time.Time) bool {
	if raise.Status == galen.EffectAbsent && raise.settled(by) {
		return false
	}
	for _, a := range c.acts {
		if a.Undoes == raise.ID && a.Status == galen.EffectDone && a.settled(by) {
			return false
		}
	}
	return true
}

// I-27: a run is executed by the version of its runbook that it began with.
func (c *checker) versions() {
	for _, a := range c.acts {
		run := c.runs[a.Run]
		if has := c.of.version(a.Engine, run.Runbook); has != run.Version {
			c.blame("I-27", a.Committed, "%s of run %s, begun with version %d of %s, by engine %d, which has version %d", a.Step, a.Run, run.Version, run.Runbook, a.Engine, has)
		}
	}
}

// verbWipe deletes the data of a node for good. Cassandra's own verbs never do that to data in service; the gym's tests add
// this one, so that the rule about it is tried.
const verbWipe = "wipe"

// restorePoint begins the keys of the facts that tell of restore points.
const restorePoint = "restore-point/"

// I-25: data are deleted for good only when they were restored somewhere lately, some time after a person has agreed.
func (c *checker) deletions() {
	p := c.in.Policy
	for _, a := range c.effective() {
		if a.Step.Verb != verbWipe {
			continue
		}
		point, has := c.points[a.Step.Target.ID]
		yes := false
		for _, at := range c.yes[a.Run] {
			yes = yes || a.Committed.Sub(at) >= p.DeleteDelay.D()
		}
		switch {
		case !has || point.After(a.Committed) || a.Committed.Sub(point) > p.RestorePointAge.D():
			c.blame("I-25", a.Committed, "%s of run %s, and no restore point was verified", a.Step, a.Run)
		case !yes:
			c.blame("I-25", a.Committed, "%s of run %s, and nobody has said yes %s before", a.Step, a.Run, p.DeleteDelay)
		}
	}
}

// restored notes the restore points among the facts that an effect has earned.
func (t *trace) restored(facts []galen.Fact) {
	for _, f := range facts {
		if target, is := strings.CutPrefix(f.Key, restorePoint); is && !f.Gone {
			t.points[target] = t.now()
		}
	}
}
