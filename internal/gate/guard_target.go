package gate

import (
	"slices"

	"github.com/galenhq/galen"
)

// identity: the target is a member with the same ID and start generation as when the step was made (I-07). A step on
// anything else is stale; the next look makes a new one. An owed undo goes to whatever now bears the ID; where nobody does any more, its
// verb's check has said whether it is over with its target.
func identity(a galen.Ask[galen.State]) galen.Verdict {
	if got := a.State.Resource(); got != a.Ledger.Run.Resource {
		return deny("the state is one of %s, the run is on %s", got, a.Ledger.Run.Resource)
	}
	id := a.Step.Target.ID
	m, found := memberOf(a.State.Members(), id)
	_, pays := paysDebt(a)
	switch {
	case !found && pays:
		return allow("an owed undo, and its target has left")
	case !found:
		return lookAgain("%s is no member of %s any more", id, a.Ledger.Run.Resource)
	case m.Target.ID != id:
		return lookAgain("%s has become %s since the step was made", id, m.Target)
	case m.Target.Generation != a.Step.Target.Generation && !pays:
		return lookAgain("%s was started again since the step was made: generation %d, now %d", id, a.Step.Target.Generation, m.Target.Generation)
	}
	return allow("")
}

// scope: a run touches what it was opened for, empty instances that it may prepare, and what it prepared (I-28).
func scope(a galen.Ask[galen.State]) galen.Verdict {
	members := a.State.Members()
	ids := galen.NamesOf(members, a.Step.Target.ID)
	if slices.ContainsFunc(a.Scope, func(t galen.Target) bool { return slices.Contains(ids, t.ID) }) {
		return allow("")
	}
	if m, found := memberOf(members, a.Step.Target.ID); found && m.Spare && a.Class <= galen.Reversible {
		return allow("")
	}
	if ownWork(a, a.Step.Target.ID) {
		return allow("")
	}
	return deny("%s is neither what this run was opened for nor an instance that it prepared; a %s step there needs a run of its own", a.Step.Target, a.Class)
}
