package activities

import (
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// approvals is how many people must say yes to the plan and its outline, 0 where one yes is enough.
func (t thought) approvals() int {
	w := galen.World[galen.State]{Now: t.now, State: t.state, Vitals: t.vitals}
	for i, step := range append(slices.Clone(t.plan.Steps), t.plan.Outline...) {
		q, err := gate.Question(t.kind, w, t.ledger, t.policy, step)
		if err != nil || q.Own || q.Class < galen.Destructive || t.policy.DestructiveApprovals < 2 {
			continue
		}
		asks := i < len(t.verdicts) && slices.ContainsFunc(t.verdicts[i], func(v galen.Verdict) bool { return v.Answer == galen.NeedYes })
		if asks || t.policy.ModeOf(t.ledger.Run.Runbook, q.Class) == galen.ModeApprove {
			return t.policy.DestructiveApprovals
		}
	}
	return 0
}
