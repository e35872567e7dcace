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

var onlyGuard = flag.String("guard", "", "the only guard that TestHunt looks for")

// kills is where each guard is missed, and what breaks there: the gate is built without it, the planner is hostile, and the
// checker names the invariant. TestHunt finds the seeds anew.
func kills() map[string]uint64 {
	return map[string]uint64{
		"I-28 scope":                2,   // I-28 at 1m50s: repair node 2@1767578400 of run run3, which was opened for [00000
		"I-01 range movement":       2,   // I-01 at 2m10s: repair node 3@1767582110 although n4 was JOINING
		"I-02 quorum":               2,   // I-02 at 50s: stop node 1@1767578400 took the quorum of 6 ranges away
		"I-11 floor":                3,   // I-11 at 1m2.62s: stop node 2@1767582042 leaves 2 of 3 nodes of dc1 in service, t
		"I-31 joiner":               4,   // I-31 at 3m30s: replace node 5@1767578400: run run1 prepared n8
		"I-07 identity":             6,   // I-07 at 2m2.56s: start node 3@1767582091: it is in generation 1767582092, its pe
		"throttle":                  6,   // throttle at 52.1s: raise-stream-throughput node 3@1767582031 above 150 MiB/s
		"I-24 headroom":             8,   // I-24 at 2m22.08s: fence node 3@1767578400, and no empty instance of dc1 is there
		"I-26 deadline":             67,  // I-26 at 1m30s: prepare instance/n5 of run run1, whose deadline was 1m30s
		"I-23 release rate":         8,   // I-23 at 1m11.21s: kill node 3@1767578400 is call 2 in a second
		"I-15 patience":             30,  // I-15 at 1m11.97s: fence node 3@1767582031: down for 5.7s only, its data are there: true
		"approval":                  11,  // approval at 30s: start node 3@1767578400 in mode approve, and nobody said yes
		"I-17 hold":                 12,  // I-17 at 4m10s: prepare instance/n4 under the hold of 2m52.55s
		"I-20 unsettled intent":     6,   // I-20 at 1m25.79s: stop node 3@1767582031 while stop node 3@1767582031 (intent run1-2) was not settled
		"I-05 fresh view":           14,  // I-05 at 1m10s: kill node 1@1767578400, and nobody of rack dc1/r2 was heard
		"I-34 clocks":               1,   // I-34 at 50s: by an engine whose clock is 5s off, in its stage
		"I-32 calendar":             18,  // I-32 calendar at 2m30s: prepare instance/n5 in the window backup
		"claim order":               13,  // claim order at 50s: prepare instance/n5 of run run1 takes node/instance/n5 and holds node/instance/n4
		"I-19 failure domain":       74,  // I-19 at 2m22.61s: discard instance/n4 of run run2 while discard instance/n5 of r
		"I-10 budgets":              248, // I-10 at 1m50s: replace node 5@1767578400 is destructive target 2 in 30m0s
		"I-04 observers agree":      58,  // I-04 at 54.54s: fence node 1@1767578400: only 5 observers could say that it is d
		"I-32 schema":               68,  // I-32 schema at 40s: fence node 10@1767578400 while n4 knows another schema
		"I-22 the engine's own":     148, // I-22 at 53.1s: start node 4@1767578400, which the engine itself needs, and nobod
		"I-03 storm":                162, // I-03 storm at 4m10s: kill node 2@1767582030 while 3 of 3 nodes of dc1 are down,
		"corpse":                    1,   // corpse at 50s: start node 3@1767578400: n4 is taking its place
		"orderly stop":              1,   // orderly stop at 50s: stop node 3@1767582047: it works and is neither NORMAL nor draining
		"joiner only":               1,   // joiner only at 1m40s: remove-joiner instance/n4: it holds the data of a node in service
		"N4 alive":                  1,   // N4 alive at 50s: fence node 3@1767582047: it answers that it is STARTING
		"I-13 spacing":              1,   // I-13 at 3m20s: fence node 5@1767578400 1m50s after the replacement of node 2@1767578400
		"I-32 streams":              1,   // I-32 streams at 25s: stop node 3@1767578400: n1 streams (1)
		"I-30 load":                 1,   // I-30 load at 25s: stop node 3@1767578400: 5000 requests wait at n1
		"I-16 one data centre":      1,   // I-16 at 40s: prepare instance/n7: n7 stands in dc2, the dead one in dc1
		"N12 silence":               1,   // N12 silence at 50s: start node 3@1767578400: it was silent for 30s
		"stuck only":                1,   // stuck only at 50s: kill node 3@1767582047: it answers that it is STARTING
		"fence first":               5,   // fence first at 1m0s: replace node 2@1767578400: it is not fenced
		"I-27 one version":          1,   // I-27 at 30s: start node 3@1767578400 of run run1, begun with version 1 of cassandra/hos
		"I-25 deletion":             1,   // I-25 at 50s: wipe node 3@1767578400 of run run1, and no restore point was verified
		"I-14 cool-down":            1,   // I-14 at 4m0s: start node 3@1767582050 of run run2, 3m10s after run run1 did start node
		"I-12 quarantine":           1,   // I-12 at 1m0s: start node 3@1767578400 of cassandra/hostile, whose start failed on 2 ta
		"undo owed":                 3,   // undo owed at 40s: raise-stream-throughput node 1@1767578400 of run run2 before the rai
		"I-19 claims":               5,   // I-19 claims at 1m13.46s: fence node 2@1767578400 of run run3 takes ring, which repair node 5@17
		"I-09 whole listing":        6,   // I-09 at 40s: kill node 3@1767578400 on a listing that lacked 2 of 9 members
		"I-03 share of bad members": 11,  // I-03 at 50s: fence node 1@1767578400 while 2 of 6 nodes of dc1 are down, in 2 racks
		"I-02 repair owed":          892, // I-02 repair owed at 4m20s: fence node 6@1767578400 before n8, which joined from
	}
}

// breaks are the invariants whose breach is a guard's. What else breaks in the same world is not its doing.
func breaks(guard string) []string {
	named := map[string][]string{
		"I-19 claims": {"I-19 claims"}, // the bare number is the failure domain's
	}
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

// TestHostilePlannerDoesNoHarm: with all guards, nothing breaks in the worlds of a hostile planner.
func TestHostilePlannerDoesNoHarm(t *testing.T) {
	for i := range uint64(*hostiles) {
		seed := *firstSeed + i
		p, err := Play(t.Context(), drawHostile(seed), hostileEngine(""))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 {
			t.Errorf("seed %d, again: go test ./gym -run TestHostilePlannerDoesNoHarm -hostiles 1 -first-seed %d\n%v\n%s", seed, seed, p.Violations, p.Story)
		}
	}
}

var hostiles = flag.Int("hostiles", 10, "how many worlds TestHostilePlannerDoesNoHarm plays")

func hostileEngine(without string) Engine {
	on := stages()[without]
	of := Engine{Runbooks: append([]galen.ListedRunbook{hostile(on)}, on.besides...), Without: without, unchecked: on.unchecked}
	if on.of != nil {
		on.of(&of)
	}
	return of
}

// missed plays a world without a guard, and gives the breach that is its doing.
func missed(t *testing.T, guard string, seed uint64) (Violation, bool) {
	t.Helper()
	of := hostileEngine(guard)
	of.rows = weaken(guard)
	p, err := Play(t.Context(), drawFor(guard, seed), of)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Violations, func(v Violation) bool { return slices.Contains(breaks(guard), v.Invariant) })
	if i < 0 {
		return Violation{}, false
	}
	return p.Violations[i], true
}

// TestGuardKill: every guard stands alone in its world, where nothing is harmed while all are asked, and is missed there.
func TestGuardKill(t *testing.T) {
	if *hunt {
		t.Skip("TestHunt looks for the worlds")
	}
	known := kills()
	for guard := range known {
		if !slices.Contains(guardNames(), guard) {
			t.Errorf("%q is no guard any more", guard)
		}
	}
	for _, guard := range guardNames() {
		seed, has := known[guard]
		if !has {
			t.Errorf("no world is known in which guard %q is missed: go test ./gym -run TestHunt -hunt -guard %q", guard, guard)
			continue
		}
		t.Run(guard, func(t *testing.T) {
			t.Parallel()
			if !standsAlone(t, guard, seed) {
				t.Errorf("it does not stand alone in the world of seed %d: each step that it refuses is refused by another one, too", seed)
			}
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
	left := slices.DeleteFunc(guardNames(), func(guard string) bool {
		return *onlyGuard != "" && guard != *onlyGuard || huntOnStage(t, guard)
	})
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

// huntOnStage looks for the seed of a guard that has a stage, and tells whether it has.
func huntOnStage(t *testing.T, guard string) bool {
	t.Helper()
	if _, staged := stages()[guard]; !staged {
		return false
	}
	for seed := *firstSeed; seed < *firstSeed+*killSeeds; seed++ {
		if !standsAlone(t, guard, seed) {
			continue
		}
		if v, ok := missed(t, guard, seed); ok {
			fmt.Printf("\t\t%q: %d, // %s\n", guard, seed, v)
			return true
		}
	}
	t.Errorf("nobody missed %q on its stage in %d worlds", guard, *killSeeds)
	return true
}

var missing = flag.String("without", "", "guard that TestStory leaves out")

// TestStory tells one hostile world: go test ./gym -run TestStory -first-seed 4 -without "I-28 scope" -v.
func TestStory(t *testing.T) {
	if *missing == "" {
		return
	}
	p, err := Play(t.Context(), drawFor(*missing, *firstSeed), hostileEngine(*missing))
	t.Logf("%v %v\n%s", err, p.Violations, p.Story)
}
