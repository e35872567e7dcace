package gym

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// back: the act takes back what the run itself did.
func back(a *act) bool { return takesBack(a) || a.Step.Verb == cassandra.VerbRestoreStream }

// takesBack: it pays an undo, or removes what a run made.
func takesBack(a *act) bool {
	return a.Undoes != "" || a.Step.Verb == cassandra.VerbRemoveJoiner || a.Step.Verb == cassandra.VerbDiscard
}

// I-11: enough nodes of each data centre stay in service.
func (c *checker) floor() {
	for _, a := range c.hurting() {
		h, found := targetHost(a.Seen, a.Step.Target.ID)
		if !found || !serves(h) {
			continue
		}
		all, live := 0, 0
		for _, m := range a.Seen.Members {
			o, _ := a.Seen.Host(m.Host)
			if o.DC != h.DC {
				continue
			}
			all++
			if serves(o) && o.Name != h.Name {
				live++
			}
		}
		least, declared := c.in.Policy.Floors[h.DC]
		if !declared {
			least = int(c.in.Policy.FloorShare*float64(all) + 1e-9)
		}
		if live < least {
			c.blame("I-11", a.Committed, "%s leaves %d of %d nodes of %s in service, the floor is %d", a.Step, live, all, h.DC, least)
		}
	}
}

// I-12: a runbook that failed alike on several targets acts no more.
func (c *checker) poison() {
	type failure struct{ runbook, verb string }
	failed := map[failure][]*act{}
	for _, a := range c.acts {
		if a.Status == galen.EffectFailed {
			key := failure{c.runs[a.Run].Runbook, a.Step.Verb}
			failed[key] = append(failed[key], a)
		}
	}
	for key, list := range failed {
		since, poisoned := failedOn(list, c.in.Policy.QuarantineAfter)
		for _, a := range c.acts {
			if poisoned && a.Committed.After(since) && c.runs[a.Run].Runbook == key.runbook && !back(a) {
				c.blame("I-12", a.Committed, "%s of %s, whose %s failed on %d targets", a.Step, key.runbook, key.verb, c.in.Policy.QuarantineAfter)
			}
		}
	}
}

// failedOn tells when the failures had met so many targets.
func failedOn(list []*act, enough int) (since time.Time, reached bool) {
	slices.SortFunc(list, func(a, b *act) int { return a.Settled.Compare(b.Settled) })
	targets := map[string]bool{}
	for _, a := range list {
		targets[a.Step.Target.ID] = true
		if len(targets) >= enough {
			return a.Settled, true
		}
	}
	return since, false
}

// I-22, I-32, approval: what only a person may let happen.
func (c *checker) assent() {
	for _, a := range c.acts {
		if back(a) {
			continue
		}
		yes := c.saidYes(a)
		switch {
		case c.in.Policy.EngineNeeds != "" && !yes: // also if a person asked for the run: who asks has not seen its steps
			c.blame("I-22", a.Committed, "%s, which the engine itself needs, and nobody said yes", a.Step)
		case c.in.Policy.Mode != galen.ModeAct && !yes:
			c.blame("approval", a.Committed, "%s in mode %s, and nobody said yes", a.Step, c.in.Policy.Mode)
		}
		if !yes {
			c.calendar(a)
		}
	}
}

func (c *checker) calendar(a *act) {
	for _, w := range c.in.Policy.Windows {
		if from, until := window(w, a.Committed); !a.Committed.Before(from) && a.Committed.Before(until) {
			c.blame("I-32 calendar", a.Committed, "%s in the window %s", a.Step, w.Name)
		}
	}
}

// window of a day in UTC.
func window(w galen.Window, at time.Time) (from, until time.Time) {
	clock, err := time.Parse("15:04", w.From)
	if err != nil {
		return from, until
	}
	from = at.Truncate(24 * time.Hour).Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
	return from, from.Add(w.For.D())
}

// I-23: not too many at once.
func (c *checker) rate() {
	for i, a := range c.acts {
		n := 0
		for _, b := range c.acts[:i] {
			if a.Committed.Sub(b.Committed) < time.Second {
				n++
			}
		}
		if n >= c.in.Policy.ReleasePerSecond {
			c.blame("I-23", a.Committed, "%s is call %d in a second", a.Step, n+1)
		}
	}
}

// I-26: a run does not act after its deadline, but to take back its own work.
func (c *checker) deadlines() {
	for _, a := range c.acts {
		late := slices.ContainsFunc(c.yes[a.Run], func(at time.Time) bool { return !at.Before(c.runs[a.Run].Deadline) })
		if run := c.runs[a.Run]; !back(a) && !late && !a.Committed.Before(run.Deadline) {
			c.blame("I-26", a.Committed, "%s of run %s, whose deadline was %s", a.Step, a.Run, run.Deadline.Sub(epoch()))
		}
	}
}

// I-34: no call leaves by a clock that is wrong, as far as the time that the reading of the ledger took does not hide it.
func (c *checker) clocks() {
	for _, a := range c.acts {
		if most := c.in.Policy.ClockSkew.D(); a.Skew < -most || a.Skew > most+a.Read {
			c.blame("I-34", a.Committed, "%s by an engine whose clock is %s off", a.Step, a.Skew)
		}
	}
}

// I-02 repair owed: what was streamed from one replica is repaired before another replica is destroyed.
func (c *checker) owed() {
	for _, a := range c.effective() {
		if !takesPlace(a) {
			continue
		}
		for _, b := range c.replaced() {
			if !b.Settled.Before(a.Committed) || len(b.Accepted) == 0 {
				continue
			}
			heir := b.Accepted[0].Instance
			m, known := memberAt(a.Seen, heir)
			if !known || m == a.Step.Target.ID || !c.unrepaired(b, a, m) {
				continue
			}
			c.blame("I-02 repair owed", a.Committed, "%s before %s, which joined from one replica, was repaired", a.Step, heir)
		}
		c.lackBeside(a)
	}
}

func memberAt(t ring.Truth, host string) (string, bool) {
	for _, m := range t.Members {
		if m.Host == host {
			return m.HostID, true
		}
	}
	return "", false
}

// Claims are taken from the widest to the narrowest, so that two runs never wait for each other for ever.
func (c *checker) order() {
	rank := map[string]int{"ring": 3, "rack": 2, "node": 1}
	of := func(name string) int { head, _, _ := strings.Cut(name, "/"); return rank[head] }
	for i, a := range c.acts {
		held := claimsBefore(c.acts[:i], a)
		for _, want := range a.Claims {
			for has := range held {
				if !held[want.Name] && of(want.Name) >= of(has) {
					c.blame("claim order", a.Committed, "%s of run %s takes %s and holds %s", a.Step, a.Run, want.Name, has)
				}
			}
		}
	}
}

// claimsBefore are what the run of an act held when it was committed: claims of its unsettled acts, and those it kept.
func claimsBefore(acts []*act, a *act) map[string]bool {
	held := map[string]bool{}
	for _, b := range acts {
		for _, claim := range b.Claims {
			if b.Run == a.Run && (!b.settled(a.Committed) || slices.Contains(a.Kept, claim.Name)) {
				held[claim.Name] = true
			}
		}
	}
	return held
}

// throttles stay below the ceiling.
func (c *checker) throttles() {
	for _, a := range c.effective() {
		if a.Step.Verb != cassandra.VerbRaiseStream {
			continue
		}
		if args, err := galen.Decode[cassandra.RaiseArgs](a.Step.Args); err != nil || max(args.To.Stream.Bytes(), args.To.InterDC.Bytes()) > float64(c.in.Policy.StreamCeiling<<20) {
			c.blame("throttle", a.Committed, "%s above %d MiB/s", a.Step, c.in.Policy.StreamCeiling)
		}
	}
}

// I-08: what is done names exactly one thing, and when it is to be over.
func (c *checker) named() {
	for _, a := range c.acts {
		id := a.Step.Target.ID
		if a.Step.Verb == "" || strings.TrimSpace(id) == "" || strings.ContainsAny(id, "*?,\n\x00") || a.Step.Within <= 0 {
			c.blame("I-08", a.Committed, "verb %q on target %q within %s", a.Step.Verb, id, a.Step.Within)
		}
	}
}

// I-29: nothing is done that a guard failed on.
func (c *checker) failing() {
	for _, a := range c.acts {
		if c.spoilt != "" {
			c.blame("I-29", a.Committed, "%s although the guard %s failed on it", a.Step, c.spoilt)
		}
	}
}
