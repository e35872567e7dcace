package main

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// short is a target's ID as people can read it: the first part of a UUID. -o json has it whole.
func short(id string) string {
	if uuidForm.MatchString(id) {
		return id[:8]
	}
	return id
}

// stepName is verb and target, short.
func stepName(s galen.Step) string { return s.Verb + " " + short(s.Target.ID) }

func urgencyName(u galen.Urgency) string {
	switch {
	case u >= galen.Critical:
		return "critical"
	case u >= galen.High:
		return "high"
	case u >= galen.Medium:
		return "medium"
	default:
		return "low"
	}
}

func byUrgency(all []api.FoundProblem) []api.FoundProblem {
	return slices.SortedStableFunc(slices.Values(all), func(a, b api.FoundProblem) int { return cmp.Compare(b.Urgency, a.Urgency) })
}

// answerName is a guard's answer in words.
func answerName(a galen.Answer) string {
	switch a {
	case galen.Allow:
		return "allow"
	case galen.NeedYes:
		return "ask"
	case galen.LookAgain:
		return "look again"
	default:
		return "deny"
	}
}

// reason is why, or the margin where the guard counts something.
func reason(v galen.Verdict) string {
	switch {
	case v.Margin == "":
		return v.Why
	case v.Why == "":
		return v.Margin
	default:
		return v.Why + "; " + v.Margin
	}
}

// worst is the strictest verdict, an allow if there is none.
func worst(verdicts []galen.Verdict) galen.Verdict {
	out := galen.Verdict{Answer: galen.Allow}
	for _, v := range verdicts {
		if v.Answer.Worse(out.Answer) {
			out = v
		}
	}
	return out
}
