package activities

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// unconfirmed: an alert that no State confirms is looked at for a while, then ends without a call. One of which nobody can say whether it is
// true waits on, until its deadline. A person ends it at once, for there is nothing to prove, or holds it.
func unconfirmed(t thought) conclusion {
	run := t.ledger.Run
	switch {
	case run.Stop == galen.StopCancel:
		why := "cancelled before anything confirmed the alert: nothing was done"
		return conclusion{status: galen.RunWaiting, why: why, wait: minWait, done: true, final: galen.RunCancelled, atOnce: true}
	case staysHeld(t):
		return held(t, run.Why)
	}
	unseen := unseen(t)
	if unseen != "" {
		if why := overdue(t, time.Time{}); why != "" {
			return held(t, unseen+"; "+why)
		}
	}
	until := run.Created.Add(t.policy.ConfirmFor.D())
	switch {
	case unseen != "":
		return conclusion{status: galen.RunWaiting, why: unseen, wait: t.policy.LookSoon.D()}
	case t.now.Before(until):
		why := fmt.Sprintf("%s; looks on until %s", t.plan.Why, until.UTC().Format(time.TimeOnly))
		return conclusion{status: galen.RunWaiting, why: why, wait: t.policy.LookSoon.D()}
	}
	why := cmp.Or(t.left, fmt.Sprintf("nothing confirmed the alert within %s", t.policy.ConfirmFor))
	return conclusion{status: galen.RunWaiting, why: why, wait: t.policy.LookSoon.D(), done: true, final: galen.RunNotConfirmed}
}

// unseen says why nobody can tell whether an alert is true: of a member that it may be about nobody can say how it is, or nobody has told
// of any member. "": it was looked at.
func unseen(t thought) string {
	const cannot = "the alert can be neither confirmed nor refuted: "
	all := t.state.Members()
	if !slices.ContainsFunc(all, func(m galen.Member) bool { return !m.Bare() }) {
		return cannot + "nobody has told of any member of " + t.ledger.Run.Resource.String()
	}
	about := slices.DeleteFunc(slices.Clone(all), func(m galen.Member) bool { return t.known(m) || !t.concerns(all, m) })
	if len(about) == 0 {
		return ""
	}
	return cannot + "nobody can say how it is with " + galen.MemberNames(about)
}

// concerns: the run is about the member, or about one in its failure domain: alerts about several of these are one run, whose scope has
// those of the first.
func (t thought) concerns(all []galen.Member, m galen.Member) bool {
	scope := t.scope()
	return len(scope) == 0 || slices.ContainsFunc(scope, func(target galen.Target) bool {
		return m.Is(target.ID) || slices.ContainsFunc(all, func(of galen.Member) bool { return of.Is(target.ID) && of.Domain == m.Domain })
	})
}

// known: it is seen bad, somebody said not long ago that it is good, or it takes no part.
func (t thought) known(m galen.Member) bool {
	return m.Bad || m.Bare() || slices.ContainsFunc(m.Observations, func(o galen.Observation) bool {
		return o.Says == galen.Good && t.now.Sub(o.At) <= t.policy.ViewAge.D()
	})
}
