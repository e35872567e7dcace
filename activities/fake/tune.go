package fake

import (
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// TuneParams are the parameters of fake/tune.
type TuneParams struct {
	Setting string         `json:"setting"`
	Value   string         `json:"value"`
	For     galen.Duration `json:"for"` // how long the value stays
}

// Tune sets a value for a while and brings the old one back.
func Tune() galen.Runbook[Cluster, TuneParams] {
	return galen.Runbook[Cluster, TuneParams]{
		Name: "fake/tune", Version: 1, About: "Sets a value for a while, then brings the old one back.",
		Defaults: TuneParams{Setting: "max_connections", Value: "50", For: galen.Duration(600e9)}, Decide: tune,
	}
}

func tune(s galen.Situation[Cluster, TuneParams]) galen.Plan {
	if in := s.Unsettled(); in != nil {
		return galen.Plan{Wait: s.Policy.LookSoon, Why: fmt.Sprintf("waiting for the effect of %s", in.Step)}
	}
	if set := owed(s.Past); set != nil {
		rest := s.Params.For.D() - s.Now.Sub(set.At)
		if rest > 0 && s.Stop == "" {
			return galen.Plan{Wait: galen.Duration(rest), Why: fmt.Sprintf("%s stays %s", s.Params.Setting, s.Params.Value), Outline: []galen.Step{*set.Step.Undo}}
		}
		return galen.Plan{Steps: []galen.Step{*set.Step.Undo}, Why: "the time is over: the old value comes back"}
	}
	switch {
	case s.Done(VerbSet) > 0:
		return galen.Plan{End: galen.EndDone, Why: "the value was set for its time, and the old one is back"}
	case s.Stop != "":
		return galen.Plan{End: galen.EndDone, Why: "stopped as asked, before anything was changed"}
	case len(s.Scope) != 1:
		return galen.Plan{End: galen.EndEscalate, Why: fmt.Sprintf("want exactly one instance, got %d", len(s.Scope))}
	}
	i, known := s.State.Instance(s.Scope[0].ID)
	if _, has := i.Settings[s.Params.Setting]; !known || !has {
		return galen.Plan{End: galen.EndEscalate, Why: fmt.Sprintf("%s has no setting %q", s.Scope[0].ID, s.Params.Setting)}
	}
	step := Set(i, s.Params.Setting, s.Params.Value, "asked for")
	return galen.Plan{Steps: []galen.Step{step}, Outline: []galen.Step{*step.Undo}, Why: "set it, and owe the old value"}
}

// owed is the newest done intent of the run whose undo is not done.
func owed(past []galen.Intent) *galen.Intent {
	for n := range past {
		in := &past[len(past)-1-n]
		paid := slices.ContainsFunc(past, func(p galen.Intent) bool { return p.Undoes == in.ID && p.Effect.Status == galen.EffectDone })
		if in.Step.Undo != nil && in.Effect.Status == galen.EffectDone && !paid {
			return in
		}
	}
	return nil
}
