package cassandra

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// What people do to a node that Galen has no verb for.
const (
	deedDecommission = "decommission" // the node streams its ranges away and leaves
	deedRemoveNode   = "removenode"   // others take a dead node out of the ring
)

// byHand is what a ring tells people before they touch a node.
func byHand() *galen.ByHand[Ring] {
	return &galen.ByHand[Ring]{Verbs: deeds(), Levels: sortedKeys(levels()), Deed: deed, Reckon: reckon, Contradicts: contradicts, Leaves: leaves}
}

// reckon places the replicas once for all questions: that costs more than all answers do.
func reckon(r Ring, p galen.Policy) galen.Reckoning[Ring] {
	q := NewQuorum(r, p)
	return galen.Reckoning[Ring]{
		Judge:  func(a galen.Ask[Ring]) ([]galen.Verdict, galen.Outlook) { return judgeByHand(a, q) },
		WhatIf: func(open []galen.Intent, down []string) galen.Outlook { return whatIf(r, q, open, down) },
		Margin: func(open []galen.Intent) string { return marginBy(r, open, q) },
	}
}

// deeds are the words for what people do to a node: their own, and those of nodetool.
func deeds() []string {
	return []string{VerbStop, "drain", "restart", VerbKill, VerbStart, VerbFence, deedDecommission, deedRemoveNode}
}

// deed is what a person would do to a node, as the guards are asked about it.
func deed(r Ring, verb string, t galen.Target) (galen.Deed, error) {
	if !slices.Contains(deeds(), verb) {
		return galen.Deed{}, fmt.Errorf("verb %q: want one of %s", verb, strings.Join(deeds(), ", "))
	}
	node, instance := r.Find(t.ID)
	if node == nil {
		return galen.Deed{}, fmt.Errorf("%s %s: %s", verb, t.ID, cmp.Or(unplaced(r), "it is no node of the ring"))
	}
	var s galen.Step
	switch verb {
	case VerbKill:
		if instance == nil {
			return galen.Deed{}, fmt.Errorf("kill %s: no host tells of its process", Title(*node))
		}
		s = Kill(*node, *instance)
	case VerbStart:
		s = Start(*node)
	case VerbFence:
		s = Fence(*node)
	case deedDecommission, deedRemoveNode:
		return galen.Deed{
			Step:  galen.Step{Verb: verb, Target: node.Target(), Within: galen.Duration(withinReplace), Why: verb + " " + Title(*node)},
			Class: galen.Destructive, Claims: []galen.Claim{{Name: "ring"}, {Name: "node/" + node.HostID}},
		}, nil
	default:
		s = Stop(*node)
	}
	for _, v := range Verbs() {
		if v.Name == s.Verb {
			return galen.Deed{Step: s, Class: v.Class, Claims: v.Claims(r, s)}, nil
		}
	}
	return galen.Deed{}, fmt.Errorf("verb %q is not listed", s.Verb)
}

// unplaced says why nobody is found for sure in this ring, "" if one is: who is looked for may well be there.
func unplaced(r Ring) string {
	if why := misplaced(r.Nodes); len(why) > 0 {
		return "the ring does not tell who that is: " + strings.Join(why, "; ")
	}
	return ""
}

// judgeByHand asks all guards of the ring, with one Quorum for those that need one, and then what only people do.
func judgeByHand(a galen.Ask[Ring], q *Quorum) ([]galen.Verdict, galen.Outlook) {
	var out []galen.Verdict
	for _, g := range slices.Concat(Guards(), byHandGuards(q)) {
		check := g.Check
		switch g.Name {
		case guardQuorum:
			check = unlessOwn(func(a galen.Ask[Ring]) galen.Verdict { return quorumBy(a, q) })
		case guardOwed:
			check = unlessOwn(func(a galen.Ask[Ring]) galen.Verdict { return owedBy(a, func() *Quorum { return q }) })
		}
		v := check(a)
		v.Guard = g.Name
		out = append(out, v)
	}
	asked := []string{}
	if node, _ := a.State.Find(a.Step.Target.ID); node != nil && a.Class >= galen.Disruptive {
		asked = append(asked, node.HostID)
	}
	o := outlookOf(a.State, q, open(a), asked)
	if a.Class >= galen.Disruptive {
		o.Doubts = append(o.Doubts, tornDoubt(a.State, asked)...)
	}
	return out, o
}

// ByHandGuards are the names of the guards that only people are asked about, in their order.
func ByHandGuards() []string {
	var out []string
	for _, g := range byHandGuards(nil) {
		out = append(out, g.Name)
	}
	return out
}

// byHandGuards judge what Galen does not do, or does not begin: it takes no node out of a ring for good, and makes no start that would find
// no data or a process.
func byHandGuards(q *Quorum) []galen.Guard[Ring] {
	return []galen.Guard[Ring]{
		{Name: "departure", Check: func(a galen.Ask[Ring]) galen.Verdict { return departure(a, q) }},
		{Name: "room to leave", Check: func(a galen.Ask[Ring]) galen.Verdict { return roomToLeave(a, q) }},
		{Name: "clean start", Check: cleanStart},
	}
}

// cleanStart: what [Verbs] refuse to start nobody starts by hand. Of a host that cannot be read nobody knows whether a process is alive there.
func cleanStart(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbStart {
		return allow("%s starts no node that was down", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	switch {
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case instance == nil || node.Instance == "" || instance.Name != node.Instance:
		return unseen("no host tells of the machine of %s: a process may be alive there, or its data gone", Title(*node))
	case instance.Error != "" || instance.Data != DataPresent && instance.Data != DataGone:
		return unseen("the host of %s could not be read, a process may be alive there, or its data gone: %s", instance.Name, cmp.Or(instance.Error, "its data are unknown"))
	}
	if err := checkStart(a.State, a.Step, StartArgs{Instance: node.Instance}); err != nil {
		return deny("%s: %v", Title(*node), err)
	}
	return allow("no process of %s is there, and its data are present", instance.Name)
}

// unseen: only somebody who looks there can tell.
func unseen(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.NeedYes, Why: fmt.Sprintf(format, args...)}
}

// departure: who leaves for good leaves enough nodes for the replicas, and only the dead are taken out by others.
func departure(a galen.Ask[Ring], q *Quorum) galen.Verdict {
	node, leaves := leaving(a)
	switch {
	case !leaves:
		return allow("%s takes no node out of the ring", a.Step.Verb)
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case a.Step.Verb == deedDecommission && !a.State.streamsAway(*node):
		return deny("%s is not well: it could not stream its ranges away", Title(*node))
	}
	if a.Step.Verb == deedRemoveNode {
		if v := dead(a, *node); v.Answer != galen.Allow {
			return v
		}
	}
	rest := a.State
	rest.Nodes = slices.DeleteFunc(slices.Clone(rest.Nodes), func(n Node) bool { return n.HostID == node.HostID })
	if short := tooFew(rest, q); len(short) > 0 {
		return deny("without it %s", strings.Join(short, "; "))
	}
	if a.Step.Verb == deedRemoveNode {
		if alone := q.Last(node.HostID, without(a.State, open(a))); len(alone) > 0 {
			return unseen("no other replica of some ranges of %s is there now, and who is removed streams nothing away: what no backup has is lost with %s", joinWords(alone), Title(*node))
		}
	}
	return allow("enough nodes stay for the replicas of each keyspace")
}

// leaving is who a deed takes out of the ring for good, nil if it is not there; leaves: it does take somebody out.
func leaving(a galen.Ask[Ring]) (node *Node, leaves bool) {
	node, _ = a.State.Find(a.Step.Target.ID)
	return node, a.Step.Verb == deedDecommission || a.Step.Verb == deedRemoveNode
}

// streamsAway tells whether a node can give to others what it holds.
func (r Ring) streamsAway(n Node) bool { return !n.bad() && !r.Emptied(n) }

// without are the host IDs that nothing can be streamed from: who may be down, and whose data are gone.
func without(r Ring, open []galen.Intent) map[string]bool {
	out := suspects(r, open)
	for _, n := range r.Nodes {
		if i, known := r.Instance(n.Instance); known && i.Data == DataGone {
			out[n.HostID] = true
		}
	}
	return out
}

// dead: nobody sees the node live.
func dead(a galen.Ask[Ring], node Node) galen.Verdict {
	switch {
	case !node.Down:
		return deny("%s is not down: who lives is decommissioned, not removed", Title(node))
	case answers(a.State, node):
		return deny("%s answers itself: who lives is decommissioned, not removed", Title(node))
	}
	if why := signOfLife(a, node); why != "" {
		return lookAgain("%s", why)
	}
	return allow("nobody sees %s live", Title(node))
}

// answers tells whether the node itself answers, whatever its peers list.
func answers(r Ring, n Node) bool {
	v, seen := r.ViewOf(n)
	return seen && v.Live()
}

// whatIf is what the ring loses with these members down.
func whatIf(r Ring, q *Quorum, open []galen.Intent, down []string) galen.Outlook {
	asked := []string{}
	for _, id := range down {
		node, _ := r.Find(id)
		switch {
		case node == nil:
			o := outlookOf(r, q, open, nil)
			o.Doubts = append(o.Doubts, galen.Doubt{Why: id + " is no node of the ring", Lasting: true})
			return o
		case !slices.Contains(asked, node.HostID):
			asked = append(asked, node.HostID)
		}
	}
	slices.Sort(asked)
	o := outlookOf(r, q, open, asked)
	q.further(&o)
	o.Doubts = append(o.Doubts, tornDoubt(r, asked)...)
	for _, in := range open {
		if node, instance := r.Find(in.Step.Target.ID); in.Class >= galen.Disruptive && node == nil && instance == nil {
			o.Doubts = append(o.Doubts, galen.Doubt{Why: fmt.Sprintf("%s is in flight, and nobody knows what it takes away: its target is no node of the ring", in.Step)})
		}
	}
	return o
}

// outlookOf counts as the quorum guard does: who may be down is down, save those asked about that are not proved to be.
func outlookOf(r Ring, q *Quorum, open []galen.Intent, asked []string) galen.Outlook {
	before := suspects(r, open)
	for _, id := range asked {
		if node, known := r.Node(id); known && !node.downAlready() {
			delete(before, id)
		}
	}
	o := q.outlook(before, asked)
	for _, why := range slices.Concat(misformed(r), tooFew(r, q)) {
		o.Doubts = append(o.Doubts, galen.Doubt{Why: why, Lasting: true})
	}
	if why := voiceless(r); why != "" {
		o.Doubts = append(o.Doubts, galen.Doubt{Why: why})
	}
	return o
}

// tornDoubt is what [Ring.torn] says where these are taken away.
func tornDoubt(r Ring, asked []string) []galen.Doubt {
	var taken []Node
	for _, id := range asked {
		if node, known := r.Node(id); known {
			taken = append(taken, node)
		}
	}
	if why := r.torn(taken...); why != "" {
		return []galen.Doubt{{Why: why}}
	}
	return nil
}

// voiceless: nodes answered, and none so near to the look that its word counts. Nobody is left to call another one down.
func voiceless(r Ring) string {
	for range r.live() {
		return ""
	}
	if i := slices.IndexFunc(r.Views, View.Live); i >= 0 {
		return fmt.Sprintf("the look began at %s, and no view is from then: that of %s is of %s", clock(r.At), r.Views[i].Instance, clock(r.Views[i].At))
	}
	return ""
}

func clock(at time.Time) string { return at.UTC().Format(time.RFC3339) }
