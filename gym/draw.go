package gym

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// dice draws from one seed.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x67616c656e))} }

// one in n.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

func (d dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)+1)).Truncate(10*time.Millisecond)
}

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// The sorts of incidents.
const (
	Single  = "single"  // one thing goes wrong with one node, and all else works
	Calls   = "calls"   // besides, calls are lost, late, doubled or lie
	Dying   = "dying"   // besides, engines die, freeze, lose their journal or their sight
	Double  = "double"  // a second node suffers meanwhile
	Storm   = "storm"   // many nodes at once
	Crowd   = "crowd"   // people and other tools work on the same ring
	Rivals  = "rivals"  // two engines on one journal
	Healthy = "healthy" // nothing is wrong: alerts, lies and clocks only
)

// Sorts are all of them.
func Sorts() []string {
	return []string{Single, Calls, Dying, Double, Storm, Crowd, Rivals, Healthy, Flapping, Asked}
}

// Draw makes the incident of a seed.
func Draw(seed uint64) Incident {
	d := newDice(seed)
	in := Incident{Seed: seed, Engines: 1}
	in.Sort = pick(d, Single, Single, Single, Calls, Calls, Dying, Dying, Double, Storm, Crowd, Rivals, Healthy)
	in.Ring = drawRing(d)
	if in.Sort == Single { // a spare that is missing, or elsewhere, would be a second fault
		in.Ring.Spares, in.Ring.StraySpare = max(in.Ring.Spares, in.Ring.DCs), false
	}
	in.Policy = drawPolicy(d)
	w := &writer{dice: d, in: &in, nodes: in.Ring.nodes()}
	w.victim = w.node()
	w.happen()
	broaden(seed, &in, w.victim)
	beyond(seed, &in, w.victim)
	in.sort()
	in.Limit = in.last() + in.Policy.RunDeadline.D() + 15*time.Minute
	return in
}

func drawRing(d dice) RingPlan {
	p := RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: pick(d, 1, 2, 4), Honest: d.one(3)}
	switch d.IntN(8) {
	case 0:
		p.PerRack = 2
	case 1:
		p.DCs, p.Spares = 2, 2
	case 2:
		p.Spares = 0
	case 3:
		p.DCs, p.StraySpare = 2, d.one(2)
	}
	return p
}

func drawPolicy(d dice) galen.Policy {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	if d.one(6) {
		p.Mode = galen.ModeApprove
	}
	p.LookEvery = galen.Duration(pick(d, 5*time.Second, 10*time.Second, 15*time.Second))
	p.LookSoon = galen.Duration(pick(d, 5*time.Second, 10*time.Second, 15*time.Second, 20*time.Second))
	p.Fallback = galen.Duration(pick(d, time.Minute, 2*time.Minute))
	p.StepDeadline = galen.Duration(5 * time.Minute)
	p.HoldFor = galen.Duration(pick(d, 10*time.Second, 30*time.Second))
	p.RestartAfter = galen.Duration(pick(d, 0, 20*time.Second, time.Minute))
	p.RunDeadline = galen.Duration(time.Hour)
	return p
}

// writer writes what happens.
type writer struct {
	dice
	in     *Incident
	nodes  int
	victim string
}

func (w *writer) node() string { return fmt.Sprintf("n%d", 1+w.IntN(w.nodes)) }

func (w *writer) add(h Happening) { w.in.Happen = append(w.in.Happen, h) }

// after is a moment in the first minutes of an incident, which begins at [quiet].
func (w *writer) after() time.Duration { return quiet + w.between(0, 4*time.Minute) }

// quiet is how long the engine watches the healthy ring at first.
const quiet = 20 * time.Second

func (w *writer) happen() {
	switch w.in.Sort {
	case Single:
		w.hurt(w.victim, quiet)
	case Calls:
		w.hurt(w.victim, quiet)
		w.strikes(1 + w.IntN(3))
	case Dying:
		w.hurt(w.victim, quiet)
		w.engineTroubles(1+w.IntN(3), 1)
	case Double:
		w.hurt(w.victim, quiet)
		w.hurt(w.node(), w.after())
		w.strikes(w.IntN(2))
	case Storm:
		for range 2 + w.IntN(w.nodes) {
			w.hurt(w.node(), quiet+w.between(0, 20*time.Second))
		}
	case Crowd:
		w.hurt(w.victim, quiet)
		w.people(1 + w.IntN(3))
	case Rivals:
		w.in.Engines, w.in.Jitter = 2, pick(w.dice, 50*time.Millisecond, 500*time.Millisecond, 3*time.Second)
		w.hurt(w.victim, quiet)
		if w.one(2) {
			w.hurt(w.node(), w.after())
		}
		w.engineTroubles(w.IntN(3), 2)
	default: // Healthy
		w.falseAlarms(1 + w.IntN(3))
	}
}

// hurt is one trouble of one node.
func (w *writer) hurt(who string, at time.Duration) {
	trouble := func(t ring.Trouble, at time.Duration) { w.add(Happening{At: at, What: string(t), Who: who}) }
	switch w.IntN(10) {
	case 0, 1, 2:
		trouble(ring.Kill, at)
	case 3, 4:
		trouble(ring.Freeze, at)
	case 5, 6, 7:
		trouble(ring.Kill, at)
		trouble(ring.LoseData, at)
	case 8:
		trouble(ring.Stop, at)
	default:
		trouble(ring.Kill, at)
		trouble(ring.LoseData, at+w.between(0, time.Minute))
	}
}

// strikes lets calls meet faults.
func (w *writer) strikes(n int) {
	verbs := []string{
		"", cassandra.VerbStart, cassandra.VerbKill, cassandra.VerbFence, cassandra.VerbPrepare, cassandra.VerbReplace,
		cassandra.VerbRepair, cassandra.VerbClearReplace, cassandra.VerbRemoveJoiner,
	}
	for range n {
		w.add(Happening{
			At: quiet, What: Strike, Verb: pick(w.dice, verbs...), N: 1 + w.IntN(2), Step: w.between(0, 4*time.Second),
			Fault: pick(w.dice, ring.LostReply, ring.Delayed, ring.HungBefore, ring.HungAfter, ring.Dropped),
		})
	}
}

// engineTroubles are crashes, suspensions, failures of the journal, blindness.
func (w *writer) engineTroubles(n, engines int) {
	for range n {
		h := Happening{At: w.after(), Who: fmt.Sprint(w.IntN(engines))}
		switch w.IntN(8) {
		case 0, 1, 2, 3:
			h.What, h.N, h.Point, h.For = Crash, 1+w.IntN(30), pick(w.dice, Points()...), w.between(time.Second, time.Minute)
		case 4:
			h.What, h.For = Freeze, w.between(time.Second, 30*time.Second)
		case 5:
			h.What, h.For = StoreOut, w.between(time.Second, time.Minute)
		case 6:
			h.What, h.For, h.Step = StoreLag, w.between(10*time.Second, 2*time.Minute), w.between(0, 3*time.Second)
		default:
			h.What, h.For = Blind, w.between(time.Second, 2*time.Minute)
		}
		w.add(h)
	}
}

// people are the others who work on the ring.
func (w *writer) people(n int) {
	for range n {
		at, other := w.after(), w.node()
		switch w.IntN(9) {
		case 0:
			w.add(Happening{At: at, What: Hold})
			w.add(Happening{At: at + w.between(time.Second, 10*time.Minute), What: Release})
		case 1:
			w.add(Happening{At: at, What: Cancel})
		case 2:
			w.add(Happening{At: at, What: string(ring.Start), Who: w.victim})
		case 3:
			w.add(Happening{At: at, What: string(ring.Stop), Who: other})
			w.add(Happening{At: at + w.between(30*time.Second, 5*time.Minute), What: string(ring.Start), Who: other})
		case 4:
			w.add(Happening{At: at, What: string(ring.Leave), Who: other})
		case 5:
			w.add(Happening{At: at, What: string(ring.ForeignAdd), Who: fmt.Sprintf("n%d", w.nodes+1)})
		case 6:
			w.add(Happening{At: at, What: string(ring.Disagree), Who: other})
			w.add(Happening{At: at + w.between(time.Second, 5*time.Minute), What: string(ring.Mend), Who: other})
		case 7:
			w.add(Happening{At: at, What: AskFor, Verb: "cassandra/restart-node", Who: other})
		default:
			w.add(Happening{At: at, What: AskFor, Verb: "cassandra/replace-node", Who: w.victim})
		}
	}
}

// falseAlarms happen to a healthy ring.
func (w *writer) falseAlarms(n int) {
	for range n {
		at := w.after()
		switch w.IntN(7) {
		case 0:
			w.add(Happening{At: at, What: Alert, Who: w.victim, N: 1 + w.IntN(5)})
		case 1:
			w.add(Happening{At: at, What: Blind, Who: "0", For: w.between(time.Second, 5*time.Minute)})
		case 2:
			w.add(Happening{At: at, What: string(ring.Cut), Who: w.victim})
			w.add(Happening{At: at + w.between(time.Second, 5*time.Minute), What: string(ring.Mend), Who: w.victim})
		case 3:
			w.add(Happening{At: at, What: string(ring.HideHost), Who: w.victim})
			w.add(Happening{At: at + w.between(time.Second, 5*time.Minute), What: string(ring.Mend), Who: w.victim})
		case 4:
			w.add(Happening{At: at, What: Lie, N: 1 + w.IntN(w.nodes), For: w.between(time.Second, 5*time.Minute)})
		case 5:
			w.add(Happening{At: at, What: Clock, Who: "0", Step: pick(w.dice, time.Hour, -time.Hour, 5*time.Second, -5*time.Second)})
		default:
			w.add(Happening{At: at, What: AskFor, Verb: "cassandra/restart-node", Who: w.victim})
		}
	}
}
