package gate

import (
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// The names of the guards, as verdicts and docs/safety.md give them.
const (
	guardGate      = "gate" // not a guard: the gate's own refusals
	guardStep      = "I-08 step"
	guardIdentity  = "I-07 identity"
	guardScope     = "I-28 scope"
	guardHold      = "I-17 hold"
	guardPoison    = "I-12 quarantine"
	guardVersion   = "I-27 one version"
	guardClock     = "I-34 clocks"
	guardStorm     = "I-03 storm"
	guardFloor     = "I-11 floor"
	guardAcross    = "I-16 one data centre"
	guardClosure   = "I-22 the engine's own"
	guardDeletion  = "I-25 deletion"
	guardCalendar  = "I-32 calendar"
	guardRate      = "I-23 release rate"
	guardDeadline  = "I-26 deadline"
	guardFresh     = "I-05 fresh view"
	guardListing   = "I-09 whole listing"
	guardObservers = "I-04 observers agree"
	guardShare     = "I-03 share of bad members"
	guardUnsettled = "I-20 unsettled intent"
	guardClaims    = "I-19 claims"
	guardDomain    = "I-19 failure domain"
	guardOrder     = "claim order"
	guardUndo      = "undo owed"
	guardCooldown  = "I-14 cool-down"
	guardBudget    = "I-10 budgets"
	guardApproval  = "approval"
)

// The guards on whose answers the engine acts in its own way.
const (
	GuardHold     = guardHold
	GuardStorm    = guardStorm
	GuardCalendar = guardCalendar
	GuardRate     = guardRate
	GuardClaims   = guardClaims
	GuardDomain   = guardDomain
	GuardApproval = guardApproval
)

// OwnNames are those by which the gate itself refuses, beside the guards.
func OwnNames() []string { return []string{guardGate, guardStep} }

// CommonGuards are asked for every kind, in this order; the kind's own follow.
func CommonGuards() []galen.Guard[galen.State] {
	return []galen.Guard[galen.State]{
		{Name: guardIdentity, Check: identity},      // the target is still what it was when the step was made
		{Name: guardScope, Check: scope},            // and what the run was opened for
		{Name: guardHold, Check: hold},              // nobody has pulled the kill switch
		{Name: guardPoison, Check: quarantine},      // and the runbook is not known to fail
		{Name: guardVersion, Check: version},        // nor another one than the run began with
		{Name: guardDeadline, Check: deadline},      // the run may still act
		{Name: guardClock, Check: clocks},           // clocks can be believed
		{Name: guardFresh, Check: fresh},            // what follows rests on fresh evidence
		{Name: guardListing, Check: listing},        // from a listing that can be believed
		{Name: guardObservers, Check: observers},    // the patient is ill, by several ways of knowing
		{Name: guardShare, Check: share},            // and alone: not everything is ill
		{Name: guardStorm, Check: storm},            // and it is not a storm
		{Name: guardFloor, Check: floor},            // enough stay in service
		{Name: guardAcross, Check: across},          // nothing crosses data centres
		{Name: guardClosure, Check: closure},        // nor touches what the engine stands on
		{Name: guardDeletion, Check: deletion},      // what is deleted for good can be restored
		{Name: guardCalendar, Check: calendar},      // it is no time of maintenance
		{Name: guardUnsettled, Check: unsettled},    // what was done there before has ended
		{Name: guardClaims, Check: claims},          // nobody else works there
		{Name: guardDomain, Check: domain},          // nor in its failure domain
		{Name: guardOrder, Check: order},            // and no two runs can wait for each other for ever
		{Name: guardUndo, Check: undo},              // old values come back in the order in which they were taken
		{Name: guardCooldown, Check: cooldown},      // the same patient is not treated over and over
		{Name: guardBudget, Check: budget},          // and not too many are at once
		{Name: guardRate, Check: rate},              // nor too fast
		{Name: guardApproval, Check: modeAndAssent}, // last: a person is asked only for what is safe
	}
}

func allow(margin string) galen.Verdict { return galen.Verdict{Answer: galen.Allow, Margin: margin} }

func deny(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.Deny, Why: fmt.Sprintf(format, args...)}
}

func lookAgain(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.LookAgain, Why: fmt.Sprintf(format, args...)}
}

func needYes(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.NeedYes, Why: fmt.Sprintf(format, args...)}
}

func named(guard string, v galen.Verdict) galen.Verdict {
	v.Guard = guard
	return v
}

func mutates(a galen.Ask[galen.State]) bool { return a.Class > galen.Read }

// memberOf finds a member by its target's ID, or else by its instance.
func memberOf(members []galen.Member, id string) (galen.Member, bool) {
	i := slices.IndexFunc(members, func(m galen.Member) bool { return m.Target.ID == id })
	if i < 0 {
		i = slices.IndexFunc(members, func(m galen.Member) bool { return id != "" && m.Instance == id })
	}
	if i < 0 {
		return galen.Member{}, false
	}
	return members[i], true
}

// memberUnder finds the member that goes by one of the names.
func memberUnder(members []galen.Member, names []string) (galen.Member, bool) {
	for _, id := range names {
		if m, found := memberOf(members, id); found {
			return m, true
		}
	}
	return galen.Member{}, false
}

// namesOf are all by which the target of an intent went when it was committed: the first may be gone from the listing, and the thing be
// there by another of them.
func namesOf(in galen.Intent) []string { return append([]string{in.Step.Target.ID}, in.Also...) }

// patients are the targets that a step is for: its own target if the run was opened for it, and otherwise (an instance
// that this run prepared in a patient's place) all that the run was opened for.
func patients(a galen.Ask[galen.State]) []galen.Target {
	ids := galen.NamesOf(a.State.Members(), a.Step.Target.ID)
	if len(a.Scope) == 0 || slices.ContainsFunc(a.Scope, func(t galen.Target) bool { return slices.Contains(ids, t.ID) }) {
		return []galen.Target{a.Step.Target}
	}
	return a.Scope
}

// ownWork tells whether this run has changed the target, and not taken it back. The target counts under each name that it has now; what
// an intent's target went by besides (Also) does not count: own work is exempt from guards, and who has come onto the machine of a node
// that the run changed is not its work.
func ownWork(a galen.Ask[galen.State], id string) bool {
	ids := galen.NamesOf(a.State.Members(), id)
	return slices.ContainsFunc(a.Ledger.Past, func(in galen.Intent) bool {
		return in.Class > galen.Read && in.Effect.Status != galen.EffectAbsent && slices.Contains(ids, in.Step.Target.ID) &&
			in.Undoes == "" && !undone(a.Ledger.Past, in.ID)
	})
}

func undone(past []galen.Intent, id string) bool {
	return slices.ContainsFunc(past, func(in galen.Intent) bool { return in.Undoes == id && in.Effect.Status == galen.EffectDone })
}
