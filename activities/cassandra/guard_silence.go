package cassandra

import (
	"time"

	"github.com/galenhq/galen"
)

// silence: a node that was silent for longer than its tables keep their tombstones is not started any more (N12): what was
// deleted meanwhile is deleted nowhere any more, lives on in its data alone, and a repair would spread it. It is replaced. The
// silence counts until it serves again, so that a start has to begin as much earlier as it may take.
func silence(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbStart {
		return allow("%s brings no old data back", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	switch {
	case node == nil:
		return lookAgain("%s is no node of the ring", a.Step.Target)
	case len(a.State.Nodes) < 2:
		return allow("there is no other node, so that it has missed nothing")
	}
	silent, known := node.Silence(a.Now, a.Now)
	switch {
	case !known:
		return ask(a, "no peer was ever heard to call %s UP, so that nobody knows how long it was silent: after more than gc_grace (%s) deleted rows would come back with it, and then it has to be replaced",
			Title(*node), a.Policy.GCGrace)
	case TooOld(silent, a.Policy):
		return deny("%s was silent for %s, and the tables keep their tombstones for %s (gc_grace): its data are too old, deleted rows would come back with them: replace it",
			Title(*node), silent.Round(time.Second), a.Policy.GCGrace)
	}
	return allow("%s was silent for %s, less than gc_grace (%s)", Title(*node), silent.Round(time.Second), a.Policy.GCGrace)
}

// TooOld tells whether a node that was silent so long may be started no more, for it could serve too late.
func TooOld(silent time.Duration, p galen.Policy) bool { return silent+withinStart > p.GCGrace.D() }
