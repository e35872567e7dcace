package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TuneStreamingParams of cassandra/tune-streaming.
type TuneStreamingParams struct {
	Nodes []string       `json:"nodes" doc:"the nodes that are to send faster: host IDs, addresses or instances"`
	To    int            `json:"to" doc:"the wanted stream throughput in MiB/s, at most the policy's ceiling"`
	For   galen.Duration `json:"for" doc:"the longest time, from the first raise on; the streams may end earlier"`
}

// Check refuses what no policy allows.
func (p TuneStreamingParams) Check() error {
	switch {
	case p.To < 1:
		return &galen.Fault{Key: "to", Err: fmt.Errorf("to: %d MiB/s: want 1 or more", p.To)}
	case p.For <= 0:
		return &galen.Fault{Key: "for", Err: fmt.Errorf("for: %s: want a time such as 3h", p.For)}
	}
	return nil
}

// CassandraTuneStreaming lets nodes send streams faster while streams run, and puts their throttles back.
func CassandraTuneStreaming() galen.Runbook[cassandra.Ring, TuneStreamingParams] {
	return galen.Runbook[cassandra.Ring, TuneStreamingParams]{
		Name: "cassandra/tune-streaming", Version: 1,
		About:    "Lets the named nodes send streams faster while streams run, and puts their throttles back afterwards.",
		Beside:   true,
		Defaults: TuneStreamingParams{Nodes: []string{}, For: galen.Duration(3 * time.Hour)},
		Scope:    tunedNodes,
		Decide:   tuneStreaming,
	}
}

// tunedNodes are all that a request names, or none.
func tunedNodes(r cassandra.Ring, p TuneStreamingParams) []galen.Target {
	var out []galen.Target
	for _, name := range p.Nodes {
		found := named(r, name)
		if len(found) == 0 {
			return nil
		}
		if !slices.Contains(out, found[0]) {
			out = append(out, found[0])
		}
	}
	return out
}

// tuner raises and puts back; what it owes is in the facts.
type tuner struct {
	scene
	params TuneStreamingParams
	scope  []galen.Target
	debts  []galen.Debt // of this run, newest first
}

func tuneStreaming(s galen.Situation[cassandra.Ring, TuneStreamingParams]) galen.Plan {
	t := tuner{scene: sceneOf(s, ""), params: s.Params, scope: s.Scope}
	if p, open := t.underWay(); open {
		return p
	}
	debts, err := galen.Debts(s.Facts)
	if err != nil {
		return person("an owed undo cannot be read: %v", err)
	}
	t.debts = slices.DeleteFunc(debts, func(d galen.Debt) bool {
		return !slices.ContainsFunc(t.past, func(in galen.Intent) bool { return in.ID == d.Intent })
	})
	nodes, wrong := t.nodes()
	over := t.over(nodes)
	switch {
	case len(t.debts) > 0 && (over != "" || wrong != ""):
		return t.putBack(strings.Trim(over+"; "+wrong, "; "))
	case wrong != "" && t.stop == "":
		return person("%s; nothing is raised", wrong)
	case over != "":
		return finished("%s; nothing is raised", over)
	}
	return t.raise(nodes)
}

// nodes are those of the request, and what forbids to raise them.
func (t tuner) nodes() (out []cassandra.Node, wrong string) {
	p := t.params
	switch {
	case len(p.Nodes) == 0:
		return nil, "no node was named: say which ones are to send faster"
	case p.To < 1 || p.To > t.policy.StreamCeiling:
		return nil, fmt.Sprintf("%d MiB/s were asked for, the policy allows 1 to %d", p.To, t.policy.StreamCeiling)
	case p.For <= 0 || p.For.D() > t.policy.RunDeadline.D()/2:
		return nil, fmt.Sprintf("%s were asked for, a run may raise for at most %s", p.For, t.policy.RunDeadline.D()/2)
	}
	out, wrong = t.present()
	if wrong == "" {
		wrong = t.failure(out)
	}
	return out, wrong
}

// present are the named nodes that are in the ring.
func (t tuner) present() (out []cassandra.Node, wrong string) {
	for _, name := range t.params.Nodes {
		n, found := t.find(name)
		switch {
		case !found && t.began():
			continue // all were there when the first was raised: it has left since, and the raise with it
		case !found:
			return nil, fmt.Sprintf("no node of the ring has the host ID, address or instance %q", name)
		case len(t.scope) > 0 && !inScope(t.scope, n):
			return nil, cassandra.Title(n) + " is not what this run was opened for"
		case slices.ContainsFunc(out, func(o cassandra.Node) bool { return o.HostID == n.HostID }):
			continue // it was named twice
		}
		out = append(out, n)
	}
	return out, ""
}

// failure is what went wrong with a raise, or makes one impossible.
func (t tuner) failure(nodes []cassandra.Node) string {
	for _, in := range t.past {
		if in.Step.Verb == cassandra.VerbRaiseStream && in.Effect.Status == galen.EffectFailed {
			return fmt.Sprintf("%s failed: %s", in.Step, in.Effect.Why)
		}
	}
	for _, n := range nodes {
		raised, all := t.attempts(cassandra.VerbRaiseStream, n.HostID)
		v, _ := t.ring.ViewOf(n)
		switch {
		case raised == 0 && all >= maxLost:
			return fmt.Sprintf("%d raises of %s never happened; the last: %s", all, cassandra.Title(n), t.lastAnswer(cassandra.VerbRaiseStream, n.HostID))
		case raised == 0 && v.Throttle != nil && !v.Throttle.Restorable():
			return fmt.Sprintf("the throttle of %s, %s, could not be put back: it is whole neither in MiB/s nor in Mbit/s", cassandra.Title(n), v.Throttle)
		}
	}
	return ""
}

// began tells whether something was raised.
func (t tuner) began() bool {
	return slices.ContainsFunc(t.past, func(in galen.Intent) bool {
		return in.Step.Verb == cassandra.VerbRaiseStream && in.Effect.Status != galen.EffectAbsent
	})
}

// over says why nothing is to be raised any longer, "" while it is.
func (t tuner) over(nodes []cassandra.Node) string {
	if t.stop != "" {
		return "stopped at a safe point"
	}
	tuned := "nothing was raised"
	for _, in := range t.past {
		if in.Step.Verb != cassandra.VerbRaiseStream || in.Effect.Status == galen.EffectAbsent {
			continue
		}
		tuned = ""
		if until := in.At.Add(t.params.For.D()); !t.now.Before(until) {
			return "raised for " + t.params.For.String() + ", as long as was asked for"
		}
	}
	switch {
	case tuned == "" && len(nodes) == 0:
		return "none of the nodes is in the ring any more"
	case t.streams(nodes):
		return ""
	case tuned == "":
		return "no stream runs any more"
	}
	return "no stream runs on " + names(nodes) + ", and no range moves"
}

// streams tells whether one of the nodes streams, or is about to, because ranges move.
func (t tuner) streams(nodes []cassandra.Node) bool {
	if t.moving() != "" {
		return true
	}
	return slices.ContainsFunc(nodes, func(n cassandra.Node) bool {
		v, asked := t.ring.ViewOf(n)
		return asked && v.Streams > 0
	})
}

// raise plans the next node that is slower than wanted; when there is none, it waits for the end of the streams.
func (t tuner) raise(nodes []cassandra.Node) galen.Plan {
	var steps []galen.Step
	var silent []cassandra.Node
	for _, n := range nodes {
		raised, _ := t.attempts(cassandra.VerbRaiseStream, n.HostID)
		v, _ := t.ring.ViewOf(n)
		switch {
		case raised > 0:
		case n.Down || v.Throttle == nil:
			silent = append(silent, n)
		case v.Throttle.Below(t.params.To):
			steps = append(steps, cassandra.RaiseStream(n, v, t.params.To))
		}
	}
	switch {
	case len(steps) > 0:
		p := do(steps[0], "streams run: %s", steps[0].Why)
		p.Outline = steps[1:]
		return p
	case len(silent) > 0:
		return wait(t.policy.Fallback, "%s: down, or does not tell its throttle", names(silent))
	}
	return wait(t.policy.Fallback, "%s may send at %d MiB/s; put back when no stream runs any more%s", names(nodes), t.params.To, t.latest())
}

// latest is the end of the time that was asked for.
func (t tuner) latest() string {
	for _, in := range t.past {
		if in.Step.Verb == cassandra.VerbRaiseStream && in.Effect.Status != galen.EffectAbsent {
			return ", at " + moment(in.At.Add(t.params.For.D())) + " at the latest"
		}
	}
	return ""
}

// putBack pays what this run owes, as far as it can. Stopped, it leaves the rest to be found as an undo that is owed; otherwise a person
// is told.
func (t tuner) putBack(why string) galen.Plan {
	next, later, unpayable := t.payable(t.debts)
	switch {
	case next != nil:
		p := do(*next, "%s: %s", why, next.Why)
		p.Outline = later
		return p
	case t.stop != "":
		return stillOwed(t.debts)
	}
	unpayable.Why = why + ": " + unpayable.Why
	return unpayable
}
