package runbooks

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// payTries is how often an undo may fail, on one target, before a person is asked, and asked again.
const payTries = 3

// CassandraPayUndo puts back what an ended run still owes, newest first, however that run ended.
func CassandraPayUndo() galen.Runbook[cassandra.Ring, struct{}] {
	return galen.Runbook[cassandra.Ring, struct{}]{
		Name: "cassandra/pay-undo", Version: 2,
		About:  "Puts back what a run that has ended still owes: the preparation of an instance, a raised throttle.",
		Heals:  []galen.Code{galen.CodeUndoOwed},
		Beside: true,
		Decide: payUndo,
	}
}

func payUndo(s galen.Situation[cassandra.Ring, struct{}]) galen.Plan {
	if in := s.Unsettled(); in != nil {
		return wait(s.Policy.LookSoon, "%s is under way", in.Step)
	}
	debts, err := galen.Debts(s.Facts)
	if err != nil {
		return person("an owed undo cannot be read: %v", err)
	}
	debts = slices.DeleteFunc(debts, func(d galen.Debt) bool {
		return !slices.ContainsFunc(s.Scope, func(t galen.Target) bool { return t.ID == d.Step.Target.ID })
	})
	switch {
	case len(debts) == 0:
		return finished("nothing is owed any more")
	case s.Stop != "":
		return stillOwed(debts)
	}
	c := sceneOf(s, "")
	next, later, unpayable := c.payable(debts)
	if next == nil {
		return unpayable
	}
	p := do(*next, "a run has ended with its undo unpaid: %s", next.Why)
	p.Outline = later
	return p
}

// stillOwed ends a run that was stopped: what it does not pay is found again.
func stillOwed(debts []galen.Debt) galen.Plan {
	return finished("stopped at a safe point: %d undos are still owed, the next is %s", len(debts), debts[0].Step)
}

// payable picks, of debts in the order in which they are paid, the first undo whose target can take it and has not been
// tried in vain, and lists the others of such targets; or says why there is none.
func (s scene) payable(debts []galen.Debt) (next *galen.Step, later []galen.Step, unpayable galen.Plan) {
	var wrong galen.Plan
	for _, d := range debts {
		p, ok := s.inVain(d.Step)
		if ok {
			p, ok = s.takes(d)
		}
		switch {
		case !ok && wrong.End == "":
			wrong = p
		case ok && next == nil:
			next = &d.Step
		case ok:
			later = append(later, d.Step)
		}
	}
	return next, later, wrong
}

// inVain tells whether an undo may be tried once more: not when, since a person's last yes, those of its target failed, or
// turned out never to have happened, too often. None of that target is then, for the newest goes first.
func (s scene) inVain(undo galen.Step) (otherwise galen.Plan, ok bool) {
	failed, lost := 0, 0
	for _, in := range s.past {
		if in.Step.Verb != undo.Verb || in.Step.Target.ID != undo.Target.ID || in.At.Before(s.yes) {
			continue
		}
		switch in.Effect.Status {
		case galen.EffectFailed:
			failed++
		case galen.EffectAbsent:
			lost++
		default: // it helped, or may yet
		}
	}
	if failed < payTries && lost < maxLost {
		return galen.Plan{}, true
	}
	return person("%s failed %d times, and %d times it never happened; the last: %s; look at its host", undo, failed, lost, s.lastAnswer(undo.Verb, undo.Target.ID)), false
}

// takes tells whether the target of an owed undo can take it now, or has taken what it undoes with it.
func (s scene) takes(d galen.Debt) (otherwise galen.Plan, ok bool) {
	node, instance := s.ring.Find(d.Step.Target.ID)
	if d.Step.Verb != cassandra.VerbRestoreStream {
		if node == nil && instance == nil {
			return person("%s of intent %s cannot be paid: its target is no member of the ring any more", d.Step, d.Intent), false
		}
		return galen.Plan{}, true
	}
	args, err := galen.Decode[cassandra.RestoreArgs](d.Step.Args)
	switch {
	case err != nil:
		return person("%s of intent %s cannot be read: %v", d.Step, d.Intent, err), false
	case args.Over(s.ring, d.Step.Target.ID, time.Time{}) != "":
		return galen.Plan{}, true
	case node == nil:
		return wait(s.policy.Fallback, "%s is owed by intent %s: no live node tells whether its target has left", d.Step, d.Intent), false
	}
	if v, _ := s.ring.ViewOf(*node); node.Down || v.Jolokia != cassandra.Answered || v.Throttle == nil {
		return wait(s.policy.Fallback, "%s is owed by intent %s: %s is down or does not tell its throttle", d.Step, d.Intent, cassandra.Title(*node)), false
	}
	return galen.Plan{}, true
}
