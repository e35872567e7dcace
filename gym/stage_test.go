package gym

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/runbooks"
)

// stage is a world made for one guard, for those that chance would hardly ever leave alone: it begins with the trouble that
// the guard is about, the policy lets everything else pass, and the planner prefers the verbs concerned.
type stage struct {
	prefer []string
	// unchecked is a verb whose own Check says the same as the guard, and is left out with it.
	unchecked string
	// besides are real runbooks that a person may ask for.
	besides []galen.ListedRunbook
	// nameless: its steps name nothing, everything, or no end.
	nameless bool
	// short: it ends as soon as it has done something.
	short bool
	// other are steps besides those that the planner knows.
	other func(evil) (galen.Step, bool)
	// of is what the engine is made of besides.
	of     func(*Engine)
	plan   RingPlan // its zero fields: three racks, one node each, one spare in each data centre
	happen func(w *writer)
}

func stages() map[string]stage {
	out := cassandraStages()
	maps.Copy(out, commonStages())
	return out
}

func cassandraStages() map[string]stage {
	const start, stop, kill = cassandra.VerbStart, cassandra.VerbStop, cassandra.VerbKill
	const fence, prepare, replace, remove = cassandra.VerbFence, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbRemoveJoiner
	return map[string]stage{
		"corpse":               {prefer: []string{start}, happen: takenPlace},
		"N12 silence":          {prefer: []string{start}, happen: longSilent},
		"stuck only":           {prefer: []string{kill}, happen: restarts},
		"orderly stop":         {prefer: []string{stop}, happen: restarts},
		"joiner only":          {prefer: []string{fence, prepare, replace, remove}, unchecked: remove, happen: forgotten},
		"N4 alive":             {prefer: []string{fence}, happen: restarts},
		"fence first":          {prefer: []string{prepare, replace}, unchecked: replace, happen: lost},
		"I-13 spacing":         {prefer: []string{fence}, plan: RingPlan{Racks: 6, Spares: 2}, happen: oneAfterTheOther, besides: replaceNode()},
		"I-32 streams":         {prefer: []string{stop}, happen: during(ring.BulkLoad)},
		"I-30 load":            {prefer: []string{stop}, happen: during(ring.Overload)},
		"I-34 clocks":          {prefer: []string{fence, prepare}, of: func(e *Engine) { e.untimed = true }, happen: wrongClock},
		"I-16 one data centre": {prefer: []string{prepare}, unchecked: prepare, plan: RingPlan{DCs: 2, StraySpare: true}, happen: nobodySaysYes},
	}
}

func replaceNode() []galen.ListedRunbook {
	return []galen.ListedRunbook{galen.ListRunbook(runbooks.CassandraReplaceNode())}
}

// drawFor is the world of a seed for a guard.
func drawFor(guard string, seed uint64) Incident {
	s, staged := stages()[guard]
	if !staged {
		return drawHostile(seed)
	}
	d := newDice(seed)
	in := Incident{Seed: seed, Sort: guard, Engines: 1, Policy: widePolicy(), Ring: s.plan}
	in.Ring.DCs, in.Ring.Racks, in.Ring.PerRack = max(in.Ring.DCs, 1), max(in.Ring.Racks, 3), max(in.Ring.PerRack, 1)
	in.Ring.Spares, in.Ring.VNodes, in.Ring.Honest = max(in.Ring.Spares, 1), 1, d.one(4)
	w := &writer{dice: d, in: &in, nodes: in.Ring.Racks * in.Ring.PerRack}
	w.victim = w.node()
	s.happen(w)
	in.sort()
	in.Limit = 7 * time.Minute
	return in
}

// widePolicy lets pass what it may.
func widePolicy() galen.Policy {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	p.LookEvery, p.LookSoon = galen.Duration(10*time.Second), galen.Duration(10*time.Second)
	p.Fallback = galen.Duration(5 * time.Minute)
	p.RunDeadline = galen.Duration(10 * time.Minute)
	p.ReleasePerSecond, p.DestructivePerResource, p.DestructivePerAccount, p.QuarantineAfter = galen.MaxReleasePerSecond, 100, 100, 1000
	p.Cooldown, p.ReplaceAfter = 0, galen.Duration(time.Second)
	p.UnhealthyShare, p.FloorShare = 1, 0
	p.Observers, p.Kinds = 1, 1
	return p
}

func (w *writer) asks(who string, from, until, every time.Duration) {
	for at := from; at < until; at += every {
		w.add(Happening{At: at, What: AskFor, Verb: hostileName, Who: who})
	}
}

func (w *writer) spare() string { return fmt.Sprintf("n%d", w.nodes*w.in.Ring.DCs+1) }

// restarts: the victim is down until all say so, and starts; it is asked for while it does.
func restarts(w *writer) {
	for at := quiet; at < 5*time.Minute; at += 80 * time.Second {
		begins := at + w.between(25*time.Second, 35*time.Second)
		w.add(Happening{At: at, What: string(ring.Kill), Who: w.victim})
		w.add(Happening{At: begins, What: string(ring.Start), Who: w.victim})
		w.asks(w.victim, begins+2500*time.Millisecond, begins+5*time.Second, 800*time.Millisecond)
	}
}

// longSilent: the victim has been down for longer than the tables keep their tombstones.
func longSilent(w *writer) {
	w.in.Policy.GCGrace = galen.Duration(5 * time.Second)
	w.kills(w.victim, quiet)
	w.asks(w.victim, quiet+90*time.Second, 5*time.Minute, 20*time.Second)
}

// takenPlace: a person lets the spare take the place of the victim, whose data are there.
func takenPlace(w *writer) {
	w.add(Happening{At: quiet, What: string(ring.Kill), Who: w.victim})
	at := quiet + w.between(25*time.Second, 40*time.Second)
	w.add(Happening{At: at, What: string(ring.ForeignReplace), Who: w.spare(), Of: w.victim})
	w.asks(w.victim, at+time.Second, at+25*time.Second, 4*time.Second)
}

// lost: the victim is dead and empty.
func lost(w *writer) {
	w.gone(w.victim, quiet)
	w.asks(w.victim, quiet+20*time.Second, 3*time.Minute, 15*time.Second)
}

// wrongClock: the victim is dead and empty, and the engine's clock is a few seconds off.
func wrongClock(w *writer) {
	lost(w)
	w.add(Happening{At: quiet + time.Second, What: Clock, Who: "0", Step: pick(w.dice, 5*time.Second, -5*time.Second)})
}

// nobodySaysYes: what is asked of a person stays unanswered.
func nobodySaysYes(w *writer) {
	lost(w)
	w.in.Asleep = true
}

// forgotten: who took its place is missing in all listings soon afterwards.
func forgotten(w *writer) {
	lost(w)
	w.add(Happening{At: w.between(80*time.Second, 2*time.Minute), What: Lie, N: 1, For: 5 * time.Minute})
}

// oneAfterTheOther: the victim is replaced, and then the node opposite to it dies, with which it shares no range.
func oneAfterTheOther(w *writer) {
	w.in.Policy.ReplaceSpacing = galen.SafePolicy().ReplaceSpacing
	first := 1 + w.IntN(w.nodes)
	other := fmt.Sprintf("n%d", (first+w.nodes/2-1)%w.nodes+1)
	w.victim = fmt.Sprintf("n%d", first)
	w.gone(w.victim, quiet)
	w.add(Happening{At: quiet + 20*time.Second, What: AskFor, Verb: runbooks.CassandraReplaceNode().Name, Who: w.victim})
	w.gone(other, 3*time.Minute)
	w.asks(other, 200*time.Second, 5*time.Minute, 10*time.Second)
}

// during: a node bears a burden while the victim is asked for.
func during(burden ring.Trouble) func(*writer) {
	return func(w *writer) {
		w.add(Happening{At: quiet, What: string(burden), Who: w.node(), For: w.between(time.Minute, 3*time.Minute)})
		w.asks(w.victim, quiet+5*time.Second, 2*time.Minute, 10*time.Second)
	}
}

// standsAlone: with every guard, and without the Check that says the same, this guard alone refuses something in its world, and
// nothing is harmed.
func standsAlone(t *testing.T, guard string, seed uint64) bool {
	t.Helper()
	of := hostileEngine(guard)
	of.Without, of.rows = "", nil
	p, err := Play(t.Context(), drawFor(guard, seed), of)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Violations) > 0 {
		t.Errorf("seed %d of %s, with all guards: %v\n%s", seed, guard, p.Violations, p.Story)
	}
	return p.alone[guard] && len(p.Violations) == 0
}

var stageSeeds = flag.Int("stage-seeds", 1, "how many worlds of each stage TestStages plays, from -first-seed on")

// TestStages: the guards that have a stage are guards; nothing is harmed in their worlds while all are asked.
func TestStages(t *testing.T) {
	for guard := range stages() {
		if !slices.Contains(guardNames(), guard) {
			t.Errorf("%q is no guard any more", guard)
		}
		t.Run(guard, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(*stageSeeds) {
				standsAlone(t, guard, *firstSeed+seed)
			}
		})
	}
}

// A guard that fails whenever it is asked lets nothing through, a common one or one of the kind.
func TestSpoiltGuard(t *testing.T) {
	for _, guard := range []string{gate.CommonGuards()[0].Name, cassandra.Guards()[0].Name} {
		of := hostileEngine("")
		of.spoilt = guard
		p, err := Play(t.Context(), drawHostile(2), of)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 || !strings.Contains(p.Story, "panicked") {
			t.Errorf("%s is spoilt: %v\n%s", guard, p.Violations, p.Story)
		}
	}
}

// Nothing named is nothing done.
func TestNameless(t *testing.T) {
	for seed := range uint64(5) {
		p, err := Play(t.Context(), drawHostile(seed+1), Engine{Runbooks: []galen.ListedRunbook{hostile(stage{nameless: true})}})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 || strings.Contains(p.Story, ": intent ") {
			t.Errorf("seed %d: %v\n%s", seed+1, p.Violations, p.Story)
		}
	}
}
