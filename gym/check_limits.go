package gym

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// I-10: one destructive target in the window, whoever asks.
func (c *checker) budget() {
	type token struct{ run, target string }
	paid := map[token]bool{}
	var times []time.Time
	for _, a := range c.effective() {
		key := token{a.Run, a.Step.Target.ID}
		if !takesPlace(a) || paid[key] {
			continue
		}
		paid[key] = true
		n := 0
		for _, t := range times {
			if a.Committed.Sub(t) < c.in.Policy.DestructiveWindow.D() {
				n++
			}
		}
		if n >= c.in.Policy.DestructivePerResource {
			c.blame("I-10", a.Committed, "%s is destructive target %d in %s", a.Step, n+1, c.in.Policy.DestructiveWindow)
		}
		times = append(times, a.Committed)
	}
}

// I-13: replacements of a data centre keep their distance.
func (c *checker) spacing() {
	for _, a := range c.effective() {
		h, found := targetHost(a.Seen, a.Step.Target.ID)
		if !takesPlace(a) || !found {
			continue
		}
		for _, b := range c.replaced() {
			if b.Run == a.Run && b.Step.Target.ID == a.Step.Target.ID {
				continue
			}
			old, _ := targetHost(b.Seen, b.Step.Target.ID)
			apart := a.Committed.Sub(b.Settled)
			if old.DC == h.DC && apart >= 0 && apart < c.in.Policy.ReplaceSpacing.D() {
				c.blame("I-13", a.Committed, "%s %s after the replacement of %s", a.Step, apart, b.Step.Target)
			}
		}
	}
}

// replaced are the acts that did put a node in the place of another.
func (c *checker) replaced() []*act {
	return slices.DeleteFunc(slices.Clone(c.acts), func(a *act) bool {
		return a.Step.Verb != cassandra.VerbReplace || a.Status != galen.EffectDone
	})
}

// I-14: by itself the engine treats a patient once in the cool-down, and in one run not for ever.
func (c *checker) cooldown() {
	all := c.effective()
	for i, a := range all {
		if c.asked(a) || takesBack(a) || c.ownAlready(all[:i], a) {
			continue
		}
		for _, b := range all[:i] {
			apart := a.Committed.Sub(b.Committed)
			if b.Run == a.Run || sets(b) || b.Step.Target.ID != a.Step.Target.ID || apart >= c.in.Policy.Cooldown.D() || c.seenSince(b) {
				continue
			}
			c.blame("I-14", a.Committed, "%s of run %s, %s after run %s did %s there", a.Step, a.Run, apart, b.Run, b.Step)
		}
	}
	c.attempts()
}

// sets: the act treats nobody. It sets something of a node that is up, or puts back what was set.
func sets(a *act) bool { return a.Undoes != "" || a.Step.Verb == cassandra.VerbRaiseStream }

// asked: a person wanted the run, or said yes to its steps.
func (c *checker) asked(a *act) bool {
	return strings.HasPrefix(c.runs[a.Run].Asked, "person") || len(c.yes[a.Run]) > 0
}

func (c *checker) seenSince(b *act) bool {
	for _, at := range c.acks[b.Step.Target.ID] {
		if !at.Before(b.Committed) {
			return true
		}
	}
	return false
}

// ownAlready: the run was at work on that target before, so this is no new treatment.
func (c *checker) ownAlready(before []*act, a *act) bool {
	for _, b := range before {
		if b.Run == a.Run && b.Step.Target.ID == a.Step.Target.ID {
			return true
		}
	}
	return false
}

func (c *checker) attempts() {
	type key struct{ run, verb, target string }
	count := map[key]int{}
	p := c.in.Policy
	most := map[string]int{cassandra.VerbStart: p.RestartsPerRun, cassandra.VerbReplace: p.ReplacesPerRun + p.JoinerRetriesPerRun}
	for _, a := range c.effective() {
		k := key{a.Run, a.Step.Verb, a.Step.Target.ID}
		if count[k]++; most[k.verb] > 0 && count[k] > most[k.verb] {
			c.blame("I-14", a.Committed, "%s of run %s for the %d. time", a.Step, a.Run, count[k])
		}
	}
}

// I-15: who may come back by itself is not replaced.
func (c *checker) patience() {
	for _, a := range c.effective() {
		h, found := targetHost(a.Seen, a.Step.Target.ID)
		if !takesPlace(a) || !found {
			continue
		}
		gone := !h.Data && h.Device == firstDevice
		down := a.Seen.At.Sub(h.Silent)
		if !gone && (h.Silent.IsZero() || down < c.in.Policy.ReplaceAfter.D()) {
			c.blame("I-15", a.Committed, "%s: down for %s only, its data are there: %t", a.Step, down, h.Data)
		}
	}
}

// firstDevice is the device on which every simulated node began.
const firstDevice = 64769

// I-17: nothing is done while a person holds.
func (c *checker) killSwitch() {
	for _, a := range c.acts {
		for _, h := range c.holds {
			if !a.Committed.Before(h.from) && (h.to.IsZero() || a.Committed.Before(h.to)) {
				c.blame("I-17", a.Committed, "%s under the hold of %s", a.Step, h.from.Sub(epoch()))
			}
		}
	}
}

// I-18: no call without its intent.
func (c *checker) intents() {
	for _, s := range c.stray {
		c.blame("I-18", s.At, "%s on %s without an intent", s.Verb, s.Target)
	}
}

// I-19: one live run on a target and in a failure domain.
func (c *checker) exclusion() {
	for i, a := range c.acts {
		ha, found := targetHost(a.Seen, a.Step.Target.ID)
		if !found {
			continue
		}
		for _, b := range c.acts[:i] {
			hb, known := targetHost(a.Seen, b.Step.Target.ID)
			if b.Run == a.Run || !known || hb.Config.DC != ha.Config.DC || hb.Config.Rack != ha.Config.Rack || b.settled(a.Looked) {
				continue
			}
			c.blame("I-19", a.Committed, "%s of run %s while %s of run %s is not settled in the same rack", a.Step, a.Run, b.Step, b.Run)
		}
	}
}

// I-20: nothing happens twice, and nothing is done to a target of which it is unknown what became of the last call.
func (c *checker) doubles() {
	for i, a := range c.acts {
		if times := a.times(); len(times) > 1 {
			c.blame("I-20", times[1].At, "%s of intent %s happened %d times", a.Step, a.ID, len(times))
		}
		c.belied(a)
		for _, b := range c.acts[:i] {
			if !oneTarget(a, b) {
				continue
			}
			if !b.settled(a.Looked) {
				c.blame("I-20", a.Committed, "%s while %s (intent %s) was not settled", a.Step, b.Step, b.ID)
			}
			if len(b.Accepted) > 0 && b.Accepted[0].At.After(a.Committed) {
				c.blame("I-20", b.Accepted[0].At, "%s of intent %s took effect after intent %s was committed", b.Step, b.ID, a.ID)
			}
		}
	}
}

// oneTarget: they are about one target, by whatever name.
func oneTarget(a, b *act) bool {
	if a.Step.Target.ID == b.Step.Target.ID {
		return true
	}
	ha, isA := targetHost(a.Seen, a.Step.Target.ID)
	hb, isB := targetHost(b.Seen, b.Step.Target.ID)
	return isA && isB && ha.Name == hb.Name
}

// times are when it happened. The same order again, which leaves everything as it is, is no second time; to start a process is.
func (a *act) times() []accepted {
	starts := a.Step.Verb == cassandra.VerbStart || a.Step.Verb == cassandra.VerbReplace
	return slices.DeleteFunc(slices.Clone(a.Accepted), func(o accepted) bool { return o.Again && !starts })
}

// belied: it was believed that the call never happened, and it did, before that or later. A repair may be forgotten by who led it.
func (c *checker) belied(a *act) {
	if a.Status == galen.EffectAbsent && len(a.Accepted) > 0 && a.Step.Verb != cassandra.VerbRepair {
		c.blame("I-20", a.Settled, "%s of intent %s happened at %s, and was believed never to", a.Step, a.ID, a.Accepted[0].At.Sub(epoch()))
	}
}
