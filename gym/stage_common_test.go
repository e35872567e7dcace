package gym

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// commonStages are those of the guards that every kind has.
func commonStages() map[string]stage {
	const start, kill, fence, repair = cassandra.VerbStart, cassandra.VerbKill, cassandra.VerbFence, cassandra.VerbRepair
	return map[string]stage{
		"I-12 quarantine":           {prefer: []string{start}, happen: diesStarting},
		"I-14 cool-down":            {prefer: []string{start}, short: true, happen: again},
		"I-27 one version":          {prefer: []string{start, repair}, happen: upgrade, of: newer},
		"I-09 whole listing":        {prefer: []string{kill}, plan: RingPlan{PerRack: 3}, happen: holes},
		"I-03 share of bad members": {prefer: []string{fence}, plan: RingPlan{Racks: 6}, happen: two},
		"I-19 claims":               {prefer: []string{fence, repair}, plan: RingPlan{Racks: 6}, happen: oneBesideOther},
		"undo owed":                 {other: raises, happen: askedTwice},
		"I-25 deletion":             {other: wipes, happen: forgetful, of: func(e *Engine) { e.kind = withWipe }},
	}
}

// kills lets a node die.
func (w *writer) kills(who string, at time.Duration) {
	w.add(Happening{At: at, What: string(ring.Kill), Who: who})
}

// askedFor: a person asks for the planner on the nodes in turn.
func (w *writer) askedFor(nodes ...string) {
	for i, who := range nodes {
		w.asks(who, quiet+time.Duration(10+10*i)*time.Second, 5*time.Minute, time.Duration(10*len(nodes))*time.Second)
	}
}

// opposite are two nodes that share no range of RF 3 in a ring of six.
func (w *writer) opposite() (a, b string) {
	i := w.IntN(6)
	return fmt.Sprintf("n%d", 1+i), fmt.Sprintf("n%d", 1+(i+3)%6)
}

// diesStarting: two nodes die again and again while they start, so that the start fails on both.
func diesStarting(w *writer) {
	w.in.Policy.QuarantineAfter = galen.SafePolicy().QuarantineAfter
	a, b := w.victim, w.node()
	for at := quiet; at < 4*time.Minute; at += w.between(4*time.Second, 8*time.Second) {
		w.kills(a, at)
		w.kills(b, at)
	}
	w.askedFor(a, b)
}

// again: a node is healed, and dies once more within the cool-down. Nobody asks, the runs come of findings.
func again(w *writer) {
	w.in.Policy.Cooldown = galen.SafePolicy().Cooldown
	w.kills(w.victim, quiet)
	w.kills(w.victim, quiet+w.between(3*time.Minute, 4*time.Minute))
}

// upgrade: what the older one of two engines has planned is given to the newer one.
func upgrade(w *writer) {
	w.in.Engines = 2
	w.kills(w.victim, quiet)
	w.askedFor(w.victim, w.node())
}

func newer(e *Engine) {
	rb := e.Runbooks[0]
	rb.Version++
	e.Newer = []galen.ListedRunbook{rb}
}

// holes: a node hangs, and the listings lack the two others of its rack.
func holes(w *writer) {
	w.in.Policy.ShrinkShare = 0.1
	w.add(Happening{At: quiet, What: Lie, N: 2, For: 5 * time.Minute})
	w.add(Happening{At: quiet + w.between(0, time.Minute), What: string(ring.Freeze), Who: "n3"})
	w.askedFor("n3")
}

// two nodes of two racks die that share no range, so that the quorum would let each of them be given up.
func two(w *writer) {
	w.in.Policy.UnhealthyShare = galen.SafePolicy().UnhealthyShare
	a, b := w.opposite()
	w.kills(a, quiet)
	w.kills(b, quiet)
	w.askedFor(a, b)
}

// oneBesideOther: a node is repaired while the one opposite to it may be given up. Both want the ring.
func oneBesideOther(w *writer) {
	w.in.Policy.StreamCeiling = 1000
	w.in.Engines, w.in.Jitter = 2, 3*time.Second
	a, b := w.opposite()
	w.kills(a, quiet)
	w.askedFor(a, b)
}

// askedTwice: one node, and several runs that may raise its throttle.
func askedTwice(w *writer) {
	w.in.Policy.StreamCeiling = 1000
	w.askedFor(w.victim)
}

// raises lets a node stream faster.
func raises(e evil) (galen.Step, bool) {
	n, ok := e.patient()
	v, seen := e.State.View(n.Instance)
	return cassandra.RaiseStream(n, v, 100*(1+e.IntN(8))), ok && seen
}

// forgetful: a dead node, of whose data nobody has a restore point.
func forgetful(w *writer) {
	w.kills(w.victim, quiet)
	w.askedFor(w.victim)
}

// wipes deletes the data of a dead node.
func wipes(e evil) (galen.Step, bool) {
	n, ok := e.patient()
	return galen.Step{Verb: verbWipe, Target: n.Target(), Args: []byte(`{}`), Within: galen.Duration(time.Minute), Why: "they take up room"}, ok && n.Down
}

// withWipe gives a kind the verb that deletes, and the ring's host the way to do it.
func withWipe(w *world, k *galen.ListedKind) {
	k.Verbs[verbWipe] = galen.Verb[galen.State]{
		Name: verbWipe, Class: galen.Destructive, Deletes: true, Call: 5 * time.Second, Settle: 8 * time.Second,
		Check: func(galen.State, galen.Step) error { return nil },
		Claims: func(_ galen.State, s galen.Step) []galen.Claim {
			return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}}
		},
		Effect: func(st galen.State, in galen.Intent) galen.Effect {
			r, is := st.(cassandra.Ring)
			_, i := r.Find(in.Step.Target.ID)
			switch {
			case !is || i == nil || i.At.Before(in.At):
				return galen.Effect{Status: galen.EffectUnknown, Why: "its host was not looked at since"}
			case i.Data == cassandra.DataGone:
				return galen.Effect{Status: galen.EffectDone, Why: "its data are gone"}
			}
			return galen.Effect{Status: galen.EffectAbsent, Why: "its data are there"}
		},
		Facts: func(galen.State, galen.Intent, galen.Policy) []galen.Fact { return nil },
	}
	do := k.Do
	k.Do = func(ctx context.Context, in galen.Intent) (string, error) {
		if in.Step.Verb != verbWipe {
			return do(ctx, in)
		}
		truth := w.ring.Truth()
		m, found := truth.Member(in.Step.Target.ID)
		if !found {
			return "", errors.New("no such node")
		}
		w.trace.begun(in.ID, 0)
		w.trace.accepted(ring.Call{At: w.now, Intent: in.ID, Verb: verbWipe, Target: in.Step.Target.ID, Instance: m.Host}, truth)
		return "wiped", w.ring.Make(ring.LoseData, m.Host)
	}
}
