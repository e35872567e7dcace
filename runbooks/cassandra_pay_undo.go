package runbooks

import (
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// payTries is how often an undo may fail before a person is asked.
const payTries = 3

// CassandraPayUndo puts back what an ended run still owes, newest first, however that run ended.
func CassandraPayUndo() galen.Runbook[cassandra.Ring, struct{}] {
	return galen.Runbook[cassandra.Ring, struct{}]{
		Name: "cassandra/pay-undo", Version: 1,
		About:  "Puts back what a run that has ended still owes: takes the preparation of an instance back, say.",
		Heals:  []galen.Code{galen.CodeUndoOwed},
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
		return finished("stopped at a safe point: %d undos are still owed, the next is %s", len(debts), debts[0].Step)
	}
	next := debts[0].Step
	if n := s.Failed(next.Verb); n >= payTries {
		return person("%s failed %d times: look at its host", next, n)
	}
	p := do(next, "intent %s has ended with its undo unpaid: %s", debts[0].Intent, next.Why)
	for _, d := range debts[1:] {
		p.Outline = append(p.Outline, d.Step)
	}
	return p
}
