package gym

import (
	"slices"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// I-24: no node is given up before there is an empty instance for its place, with room for what it held.
func (c *checker) headroom() {
	for _, a := range c.effective() {
		if !takesPlace(a) {
			continue
		}
		m, _ := a.Seen.Member(a.Step.Target.ID)
		h, _ := a.Seen.Host(m.Host)
		heirs := slices.DeleteFunc(slices.Clone(a.Seen.Hosts), func(o ring.TrueHost) bool { return !c.mayInherit(a, h, o) })
		roomy := slices.ContainsFunc(heirs, func(o ring.TrueHost) bool { return c.hasRoom(a, m, o) })
		switch {
		case len(heirs) == 0:
			c.blame("I-24", a.Committed, "%s, and no empty instance of %s is there", a.Step, h.DC)
		case !roomy:
			c.blame("I-24", a.Committed, "%s, which held %d bytes (told: %t), and no empty instance has %g times that free", a.Step, m.Load, m.Told, c.in.Policy.DiskHeadroom)
		}
	}
}

// mayInherit: it is empty and near, and nobody else's; of a replacement, it is the one that is started.
func (c *checker) mayInherit(a *act, dead, o ring.TrueHost) bool {
	if a.Step.Verb == cassandra.VerbReplace {
		return o.Name == a.Accepted[0].Instance
	}
	by := c.byID[o.Prepared]
	return o.Spare && o.DC == dead.DC && !o.Running && !o.Data && !o.HalfData && o.Fenced == "" && (by == nil || by.Run == a.Run)
}

// hasRoom: what the node held fits with the margin of the policy. Where nobody could tell what any node of its data centre holds, a
// person may say that whatever is free suffices.
func (c *checker) hasRoom(a *act, m ring.TrueMember, o ring.TrueHost) bool {
	if float64(o.Free) >= c.in.Policy.DiskHeadroom*float64(m.Load) {
		return true
	}
	return o.Free > 0 && !toldOf(a.Seen, m) && c.saidYes(a)
}

// toldOf: what a node holds, or what another one of its data centre does, is known to gossip.
func toldOf(t ring.Truth, m ring.TrueMember) bool {
	dead, _ := t.Host(m.Host)
	return slices.ContainsFunc(t.Members, func(o ring.TrueMember) bool {
		h, _ := t.Host(o.Host)
		return o.Told && h.DC == dead.DC
	})
}

// saidYes: a person did, to the run of an act.
func (c *checker) saidYes(a *act) bool {
	return slices.ContainsFunc(c.yes[a.Run], func(at time.Time) bool { return !at.After(a.Committed) })
}
