package gym

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// verbRule is a rule of Cassandra about some verbs: broken says why the act must not be on that host, "" if it may.
type verbRule struct {
	name   string
	verbs  []string
	broken func(c *checker, t ring.Truth, h ring.TrueHost) string
}

func verbRules() []verbRule {
	const start, stop, kill = cassandra.VerbStart, cassandra.VerbStop, cassandra.VerbKill
	const fence, replace, remove = cassandra.VerbFence, cassandra.VerbReplace, cassandra.VerbRemoveJoiner
	return []verbRule{
		{"corpse", []string{start}, returns},
		{"N12 silence", []string{start}, outdated},
		{"fence first", []string{replace}, free},
		{"stuck only", []string{kill}, notStuck},
		{"orderly stop", []string{stop}, onTheMove},
		{"joiner only", []string{remove}, inService},
		{"N4 alive", []string{fence, replace}, comesBack},
		{"I-32 streams", []string{stop, fence, replace}, othersWork},
		{"I-30 load", []string{stop, kill, fence, replace}, flooded},
		{"I-30 load", []string{stop, fence, replace}, settling},
	}
}

// verbs: an act is held against what was so when its gate began to look, and still was when the call arrived: what ends
// between the two is no harm.
func (c *checker) verbs() {
	for _, a := range c.effective() {
		then := a.Accepted[0].Truth
		was, found := targetHost(a.Seen, a.Step.Target.ID)
		is, still := targetHost(then, a.Step.Target.ID)
		if !found || !still {
			continue
		}
		for _, r := range verbRules() {
			if !slices.Contains(r.verbs, a.Step.Verb) {
				continue
			}
			if why := r.broken(c, a.Seen, was); why != "" && r.broken(c, then, is) != "" {
				c.blame(r.name, a.Committed, "%s: %s", a.Step, why)
			}
		}
	}
}

// returns: a node never starts once it is fenced, nor while another one takes its place.
func returns(_ *checker, t ring.Truth, h ring.TrueHost) string {
	if h.Fenced != "" {
		return "it is fenced"
	}
	for _, o := range t.Hosts {
		if o.Name != h.Name && o.Takes == h.Address && !o.Hidden {
			return o.Name + " is taking its place"
		}
	}
	return ""
}

// free: it could start again.
func free(_ *checker, _ ring.Truth, h ring.TrueHost) string {
	if h.Fenced == "" {
		return "it is not fenced"
	}
	return ""
}

// tells: whoever asks the node is told what it does.
func tells(h ring.TrueHost) bool { return h.Running && !h.Frozen && !h.Cut && h.Mode != "" }

// notStuck: it serves, or at least tells what it does.
func notStuck(_ *checker, _ ring.Truth, h ring.TrueHost) string {
	switch {
	case serves(h):
		return "it serves"
	case tells(h):
		return "it answers that it is " + h.Mode
	}
	return ""
}

// comesBack: it is on its way up, and whoever asks is told so.
func comesBack(_ *checker, _ ring.Truth, h ring.TrueHost) string {
	if tells(h) && (h.Mode == "STARTING" || h.Mode == "NORMAL") {
		return "it answers that it is " + h.Mode
	}
	return ""
}

// onTheMove: it works, and is neither NORMAL nor on its way down.
func onTheMove(_ *checker, _ ring.Truth, h ring.TrueHost) string {
	if h.Running && !h.Frozen && h.Mode != "NORMAL" && !strings.HasPrefix(h.Mode, "DRAIN") {
		return "it works and is neither NORMAL nor draining"
	}
	return ""
}

func inService(_ *checker, _ ring.Truth, h ring.TrueHost) string {
	if h.Data {
		return "it holds the data of a node in service"
	}
	return ""
}

// busy is the first node in service, of those whose word is heard, of which something holds.
func busy(t ring.Truth, holds func(ring.TrueHost) bool) (ring.TrueHost, bool) {
	i := slices.IndexFunc(t.Hosts, func(h ring.TrueHost) bool { return tells(h) && h.Mode == "NORMAL" && holds(h) })
	if i < 0 {
		return ring.TrueHost{}, false
	}
	return t.Hosts[i], true
}

// othersWork: data are on their way to or from a node in service, or it reads or rewrites them for a repair or an upgrade.
func othersWork(_ *checker, t ring.Truth, _ ring.TrueHost) string {
	if h, is := busy(t, func(h ring.TrueHost) bool { return h.Streams > 0 }); is {
		return fmt.Sprintf("%s streams (%d)", h.Name, h.Streams)
	}
	for _, kind := range []string{"validation", "anticompaction after repair", "upgrade sstables"} {
		if h, is := busy(t, func(h ring.TrueHost) bool { return h.Tasks[kind] > 0 }); is {
			return fmt.Sprintf("%s does %s", h.Name, kind)
		}
	}
	return ""
}

// settling: nodes were added, and another one has not deleted yet what is theirs now.
func settling(_ *checker, t ring.Truth, _ ring.TrueHost) string {
	if h, is := busy(t, func(h ring.TrueHost) bool { return h.Tasks["cleanup"] > 0 }); is {
		return h.Name + " cleans up"
	}
	return ""
}

// flooded: a node in service has more requests waiting than the policy bears.
func flooded(c *checker, t ring.Truth, _ ring.TrueHost) string {
	if h, is := busy(t, func(h ring.TrueHost) bool { return h.Waiting > c.in.Policy.LoadPending }); is {
		return fmt.Sprintf("%d requests wait at %s", h.Waiting, h.Name)
	}
	return ""
}

// I-16: no place goes to another data centre, nor is one prepared there.
func (c *checker) dataCentre() {
	for _, a := range c.effective() {
		joins, _ := a.Seen.Host(a.Accepted[0].Instance)
		dead, found := placeOf(a)
		if found && dead.DC != joins.DC {
			c.blame("I-16", a.Committed, "%s: %s stands in %s, the dead one in %s", a.Step, joins.Name, joins.DC, dead.DC)
		}
	}
}

// placeOf is the machine of the node whose place a step gives away, or prepares to.
func placeOf(a *act) (ring.TrueHost, bool) {
	switch a.Step.Verb {
	case cassandra.VerbReplace:
		return targetHost(a.Seen, a.Step.Target.ID)
	case cassandra.VerbPrepare:
		args, err := galen.Decode[cassandra.PrepareArgs](a.Step.Args)
		i := slices.IndexFunc(a.Seen.Hosts, func(h ring.TrueHost) bool { return h.Address == args.Replace })
		if err == nil && i >= 0 {
			return a.Seen.Hosts[i], true
		}
	}
	return ring.TrueHost{}, false
}
