package gym

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// I-26, L-2: each run ends, or waits for a person; so does each intent.
func (c *checker) endings() {
	end := c.now()
	for id, run := range c.runs {
		waits := run.Status == galen.RunHeld || run.Status == galen.RunAsking
		if run.Status.Open() && !waits && end.After(run.Deadline.Add(2*c.in.Policy.Fallback.D())) {
			c.blame("I-26", end, "run %s is still %s: %s", id, run.Status, run.Why)
		}
	}
	c.yields()
	if !c.in.adrift() { // nothing is settled by a clock that is not believed; the run itself waits for a person in the end
		c.unsettled(end)
	}
}

// I-19: who yields is never done, and goes on once nobody needs what he held.
func (c *checker) yields() {
	for id, run := range c.runs {
		if run.Stop != galen.StopYield {
			continue
		}
		other := c.runs[run.StopBy]
		since := c.now().Sub(c.ends[run.StopBy])
		switch {
		case run.Status == galen.RunVerified:
			c.blame("I-19", c.now(), "run %s is called verified and yields to %s", id, run.StopBy)
		case run.Status.Open() && run.Status != galen.RunHeld && !other.Status.Open() && since > 2*c.in.Policy.Fallback.D():
			c.blame("I-19", c.now(), "run %s yields to %s, which ended %s ago", id, run.StopBy, since)
		}
	}
}

func (c *checker) unsettled(end time.Time) {
	for _, a := range c.acts {
		status := c.runs[a.Run].Status
		if a.Settled.IsZero() && status != galen.RunHeld && status != galen.RunAsking && end.After(a.Deadline().Add(time.Minute)) {
			c.blame("I-26", end, "%s of run %s (%s) is past its deadline and not settled", a.Step, a.Run, status)
		}
	}
}

// L-1, L-2: a single trouble is healed, or a person is told why it is not.
func (c *checker) healed() {
	if c.in.Sort != Single || c.others {
		return
	}
	if len(c.runs) == 0 {
		c.blame("L-2", c.now(), "one trouble, and no run was opened for it")
	}
	for id, run := range c.runs {
		waits := (run.Status == galen.RunHeld || run.Status == galen.RunAsking) && run.Why != ""
		if run.Status != galen.RunVerified && !waits {
			c.blame("L-1", c.now(), "one trouble, and run %s is neither verified nor does it tell a person why: %s %q", id, run.Status, run.Why)
		}
	}
}

// Undo owed: what was raised for a while is put back, or a person has been asked to: only a run that is open may still do so, of what it
// raised itself or came to put back. Nobody else touches a throttle here.
func (c *checker) putBack() {
	onItsWay := c.onItsWay()
	for _, h := range c.final.Hosts {
		if h.Running && h.Throttle != ring.DefaultThrottle() && !onItsWay[h.Name] {
			c.blame("undo owed", c.now(), "the throttle of %s is left at %s, and no open run is to put it back", h.Name, h.Throttle)
		}
	}
}

// onItsWay are the machines whose throttle an open run raised, or is to put back.
func (c *checker) onItsWay() map[string]bool {
	out := map[string]bool{}
	for _, a := range c.acts {
		if raise := c.raised(a); raise != nil && c.runs[a.Run].Status.Open() {
			out[hostOf(raise)] = true
		}
	}
	for _, run := range c.runs {
		if !run.Status.Open() || run.Finding == nil || run.Finding.Code != galen.CodeUndoOwed {
			continue
		}
		for _, t := range run.InScope() {
			h, _ := targetHost(c.final, t.ID)
			out[h.Name] = true
		}
	}
	return out
}

// raised is the raise that an act is, or undoes; nil for any other.
func (c *checker) raised(a *act) *act {
	if a.Undoes != "" {
		a = c.byID[a.Undoes]
	}
	if a == nil || a.Step.Verb != cassandra.VerbRaiseStream {
		return nil
	}
	return a
}

// hostOf is the machine on which a raise took effect, or was to.
func hostOf(a *act) string {
	h, _ := targetHost(a.Seen, a.Step.Target.ID)
	return h.Name
}

// I-28: a run acts on what it was opened for, and on what it prepared itself; and it repairs whom it has started.
func (c *checker) scope() {
	for i, a := range c.acts {
		run := c.runs[a.Run]
		h, found := targetHost(a.Seen, a.Step.Target.ID)
		allowed := append(slices.Clone(run.Scope), a.Found...)
		if !found || among(a.Seen, allowed, h) {
			continue
		}
		if a.Undoes == "" && !itsOwn(a, h, c.acts[:i]) {
			c.blame("I-28", a.Committed, "%s of run %s, which is about %v", a.Step, a.Run, allowed)
		}
	}
}

// itsOwn: what it acts on is an empty spare to be prepared, or what its run has made or brought back before.
func itsOwn(a *act, h ring.TrueHost, before []*act) bool {
	empty := a.Step.Verb == cassandra.VerbPrepare && h.Spare && !h.Running && !h.Data
	repaired := a.Step.Verb == cassandra.VerbRepair && startedBy(before, a.Run, h)
	return empty || repaired || preparedBy(before, a.Run, h)
}

func preparedBy(acts []*act, run string, h ring.TrueHost) bool {
	return slices.ContainsFunc(acts, func(b *act) bool {
		return b.Run == run && b.Step.Verb == cassandra.VerbPrepare && b.Step.Target.ID == "instance/"+h.Name
	})
}

func startedBy(acts []*act, run string, h ring.TrueHost) bool {
	return slices.ContainsFunc(acts, func(b *act) bool {
		return b.Run == run && b.Step.Verb == cassandra.VerbStart && hostOf(b) == h.Name
	})
}

func among(t ring.Truth, targets []galen.Target, h ring.TrueHost) bool {
	return slices.ContainsFunc(targets, func(s galen.Target) bool {
		o, found := targetHost(t, s.ID)
		return found && o.Name == h.Name
	})
}

// I-31: who joins will have the data, the place and the peers that it should.
func (c *checker) joiners() {
	for _, a := range c.effective() {
		if a.Step.Verb != cassandra.VerbReplace {
			continue
		}
		dead, _ := targetHost(a.Seen, a.Step.Target.ID)
		j, _ := a.Accepted[0].Truth.Host(a.Accepted[0].Instance)
		seen, _ := a.Seen.Host(j.Name)
		if !sameConfig(seen.Config, j.Config) {
			continue // somebody changed it after the look
		}
		if by := c.byID[seen.Prepared]; by != nil && by.Run != a.Run {
			c.blame("I-31", a.Committed, "%s: run %s prepared %s", a.Step, by.Run, j.Name)
		}
		if why := misfit(j, dead); why != "" {
			c.blame("I-31", a.Committed, "%s: %s %s", a.Step, j.Name, why)
		}
	}
}

// misfit is what is wrong with a joiner in the place of a dead node.
func misfit(j, dead ring.TrueHost) string {
	switch {
	case !j.Config.AutoBootstrap, slices.Contains(j.Config.Seeds, j.Address):
		return "would join without data"
	case j.Config.Cluster != dead.Config.Cluster || j.Config.DC != dead.Config.DC || j.Config.Rack != dead.Config.Rack:
		return fmt.Sprintf("joins %s/%s of %s, the dead one was in %s/%s of %s",
			j.Config.DC, j.Config.Rack, j.Config.Cluster, dead.Config.DC, dead.Config.Rack, dead.Config.Cluster)
	case j.Flag != dead.Address:
		return "would replace " + j.Flag
	case j.Data:
		return "holds the data of another node"
	}
	return ""
}

func sameConfig(a, b cassandra.Config) bool {
	return a.Cluster == b.Cluster && a.DC == b.DC && a.Rack == b.Rack && a.AutoBootstrap == b.AutoBootstrap && slices.Equal(a.Seeds, b.Seeds)
}

// I-32: no range moves while the nodes that can be heard know two schemas.
func (c *checker) schema() {
	for _, a := range c.effective() {
		if !takesPlace(a) {
			continue
		}
		for _, h := range a.Seen.Hosts {
			if h.Schema != "" && h.Running && !h.Frozen && h.Mode == "NORMAL" && !h.Cut {
				c.blame("I-32 schema", a.Committed, "%s while %s knows another schema", a.Step, h.Name)
			}
		}
	}
}

// harmless: the ring itself tells what was done to it.
func (c *checker) harmless() {
	for _, h := range c.harms {
		c.blame("harm", h.At, "%s", h.What)
	}
}
