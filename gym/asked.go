package gym

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Asked is the sort of incidents in which a person asks for a runbook that no finding opens, or leaves its work half done.
const Asked = "asked"

// asked draws one of them in the place of what was drawn before.
func (w *writer) asked() {
	in := w.in
	in.Sort, in.Engines, in.Jitter, in.Happen = Asked, 1, 0, nil
	in.Ring.Spares, in.Ring.StraySpare = max(in.Ring.Spares, in.Ring.DCs), false
	switch w.IntN(9) {
	case 0, 1, 2:
		w.tuned()
	case 3, 4:
		w.gone(w.victim, quiet)
		w.add(Happening{At: quiet + w.between(15*time.Second, 40*time.Second), What: AskFor, Verb: "cassandra/replace-node", Who: w.victim})
	default:
		w.leftHalfDone()
	}
}

// gone: a node is dead and empty.
func (w *writer) gone(who string, at time.Duration) {
	w.add(Happening{At: at, What: string(ring.Kill), Who: who})
	w.add(Happening{At: at, What: string(ring.LoseData), Who: who})
}

// tuned: a node joins, and a person lets others send faster. Something comes between it and the end, or not.
func (w *writer) tuned() {
	w.in.Ring.Load = int64(pick(w.dice, 2, 6)) << 30
	at, other := w.after(), w.node()
	w.add(Happening{At: at, What: string(ring.ForeignAdd), Who: fmt.Sprintf("n%d", w.nodes+1)})
	w.add(Happening{
		At: at + w.between(5*time.Second, 40*time.Second), What: AskFor, Verb: "cassandra/tune-streaming",
		Params: fmt.Sprintf(`{"nodes":[%q,%q],"to":%d,"for":"%dm"}`, w.victim, other, 50+w.IntN(100), 1+w.IntN(9)),
	})
	then := at + w.between(30*time.Second, 3*time.Minute)
	switch n := w.IntN(6); n {
	case 3:
		w.add(Happening{
			At: quiet, What: Strike, Verb: pick(w.dice, cassandra.VerbRaiseStream, cassandra.VerbRestoreStream), N: 1 + w.IntN(2),
			Fault: pick(w.dice, ring.LostReply, ring.Delayed, ring.HungBefore, ring.HungAfter, ring.Dropped, ring.Twice),
			Step:  w.between(0, settleTime(cassandra.VerbRaiseStream)-nearly),
		})
	case 4:
		w.upgraded(then)
	default:
		w.disturbed(n, then)
	}
}

// leftHalfDone: the engine becomes another release in the middle of a replacement, whose start is lost at first.
func (w *writer) leftHalfDone() {
	w.gone(w.victim, quiet)
	w.add(Happening{At: quiet, What: Strike, Verb: cassandra.VerbReplace, N: 2, Fault: ring.Dropped})
	w.upgraded(quiet + w.between(40*time.Second, 2*time.Minute))
}

// upgraded: what the old release has begun is held by the new one, and a person cancels it; so the engine owes what is half
// done. Sometimes the old release comes back.
func (w *writer) upgraded(at time.Duration) {
	w.add(Happening{At: at, What: Upgrade, Who: "0", For: w.between(time.Second, 20*time.Second)})
	w.add(Happening{At: at + w.between(5*time.Second, 3*time.Minute), What: Cancel})
	if w.one(4) {
		w.add(Happening{At: at + w.between(time.Minute, 6*time.Minute), What: Upgrade, Who: "0", For: w.between(time.Second, 20*time.Second)})
	}
}

// overtaken: a person restarts a node, whose starts are lost at first, and its neighbour in the rack dies meanwhile. What was asked for is
// less urgent, and lets the healing pass. Something comes between, or not.
func (w *writer) overtaken() {
	in := w.in
	in.Sort, in.Engines, in.Jitter, in.Happen = Asked, 1, 0, nil
	in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 2, Spares: 1, VNodes: 1}
	in.Policy.RestartAfter, in.Policy.LookEvery = 0, galen.Duration(pick(w.dice, 2*time.Second, 5*time.Second))
	in.Policy.LookSoon = in.Policy.LookEvery
	who := 1 + w.IntN(in.Ring.nodes())
	neighbour := 1 + (who+2)%in.Ring.nodes() // nodes are dealt to the racks in turn
	w.victim = fmt.Sprintf("n%d", who)
	w.add(Happening{At: quiet, What: Strike, Verb: cassandra.VerbStart, N: 2, Fault: pick(w.dice, ring.Dropped, ring.HungBefore)})
	w.add(Happening{At: quiet + w.between(0, 10*time.Second), What: AskFor, Verb: "cassandra/restart-node", Who: w.victim})
	w.add(Happening{At: quiet + w.between(0, 10*time.Second), What: string(ring.Kill), Who: fmt.Sprintf("n%d", neighbour)})
	then := quiet + w.between(20*time.Second, 2*time.Minute)
	w.disturbed(w.IntN(5), then)
}

// disturbed: a person cancels, the victim suffers, or the engine does; nothing, for any other number.
func (w *writer) disturbed(how int, then time.Duration) {
	switch how {
	case 0:
		w.add(Happening{At: then, What: Cancel})
	case 1:
		w.hurt(w.victim, then)
	case 2:
		w.engineTroubles(1+w.IntN(2), 1)
	default:
	}
}

// takenOver: a node dies and loses its data, a person cancels its healing right after the fence, and somebody asks for the node anew, or
// the engine finds it. Something comes between that and the end, or not.
func (w *writer) takenOver() {
	in := w.in
	in.Sort, in.Engines, in.Jitter, in.Happen = Asked, 1, 0, nil
	in.Ring.Spares, in.Ring.StraySpare = max(in.Ring.Spares, in.Ring.DCs), false
	w.gone(w.victim, quiet)
	w.add(Happening{At: quiet, What: Cancel, Verb: cassandra.VerbFence})
	at := quiet + w.between(90*time.Second, 6*time.Minute)
	if in.Policy.DestructivePerResource = 2; w.one(4) { // it is spent by the fence, and is there again
		in.Policy.DestructivePerResource, at = 1, at+in.Policy.DestructiveWindow.D()
	}
	w.add(Happening{At: at, What: AskFor, Verb: pick(w.dice, "cassandra/heal-node", "cassandra/replace-node"), Who: w.victim})
	switch w.IntN(5) {
	case 0:
		w.add(Happening{At: at, What: Cancel, Verb: cassandra.VerbReplace})
	case 1:
		w.engineTroubles(1+w.IntN(2), 1)
	case 2:
		w.add(Happening{
			At: quiet, What: Strike, Verb: pick(w.dice, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbRepair), N: 1 + w.IntN(2),
			Fault: pick(w.dice, ring.LostReply, ring.Dropped, ring.HungAfter), Step: w.between(0, 4*time.Second),
		})
	default: // nothing does
	}
}
