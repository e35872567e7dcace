package cassandra

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// quorum: a destructive step needs every guarded level in every range, before and after it; any other step must not
// take one away (I-02). What is to be started, written or repaired takes nothing away.
func quorum(a galen.Ask[Ring]) galen.Verdict {
	return quorumBy(a, NewQuorum(a.State, a.Policy))
}

// quorumBy is quorum where the Quorum is made already.
func quorumBy(a galen.Ask[Ring], q *Quorum) galen.Verdict {
	if a.Class < galen.Disruptive {
		v := allow("%s takes no replica away", a.Step.Verb)
		// The margin as it is now: whoever reads the story of a night wants to know how near the edge it was.
		v.Margin = marginBy(a.State, open(a), q)
		return v
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	if node == nil {
		return deny("%s is no node of the ring: nobody can tell which replicas it takes away", a.Step.Target)
	}
	if why := a.State.torn(*node); why != "" && (a.Class >= galen.Destructive || !node.downAlready()) {
		return lookAgain("%s", why)
	}
	before := suspects(a.State, open(a))
	after := maps.Clone(before)
	after[node.HostID] = true
	whole := q.Verdict(after)
	var v galen.Verdict
	if a.Class >= galen.Destructive {
		v = destroy(a.State, q, node.HostID, whole)
	} else {
		v = disturb(q, *node, before, after)
	}
	v.Why += unguarded(q)
	v.Margin = whole.MarginText()
	return v
}

// torn tells of live nodes whose token map is not that of most: they send requests to other replicas than the others do, so that what one
// quorum has need not be in another's. Where all that are taken away are such nodes it tells nothing: that ends it.
func (r Ring) torn(taken ...Node) string {
	odd := r.dissenters()
	itself := func(n Node) bool { return slices.Contains(odd, n.Instance) }
	if len(odd) == 0 || len(taken) > 0 && !slices.ContainsFunc(taken, func(n Node) bool { return !itself(n) }) {
		return ""
	}
	return fmt.Sprintf("%s has not the token map of most live nodes: which nodes are the replicas depends on whom one asks; look at that first", strings.Join(odd, ", "))
}

// dissenters are the instances whose live views have another token map than most have, sorted.
func (r Ring) dissenters() []string {
	odd := map[string]bool{}
	for _, d := range r.Dissents {
		if d.About == AboutTokens {
			odd[d.Observer] = true
		}
	}
	votes, of := map[string]int{}, map[string]string{}
	for v := range r.live() {
		if v.TokenHash != "" {
			votes[v.TokenHash]++
			of[v.Instance] = v.TokenHash
		}
	}
	if len(votes) > 1 && len(odd) == 0 { // nobody has counted: a file
		most := elected(votes)
		for instance, hash := range of {
			odd[instance] = hash != most
		}
	}
	maps.DeleteFunc(odd, func(_ string, is bool) bool { return !is })
	return sortedKeys(odd)
}

// unguarded names, for people, the keyspaces that the answer is not about.
func unguarded(q *Quorum) string {
	var words []string
	for _, k := range q.Reported() {
		words = append(words, fmt.Sprintf("%s (RF %d)", k.Keyspace, k.Replicas))
	}
	if len(words) == 0 {
		return ""
	}
	return "; not guarded, for want of replicas: " + strings.Join(words, ", ")
}

// destroy judges a destructive step with its target down, and everybody who may be.
func destroy(r Ring, q *Quorum, target string, whole Judgement) galen.Verdict {
	if v, doubtful := doubted(whole); doubtful {
		return v
	}
	if len(whole.Breaks) == 0 {
		return allow("every range keeps its levels without %s", target)
	}
	if lost := q.Verdict(lostForGood(r, target)); len(lost.Breaks) > 0 {
		return deny("without those that cannot come back, %s", listBreaks(lost.Breaks))
	}
	return lookAgain("%s", listBreaks(whole.Breaks))
}

// disturb judges a step that takes a node away for a while. Only if everybody sees it down already is nothing taken:
// one view that calls it down does not make a stop harmless.
func disturb(q *Quorum, node Node, before, after map[string]bool) galen.Verdict {
	if node.downAlready() {
		return allow("%s is down already", node.HostID)
	}
	delete(before, node.HostID)
	lowered := q.Lowered(before, after)
	if v, doubtful := doubted(lowered); doubtful {
		return v
	}
	if len(lowered.Breaks) == 0 {
		return allow("no range loses a level without %s", node.HostID)
	}
	if alone := q.Lowered(nil, map[string]bool{node.HostID: true}); len(alone.Breaks) > 0 {
		return deny("even with all others up, %s", listBreaks(alone.Breaks))
	}
	return lookAgain("%s", listBreaks(lowered.Breaks))
}

// downAlready: nothing is taken with it. Of whom a probe or its host says that it is good the consensus never says that it is down; a file
// may.
func (n Node) downAlready() bool {
	return n.Down && !slices.ContainsFunc(n.Observations, func(o galen.Observation) bool {
		return o.Says == galen.Good && (o.Kind == galen.Probe || o.Kind == galen.Host)
	})
}

// doubted: what cannot be judged is unsafe; it is final where another look cannot change it.
func doubted(j Judgement) (galen.Verdict, bool) {
	if len(j.Doubts) == 0 {
		return galen.Verdict{}, false
	}
	for _, d := range j.Doubts {
		if d.Lasting {
			return deny("%s: nobody can tell what is safe", d.Why), true
		}
	}
	return lookAgain("%s", j.Doubts[0].Why), true
}

// suspects are the host IDs that may be down, by the worst that anybody says: the consensus, any live peer, be it that it does not
// know the node, the node itself, its host, be it that its data are gone from its disk, and targets of steps under way.
func suspects(r Ring, open []galen.Intent) map[string]bool {
	down, calledDown := map[string]bool{}, r.calledDown()
	at, watched := r.whereabouts(), r.watched()
	for i := range r.Nodes {
		n := &r.Nodes[i]
		if n.Down || calledDown[n.Address] || n.doubtful(watched) || silent(*n, at.byInstance[n.Instance], at.named[n.Instance]) || silent(*n, at.byAddress[n.Address], at.hosts[n.Address]) ||
			emptied(*n, at.named[n.Instance]) {
			down[n.HostID] = true
		}
	}
	for _, in := range open {
		if in.Class < galen.Disruptive {
			continue
		}
		if node, _ := r.Find(in.Step.Target.ID); node != nil {
			down[node.HostID] = true
		}
	}
	return down
}

// calledDown are the addresses that any live node calls DOWN, or no member any more.
func (r Ring) calledDown() map[string]bool {
	out := map[string]bool{}
	for v := range r.live() {
		for _, e := range v.Peers {
			if !e.Up || e.gone() {
				out[e.Address] = true
			}
		}
	}
	return out
}

// watched tells whether anybody says anything of its nodes; a ring that somebody wrote down by hand may say nothing of that.
func (r Ring) watched() bool {
	return slices.ContainsFunc(r.Nodes, func(n Node) bool { return len(n.Observations) > 0 })
}

// doubtful tells whether nobody calls a node good, where anybody says anything of the nodes of its ring, or a live peer does not know one that
// serves, or knows another one in its place, for then it sends it no request.
func (n Node) doubtful(watched bool) bool {
	return watched && !anyGood(n) || n.Status != Joining && slices.ContainsFunc(n.Observations, func(o galen.Observation) bool {
		return o.Kind == galen.Peer && o.Says != galen.Good
	})
}

// silent tells whether a node that we can ask does not work, or is another one, or its host knows that it has no working process. One
// that joins counts its pending ranges while it lives.
func silent(n Node, v *View, host *Instance) bool {
	if v != nil && n.Status != Joining && v.idle(n) {
		return true
	}
	return host != nil && host.Error == "" && host.Process != Running
}

// idle tells whether a node that was asked does not serve as that member.
func (v View) idle(n Node) bool {
	switch v.Jolokia {
	case Answered:
		return !v.working() || v.HostID != "" && v.HostID != n.HostID
	case Refused, Hung, Booting:
		return true
	default:
		return false
	}
}

// working tells whether the node's mode serves its ranges.
func (v View) working() bool {
	return v.Mode == string(Normal) || v.Mode == string(Leaving) || v.Mode == string(Moving)
}

// lostForGood are the target and the nodes that nothing but a person or a replacement brings back.
func lostForGood(r Ring, target string) map[string]bool {
	out := map[string]bool{target: true}
	for _, n := range r.Nodes {
		i, known := r.Instance(n.Instance)
		if n.Down && known && i.Error == "" && (i.Fenced != "" || i.Data == DataGone) {
			out[n.HostID] = true
		}
	}
	return out
}

func listBreaks(breaks []Break) string {
	text := make([]string, 0, len(breaks))
	for _, b := range breaks {
		text = append(text, b.String())
	}
	return strings.Join(text, "; ")
}

// owed: a replacement streams each range from one replica, so that a write that a quorum knew may be known by one node
// alone. Until its repair, no other node that shares those ranges is destroyed.
func owed(a galen.Ask[Ring]) galen.Verdict {
	return owedBy(a, func() *Quorum { return NewQuorum(a.State, galen.Policy{}) })
}

// owedBy is owed where the Quorum may be made already; which levels it guards is all one here.
func owedBy(a galen.Ask[Ring], quorum func() *Quorum) galen.Verdict {
	if a.Class < galen.Destructive {
		return allow("%s destroys no replica", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	if node == nil {
		return deny("%s is no node of the ring", a.Step.Target)
	}
	q := quorum()
	for _, key := range sortedKeys(facts(a)) {
		rest, isOwed := strings.CutPrefix(key, FactRepairOwed)
		if !isOwed {
			continue
		}
		name, keyspace, _ := strings.Cut(rest, "/")
		holder, member := a.State.NodeOf(name)
		if holder.HostID == node.HostID || void(a.State, name, keyspace) {
			continue
		}
		if !member && !coming(a, name) {
			return ask(a, "the repair of %s on %s is owed, and %s is no node of the ring any more: what it alone knew may be on no other node", keyspace, name, name)
		}
		if !member || q.Sharing(keyspace, holder.HostID, node.HostID) {
			return lookAgain("the repair of %s on %s is owed, which shares ranges with %s: repair first", keyspace, name, node.HostID)
		}
	}
	return allow("no repair of a shared range is owed")
}

// coming tells whether an instance that is no member may become one: it has a process, or is prepared, or nobody can see it now.
func coming(a galen.Ask[Ring], name string) bool {
	i, known := a.State.Instance(name)
	return known && (i.Error != "" || i.Process != Absent || i.preparedBy() != "")
}

// void: nobody owes that repair any more.
func void(r Ring, instance, keyspace string) bool {
	_, member := r.NodeOf(instance)
	return !member && outOfService(r, instance) || dropped(r, keyspace)
}

// dropped: nobody has the keyspace any more, and what is not there owes no repair. A ring always tells some keyspaces; where none is told
// nothing is known.
func dropped(r Ring, keyspace string) bool {
	return len(r.Keyspaces) > 0 && !slices.ContainsFunc(r.Keyspaces, func(k Keyspace) bool { return k.Name == keyspace })
}

// outOfService: who was fenced owes no repair any more; whoever took its place owes one.
func outOfService(r Ring, name string) bool {
	i, known := r.Instance(name)
	return known && i.Error == "" && i.Fenced != "" && i.Process == Absent
}
