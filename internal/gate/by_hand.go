package gate

import (
	"slices"

	"github.com/galenhq/galen"
)

// byHandNames are the common guards that tell whether the world bears a step. The others tell by whose leave a run acts, or how much
// the engine has done already: what a person does by hand is no business of theirs.
func byHandNames() []string {
	return []string{guardFresh, guardListing, guardShare, guardStorm, guardFloor, guardUnsettled, guardClaims, guardDomain}
}

// ByHand puts what a person would do by hand to those of the common guards that such a one has to heed, in their order.
func ByHand(a galen.Ask[galen.State]) []galen.Verdict {
	guards := slices.DeleteFunc(CommonGuards(), func(g galen.Guard[galen.State]) bool { return !slices.Contains(byHandNames(), g.Name) })
	return judge(a, guards, guardLimit)
}

// Blind tells whether a guard did not allow because it could not see, which is no answer.
func Blind(v galen.Verdict) bool {
	return v.Answer == galen.LookAgain && (v.Guard == guardFresh || v.Guard == guardListing)
}
