package cassandra

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// afterCall is how much longer than the call's deadline an effect may take to show: a call is begun at most 2 s after
// its commit.
const afterCall = 3 * time.Second

// def is a verb over its own type of arguments.
type def[A any] struct {
	name   string
	class  galen.Class
	call   time.Duration
	own    bool
	undo   string
	check  func(r Ring, s galen.Step, args A) error
	claims func(r Ring, s galen.Step, args A) []galen.Claim
	effect func(r Ring, in galen.Intent, args A, settle time.Duration) galen.Effect
	facts  func(r Ring, in galen.Intent, p galen.Policy) []galen.Fact
}

// verb erases the type of the arguments; whoever reads them first is Check, and strictly.
func (d def[A]) verb() galen.Verb[Ring] {
	settle := d.call + afterCall
	return galen.Verb[Ring]{
		Name: d.name, Class: d.class, Call: d.call, Settle: settle, Own: d.own, Undo: d.undo, Facts: d.facts,
		Check: func(r Ring, s galen.Step) error {
			args, err := galen.Decode[A](s.Args)
			if err != nil {
				return fmt.Errorf("arguments of %s: %w", s, err)
			}
			if err := d.check(r, s, args); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			return nil
		},
		Claims: func(r Ring, s galen.Step) []galen.Claim {
			args, err := galen.Decode[A](s.Args)
			if err != nil {
				return []galen.Claim{{Name: "ring"}} // Check has refused it
			}
			return d.claims(r, s, args)
		},
		Effect: func(r Ring, in galen.Intent) galen.Effect {
			args, err := galen.Decode[A](in.Step.Args)
			if err != nil {
				return galen.Effect{Status: galen.EffectUnknown, Why: "its arguments cannot be read: " + err.Error()}
			}
			return d.effect(r, in, args, settle)
		},
	}
}

// Verbs are all that can be done to a ring, mildest first.
func Verbs() []galen.Verb[Ring] {
	return []galen.Verb[Ring]{
		def[StartArgs]{name: VerbStart, class: galen.Reversible, call: 5 * time.Second,
			check: checkStart, claims: claimNode[StartArgs], effect: startEffect, facts: startFacts}.verb(),
		def[RepairArgs]{name: VerbRepair, class: galen.Reversible, call: 10 * time.Second,
			check: checkRepair, claims: claimRepair, effect: repairEffect, facts: repairFacts}.verb(),
		def[PrepareArgs]{name: VerbPrepare, class: galen.Reversible, call: 10 * time.Second, undo: VerbDiscard,
			check: checkPrepare, claims: claimPrepare, effect: prepareEffect}.verb(),
		def[DiscardArgs]{name: VerbDiscard, class: galen.Reversible, call: 10 * time.Second, own: true,
			check: checkDiscard, claims: claimNode[DiscardArgs], effect: discardEffect}.verb(),
		def[ClearReplaceArgs]{name: VerbClearReplace, class: galen.Reversible, call: 10 * time.Second,
			check: checkClear, claims: claimNode[ClearReplaceArgs], effect: clearEffect}.verb(),
		def[RaiseArgs]{name: VerbRaiseStream, class: galen.Reversible, call: 10 * time.Second, undo: VerbRestoreStream,
			check: checkRaise, claims: claimNode[RaiseArgs], effect: raiseEffect}.verb(),
		def[RestoreArgs]{name: VerbRestoreStream, class: galen.Reversible, call: 10 * time.Second,
			check: checkRestore, claims: claimNode[RestoreArgs], effect: restoreEffect}.verb(),
		def[StopArgs]{name: VerbStop, class: galen.Disruptive, call: 20 * time.Second,
			check: checkStop, claims: claimStop, effect: stopEffect}.verb(),
		def[KillArgs]{name: VerbKill, class: galen.Disruptive, call: 5 * time.Second,
			check: checkKill, claims: claimNode[KillArgs], effect: killEffect}.verb(),
		def[FenceArgs]{name: VerbFence, class: galen.Destructive, call: 10 * time.Second,
			check: checkFence, claims: claimRing[FenceArgs], effect: fenceEffect}.verb(),
		def[ReplaceArgs]{name: VerbReplace, class: galen.Destructive, call: 5 * time.Second,
			check: checkReplace, claims: claimReplace, effect: replaceEffect, facts: replaceFacts}.verb(),
		def[RemoveJoinerArgs]{name: VerbRemoveJoiner, class: galen.Destructive, call: 20 * time.Second, own: true,
			check: checkRemoveJoiner, claims: claimRing[RemoveJoinerArgs], effect: removeJoinerEffect}.verb(),
	}
}

// claimNode: what acts on one node or instance excludes everybody else from it.
func claimNode[A any](_ Ring, s galen.Step, _ A) []galen.Claim {
	return []galen.Claim{{Name: "node/" + s.Target.ID}}
}

// claimRing: what changes who owns the ranges excludes every other such step, repair and planned stop.
func claimRing[A any](_ Ring, s galen.Step, _ A) []galen.Claim {
	return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}}
}

func claimReplace(_ Ring, s galen.Step, args ReplaceArgs) []galen.Claim {
	return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}, {Name: "node/" + instancePrefix + args.Instance}}
}

// claimPrepare: the dead node too, whose place the instance is made ready for: nobody else prepares one for it, and the
// guards see what the step reaches from and to.
func claimPrepare(r Ring, s galen.Step, args PrepareArgs) []galen.Claim {
	out := claimNode(r, s, args)
	i := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Address == args.Replace && n.Status != Joining })
	if i < 0 {
		return out // Check has refused it
	}
	return append(out, galen.Claim{Name: "node/" + r.Nodes[i].HostID})
}

// claimRepair: ranges must not move under a repair; other repairs may run.
func claimRepair(_ Ring, s galen.Step, _ RepairArgs) []galen.Claim {
	return []galen.Claim{{Name: "ring", Shared: true}, {Name: "node/" + s.Target.ID}}
}

// claimStop: nodes of one rack at most are down on purpose, and none while ranges move.
func claimStop(r Ring, s galen.Step, _ StopArgs) []galen.Claim {
	out := []galen.Claim{{Name: "ring", Shared: true}}
	if n, found := r.Node(s.Target.ID); found {
		out = append(out, galen.Claim{Name: "rack/" + n.Domain()})
	}
	return append(out, galen.Claim{Name: "node/" + s.Target.ID})
}
