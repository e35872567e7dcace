package gate

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// byHandNames are the common guards that tell whether the world bears a step, and whether somebody else is at it. The others tell by
// whose leave a run acts, or how much the engine has done already: what a person does by hand is no business of theirs.
func byHandNames() []string {
	return []string{guardHold, guardFresh, guardListing, guardShare, guardStorm, guardFloor, guardCalendar, guardUnsettled, guardClaims, guardDomain}
}

// ByHand puts what a person would do by hand to those of the common guards that such a one has to heed, in their order. A hold of somebody
// else and a tool that is at work there are heeded; a window keeps nobody back but runs, and neither does one's own hold: these are notes,
// in the words of their guards. by is who asks, "" if that is not known, and has had that name since then: another had it before.
func ByHand(a galen.Ask[galen.State], by string, since time.Time) (verdicts, notes []galen.Verdict) {
	a.State = listed{State: a.State, members: a.State.Members()}
	own := func(h galen.Hold) bool { return by != "" && h.By == by && !h.At.Before(since) }
	heeded := a
	heeded.Ledger.Holds = slices.DeleteFunc(slices.Clone(a.Ledger.Holds), own)
	heeded.Policy.Windows = nil
	verdicts = judge(heeded, guardsOf(byHandNames()...), guardLimit)
	noted := a
	noted.Ledger.Holds = slices.DeleteFunc(slices.Clone(a.Ledger.Holds), func(h galen.Hold) bool { return !own(h) })
	noted.Ledger.Facts = nil
	notes = judge(noted, guardsOf(guardHold, guardCalendar), guardLimit)
	return verdicts, slices.DeleteFunc(notes, func(v galen.Verdict) bool { return v.Answer == galen.Allow })
}

// listed is a State whose members are listed once for all guards that a person has to heed: of a ring of a thousand nodes that costs more
// than the guards do. They ask for nothing else than a [galen.State].
type listed struct {
	galen.State
	members []galen.Member
}

func (l listed) Members() []galen.Member { return l.members }

// guardsOf are the common guards of those names, in their order.
func guardsOf(names ...string) []galen.Guard[galen.State] {
	return slices.DeleteFunc(CommonGuards(), func(g galen.Guard[galen.State]) bool { return !slices.Contains(names, g.Name) })
}

// Blind tells whether a guard did not allow because it could not see, which is no answer.
func Blind(v galen.Verdict) bool {
	return v.Answer == galen.LookAgain && (v.Guard == guardFresh || v.Guard == guardListing)
}
