package gym

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// beyond draws what came to the incidents later. Each part has dice of its own, so that what is drawn elsewhere stays.
func beyond(seed uint64, in *Incident, victim string) {
	part := func(salt uint64) *writer {
		return &writer{dice: newDice(seed ^ salt), in: in, nodes: in.Ring.nodes(), victim: victim}
	}
	if w := part(0x94d049bb133111eb); in.Sort != Flapping && w.one(25) {
		w.asked()
		return
	}
	if w := part(0x9fb21c651e98df25); in.Sort != Flapping && w.one(60) {
		w.overtaken()
		return
	}
	if w := part(0xa0761d6478bd642f); in.Sort != Flapping && w.one(60) {
		w.takenOver()
		return
	}
	if w := part(0xe7037ed1a0b428db); in.Sort != Flapping && w.one(60) {
		w.relapses()
		return
	}
	part(0xd1b54a32d192ed03).sharpen()
	part(0xbf58476d1ce4e5b9).faults()
	part(0xff51afd7ed558ccd).clocks()
	part(0xc4ceb9fe1a85ec53).room()
	part(0x2545f4914f6cdd1d).silence()
}

// silence: hints and tombstones that are kept for a short time only, so that a node which was down has missed writes, or may not
// come back any more. Hours of virtual time would show the same.
func (w *writer) silence() {
	if w.one(12) {
		w.in.Policy.HintWindow = galen.Duration(pick(w.dice, 0, 10*time.Second, 2*time.Minute))
	}
	if w.one(30) {
		w.in.Policy.GCGrace = galen.Duration(pick(w.dice, 11*time.Minute, 12*time.Minute, 15*time.Minute))
	}
}

// relapses: a node that missed writes is started and dies again before it is repaired, for nobody is there to repair it from, or at
// once; by then, or soon, the others have forgotten what was deleted while it was silent first.
func (w *writer) relapses() {
	in := w.in
	in.Sort, in.Engines, in.Jitter, in.Happen = Double, 1, 0, nil
	in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 1, VNodes: pick(w.dice, 1, 2), Honest: w.one(2)}
	in.Policy.Mode, in.Policy.RestartAfter = galen.ModeAct, galen.Duration(time.Minute)
	in.Policy.HintWindow = galen.Duration(pick(w.dice, 0, 10*time.Second))
	in.Policy.GCGrace = galen.Duration(pick(w.dice, 14*time.Minute, 16*time.Minute))
	who := w.IntN(in.Ring.nodes())
	w.victim = fmt.Sprintf("n%d", 1+who)
	w.add(Happening{At: quiet, What: string(ring.Kill), Who: w.victim})
	last := quiet + in.Policy.GCGrace.D() + 2*time.Minute
	switch w.IntN(4) {
	case 0: // soon, and a replacement is at hand
		in.Ring.Spares = 1
		w.add(Happening{At: quiet + w.between(90*time.Second, 3*time.Minute), What: string(ring.Kill), Who: w.victim})
		return
	case 1: // time and again
		in.Policy.RestartsPerRun, in.Policy.FlapFlips = 10, 100
		for at := quiet; at < last; {
			at += w.between(3*time.Minute, 4*time.Minute)
			w.add(Happening{At: at, What: string(ring.Kill), Who: w.victim})
		}
	default:
		w.add(Happening{At: last - w.between(0, 12*time.Minute), What: string(ring.Kill), Who: w.victim})
	}
	w.gone(fmt.Sprintf("n%d", 1+(who+1)%in.Ring.nodes()), quiet+w.between(0, 10*time.Second))
}

// room: spares on whose disk there is too little of it, or hardly enough, and loads that nobody tells.
func (w *writer) room() {
	p := &w.in.Ring
	held := max(p.Load, ring.Slight)
	if w.one(6) && p.Spares > 0 {
		if w.in.Sort == Single || w.one(2) { // alone they would be a second fault: as many have room
			p.Spares += p.DCs
		}
		enough := held*13/10 + 1
		p.Full, p.FullFree = p.DCs, pick(w.dice, held/2, held, enough-2, enough)
	}
	if w.one(8) {
		p.Untold = pick(w.dice, w.victim, w.victim, "*")
	}
}

// clocks: that of an engine is wrong for a while, or for good, while calls are under way; once it is right a person may ask for a
// replacement.
func (w *writer) clocks() {
	in := w.in
	if !slices.Contains([]string{Rivals, Calls, Crowd}, in.Sort) || !w.one(6) {
		return
	}
	by := pick(w.dice, time.Hour, -time.Hour, 15*time.Minute, -15*time.Minute, 5*time.Second, -5*time.Second)
	at, engine := w.between(0, 2*time.Minute), strconv.Itoa(w.IntN(in.Engines))
	w.add(Happening{At: at, What: Clock, Who: engine, Step: by})
	if w.one(5) && in.Engines > 1 {
		return
	}
	right := at + w.between(time.Second, 3*time.Minute)
	w.add(Happening{At: right, What: Clock, Who: engine, Step: -by})
	if w.one(3) {
		w.add(Happening{At: right + w.between(30*time.Second, 2*time.Minute), What: AskFor, Verb: "cassandra/replace-node", Who: w.victim})
	}
}

// sharpen moves what was drawn to where the rules of the engine begin and end: what is late is late between a commit and its
// call, and calls arrive right before their absence is believed.
func (w *writer) sharpen() {
	in, late := w.in, false
	for i := range in.Happen {
		if w.late(&in.Happen[i]) {
			late = true
		}
	}
	if in.Sort == Calls && w.one(3) { // an order to the node itself
		w.add(Happening{
			At: quiet, What: Strike, Verb: cassandra.VerbRepair, N: 1 + w.IntN(2), Fault: ring.Delayed,
			Step: w.between(2*time.Second, settleTime(cassandra.VerbRepair)-nearly),
		})
		late = true
	}
	if late && w.one(4) { // who looks seldom never sees that nothing has happened yet; each look has its price
		in.Policy.LookSoon = galen.Duration(pick(w.dice, time.Second, 2*time.Second))
	}
}

// late makes what was drawn happen as late as it may; it tells whether that is a call.
func (w *writer) late(h *Happening) bool {
	switch {
	case h.What == StoreLag && w.one(2):
		h.Point = After
	case h.What == Freeze && w.one(2):
		h.N, h.Point = 1+w.IntN(30), After
	case h.What == Strike && h.Fault == ring.Delayed && w.one(2):
		h.Step = w.between(4*time.Second, settleTime(h.Verb)-nearly)
		return true
	}
	return false
}

// nearly is how long before the end of the settle time a call may still arrive.
const nearly = 500 * time.Millisecond

// settleTime of a verb; of "", any verb, the shortest.
func settleTime(verb string) time.Duration {
	least := time.Hour
	for _, v := range cassandra.Verbs() {
		if verb == v.Name {
			return v.Settle
		}
		if v.Class > galen.Read {
			least = min(least, v.Settle)
		}
	}
	return least
}

// faults are those of calls that answer what is not so, of networks that are cut in part, of nodes that are slow, and of clocks
// and listings that are wrong while something is broken.
func (w *writer) faults() {
	in := w.in
	for i := range in.Happen {
		if h := &in.Happen[i]; h.What == string(ring.ForeignRepair) { // long enough to be met
			h.For = w.between(10*time.Second, 4*time.Minute)
		}
	}
	switch in.Sort {
	case Calls:
		w.answers(w.IntN(3))
		if w.one(3) {
			w.add(Happening{At: quiet, What: string(ring.Break), Who: w.empty()})
		}
	case Double, Dying:
		w.answers(w.IntN(2))
		w.doubts()
		w.network()
	case Crowd, Healthy:
		w.network()
	default: // the trouble that it has is what it is about
	}
}

// answers are calls whose answer says nothing about their effect, or that arrive twice.
func (w *writer) answers(n int) {
	verbs := []string{
		cassandra.VerbStart, cassandra.VerbKill, cassandra.VerbFence, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbRepair,
		cassandra.VerbClearReplace, cassandra.VerbRemoveJoiner,
	}
	for range n {
		verb := pick(w.dice, verbs...)
		w.add(Happening{
			At: quiet, What: Strike, Verb: verb, N: 1 + w.IntN(2), Fault: pick(w.dice, ring.Twice, ring.LiedOK, ring.Throttled),
			Step: w.between(0, settleTime(verb)-nearly),
		})
	}
}

// doubts: what the engine is told is wrong for a while.
func (w *writer) doubts() {
	switch at := w.after(); w.IntN(10) {
	case 0:
		by := pick(w.dice, time.Hour, -time.Hour, 5*time.Second, -5*time.Second)
		w.add(Happening{At: at, What: Clock, Who: "0", Step: by})
		w.add(Happening{At: at + w.between(time.Second, 3*time.Minute), What: Clock, Who: "0", Step: -by})
	case 1, 2:
		w.add(Happening{At: at, What: Lie, N: 1 + w.IntN(w.nodes), For: w.between(time.Second, 3*time.Minute)})
	default: // nothing is
	}
}

// network: a rack that the engine does not reach, a node that hears nobody, one that nobody hears, one that is slow.
func (w *writer) network() {
	at, lasts, who := w.after(), w.between(5*time.Second, 5*time.Minute), w.node()
	switch w.IntN(10) {
	case 0:
		for _, name := range w.rackOf(who) {
			w.add(Happening{At: at, What: string(ring.Cut), Who: name, For: lasts})
			w.add(Happening{At: at, What: string(ring.HideHost), Who: name, For: lasts})
		}
	case 1:
		w.add(Happening{At: at, What: string(ring.Mute), Who: who, For: lasts})
	case 2:
		w.add(Happening{At: at, What: string(ring.Deafen), Who: who, For: lasts})
	case 3, 4:
		w.add(Happening{At: at, What: string(ring.Slow), Who: who, For: lasts})
	default: // all is well
	}
}

// rackOf are the nodes of the rack in which one stands.
func (w *writer) rackOf(who string) []string {
	p := w.in.Ring
	place := func(i int) [2]int { return [2]int{i / (p.PerRack * p.Racks), i % p.Racks} } // PerRack*Racks is a multiple of Racks
	var out []string
	for i := range w.nodes {
		if name := fmt.Sprintf("n%d", i+1); name == who {
			for k := range w.nodes {
				if place(k) == place(i) {
					out = append(out, fmt.Sprintf("n%d", k+1))
				}
			}
		}
	}
	return out
}
