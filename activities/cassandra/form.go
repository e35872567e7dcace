package cassandra

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// misformed says what no ring can be like, however it was seen: a State that a file or a broken observer tells.
func misformed(r Ring) []string {
	if len(r.Nodes) == 0 {
		return []string{"the ring has no nodes"}
	}
	out := misplaced(r.Nodes)
	tell := func(what, name, why string) {
		if why != "" {
			out = append(out, fmt.Sprintf("%s %q %s", what, name, why))
		}
	}
	for _, n := range r.Nodes {
		tell("node", n.HostID, n.misformed())
	}
	twice := seenBefore()
	for _, i := range r.Instances {
		tell("instance", i.Name, cmp.Or(i.misformed(), twice("instance", i.Name)))
	}
	for _, v := range r.Views {
		tell("the view of", v.Instance, cmp.Or(v.misformed(), twice("view", v.Instance)))
	}
	for _, k := range r.Keyspaces {
		if k.Name == "" {
			out = append(out, "a keyspace has no name")
		}
		tell("keyspace", k.Name, twice("keyspace", k.Name))
		if k.none() {
			tell("keyspace", k.Name, "has no replica anywhere")
		}
	}
	return out
}

// seenBefore tells of a name that came before.
func seenBefore() func(kind, name string) string {
	seen := map[[2]string]bool{}
	return func(kind, name string) string {
		key := [2]string{kind, name}
		if seen[key] {
			return "stands twice"
		}
		seen[key] = true
		return ""
	}
}

// misplaced says which nodes cannot stand together.
func misplaced(nodes []Node) []string {
	var out []string
	addresses, instances := map[string]string{}, map[string]string{}
	for i, n := range nodes {
		if i > 0 && cmp.Compare(nodes[i-1].HostID, n.HostID) >= 0 {
			out = append(out, fmt.Sprintf("node %q follows %q: nodes stand in the order of their host IDs, each once", n.HostID, nodes[i-1].HostID))
		}
		if n.Status == Joining || n.Unlisted {
			continue // who joins may take the address of whom it replaces
		}
		if other, taken := addresses[n.Address]; taken {
			out = append(out, fmt.Sprintf("nodes %q and %q both are at %s", other, n.HostID, n.Address))
		}
		addresses[n.Address] = n.HostID
		if other, taken := instances[n.Instance]; taken && n.Instance != "" {
			out = append(out, fmt.Sprintf("nodes %q and %q both are the instance %s", other, n.HostID, n.Instance))
		}
		instances[n.Instance] = n.HostID
	}
	return out
}

func (n Node) misformed() string {
	switch {
	case n.HostID == "":
		return "has no host ID"
	case n.Address == "":
		return "has no address"
	case n.DC == "":
		return "is in no data centre"
	case n.Rack == "":
		return "is in no rack"
	case !slices.Contains([]NodeStatus{Normal, Joining, Leaving, Moving}, n.Status):
		return fmt.Sprintf("has the unknown status %q", n.Status)
	case n.Unlisted && !n.Down:
		return "is listed by nobody, and not down"
	case n.Generation < 0:
		return fmt.Sprintf("has started at %d, which is before all time", n.Generation)
	}
	return n.misheard()
}

// misheard says which observation of a node has words that no observer uses.
func (n Node) misheard() string {
	for _, o := range n.Observations {
		switch {
		case !slices.Contains([]galen.Says{galen.Good, galen.Bad, galen.Unknown}, o.Says):
			return fmt.Sprintf("is said by %q to be %q, which is no word for it", o.Observer, o.Says)
		case !slices.Contains([]galen.ObserverKind{galen.Peer, galen.Probe, galen.Host, galen.Cloud}, o.Kind):
			return fmt.Sprintf("is observed by %q, which is of the unknown kind %q", o.Observer, o.Kind)
		}
	}
	return ""
}

// misformed says which word of an instance no host plane uses. It may be empty: the host was never read.
func (i Instance) misformed() string {
	switch {
	case !slices.Contains([]ProcessState{"", Running, Stopped, Absent}, i.Process):
		return fmt.Sprintf("has a process that is %q, which is no word for it", i.Process)
	case !slices.Contains([]DataState{"", DataPresent, DataGone, DataUnknown}, i.Data):
		return fmt.Sprintf("has data that are %q, which is no word for it", i.Data)
	}
	return ""
}

func (v View) misformed() string {
	if v.Generation < 0 {
		return fmt.Sprintf("tells of a start at %d, which is before all time", v.Generation)
	}
	for _, a := range []Answer{v.Jolokia, v.CQL} {
		if !slices.Contains([]Answer{"", Answered, Refused, Hung, Booting, BadAnswer}, a) {
			return fmt.Sprintf("tells of an answer %q, which is no word for it", a)
		}
	}
	return ""
}

// tooFew names the guarded keyspaces with more replicas than there are nodes to have them.
func tooFew(r Ring, q *Quorum) []string {
	nodes := map[string]int{}
	for _, n := range r.Nodes {
		if n.Status != Joining {
			nodes[n.DC]++
			nodes[""]++ // the whole of SimpleStrategy
		}
	}
	var out []string
	for _, k := range r.Keyspaces {
		told := slices.ContainsFunc(q.reported, func(o Reported) bool { return o.Keyspace == k.Name })
		if told || k.local() {
			continue
		}
		for _, dc := range sortedKeys(k.RF) {
			if rf := k.RF[dc]; rf > nodes[dc] {
				out = append(out, fmt.Sprintf("keyspace %s wants %d replicas%s, and %s there", k.Name, rf, inDC(dc), isAre(nodes[dc])))
			}
		}
	}
	return out
}

func inDC(dc string) string {
	if dc == "" {
		return ""
	}
	return " in " + dc
}

func isAre(nodes int) string {
	if nodes == 1 {
		return "1 node is"
	}
	return fmt.Sprintf("%d nodes are", nodes)
}
