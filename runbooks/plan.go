package runbooks

import (
	"fmt"
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// do plans one step: one change at a time, then look again.
func do(s galen.Step, format string, args ...any) galen.Plan {
	s.Why = fmt.Sprintf(format, args...)
	return galen.Plan{Steps: []galen.Step{s}, Why: s.Why}
}

func wait(d galen.Duration, format string, args ...any) galen.Plan {
	return galen.Plan{Wait: d, Why: fmt.Sprintf(format, args...)}
}

// person ends the plan at a human being.
func person(format string, args ...any) galen.Plan {
	return galen.Plan{End: galen.EndEscalate, Why: fmt.Sprintf(format, args...)}
}

// finished ends it well. The engine believes it only after it was seen on several looks.
func finished(format string, args ...any) galen.Plan {
	return galen.Plan{End: galen.EndDone, Why: fmt.Sprintf(format, args...)}
}

// gravest of the plans for several targets: act first, what destroys last, for a start may end what a fence has to ask about; then wait,
// then ask a person; done only if all are. A wait goes before a
// person's question, for a run that is held does no more for the others; so that who looks at it is told all the same, its
// reason names whose trouble needs a person. What any of the targets keeps is kept as long as the run goes on.
func gravest(plans []galen.Plan) galen.Plan {
	best := plans[0]
	for _, p := range plans[1:] {
		if rank(p) > rank(best) {
			best = p
		}
	}
	if best.End != "" {
		return best
	}
	for _, p := range plans {
		if len(best.Steps) == 0 && p.End == galen.EndEscalate {
			best.Why += "; besides, a person is needed: " + p.Why
		}
		best.Keep = both(best.Keep, p.Keep)
	}
	return best
}

// rank orders plans: what is done goes before what is waited for or asked.
func rank(p galen.Plan) int {
	switch {
	case len(p.Steps) > 0 && !destroys(p.Steps[0]):
		return 4
	case len(p.Steps) > 0:
		return 3
	case p.End == "":
		return 2
	case p.End == galen.EndEscalate:
		return 1
	default:
		return 0
	}
}

// destroys tells of a step that the data or the membership of a node depends on.
func destroys(s galen.Step) bool {
	return slices.Contains([]string{cassandra.VerbFence, cassandra.VerbReplace, cassandra.VerbRemoveJoiner}, s.Verb)
}

// both are the claims of two lists, each once.
func both(a, b []galen.Claim) []galen.Claim {
	out := slices.Clone(a)
	for _, c := range b {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}
