package gym

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // "I-02", and so on, as docs/safety.md names them
	At        time.Duration
	What      string
}

// String is for people.
func (v Violation) String() string { return fmt.Sprintf("%s at %s: %s", v.Invariant, v.At, v.What) }

// checker judges a trace by what was true. It shares nothing with the guards: it knows the verbs by name, places replicas
// by itself, and believes only what the ring was, not what anybody saw of it. A step is held against the truth at the
// moment when its gate began to look, and against every act that was not settled by then: what else happens after that nobody could
// know.
type checker struct {
	*trace
	of        Engine
	runs      map[string]galen.Run
	keyspaces []cassandra.Keyspace
	final     ring.Truth
	spoilt    string // a guard that fails whenever it is asked
	others    bool   // than the listed runbooks play, which need not heal
	found     []Violation
}

// rules are the invariants in the order of their numbers.
func rules() []func(*checker) {
	return []func(*checker){
		(*checker).movements, (*checker).quorum, (*checker).storm, (*checker).observers, (*checker).freshness, (*checker).heard, (*checker).fences,
		(*checker).identity, (*checker).listing, (*checker).budget, (*checker).spacing, (*checker).cooldown, (*checker).patience,
		(*checker).dataCentre, (*checker).killSwitch, (*checker).intents, (*checker).exclusion, (*checker).doubles, (*checker).verified,
		(*checker).endings, (*checker).healed, (*checker).deadlines, (*checker).scope, (*checker).joiners, (*checker).schema, (*checker).verbs, (*checker).harmless,
		(*checker).floor, (*checker).poison, (*checker).assent, (*checker).rate, (*checker).headroom, (*checker).clocks, (*checker).owed,
		(*checker).order, (*checker).throttles, (*checker).putBack, (*checker).leftAlone, (*checker).named, (*checker).failing,
		(*checker).claimed, (*checker).debts, (*checker).versions, (*checker).deletions, (*checker).silences,
		(*checker).unfinished, (*checker).kept,
	}
}

func check(c *checker) []Violation {
	for _, rule := range rules() {
		rule(c)
	}
	slices.SortStableFunc(c.found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
	return c.found
}

func (c *checker) blame(invariant string, at time.Time, format string, args ...any) {
	c.found = append(c.found, Violation{Invariant: invariant, At: at.Sub(epoch()), What: fmt.Sprintf(format, args...)})
}

func takesPlace(a *act) bool {
	return a.Step.Verb == cassandra.VerbFence || a.Step.Verb == cassandra.VerbReplace
}

func takesAway(a *act) bool {
	return a.Step.Verb == cassandra.VerbStop || a.Step.Verb == cassandra.VerbKill
}

// hurting are the acts that took a node away or its place.
func (c *checker) hurting() []*act {
	return slices.DeleteFunc(c.effective(), func(a *act) bool { return !takesPlace(a) && !takesAway(a) })
}

// serves: it works, and most of its peers hear it.
func serves(h ring.TrueHost) bool {
	return h.Running && !h.Frozen && h.Mode == "NORMAL" && len(h.Up) >= len(h.Down)
}

// targetHost is the machine of an act's target.
func targetHost(t ring.Truth, id string) (ring.TrueHost, bool) {
	if name, is := strings.CutPrefix(id, "instance/"); is {
		return t.Host(name)
	}
	m, found := t.Member(id)
	if !found {
		return ring.TrueHost{}, false
	}
	return t.Host(m.Host)
}

// lame are the host IDs of the nodes that serve nobody.
func lame(t ring.Truth) map[string]bool {
	out := map[string]bool{}
	for _, m := range t.Members {
		if h, _ := t.Host(m.Host); !serves(h) && m.Status != cassandra.Joining {
			out[m.HostID] = true
		}
	}
	return out
}

// I-01: at most one range movement at a time.
func (c *checker) movements() {
	for _, a := range c.effective() {
		if takesPlace(a) || takesAway(a) || a.Step.Verb == cassandra.VerbRepair {
			c.moveBeside(a)
		}
	}
}

// moveBeside blames an act for each movement that its look could have shown.
func (c *checker) moveBeside(a *act) {
	for _, h := range a.Seen.Hosts {
		if why := moves(h); why != "" && !(h.Cut && h.Hidden) {
			c.blame("I-01", a.Committed, "%s although %s was %s", a.Step, h.Name, why)
		}
	}
	for _, m := range a.Seen.Members {
		if m.Status != cassandra.Normal && !(takesAway(a) && ended(a.Seen, m)) {
			c.blame("I-01", a.Committed, "%s although %s was %s", a.Step, m.HostID, m.Status)
		}
	}
}

// ended: a joiner without a process streams no more; what is still pending because of it is counted by the quorum.
func ended(t ring.Truth, m ring.TrueMember) bool {
	h, found := t.Host(m.Host)
	return m.Status == cassandra.Joining && found && !h.Running
}

func moves(h ring.TrueHost) string {
	switch h.Mode {
	case "JOINING", "LEAVING", "MOVING", "JOINING_FAILED":
		return h.Mode
	}
	if h.Running && h.Flag != "" && !h.Data && !h.Frozen {
		return "started to replace " + h.Flag
	}
	return ""
}

// I-02: a destructive step leaves a quorum in every range, any other takes none away.
func (c *checker) quorum() {
	for _, a := range c.hurting() {
		down := lame(a.Seen)
		for _, other := range c.hurting() {
			if other != a && other.Committed.Before(a.Committed) && !other.settled(a.Looked) {
				down[other.Step.Target.ID] = true
			}
		}
		before := broken(a.Seen, c.keyspaces, down)
		down[a.Step.Target.ID] = true
		after := broken(a.Seen, c.keyspaces, down)
		switch {
		case takesPlace(a) && after > 0:
			c.blame("I-02", a.Committed, "%s with %d ranges below their quorum", a.Step, after)
		case takesAway(a) && after > before:
			c.blame("I-02", a.Committed, "%s took the quorum of %d ranges away", a.Step, after-before)
		}
	}
}

// I-03: when many are bad, and not of one rack alone, nobody is destroyed.
func (c *checker) storm() {
	for _, a := range c.effective() {
		if back(a) {
			continue
		}
		for dc, s := range tallies(a.Seen) {
			if s.bad <= s.allowed(c.in.Policy.UnhealthyShare) || len(s.badRacks) < 2 {
				continue
			}
			name := "I-03 storm" // nothing at all is to be done
			switch {
			case takesPlace(a):
				name = "I-03"
			case s.bad < 3:
				continue // the one of two that can be started is
			}
			c.blame(name, a.Committed, "%s while %d of %d nodes of %s are down, in %d racks", a.Step, s.bad, s.size, dc, len(s.badRacks))
		}
	}
}

// tally is how many nodes of a data centre are members, and how many of them nobody hears.
type tally struct {
	size, bad int
	racks     map[string]int // members
	badRacks  map[string]bool
}

func tallies(t ring.Truth) map[string]*tally {
	out := map[string]*tally{}
	for _, m := range t.Members {
		if m.Status == cassandra.Joining {
			continue // no member yet
		}
		h, _ := t.Host(m.Host)
		s := out[h.DC]
		if s == nil {
			s = &tally{racks: map[string]int{}, badRacks: map[string]bool{}}
			out[h.DC] = s
		}
		s.size++
		s.racks[h.Config.Rack]++
		if gone(t, h) {
			s.bad++
			s.badRacks[h.Config.Rack] = true
		}
	}
	return out
}

// gone: it does not work, or nobody hears it. A node that is cut off itself says that of everybody, and is not believed of
// one that works.
func gone(t ring.Truth, h ring.TrueHost) bool {
	if serves(h) || len(h.Up) > 0 {
		return false
	}
	works := h.Running && !h.Frozen && slices.Contains([]string{"NORMAL", "LEAVING", "MOVING"}, h.Mode)
	return !works || slices.ContainsFunc(h.Down, func(name string) bool {
		o, _ := t.Host(name)
		return len(o.Up) > 0
	})
}

// allowed is how many may be bad: a share of all, at most the smallest rack, at least one.
func (s *tally) allowed(share float64) int {
	most := int(share*float64(s.size) + 1e-9)
	for _, nodes := range s.racks {
		most = min(most, nodes)
	}
	return max(1, most)
}

// I-04: three observers of two kinds say that it is dead, and nobody who can be heard says otherwise.
func (c *checker) observers() {
	enough := c.in.Policy.Observers
	for _, a := range c.effective() {
		h, found := targetHost(a.Seen, a.Step.Target.ID)
		if !takesPlace(a) || !found {
			continue
		}
		cut := func(name string) bool { o, _ := a.Seen.Host(name); return o.Cut }
		heard := 2 + len(slices.DeleteFunc(slices.Clone(h.Down), cut)) // the node itself is silent, on both ways in
		if !h.Hidden {
			heard++
		}
		up := slices.DeleteFunc(slices.Clone(h.Up), cut)
		switch {
		case h.Running && !h.Frozen && h.Mode == "NORMAL":
			c.blame("I-04", a.Committed, "%s: it works", a.Step)
		case len(up) > 0:
			c.blame("I-04", a.Committed, "%s: %s call it UP", a.Step, strings.Join(up, ", "))
		case heard < enough:
			c.blame("I-04", a.Committed, "%s: only %d observers could say that it is dead", a.Step, heard)
		}
	}
}

// I-05: no call rests on a view older than ten seconds.
func (c *checker) freshness() {
	const most = 10 * time.Second
	for _, a := range c.acts {
		for _, at := range a.Begun {
			if age := at.Sub(a.Looked); a.Looked.IsZero() || age > most+c.in.Jitter {
				c.blame("I-05", at, "the call of %s began on a look %s old", a.Step, age)
			}
		}
	}
}

// I-05: who should have been heard was heard: a working node of each rack with a member that is up.
func (c *checker) heard() {
	for _, a := range c.hurting() {
		up, cut := map[string]int{}, map[string]int{}
		for _, m := range a.Seen.Members {
			h, _ := a.Seen.Host(m.Host)
			if m.HostID == a.Step.Target.ID || !serves(h) {
				continue
			}
			rack := h.Config.DC + "/" + h.Config.Rack
			up[rack]++
			if h.Cut {
				cut[rack]++
			}
		}
		for rack, n := range cut {
			if n == up[rack] {
				c.blame("I-05", a.Committed, "%s, and nobody of rack %s was heard", a.Step, rack)
			}
		}
	}
}

// I-06: fences rise at each machine, by whatever name its orders go, and a call that did not begin in time is dropped.
func (c *checker) fences() {
	const most = 2 * time.Second
	highest := map[string]int64{}
	for _, a := range c.acts {
		on := a.Step.Target.ID
		if h, found := targetHost(a.Seen, on); found {
			on = h.Name
		}
		if a.Fence <= highest[on] {
			c.blame("I-06", a.Committed, "%s has fence %d after %d on %s", a.Step, a.Fence, highest[on], on)
		} else {
			highest[on] = a.Fence
		}
		for _, at := range a.Begun {
			if late := at.Sub(a.Committed); late > most+c.in.Jitter {
				c.blame("I-06", at, "the call of %s began %s after its commit", a.ID, late)
			}
		}
	}
	c.overtaken()
}

// overtaken blames each order that a machine took after a later one. What goes to the node itself passes its machine by.
func (c *checker) overtaken() {
	type arrival struct {
		of *act
		accepted
	}
	var all []arrival
	for _, a := range c.acts {
		switch a.Step.Verb {
		case cassandra.VerbRepair, cassandra.VerbRaiseStream, cassandra.VerbRestoreStream:
			continue
		}
		for _, o := range a.Accepted {
			all = append(all, arrival{a, o})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return a.At.Compare(b.At) })
	last := map[string]*act{}
	for _, a := range all {
		if was := last[a.Instance]; was != nil && was != a.of && a.of.Fence <= was.Fence {
			c.blame("I-06", a.At, "%s took %s with fence %d after %s with %d", a.Instance, a.of.Step, a.of.Fence, was.Step, was.Fence)
			continue
		}
		last[a.Instance] = a.of
	}
}

// I-07: the target is what the step was made for, and the call reached it.
func (c *checker) identity() {
	for _, a := range c.effective() {
		m, member := a.Seen.Member(a.Step.Target.ID)
		h, _ := a.Seen.Host(m.Host)
		if !member {
			continue
		}
		// An undo goes to whatever bears the ID by now.
		if made := a.Step.Target.Generation; a.Undoes == "" && made != h.Generation && !slices.Contains(h.Told, made) {
			c.blame("I-07", a.Committed, "%s: it is in generation %d, its peers know %d", a.Step, h.Generation, h.Told)
		}
		if got := a.Accepted[0].Instance; a.Step.Verb != cassandra.VerbReplace && got != m.Host {
			c.blame("I-07", a.Committed, "%s reached %s, it stands on %s", a.Step, got, m.Host)
		}
	}
}

// I-09: no decision of absence from a listing that lacks many members.
func (c *checker) listing() {
	for _, a := range c.hurting() {
		if most := max(1, int(c.in.Policy.ShrinkShare*float64(len(a.Seen.Members))+1e-9)); a.Lied > most {
			c.blame("I-09", a.Committed, "%s on a listing that lacked %d of %d members", a.Step, a.Lied, len(a.Seen.Members))
		}
	}
}
