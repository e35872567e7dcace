// Package detectors holds the detectors, one per file: pure functions from a State to findings. [All] is the list.
package detectors

import (
	"cmp"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// All are the detectors in the order in which they run. No two of them name one target of one State for a run: a node
// is down, frozen, flapping or robbed of its tokens, never two of these; the rest are notes.
func All() []galen.Detector[galen.State] {
	return []galen.Detector[galen.State]{
		galen.ListDetector(CassandraNodeDown()),     // its process is gone, everybody agrees
		galen.ListDetector(CassandraNodeFrozen()),   // its process is there, and it does nothing
		galen.ListDetector(CassandraNodeFlapping()), // it goes down and comes back over and over
		galen.ListDetector(CassandraStolenRing()),   // it works and owns nothing: a corpse took its tokens
		galen.ListDetector(CassandraDisagree()),     // observers contradict each other about it
		galen.ListDetector(CassandraUnreachable()),  // nobody can say how it is
		galen.ListDetector(CassandraStaleSeed()),    // a seed list names no node of the ring
		galen.ListDetector(CassandraDataGone()),     // it serves, and its data are gone from its disk
	}
}

// byDomain makes one finding of all nodes with a problem in one failure domain, sorted by domain.
func byDomain(r cassandra.Ring, nodes []cassandra.Node, tell func(domain string, nodes []cassandra.Node) galen.Finding) []galen.Finding {
	groups := map[string][]cassandra.Node{}
	for _, n := range nodes {
		groups[n.Domain()] = append(groups[n.Domain()], n)
	}
	var out []galen.Finding
	for domain, group := range groups {
		f := tell(domain, group)
		f.Resource, f.Domain = r.Resource(), domain
		for _, n := range group {
			f.Targets = append(f.Targets, n.Target())
			f.Evidence = append(f.Evidence, n.Observations...)
		}
		if f.Began == nil && !f.Note {
			f.Began = beganDown(group)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b galen.Finding) int { return cmp.Compare(a.Domain, b.Domain) })
	return out
}

// down are the members of the token map that everybody calls down, for at least the policy's time, and that do not flap. A joining node is
// the business of the run that joins it; an unlisted one is a hole in the listing, not a node.
func down(now time.Time, r cassandra.Ring, p galen.Policy) []cassandra.Node {
	var out []cassandra.Node
	for _, n := range r.Nodes {
		_, flaps := n.Flapping(now, p.FlapFlips, p.FlapWindow.D())
		if n.Down && !flaps && !n.Unlisted && n.Status != cassandra.Joining && now.Sub(n.DownSince) >= p.DownFor.D() {
			out = append(out, n)
		}
	}
	return out
}

// sinceDown is when the first of the nodes went down.
func sinceDown(nodes []cassandra.Node) time.Time {
	since := nodes[0].DownSince
	for _, n := range nodes[1:] {
		if n.DownSince.Before(since) {
			since = n.DownSince
		}
	}
	return since
}

// beganDown is since when each of the nodes is down that is.
func beganDown(nodes []cassandra.Node) map[string]time.Time {
	var out map[string]time.Time
	for _, n := range nodes {
		if !n.Down {
			continue
		}
		if out == nil {
			out = map[string]time.Time{}
		}
		out[n.HostID] = n.DownSince
	}
	return out
}

// urgency of nodes that do not serve: critical where more than one failure domain of the ring has some, for then a
// quorum may be lost already.
func urgency(r cassandra.Ring) galen.Urgency {
	domains := map[string]bool{}
	for _, n := range r.Nodes {
		if n.Down && n.Status != cassandra.Joining {
			domains[n.Domain()] = true
		}
	}
	if len(domains) > 1 {
		return galen.Critical
	}
	return galen.High
}
