package runbooks

import (
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// RestartNodeParams of cassandra/restart-node.
type RestartNodeParams struct {
	Node string `json:"node" doc:"host ID, address or instance of the node"`
}

// CassandraRestartNode drains, stops and starts one healthy node, and ends when it serves again.
func CassandraRestartNode() galen.Runbook[cassandra.Ring, RestartNodeParams] {
	return galen.Runbook[cassandra.Ring, RestartNodeParams]{
		Name: "cassandra/restart-node", Version: 1,
		About:  "Restarts one healthy node without a lost request: drains and stops it, starts it, waits until it serves.",
		Scope:  func(r cassandra.Ring, p RestartNodeParams) []galen.Target { return named(r, p.Node) },
		Decide: restartNode,
	}
}

func restartNode(s galen.Situation[cassandra.Ring, RestartNodeParams]) galen.Plan {
	c := sceneOf(s, "")
	if p, open := c.underWay(); open {
		return p
	}
	n, found := c.find(s.Params.Node)
	switch {
	case !found:
		return person("no node of the ring has the host ID, address or instance %q", s.Params.Node)
	case len(s.Scope) > 0 && !inScope(s.Scope, n):
		return person("%s is not what this run was opened for", cassandra.Title(n))
	}
	stops, _ := c.attempts(cassandra.VerbStop, n.HostID)
	switch {
	case n.Unlisted && (stops > 0 || c.stop == ""):
		return c.unlisted(n)
	case stops > 0:
		return c.bringBack(n)
	}
	return c.takeDown(n)
}

// takeDown: the node is as it was. It must be well, and so must the others: a restart is no cure, and takes a replica
// away.
func (s scene) takeDown(n cassandra.Node) galen.Plan {
	if s.stop != "" {
		return finished("stopped at a safe point: nothing was done")
	}
	if _, all := s.attempts(cassandra.VerbStop, n.HostID); all >= maxLost {
		return person("%d stops of %s never happened; the last: %s", all, cassandra.Title(n), s.lastAnswer(cassandra.VerbStop, n.HostID))
	}
	if n.Down {
		return person("%s is down already; to bring it back: galen run cassandra/heal-node %s --param node=%s", cassandra.Title(n), s.ring.Resource(), n.Address)
	}
	if i, known := s.ring.Instance(n.Instance); known {
		if p, lost := s.endedForGood(i, cassandra.Title(n)+" is to be stopped"); lost {
			return p
		}
	}
	if ailing := s.ring.Ailing(n); len(ailing) > 0 {
		return wait(s.policy.Fallback, "%s is not well, a restart is for healthy nodes: %s", cassandra.Title(n), strings.Join(ailing, "; "))
	}
	if open := s.ring.Unsettled(); len(open) > 0 {
		return wait(s.policy.Fallback, "the ring is not at rest: %s", strings.Join(open, "; "))
	}
	p := do(cassandra.Stop(n), "%s is well and so is the ring: drain and stop it, then start it again", cassandra.Title(n))
	p.Outline = []galen.Step{cassandra.Start(n)}
	return p
}

// bringBack: the node was, or may have been, stopped. There is no way but forward: a drained node can only be started.
func (s scene) bringBack(n cassandra.Node) galen.Plan {
	i, known := s.ring.Instance(n.Instance)
	starts, _ := s.attempts(cassandra.VerbStart, n.HostID)
	ailing := s.ring.Ailing(n)
	switch {
	case starts > 0 && len(ailing) == 0:
		return s.caughtUp(n, "%s was restarted: UP at every live peer, and it serves", cassandra.Title(n))
	case !known || i.Error != "":
		return wait(s.policy.LookSoon, "%s was stopped, its host cannot be read: %s", cassandra.Title(n), i.Error)
	case i.Process == cassandra.Absent:
		return s.startAgain(n, i)
	case s.ring.Booting(i, cassandra.BootTime), !n.Down && len(ailing) > 0:
		return wait(s.policy.LookSoon, "%s is on its way: %s", cassandra.Title(n), strings.Join(ailing, "; "))
	}
	return s.stuck(n, i, ailing)
}

func (s scene) startAgain(n cassandra.Node, i cassandra.Instance) galen.Plan {
	starts, all := s.attempts(cassandra.VerbStart, n.HostID)
	if i.Data != cassandra.DataPresent {
		return person("%s was stopped, and its data are %s now: it would start empty", cassandra.Title(n), i.Data)
	}
	if p, lost := s.endedForGood(i, cassandra.Title(n)+" was stopped"); lost {
		return p
	}
	switch {
	case starts >= s.policy.RestartsPerRun || all >= s.policy.RestartsPerRun+maxLost:
		return person("%s was stopped, and %d starts did not bring it back; the last: %s", cassandra.Title(n), all, s.lastAnswer(cassandra.VerbStart, n.HostID))
	}
	return do(cassandra.Start(n), "%s is stopped: start it, attempt %d of at most %d", cassandra.Title(n), starts+1, s.policy.RestartsPerRun)
}

// stuck: the process has neither ended nor come back.
func (s scene) stuck(n cassandra.Node, i cassandra.Instance, ailing []string) galen.Plan {
	if len(ailing) == 0 {
		return finished("%s runs and serves; somebody has started it again", cassandra.Title(n))
	}
	verb, step := cassandra.VerbKill, cassandra.Kill(n, i)
	if v, _ := s.ring.View(i.Name); v.Jolokia == cassandra.Answered {
		verb, step = cassandra.VerbStop, cassandra.Stop(n)
	}
	if _, all := s.attempts(verb, n.HostID); all >= maxLost {
		return person("process %d of %s does not end: %d times %s did not help; the last: %s", i.PID, cassandra.Title(n), all, verb, s.lastAnswer(verb, n.HostID))
	}
	p := do(step, "%s is drained, and process %d stays: %s it, then start the node", cassandra.Title(n), i.PID, verb)
	p.Outline = []galen.Step{cassandra.Start(n)}
	return p
}
