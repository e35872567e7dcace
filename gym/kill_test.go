package gym

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/gate"
)

var hunt = flag.Bool("hunt", false, "search for the seed of each guard anew, from 1 on")

var killSeeds = flag.Uint64("kill-seeds", 1000, "how many worlds each hunt may take")

// kills is where each guard is missed: the gate is built without it, the planner is hostile, and the checker names the
// invariant that broke. 0: not found yet, and what stands in its way.
func kills() map[string]uint64 { return map[string]uint64{} }

// breaks are the invariants whose breach is a guard's. What else breaks in the same world is not its doing.
func breaks(guard string) []string {
	named := map[string][]string{}
	if all, special := named[guard]; special {
		return all
	}
	return []string{guard, invariantOf(guard)}
}

// invariantOf is "I-07" of "I-07 identity".
func invariantOf(guard string) string {
	var id string
	if _, err := fmt.Sscanf(guard, "I-%2s", &id); err == nil {
		return "I-" + id
	}
	return guard
}

func guardNames() []string {
	var out []string
	for _, g := range gate.CommonGuards() {
		out = append(out, g.Name)
	}
	for _, g := range cassandra.Guards() {
		out = append(out, g.Name)
	}
	return out
}

// TestHostilePlannerDoesNoHarm: with all guards, none of the worlds that kill a guard breaks anything.
func TestHostilePlannerDoesNoHarm(t *testing.T) {
	for seed := range uint64(*hostiles) {
		p, err := Play(t.Context(), drawHostile(seed+1), hostileEngine(""))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 {
			t.Errorf("seed %d: %v\n%s", seed+1, p.Violations, p.Story)
		}
	}
}

var hostiles = flag.Int("hostiles", 10, "how many worlds TestHostilePlannerDoesNoHarm plays")

func hostileEngine(without string) Engine {
	return Engine{Runbooks: []galen.ListedRunbook{hostile()}, Without: without}
}

// missed plays a world without a guard, and gives the breach that is its doing.
func missed(t *testing.T, guard string, seed uint64) (Violation, bool) {
	t.Helper()
	of := hostileEngine(guard)
	of.rows = weaken(guard)
	p, err := Play(t.Context(), drawHostile(seed), of)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Violations, func(v Violation) bool { return slices.Contains(breaks(guard), v.Invariant) })
	if i < 0 {
		return Violation{}, false
	}
	return p.Violations[i], true
}

// TestGuardKill: every guard is missed in its world.
func TestGuardKill(t *testing.T) {
	if *hunt {
		t.Skip("TestHunt looks for the worlds")
	}
	known := kills()
	for _, guard := range guardNames() {
		seed, has := known[guard]
		if !has {
			t.Logf("guard %q has no world in which it is missed: go test ./gym -run TestHunt -hunt", guard)
			continue
		}
		t.Run(guard, func(t *testing.T) {
			t.Parallel()
			if v, ok := missed(t, guard, seed); ok {
				t.Logf("seed %d: %s", seed, v)
			} else {
				t.Errorf("nobody missed it in the world of seed %d", seed)
			}
		})
	}
}

// TestHunt looks for the first world in which each guard is missed: one in which it alone refused something.
func TestHunt(t *testing.T) {
	if !*hunt {
		return
	}
	left := guardNames()
	for seed := *firstSeed; seed < *firstSeed+*killSeeds && len(left) > 0; seed++ {
		p, err := Play(t.Context(), drawHostile(seed), hostileEngine(""))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 {
			t.Errorf("seed %d, with all guards: %v", seed, p.Violations)
			continue
		}
		left = slices.DeleteFunc(left, func(guard string) bool {
			if !p.alone[guard] {
				return false
			}
			v, ok := missed(t, guard, seed)
			if ok {
				fmt.Printf("\t\t%q: %d, // %s\n", guard, seed, v)
			} else {
				fmt.Printf("-- %s stood alone in seed %d and nobody missed it\n", guard, seed)
			}
			return ok
		})
	}
	for _, guard := range left {
		t.Errorf("nobody missed %q in %d worlds", guard, *killSeeds)
	}
}

var missing = flag.String("without", "", "guard that TestStory leaves out")

// TestStory tells one hostile world: go test ./gym -run TestStory -first-seed 4 -without "I-28 scope" -v.
func TestStory(t *testing.T) {
	if *missing == "" {
		return
	}
	p, err := Play(t.Context(), drawHostile(*firstSeed), hostileEngine(*missing))
	t.Logf("%v %v\n%s", err, p.Violations, p.Story)
}
