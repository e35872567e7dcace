package fake

import (
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// HealParams are the parameters of fake/heal.
type HealParams struct {
	Reboots int `json:"reboots"` // how often it tries to reboot an instance
}

// Heal brings an instance back: reboot it, fail over from it, then ask a person.
func Heal() galen.Runbook[Cluster, HealParams] {
	return galen.Runbook[Cluster, HealParams]{
		Name: "fake/heal", Version: 1, About: "Brings an instance back: reboot, then failover, then a person.",
		Heals: []galen.Code{CodeUnavailable}, Defaults: HealParams{Reboots: 1}, Decide: heal,
	}
}

func heal(s galen.Situation[Cluster, HealParams]) galen.Plan {
	if in := s.Unsettled(); in != nil {
		return galen.Plan{Wait: s.Policy.LookSoon, Why: fmt.Sprintf("waiting for the effect of %s", in.Step)}
	}
	patient, ill, why := illest(s.State, s.Scope)
	switch {
	case why != "":
		return galen.Plan{End: galen.EndEscalate, Why: why}
	case !ill:
		return galen.Plan{End: galen.EndDone, Why: "all instances serve, as every observer says"}
	case s.Stop != "":
		return galen.Plan{End: galen.EndDone, Why: "stopped as asked, nothing is under way; " + patient.ID + " does not serve"}
	case s.Now.Sub(patient.BadSince) < s.Policy.RestartAfter.D() && len(s.Past) == 0:
		return galen.Plan{Wait: s.Policy.LookSoon, Why: patient.ID + " may come back by itself", Outline: []galen.Step{Reboot(patient, "it did not come back")}}
	}
	return rung(s, patient)
}

// illest is the first of the targets that is bad.
func illest(c Cluster, scope []galen.Target) (i Instance, ill bool, why string) {
	if len(scope) == 0 {
		return i, false, "no target was named"
	}
	for _, t := range scope {
		i, known := c.Instance(t.ID)
		if !known || i.Unlisted {
			return i, true, t.ID + " has vanished, which is no cure"
		}
		if i.Bad() {
			return i, true, ""
		}
	}
	return i, false, ""
}

// rung is the next thing to try.
func rung(s galen.Situation[Cluster, HealParams], patient Instance) galen.Plan {
	to := slices.IndexFunc(s.State.Instances, func(i Instance) bool { return i.Role == Reader && !i.Bad() && !i.Unlisted && i.Status == Available })
	failover := func() galen.Step {
		return Failover(patient, s.State.Instances[to], "reboots did not bring the writer back")
	}
	canFailOver := patient.Role == Writer && to >= 0 && s.Tried(VerbFailover) == 0
	if s.Tried(VerbReboot) < s.Params.Reboots {
		p := galen.Plan{Steps: []galen.Step{Reboot(patient, patient.ID+" does not serve")}, Why: "a reboot is the cheapest cure"}
		if canFailOver {
			p.Outline = []galen.Step{failover()}
		}
		return p
	}
	if canFailOver {
		return galen.Plan{Steps: []galen.Step{failover()}, Why: "the writer does not come back, a reader can take over"}
	}
	return galen.Plan{End: galen.EndEscalate, Why: patient.ID + " does not come back, and nothing cheaper than a replacement is left"}
}
