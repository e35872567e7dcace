package cassandra

import (
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// movement: at most one range movement at a time (I-01), ours or not. Cassandra itself accepts several. Steps that move
// ranges, take a node away or stream wait until none is seen by anybody.
func movement(a galen.Ask[Ring]) galen.Verdict {
	if a.Class < galen.Disruptive && a.Step.Verb != VerbRepair {
		return allow("%s moves no range and takes no node away", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	if node != nil && node.Status != Normal && (a.Step.Verb == VerbKill || a.Step.Verb == VerbStop) {
		return deny("%s is %s: to end its process then is no restart, and leaves its ranges between two owners", node.HostID, node.Status)
	}
	if why := moving(a.State); why != "" {
		return lookAgain("%s", why)
	}
	if why := aboutToMove(a); why != "" {
		return lookAgain("%s", why)
	}
	return allow("no range moves in any live view")
}

// aboutToMove: an intent of which no node need show anything yet.
func aboutToMove(a galen.Ask[Ring]) string {
	for _, in := range open(a) {
		mine := in.Run == a.Ledger.Run.ID && in.Step.Target.ID == a.Step.Target.ID
		if (replaces(in.Step.Verb) || in.Step.Verb == VerbRemoveJoiner) && !mine {
			return in.Step.String() + " of run " + in.Run + " is not settled"
		}
	}
	return ""
}

// moving says who moves ranges, as anybody sees it; "" if nobody does. That no range is pending proves nothing: a
// replacement has none until it streams, one at the same address never has.
func moving(r Ring) string {
	for _, n := range r.Nodes {
		if n.Status != Normal {
			return n.HostID + " at " + n.Address + " is " + string(n.Status)
		}
	}
	for _, v := range r.Views {
		if why := movingBy(v); why != "" {
			return why
		}
	}
	if len(r.Pending) > 0 {
		p := r.Pending[0]
		return "ranges of " + p.Keyspace + " are pending at " + p.Address
	}
	return joinerAt(r)
}

// joinerAt says which process was started to replace a node and has not become a NORMAL one yet: for most of its way
// nothing else shows it. Where the host cannot be read, a prepared instance may run by now.
func joinerAt(r Ring) string {
	for _, i := range r.Instances {
		if i.ReplaceFlag == "" || i.EverNormal || i.Process == Absent && i.Error == "" {
			continue
		}
		if v, asked := r.View(i.Name); asked && v.Live() {
			continue
		}
		if i.Error != "" {
			return i.Name + " is prepared to replace " + i.ReplaceFlag + ", and its host does not tell whether it runs"
		}
		return i.Name + " runs to replace " + i.ReplaceFlag + " and is not NORMAL yet"
	}
	return ""
}

// movingBy is what one node tells of itself and of its peers.
func movingBy(v View) string {
	if v.Jolokia != Answered {
		return ""
	}
	switch v.Mode {
	case string(Joining), string(Leaving), string(Moving), "JOINING_FAILED", "DECOMMISSION_FAILED":
		return v.Instance + " is " + v.Mode
	}
	if !v.Live() {
		return ""
	}
	for _, list := range []struct {
		what      string
		addresses []string
	}{{"joining", v.Joining}, {"leaving", v.Leaving}, {"moving", v.Moving}} {
		if len(list.addresses) > 0 {
			return v.Instance + " sees " + strings.Join(list.addresses, ", ") + " " + list.what
		}
	}
	i := slices.IndexFunc(v.Peers, func(e Endpoint) bool {
		switch e.Status {
		case "BOOT", "BOOT_REPLACE", "hibernate", "LEAVING", "MOVING", "removing":
			return true
		}
		return false
	})
	if i < 0 {
		return ""
	}
	return v.Instance + " sees " + v.Peers[i].Address + " in status " + v.Peers[i].Status
}

// schema: no range moves while the live nodes know different schemas (I-32). A node that cannot be reached disagrees
// with nobody.
func schema(a galen.Ask[Ring]) galen.Verdict {
	if v := a.Step.Verb; !replaces(v) && v != deedDecommission && v != deedRemoveNode {
		return allow("%s does not depend on one schema", a.Step.Verb)
	}
	if len(a.State.Schemas) > 1 {
		return lookAgain("the live nodes know %d schema versions: %s", len(a.State.Schemas), strings.Join(a.State.Schemas, ", "))
	}
	return allow("one schema version")
}
