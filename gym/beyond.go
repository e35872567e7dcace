package gym

import (
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
	part(0xd1b54a32d192ed03).sharpen()
}

// sharpen moves what was drawn to where the rules of the engine begin and end: what is late is late between a commit and its
// call, and calls arrive right before their absence is believed.
func (w *writer) sharpen() {
	in, late := w.in, false
	for i := range in.Happen {
		h := &in.Happen[i]
		switch {
		case h.What == StoreLag && w.one(2):
			h.Point = After
		case h.What == Freeze && w.one(2):
			h.N, h.Point = 1+w.IntN(30), After
		case h.What == Strike && h.Fault == ring.Delayed && w.one(2):
			h.Step, late = w.between(4*time.Second, settleTime(h.Verb)-nearly), true
		}
	}
	if in.Sort == Calls && w.one(3) { // an order to the node itself: no host refuses it once another one came
		w.add(Happening{
			At: quiet, What: Strike, Verb: cassandra.VerbRepair, N: 1 + w.IntN(2), Fault: ring.Delayed,
			Step: w.between(2*time.Second, settleTime(cassandra.VerbRepair)-nearly),
		})
		late = true
	}
	if late { // who looks seldom never sees that nothing has happened yet
		in.Policy.LookSoon = galen.Duration(pick(w.dice, time.Second, 2*time.Second))
	}
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
