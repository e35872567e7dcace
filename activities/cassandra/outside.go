package cassandra

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// Outside tells whether it is proved that an instance is no member of the ring: a live node of each rack that has one
// up was heard since that time, and no live node calls it a member. why says what is missing for the proof, "" if
// nothing. That its process is dead and its address silent proves nothing: it may have become NORMAL, and died, while
// nobody was heard; then it has the only place that its tokens have.
func (r Ring) Outside(instance string, since time.Time) (why string) {
	if why := r.joined(instance); why != "" {
		return why
	}
	heard := map[string]bool{}
	for _, v := range r.Live() {
		if n, found := r.atAddress(v.Address); found && !v.At.Before(since) {
			heard[n.Domain()] = true
		}
	}
	if len(heard) == 0 {
		return "no live node was heard since " + since.UTC().Format(time.RFC3339)
	}
	for _, n := range r.Nodes {
		if n.Instance != instance && !n.Down && n.Status != Joining && !heard[n.Domain()] {
			return "no live node of rack " + n.Domain() + " was heard since " + since.UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// joined says who calls an instance a member of the ring that has joined, "" if nobody does. One live node is enough.
func (r Ring) joined(instance string) string {
	i, found := r.Instance(instance)
	if !found {
		return fmt.Sprintf("the host plane does not know instance %q", instance)
	}
	if n, found := r.NodeOf(instance); found && n.Status != Joining || i.EverNormal {
		return instance + " is a node in service, or was one since it was prepared"
	}
	for _, v := range r.Live() {
		e, known := v.peer(i.Address)
		switch {
		case v.Instance == instance:
			return instance + " answers that it is NORMAL"
		case slices.Contains(v.Owners, i.Address):
			return v.Instance + " says that " + instance + " owns a share of the ring"
		case known && e.Status == string(Normal):
			return v.Instance + " calls " + instance + " NORMAL"
		}
	}
	return ""
}

func (r Ring) atAddress(address string) (Node, bool) {
	i := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Address == address })
	if i < 0 {
		return Node{}, false
	}
	return r.Nodes[i], true
}

// joinerOnly: what is taken back is a joiner, positively seen: its data are deleted. It holds for a run's own joiner
// too, which is why it is asked of every run.
func joinerOnly(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbRemoveJoiner {
		return allow("%s deletes no joiner", a.Step.Verb)
	}
	args, err := galen.Decode[RemoveJoinerArgs](a.Step.Args)
	if err != nil {
		return deny("arguments of %s: %s", VerbRemoveJoiner, err)
	}
	i, found := a.State.Instance(args.Instance)
	if !found {
		return lookAgain("the host plane does not know %s", args.Instance)
	}
	if why := a.State.Outside(i.Name, i.At); why != "" {
		return lookAgain("%s may hold the data of a node in service: %s", i.Name, why)
	}
	return allow("no live node calls %s a member", i.Name)
}
