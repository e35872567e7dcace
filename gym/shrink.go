package gym

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// shrinkTries bounds the work for one failure.
const shrinkTries = 60

// shrink leaves out of an incident what its violation does not need: each thing that happens, the second engine, the
// jitter. What stays is the shortest story that was found.
func shrink(ctx context.Context, p Played, of Engine) Played {
	tries := 0
	still := func(in Incident) bool {
		if tries++; tries > shrinkTries {
			return false
		}
		again, err := Play(ctx, in, of)
		if err != nil || !again.broke(p.Violations[0].Invariant) {
			return false
		}
		p = again
		return true
	}
	for i := 0; i < len(p.Incident.Happen); {
		in := p.Incident
		in.Happen = slices.Delete(slices.Clone(in.Happen), i, i+1)
		if !still(in) {
			i++
		}
	}
	for _, simpler := range []func(*Incident){
		func(in *Incident) { in.Engines = 1 },
		func(in *Incident) { in.Jitter = 0 },
		func(in *Incident) { in.Ring.VNodes = 1 },
		func(in *Incident) { in.Ring.Lag = 0 },
		func(in *Incident) { in.Ring.Slow = 0 },
		func(in *Incident) { in.Ring.Load, in.Ring.Writes = 0, false },
		func(in *Incident) { in.Ring.Full, in.Ring.FullFree, in.Ring.Untold = 0, 0, "" },
	} {
		in := p.Incident
		if simpler(&in); in.Engines != p.Incident.Engines || in.Jitter != p.Incident.Jitter || in.Ring != p.Incident.Ring {
			still(in)
		}
	}
	return p
}

// broke tells whether an invariant did not hold.
func (p Played) broke(invariant string) bool {
	return slices.ContainsFunc(p.Violations, func(v Violation) bool { return v.Invariant == invariant })
}

// Replay is the one command that plays a seed again.
func Replay(seed uint64) string { return fmt.Sprintf("galen gym --seed %d --n 1 --story", seed) }

// Again is the command that plays a seed of this report again.
func (r Report) Again(seed uint64) string {
	if r.again == nil {
		return Replay(seed)
	}
	return r.again(seed)
}

// Told are the failures for people: of each the seed, what broke, how to play it again, and the shortest story.
func (r Report) Told() string {
	var b strings.Builder
	for i, f := range r.Faults {
		why := f.Why
		if i > 0 { // one stack is enough
			why, _, _ = strings.Cut(why, "\n")
		}
		fmt.Fprintf(&b, "seed %d, again: %s\n  at fault: %s\n", f.Seed, r.Again(f.Seed), why)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "seed %d, again: %s\n", f.Incident.Seed, r.Again(f.Incident.Seed))
		for _, v := range f.Violations {
			fmt.Fprintf(&b, "  %s\n", v)
		}
	}
	for _, f := range r.Shortest {
		fmt.Fprintf(&b, "\nthe shortest story found for seed %d:\n%s", f.Incident.Seed, f.Story)
		for _, v := range f.Violations {
			fmt.Fprintf(&b, "  %s\n", v)
		}
	}
	return b.String()
}
