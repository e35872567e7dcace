package gym

import (
	"fmt"
	"time"

	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Flapping is the sort of incidents in which one node goes down and comes back over and over.
const Flapping = "flapping"

// broaden draws what an incident has besides its trouble: how slow the ring is and how much it holds, a node that flaps, and
// what else happens to it. It has dice of its own, so that what is drawn elsewhere stays.
func broaden(seed uint64, in *Incident, victim string) {
	w := &writer{dice: newDice(seed ^ 0x9e3779b97f4a7c15), in: in, nodes: in.Ring.nodes(), victim: victim}
	w.weather()
	if w.one(60) { // they take long
		in.Sort, in.Engines, in.Jitter, in.Happen = Flapping, 1, 0, nil
		w.flaps(4 + w.IntN(3))
		return
	}
	switch in.Sort {
	case Double:
		w.besides(2)
	case Crowd:
		w.nodetool()
	case Healthy:
		w.besides(1)
	default: // the trouble that it has is what it is about
	}
}

// weather: news that spread slowly, nodes that are slow, data that must be streamed, clients that write.
func (w *writer) weather() {
	p := &w.in.Ring
	if w.one(3) {
		p.Lag = pick(w.dice, 200*time.Millisecond, time.Second, 5*time.Second)
	}
	if w.one(3) {
		p.Slow = pick(w.dice, 0.2, 0.5, 1)
	}
	if w.one(3) {
		p.Load = int64(pick(w.dice, 1, 2, 6)) << 30
	}
	p.Writes = w.one(2)
}

// flaps let the victim go down and come back: frozen and on again, killed and started by its service manager, or cut off from
// its peers.
func (w *writer) flaps(times int) {
	down := w.between(25*time.Second, 45*time.Second)
	w.add(Happening{
		At: quiet, What: string(pick(w.dice, ring.Freeze, ring.Freeze, ring.Kill, ring.Isolate)), Who: w.victim,
		For: down, Every: down + w.between(25*time.Second, time.Minute), N: times,
	})
}

// besides is a smaller trouble of some node.
func (w *writer) besides(n int) {
	for range w.IntN(n + 1) {
		h := Happening{At: w.after(), Who: w.node()}
		switch w.IntN(6) {
		case 0:
			h.What, h.For = string(ring.Isolate), w.between(time.Second, 3*time.Minute)
		case 1: // a long collection of garbage
			h.What, h.For = string(ring.Freeze), w.between(time.Second, 10*time.Second)
		case 2:
			h.What, h.Who = string(ring.FillDisk), w.empty()
			w.add(Happening{At: h.At + w.between(time.Minute, 10*time.Minute), What: string(ring.FreeDisk), Who: h.Who})
		case 3:
			h.What, h.For = string(ring.HideHost), w.between(time.Second, 5*time.Minute)
		case 4: // of clients, or of another tool
			h.What, h.For = string(pick(w.dice, ring.Overload, ring.BulkLoad)), w.between(30*time.Second, 5*time.Minute)
		default: // too seldom to be called flapping
			h.What, h.For, h.Every, h.N = string(ring.Freeze), 30*time.Second, 2*time.Minute, 2
		}
		w.add(h)
	}
}

// nodetool is a person who does by hand what the engine may be about to do.
func (w *writer) nodetool() {
	h := Happening{At: w.after(), Who: w.node(), Of: w.victim}
	switch w.IntN(4) {
	case 0:
		h.What = string(ring.RemoveNode)
	case 1:
		h.What, h.Who = string(ring.ForeignReplace), w.empty()
	case 2:
		h.What, h.Of = string(ring.ForeignRepair), ""
	default:
		h.What, h.Who, h.Of = string(ring.FillDisk), w.empty(), ""
	}
	w.add(h)
}

// empty is one of the empty instances, by name; there may be none.
func (w *writer) empty() string {
	return fmt.Sprintf("n%d", w.nodes+1+w.IntN(max(w.in.Ring.Spares, 1)))
}
