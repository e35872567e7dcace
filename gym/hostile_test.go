package gym

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

const hostileName = "cassandra/hostile"

type hostileParams struct {
	Node string `json:"node"`
}

// hostile plans whatever comes to its mind, well formed, wherever it may be: only the gate stands between it and the ring. On
// a stage it prefers what the stage is about.
func hostile(on stage) galen.ListedRunbook {
	return galen.ListRunbook(galen.Runbook[cassandra.Ring, hostileParams]{
		Name: hostileName, Version: 1, About: "Does harm.",
		Heals: []galen.Code{cassandra.CodeNodeDown, cassandra.CodeNodeFrozen, galen.CodeUndoOwed},
		Scope: func(r cassandra.Ring, p hostileParams) []galen.Target {
			for _, n := range r.Nodes {
				if n.Instance == p.Node {
					return []galen.Target{n.Target()}
				}
			}
			return nil
		},
		Decide: func(s galen.Situation[cassandra.Ring, hostileParams]) galen.Plan {
			h := fnv.New64a()
			h.Write([]byte(s.Now.Format(time.RFC3339Nano)))
			h.Write([]byte{byte(len(s.Past))})
			return evil{s, dice{rand.New(rand.NewPCG(h.Sum64(), 7))}, on}.plan()
		},
	})
}

type evil struct {
	galen.Situation[cassandra.Ring, hostileParams]
	dice
	on stage
}

func (e evil) plan() galen.Plan {
	if e.Unsettled() != nil && !e.one(4) {
		return galen.Plan{Wait: e.Policy.LookSoon, Why: "waits"}
	}
	if len(e.Past) > 0 && (e.on.short && e.Unsettled() == nil || e.one(6)) {
		return galen.Plan{End: galen.EndDone, Why: "it has had enough"}
	}
	var steps []galen.Step
	for range 40 {
		// What its verb would refuse never comes to the guards.
		if s, ok := e.step(); ok && (e.fits(s) || e.one(30)) {
			steps = append(steps, e.blurred(s))
			break
		}
	}
	if len(steps) == 0 {
		return galen.Plan{Wait: e.Policy.LookSoon, Why: "nothing comes to its mind"}
	}
	p := galen.Plan{Steps: steps, Why: "it feels like it"}
	if e.one(4) {
		p.Keep = []galen.Claim{{Name: pick(e.dice, "ring", "node/x", "rack/dc1/r1")}}
	}
	return p
}

// blurred is a step that does not name exactly one thing, or has no end.
func (e evil) blurred(s galen.Step) galen.Step {
	if !e.on.nameless {
		return s
	}
	switch e.IntN(4) {
	case 0:
		s.Target.ID = ""
	case 1:
		s.Target.ID = "*"
	case 2:
		s.Target.ID += ","
	default:
		s.Within = 0
	}
	return s
}

func (e evil) fits(s galen.Step) bool {
	i := slices.IndexFunc(cassandra.Verbs(), func(v galen.Verb[cassandra.Ring]) bool { return v.Name == s.Verb })
	if i < 0 {
		return e.on.other != nil
	}
	return s.Verb == e.on.unchecked || cassandra.Verbs()[i].Check(e.State, s) == nil
}

// patient is mostly who the run is for.
func (e evil) patient() (cassandra.Node, bool) {
	if len(e.State.Nodes) == 0 {
		return cassandra.Node{}, false
	}
	if len(e.Scope) > 0 && !e.one(3) {
		if n, found := e.State.Node(e.Scope[0].ID); found {
			return n, true
		}
	}
	n := e.State.Nodes[e.IntN(len(e.State.Nodes))]
	return n, true
}

func (e evil) step() (galen.Step, bool) {
	if e.on.other != nil && e.one(2) {
		return e.on.other(e)
	}
	n, ok := e.patient()
	if !ok {
		return galen.Step{}, false
	}
	if e.one(12) {
		n.Generation--
	}
	i, known := e.State.Instance(n.Instance)
	switch e.whim() {
	case cassandra.VerbStart:
		return cassandra.Start(n), true
	case cassandra.VerbStop:
		return cassandra.Stop(n), true
	case cassandra.VerbKill:
		return cassandra.Kill(n, i), known && i.Process != cassandra.Absent
	case cassandra.VerbFence:
		return cassandra.Fence(n), n.Instance != ""
	case cassandra.VerbRepair:
		v, seen := e.State.View(n.Instance)
		if e.one(2) {
			return cassandra.RaiseStream(n, v, 100*(1+e.IntN(4))), seen
		}
		return cassandra.RepairRanges(e.State, n, "orders"), true
	case cassandra.VerbPrepare:
		return e.prepare(n)
	case cassandra.VerbReplace:
		return e.replace(n)
	default:
		return e.takeBack()
	}
}

// whim is the verb that comes to its mind.
func (e evil) whim() string {
	if len(e.on.prefer) > 0 && !e.one(4) {
		return pick(e.dice, e.on.prefer...)
	}
	return pick(e.dice, cassandra.VerbStart, cassandra.VerbStop, cassandra.VerbKill, cassandra.VerbFence, cassandra.VerbFence,
		cassandra.VerbRepair, cassandra.VerbPrepare, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbReplace,
		cassandra.VerbReplace, cassandra.VerbRemoveJoiner)
}

func (e evil) prepare(n cassandra.Node) (galen.Step, bool) {
	i, found := e.instance(func(i cassandra.Instance) bool { return i.Vacant() })
	return cassandra.Prepare(e.State, i, n), found
}

func (e evil) replace(n cassandra.Node) (galen.Step, bool) {
	i, found := e.instance(func(i cassandra.Instance) bool { return i.Prepared != "" })
	return cassandra.Replace(n, i), found
}

func (e evil) takeBack() (galen.Step, bool) {
	if debts, err := galen.Debts(e.Facts); err == nil && len(debts) > 0 && e.one(2) {
		return debts[e.IntN(len(debts))].Step, true
	}
	for _, in := range e.Past {
		if in.Step.Verb == cassandra.VerbReplace {
			args, err := galen.Decode[cassandra.ReplaceArgs](in.Step.Args)
			if i, found := e.State.Instance(args.Instance); err == nil && found {
				return cassandra.RemoveJoiner(i, in.ID), true
			}
		}
	}
	return galen.Step{}, false
}

func (e evil) instance(fits func(cassandra.Instance) bool) (cassandra.Instance, bool) {
	all := slices.DeleteFunc(slices.Clone(e.State.Instances), func(i cassandra.Instance) bool { return !fits(i) })
	if len(all) == 0 {
		return cassandra.Instance{}, false
	}
	return all[e.IntN(len(all))], true
}

// drawHostile is a world for the hostile planner: many small troubles, and a person who asks for it again and again. The
// numbers of the policy that would stop a step before the guard in question are wide, each in some of the worlds.
func drawHostile(seed uint64) Incident {
	d := newDice(seed)
	in := Incident{Seed: seed, Sort: "hostile", Engines: 1, Policy: loosePolicy(d)}
	in.Ring = RingPlan{DCs: 1, Racks: pick(d, 3, 3, 6), PerRack: 1, Spares: 1 + d.IntN(2), VNodes: 1, Honest: d.one(4)}
	if d.one(6) {
		in.Ring.DCs, in.Ring.StraySpare = 2, d.one(2)
	}
	w := &writer{dice: d, in: &in, nodes: in.Ring.DCs * in.Ring.Racks * in.Ring.PerRack}
	w.victim = w.node()
	w.hurt(w.victim, quiet)
	if d.one(3) {
		w.hurt(w.node(), w.after())
	}
	if d.one(8) {
		w.add(Happening{At: quiet, What: string(ring.Cut), Who: w.node()})
	}
	if d.one(8) {
		w.add(Happening{At: w.after(), What: Lie, N: 2, For: 3 * time.Minute})
	}
	if d.one(8) {
		w.add(Happening{At: quiet, What: string(ring.Disagree), Who: w.node()})
	}
	if d.one(2) {
		w.hurt(w.victim, quiet+w.between(2*time.Minute, 5*time.Minute))
	}
	if d.one(2) {
		w.people(1 + d.IntN(2))
	}
	if d.one(3) {
		w.falseAlarms(1 + d.IntN(2))
	}
	if d.one(3) {
		w.strikes(1 + d.IntN(3))
	}
	if d.one(3) {
		in.Engines, in.Jitter = 2, pick(d, 500*time.Millisecond, 3*time.Second)
	}
	for at := quiet + 10*time.Second; at < 5*time.Minute; at += 20 * time.Second {
		who := w.victim
		if d.one(3) {
			who = w.node()
		}
		w.add(Happening{At: at, What: AskFor, Verb: hostileName, Who: who})
	}
	in.sort()
	in.Limit = 7 * time.Minute
	return in
}

func loosePolicy(d dice) galen.Policy {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	p.LookEvery, p.LookSoon = galen.Duration(10*time.Second), galen.Duration(10*time.Second)
	p.Fallback = galen.Duration(5 * time.Minute)
	p.RunDeadline = galen.Duration(pick(d, time.Minute, 3*time.Minute, 10*time.Minute))
	if p.ReleasePerSecond = galen.MaxReleasePerSecond; d.one(6) {
		p.ReleasePerSecond = 1
	}
	if !d.one(4) {
		p.DestructivePerResource, p.DestructivePerAccount = 100, 100
	}
	if !d.one(4) {
		p.ReplaceSpacing = 0
	}
	if !d.one(4) {
		p.Cooldown = 0
	}
	if !d.one(4) {
		p.ReplaceAfter = galen.Duration(time.Second)
	}
	if !d.one(3) {
		p.UnhealthyShare, p.FloorShare = 1, 0
	}
	if !d.one(4) {
		p.QuarantineAfter = 1000
	}
	if d.one(12) {
		p.EngineNeeds = "it keeps the journal"
	}
	if d.one(12) {
		p.Windows = []galen.Window{{Name: "backup", From: fmt.Sprintf("03:%02d", d.IntN(6)), For: galen.Duration(2 * time.Minute)}}
	}
	if d.one(8) {
		p.Mode = galen.ModeApprove
	}
	if d.one(3) {
		p.StreamCeiling = 150
	}
	if d.one(10) {
		p.Floors = map[string]int{"dc1": 3}
	}
	p.Observers = pick(d, 1, 3, 3, 6)
	if p.Observers == 1 {
		p.Kinds = 1
	}
	return p
}
