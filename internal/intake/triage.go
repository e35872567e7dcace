package intake

import (
	"slices"

	"github.com/galenhq/galen"
)

// Triage is what the configuration alone says of an alert, before any resource is looked at.
type Triage struct {
	rules []Rule
	known directory
}

// NewTriage of the rules, of which the first that matches counts, and of all resources.
func NewTriage(rules []Rule, resources []Resource) *Triage {
	return &Triage{rules: rules, known: newDirectory(resources)}
}

// suspect is what an alert is about, as far as its labels tell.
type suspect struct {
	rule  Rule
	named []galen.Resource
	// member as the alert calls it.
	member string
}

// of an alert: its end, if no look at a resource can change it, or else, with an end that has no state, where to look.
func (t *Triage) of(a Alert) (End, suspect) {
	rule, found := t.rule(a)
	if !found {
		return unmatched("no rule: nothing under alerts in the configuration matches its labels"), suspect{}
	}
	s := suspect{rule: rule, named: t.known.named(a.Labels), member: a.Labels[rule.MemberLabel]}
	switch {
	case len(s.named) == 0:
		return unmatched("no resource has these labels: " + t.known.asks()), s
	case a.Status != firing:
		return noted(s.named), s
	case s.member == "":
		return unmatched("no label " + rule.MemberLabel + ": the rule takes the member from it"), s
	}
	return End{}, s
}

// settle gives those of some alerts that need no look their end, and tells how many need one.
func (t *Triage) settle(alerts []Alert) (waiting int) {
	if t == nil {
		return len(alerts)
	}
	for i := range alerts {
		end, _ := t.of(alerts[i])
		if end.State == "" {
			waiting++
			continue
		}
		alerts[i].State, alerts[i].Why, alerts[i].Resource = end.State, end.Why, end.Resource
	}
	return waiting
}

// rule of an alert, false if there is none.
func (t *Triage) rule(a Alert) (Rule, bool) {
	i := slices.IndexFunc(t.rules, func(r Rule) bool { return r.Matches(a.Labels) })
	if i < 0 {
		return Rule{}, false
	}
	return t.rules[i], true
}

// names is what an alert calls its member, as it was sent; "" if no rule says where that stands.
func (t *Triage) names(a Alert) string {
	rule, found := t.rule(a)
	if !found {
		return ""
	}
	return a.Labels[rule.MemberLabel]
}

func unmatched(why string) End { return End{State: Unmatched, Why: why} }

// noted is what becomes of an alert which tells that something is over: it belongs to its resource, if its labels name one alone.
func noted(named []galen.Resource) End {
	end := End{State: Matched, Why: "resolved: noted; it cancels nothing"}
	if len(named) == 1 {
		end.Resource = named[0]
	}
	return end
}
