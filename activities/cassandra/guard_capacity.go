package cassandra

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

var _ galen.Clocked = Ring{}

// Names of gauges on which guards rest. One that is missing is told and refuses nothing: a node that does not answer gives
// none, and it is those that have to be healed.
const (
	// GaugeClock is how far the node's clock is from the engine's at least, in milliseconds.
	GaugeClock = "clock_offset_ms"
	// GaugeReads, GaugeWrites and GaugeCQL are requests that wait for a thread at this moment.
	GaugeReads  = "reads_pending"
	GaugeWrites = "writes_pending"
	GaugeCQL    = "cql_requests_pending"
)

// Kinds of [View.Tasks] that are others' work: they speak of a repair, of an upgrade and of a change of capacity.
const (
	TaskValidation     = "validation"                  // a replica is read for a repair, whoever ordered it
	TaskAnticompaction = "anticompaction after repair" // an incremental one
	TaskUpgrade        = "upgrade sstables"            // after a change of version
	TaskCleanup        = "cleanup"                     // after nodes came: what is theirs now is deleted here
)

// Clocks are those of the live nodes.
func (r Ring) Clocks() []galen.ClockOffset {
	var out []galen.ClockOffset
	for v := range r.live() {
		if ms, told := v.Gauges[GaugeClock]; told {
			out = append(out, galen.ClockOffset{Observer: v.Instance, Offset: time.Duration(ms * float64(time.Millisecond))})
		}
	}
	return out
}

// headroom: before a node is given up there is an empty instance with room for what it held (I-24). Create before destroy.
func headroom(a galen.Ask[Ring]) galen.Verdict {
	if !replaces(a.Step.Verb) {
		return allow("%s gives no node up", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	if node == nil {
		return deny("%s is no node of the ring", a.Step.Target)
	}
	heirs, room := heirs(a, *node), a.State.RoomFor(*node, a.Policy)
	if len(heirs) == 0 {
		return deny("no empty instance in %s is there to take the place of %s: add one first", node.DC, node.HostID)
	}
	switch why, silent := room.Missing(heirs); {
	case silent:
		return lookAgain("no room for what %s held: %s", node.HostID, why)
	case why != "":
		return deny("no room for what %s held: %s", node.HostID, why)
	}
	best := roomiest(heirs)
	if room.Held == 0 {
		return ask(a, "no live node tells how much data %s held, nor how much any other node of %s holds: whether %s has room is for a person to say",
			node.HostID, node.DC, best.Name)
	}
	v := allow("%s has room for what %s held", best.Name, node.HostID)
	v.Margin = fmt.Sprintf("%s free, %s", sizeOf(best.free()), room)
	return v
}

// heirs are the instances that may take the place of a node: the one that the step names, or all in its data centre that are
// empty, or prepared by this run for that place.
func heirs(a galen.Ask[Ring], node Node) []Instance {
	named := ""
	if args, err := galen.Decode[ReplaceArgs](a.Step.Args); err == nil && a.Step.Verb == VerbReplace {
		named = args.Instance
	}
	var out []Instance
	for _, i := range a.State.Instances {
		_, mine := past(a, i.Prepared)
		fits := i.Vacant() || mine && i.ReplaceFlag == node.Address
		near := i.Config.DC == "" || i.Config.DC == node.DC
		if i.Name == named || named == "" && fits && near {
			out = append(out, i)
		}
	}
	return out
}

// load: while a node has more requests waiting than it can serve, none is taken away: what looks like an ill node may be load
// alone, and each node less makes it worse; nor while a change of capacity settles (I-30).
func load(a galen.Ask[Ring]) galen.Verdict {
	if a.Class < galen.Disruptive {
		return allow("%s takes no node away", a.Step.Verb)
	}
	told := 0
	for v := range a.State.live() {
		pending, known := 0.0, false
		for _, name := range []string{GaugeReads, GaugeWrites, GaugeCQL} {
			n, has := v.Gauges[name]
			pending, known = pending+n, known || has
		}
		if known {
			told++
		}
		if pending > float64(a.Policy.LoadPending) {
			return lookAgain("%s has %.0f requests waiting, %d are allowed: it suffers from load, and a node less makes that worse", v.Instance, pending, a.Policy.LoadPending)
		}
		if takesPart(a.Step.Verb) && v.Tasks[TaskCleanup] > 0 {
			return lookAgain("%s cleans up what nodes that were added took over: the change of capacity still settles", v.Instance)
		}
	}
	return allow("%d live nodes tell how many requests wait, none more than %d", told, a.Policy.LoadPending)
}

// takesPart tells whether a verb takes a node away that may have a part in what others do. To kill is none of them: it ends
// a process that hangs, which takes part in nothing, and a wait would keep ill what heals.
func takesPart(verb string) bool {
	return verb == VerbStop || verb == deedDecommission || verb == deedRemoveNode || replaces(verb)
}

// streams: no node is stopped or given up while others work on the data: a repair, an upgrade, a rebuild, a bulk load (I-32),
// or while the last replacement still streams (I-13). What ends by itself is waited for.
func streams(a galen.Ask[Ring]) galen.Verdict {
	if !takesPart(a.Step.Verb) {
		return allow("%s takes no node away that has a part in others' work", a.Step.Verb)
	}
	told := 0
	var who []string
	for v := range a.State.live() {
		if v.Streams > 0 {
			who = append(who, fmt.Sprintf("%s streams (%s)", v.Instance, countOf(v.Streams, "session", "sessions")))
		}
		if v.Tasks != nil {
			told++
		}
		for _, kind := range []string{TaskValidation, TaskAnticompaction, TaskUpgrade} {
			if v.Tasks[kind] > 0 {
				who = append(who, fmt.Sprintf("%s does %s (%s)", v.Instance, kind, countOf(v.Tasks[kind], "task", "tasks")))
			}
		}
	}
	if len(who) > 0 {
		return lookAgain("%s: a repair, a rebuild, an upgrade or a bulk load is under way; it has to end, or whoever runs it has to pause it", strings.Join(who, ", "))
	}
	return allow("nothing streams; %d live nodes tell their tasks, none is others' work", told)
}
