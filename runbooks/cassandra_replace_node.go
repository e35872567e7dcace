package runbooks

import (
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// ReplaceNodeParams of cassandra/replace-node.
type ReplaceNodeParams struct {
	Node  string `json:"node" doc:"host ID, address or instance of the dead node"`
	Spare string `json:"spare,omitempty" doc:"name of the instance that takes its place; absent: any empty one that fits"`
}

// CassandraReplaceNode gives the place of a dead node to an empty instance, without trying a restart first.
func CassandraReplaceNode() galen.Runbook[cassandra.Ring, ReplaceNodeParams] {
	return galen.Runbook[cassandra.Ring, ReplaceNodeParams]{
		Name: "cassandra/replace-node", Version: 1,
		About:  "Replaces a dead node: fences it, starts an empty instance in its place, repairs that, takes the replace flag out.",
		Scope:  func(r cassandra.Ring, p ReplaceNodeParams) []galen.Target { return named(r, p.Node) },
		Decide: replaceNode,
	}
}

func replaceNode(s galen.Situation[cassandra.Ring, ReplaceNodeParams]) galen.Plan {
	c := sceneOf(s, s.Params.Spare)
	if p, open := c.underWay(); open {
		return p
	}
	if r, begun := c.replacementBegun(); begun {
		return r.next()
	}
	n, found := c.find(s.Params.Node)
	switch {
	case !found:
		return person("no node of the ring has the host ID, address or instance %q", s.Params.Node)
	case len(s.Scope) > 0 && !inScope(s.Scope, n):
		return person("%s is not what this run was opened for", cassandra.Title(n))
	}
	if r, begun := c.replacement(n.HostID); begun {
		return r.next()
	}
	switch {
	case c.stop != "":
		return finished("stopped at a safe point: nothing is half done")
	case n.Unlisted:
		return c.unlisted(n)
	case !n.Down:
		return person("%s is not down: only a dead node is replaced", cassandra.Title(n))
	}
	return c.begin(n, "its replacement was asked for")
}

// replacementBegun is the one that this run has begun, whose target the ring may list no more.
func (s scene) replacementBegun() (replacement, bool) {
	for k := range s.past {
		place := s.placeOf(k)
		if place == "" {
			continue
		}
		if r, begun := s.replacement(place); begun {
			return r, true
		}
	}
	return replacement{}, false
}

func inScope(scope []galen.Target, n cassandra.Node) bool {
	return slices.ContainsFunc(scope, func(t galen.Target) bool { return t.ID == n.HostID || t.ID == "instance/"+n.Instance })
}
