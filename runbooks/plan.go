package runbooks

import (
	"fmt"

	"github.com/galenhq/galen"
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

// gravest of the plans for several targets: act first, then wait, then ask a person; done only if all are.
func gravest(plans []galen.Plan) galen.Plan {
	rank := func(p galen.Plan) int {
		switch {
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
	best := plans[0]
	for _, p := range plans[1:] {
		if rank(p) > rank(best) {
			best = p
		}
	}
	return best
}
