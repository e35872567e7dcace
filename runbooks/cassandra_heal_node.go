package runbooks

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// HealNodeParams of cassandra/heal-node.
type HealNodeParams struct {
	// Node is what a person asks for; a finding brings its own targets.
	Node  string `json:"node" doc:"host ID, address or instance of the node"`
	Spare string `json:"spare,omitempty" doc:"name of the instance to be used if the node has to be replaced; absent: any empty one that fits"`
}

// CassandraHealNode brings a dead or frozen node back by the mildest means: wait, restart (a frozen process is killed
// first), replace, and else a person.
func CassandraHealNode() galen.Runbook[cassandra.Ring, HealNodeParams] {
	return galen.Runbook[cassandra.Ring, HealNodeParams]{
		Name: "cassandra/heal-node", Version: 3,
		About:  "Brings a dead or frozen node back: waits, also while it flaps, restarts it, replaces it when a restart cannot help, else asks a person.",
		Heals:  []galen.Code{cassandra.CodeNodeDown, cassandra.CodeNodeFrozen, cassandra.CodeNodeFlapping},
		Scope:  func(r cassandra.Ring, p HealNodeParams) []galen.Target { return named(r, p.Node) },
		Decide: healNode,
	}
}

func healNode(s galen.Situation[cassandra.Ring, HealNodeParams]) galen.Plan {
	h := healer{sceneOf(s, s.Params.Spare)}
	if p, open := h.underWay(); open {
		return p
	}
	var plans []galen.Plan
	for _, id := range h.nodes(s.Scope) {
		plans = append(plans, h.target(id))
	}
	if len(plans) == 0 {
		return person("no node was named: say which one is to be healed")
	}
	p := gravest(plans)
	if p.End == galen.EndDone && h.stop == "" { // who was in the finding once, and was started by this run, may be in it no more
		if owing, owed := h.debts(); owed {
			p = owing
		}
	}
	if p.End == "" { // also while the plan of the fenced target itself asks for a person
		p.Keep = both(p.Keep, h.keep())
	}
	return p
}

// healer is the ladder of one run.
type healer struct{ scene }

// nodes are the host IDs that a scope means. An instance means the node that it runs, save one that this run prepared:
// that is seen to by the replacement.
func (h healer) nodes(scope []galen.Target) []string {
	var out []string
	for _, t := range scope {
		id := t.ID
		if instance, is := strings.CutPrefix(id, "instance/"); is {
			node, found := h.find(instance)
			if _, prepared := h.attempts(cassandra.VerbPrepare, id); !found || prepared > 0 {
				continue
			}
			id = node.HostID
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (h healer) target(id string) galen.Plan {
	if r, begun := h.replacement(id); begun {
		return r.next()
	}
	n, found := h.ring.Node(id)
	switch {
	case h.stop != "":
		return finished("stopped at a safe point: nothing is half done")
	case !found:
		return h.vanished(id)
	case n.Unlisted:
		return h.unlisted(n)
	}
	if p, flaps := h.flapping(n); flaps {
		return p
	}
	ailing := h.ring.Ailing(n)
	switch {
	case len(ailing) == 0:
		return h.caughtUp(n, "%s is NORMAL, UP at every live peer, and it serves", cassandra.Title(n))
	case !n.Down:
		return wait(h.policy.LookSoon, "%s is not down, and not well yet: %s", cassandra.Title(n), strings.Join(ailing, "; "))
	}
	return h.ladder(n)
}

// vanished: somebody else replaced or removed the node. That is no proof of anything; that all who are left are well is, and that
// they owe no repair for what this run did.
func (h healer) vanished(id string) galen.Plan {
	open := h.ring.Unsettled()
	for _, n := range h.ring.Nodes {
		for _, a := range h.ring.Ailing(n) {
			open = append(open, cassandra.Title(n)+": "+a)
		}
	}
	if len(open) > 0 || len(h.ring.Nodes) == 0 {
		return person("%s is no member of the ring any more, and this run did not replace it; not all is well: %s", id, strings.Join(open, "; "))
	}
	if p, owed := h.debts(); owed {
		return p
	}
	return finished("%s is no member of the ring any more; all %d members are well, and the ring is at rest", id, len(h.ring.Nodes))
}

// debts goes on with the repairs that intents of this run left owed on members, whoever they are.
func (h healer) debts() (galen.Plan, bool) {
	for _, n := range h.ring.Nodes {
		owed := slices.DeleteFunc(h.owing(n), func(k string) bool {
			f := h.facts[cassandra.FactRepairOwed+n.Instance+"/"+k]
			return !slices.ContainsFunc(h.past, func(in galen.Intent) bool { return in.ID == f.Intent })
		})
		if len(owed) > 0 {
			return h.repair(n, owed, "still owes a repair for what this run did"), true
		}
	}
	return galen.Plan{}, false
}

// flapping: a node that comes back by itself and does not stay is not restarted in a loop. It may calm down; if it does not
// within the window in which that is judged, a person looks. Data that are proved gone do not come back.
func (h healer) flapping(n cassandra.Node) (galen.Plan, bool) {
	window := h.policy.FlapWindow.D()
	since, flaps := n.Flapping(h.now, h.policy.FlapFlips, window)
	if !flaps {
		return galen.Plan{}, false
	}
	if i, found := h.ring.Instance(n.Instance); found && n.Down {
		if gone, _ := i.DataGone(h.policy.GoneApart.D()); gone {
			return galen.Plan{}, false
		}
	}
	why := cassandra.Title(n) + " flaps since " + moment(since) + ", last at " + moment(n.LastFlip()) + "; nothing is restarted while it does"
	if h.now.Sub(since) >= window || n.FlipsFull() {
		return person("%s: look at the memory, disk, clock and network of its host", why), true
	}
	return wait(h.pause(n.LastFlip().Add(window)), "%s: waiting until it has been quiet for %s", why, h.policy.FlapWindow), true
}

// ladder climbs from what the host tells of the node's process and data.
func (h healer) ladder(n cassandra.Node) galen.Plan {
	i, found := h.ring.Instance(n.Instance)
	switch {
	case !found:
		return person("%s; no host plane knows its machine, so that Galen can neither start nor fence it", evidence(n))
	case i.Error != "":
		return wait(h.policy.Fallback, "%s; its host could not be read: %s", evidence(n), i.Error)
	case i.Fenced != "":
		return h.begin(n, "it is fenced, so that it cannot be started again")
	case i.Process != cassandra.Absent:
		return h.alive(n, i)
	case i.Data == cassandra.DataPresent:
		return h.restart(n, i)
	case i.Data == cassandra.DataGone:
		return h.gone(n, i)
	default:
		return person("%s; its process is gone, and whether its data are there cannot be read: is the disk mounted?", evidence(n))
	}
}

// tooSoon is the first rung: most nodes come back by themselves.
func (h healer) tooSoon(n cassandra.Node) (galen.Plan, bool) {
	ripe := n.DownSince.Add(h.policy.RestartAfter.D())
	if !h.now.Before(ripe) {
		return galen.Plan{}, false
	}
	return wait(h.pause(ripe), "%s; waiting until %s for it to come back by itself", evidence(n), moment(ripe)), true
}

// pause until a moment: short when it is near, so that it is not missed, and always one of two values, so that the plan
// stays the same.
func (h healer) pause(until time.Time) galen.Duration {
	if until.Sub(h.now) < h.policy.Fallback.D() {
		return h.policy.LookSoon
	}
	return h.policy.Fallback
}

// restart is the second rung. A start command that somebody has to mend is no reason to give the node up.
func (h healer) restart(n cassandra.Node, i cassandra.Instance) galen.Plan {
	if p, soon := h.tooSoon(n); soon {
		return p
	}
	if lack := h.ring.Lack(n, h.facts, h.now); lack.TooOld(h.policy) {
		return h.tooOld(n, lack)
	}
	if p, lost := h.endedForGood(i, evidence(n)+"; its process is gone, its data are there"); lost {
		return p
	}
	tried, all := h.attempts(cassandra.VerbStart, n.HostID)
	switch {
	case all-tried >= maxLost:
		return person("%s; %d starts never happened; the last: %s", evidence(n), all-tried, h.lastAnswer(cassandra.VerbStart, n.HostID))
	case tried < h.policy.RestartsPerRun:
		return do(cassandra.Start(n), "%s; its process is gone, its data are there: restart %d of at most %d", evidence(n), tried+1, h.policy.RestartsPerRun)
	}
	return h.exhausted(n)
}

// exhausted: restarts did not help. A replacement may follow once the node was down for longer than any restart took.
func (h healer) exhausted(n cassandra.Node) galen.Plan {
	tried, _ := h.attempts(cassandra.VerbStart, n.HostID)
	ripe := h.ripe(n)
	if h.now.Before(ripe) {
		return wait(h.pause(ripe), "%s; %d of %d restarts did not help; it may be replaced from %s on", evidence(n), tried, h.policy.RestartsPerRun, moment(ripe))
	}
	return h.begin(n, "restarts did not help")
}

// ripe is from when on a node that may come back by itself is replaced.
func (h healer) ripe(n cassandra.Node) time.Time {
	return n.DownSince.Add(max(h.policy.ReplaceAfter, n.LongestRestart).D())
}

// tooOld: its data are there, and must not come back. They stay where they are: the fence keeps it from starting.
func (h healer) tooOld(n cassandra.Node, lack cassandra.Lack) galen.Plan {
	why := "it " + lack.String() + ", and after gc_grace (" + h.policy.GCGrace.String() + ") deleted rows would come back with its data"
	if ripe := h.ripe(n); h.now.Before(ripe) {
		return wait(h.pause(ripe), "%s; %s; it may be replaced from %s on", evidence(n), why, moment(ripe))
	}
	return h.begin(n, why)
}

// gone: without data a restart cannot help, once that is proved.
func (h healer) gone(n cassandra.Node, i cassandra.Instance) galen.Plan {
	proved, why := i.DataGone(h.policy.GoneApart.D())
	switch {
	case proved:
		return h.begin(n, "its data are gone: "+why)
	case i.RecordedDevice == 0 || i.Device != i.RecordedDevice:
		return person("%s; no data are found, which proves nothing: %s", evidence(n), why)
	}
	return wait(h.policy.LookSoon, "%s; no data are found: %s", evidence(n), why)
}

// alive: the node is down and has a process.
func (h healer) alive(n cassandra.Node, i cassandra.Instance) galen.Plan {
	if h.ring.Booting(i, cassandra.BootTime) {
		return wait(h.policy.LookSoon, "%s; its process %d is on its way up", evidence(n), i.PID)
	}
	if p, soon := h.tooSoon(n); soon {
		return p
	}
	if p, lost := h.endedForGood(i, evidence(n)+"; its process hangs, and may go on"); lost {
		return p
	}
	if tried, _ := h.attempts(cassandra.VerbStart, n.HostID); tried >= h.policy.RestartsPerRun {
		return h.exhausted(n)
	}
	verb, step, what := cassandra.VerbKill, cassandra.Kill(n, i), "answers nothing"
	if v, _ := h.ring.View(i.Name); v.Jolokia == cassandra.Answered {
		verb, step, what = cassandra.VerbStop, cassandra.Stop(n), "is "+v.Mode+" and serves nobody"
	}
	if _, all := h.attempts(verb, n.HostID); all >= h.policy.RestartsPerRun+maxLost {
		return person("%s; process %d %s, and %d times %s did not end it; the last: %s", evidence(n), i.PID, what, all, verb, h.lastAnswer(verb, n.HostID))
	}
	p := do(step, "%s; process %d is %s and %s: %s it, then start the node", evidence(n), i.PID, i.Process, what, verb)
	p.Outline = []galen.Step{cassandra.Start(n)}
	return p
}
