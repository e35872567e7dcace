package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/galenhq/galen"
)

// Warning is of what is no fault, since one may want it, and is seldom meant.
type Warning struct {
	At   string `json:"at"` // such as alerts[2]
	What string `json:"what"`
	Do   string `json:"do"`
}

// String is the warning on one line.
func (w Warning) String() string { return w.At + ": " + w.What + "; " + w.Do }

// Warnings are all that can be told from the configuration alone. healedIn are the kinds in which a runbook heals a code.
func (c *Config) Warnings(healedIn func(galen.Code) []string) []Warning {
	return slices.Concat(c.broad(), c.idlePolicies(), c.idleModes(), c.upsideDown(), c.tooShort(), c.deadRules(healedIn), c.nameless(healedIn), c.embedded())
}

// broad says by which rules and resources every alert is meant: alertname=~".+" fits whatever Alertmanager sends.
func (c *Config) broad() []Warning {
	const do = "name an alertname, or a matcher on a label that tells those alerts from others, unless you want that"
	var out []Warning
	for i, r := range c.Alerts {
		if everyName(r.Matches) {
			out = append(out, Warning{ruleAt(i), fmt.Sprintf("it is for every alert, whatever its name and labels: each hints at %s, and no rule after this one is tried", r.Code), do})
		}
	}
	for i, r := range c.Resources {
		if everyName(r.Named) {
			out = append(out, Warning{fmt.Sprintf("resources[%d].matchers", i), fmt.Sprintf("every alert names %s by them, whatever its name and labels", r.Resource), do})
		}
	}
	return out
}

func ruleAt(i int) string { return fmt.Sprintf("alerts[%d]", i) }

// everyName tells whether alerts match that have nothing but a name, and no likeness.
func everyName(matches func(map[string]string) bool) bool {
	return !slices.ContainsFunc([]string{"q", "0 Ω.~", "HostDown", "_x"}, func(name string) bool { return !matches(map[string]string{"alertname": name}) })
}

// idlePolicies are those that no resource has, but for the default one, which is for resources to come, and patterns that give none.
func (c *Config) idlePolicies() []Warning {
	var out []Warning
	had := map[string]bool{defaultPolicy: true}
	for _, r := range c.Resources {
		had[c.PolicyName(r.Resource)] = true
	}
	for i, p := range c.PolicyFor {
		if !slices.ContainsFunc(c.Resources, func(r Resource) bool { return r.Policy == "" && c.patternFor(r.Resource) == i }) {
			out = append(out, Warning{fmt.Sprintf("policy_for[%d]", i), fmt.Sprintf("no resource has its policy by %q: each that it matches has one of its own, or by a pattern before it", p.Match), "take it out, or put it before the others"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.PolicyTexts)) {
		if !had[name] {
			out = append(out, Warning{"policies." + name, "no resource has it", "name it at a resource or in policy_for, or take it out"})
		}
	}
	return out
}

// idleModes are the rows of a policy's modes that never count: for each step that one is for, a row before it fits, too.
func (c *Config) idleModes() []Warning {
	var out []Warning
	for _, name := range slices.Sorted(maps.Keys(c.PolicyTexts)) {
		rows := c.policies[name].Modes
		for i, row := range rows {
			if by := countsFirst(rows[:i], row); len(by) > 0 {
				out = append(out, Warning{
					fmt.Sprintf("policies.%s.modes[%d]", name, i),
					fmt.Sprintf("it never counts: each step that it is for (%s) fits %s before it, and the first that fits counts", rowFor(row), strings.Join(by, ", ")),
					"put it before, or take it out",
				})
			}
		}
	}
	return out
}

// countsFirst are those of the rows before one that take all its steps; none: it counts for some, as far as that is plain.
func countsFirst(before []galen.ModeRule, row galen.ModeRule) []string {
	var by []string
	for class := galen.Reversible; class <= galen.Destructive; class++ {
		if row.Class != 0 && row.Class != class {
			continue
		}
		i := slices.IndexFunc(before, func(r galen.ModeRule) bool { return (r.Class == 0 || r.Class == class) && covers(r, row) })
		if i < 0 {
			return nil
		}
		if text := fmt.Sprintf("modes[%d] (%s)", i, rowFor(before[i])); !slices.Contains(by, text) {
			by = append(by, text)
		}
	}
	return by
}

// covers tells whether one row is for each runbook that another one is for, as far as that is plain: for all, by the same pattern, by a name, or
// by how all of them begin.
func covers(wide, row galen.ModeRule) bool {
	const wild = `*?[\`
	is, of := runbooksOf(wide), runbooksOf(row)
	begin, all := strings.CutSuffix(is, "*")
	switch {
	case is == "*" || is == of:
		return true
	case !strings.ContainsAny(of, wild):
		return wide.Names(of)
	}
	return all && !strings.ContainsAny(begin, wild) && strings.HasPrefix(of, begin)
}

// runbooksOf is the pattern of a row, in the shortest form of those that mean all.
func runbooksOf(row galen.ModeRule) string {
	if row.Runbook == "" || row.Runbook == "*/*" {
		return "*"
	}
	return row.Runbook
}

func rowFor(row galen.ModeRule) string {
	class := "all classes"
	if row.Class != 0 {
		class = row.Class.String()
	}
	return cmp.Or(row.Runbook, "*") + ", " + class
}

// upsideDown says where a policy lets what takes something out of service go further than what brings it back: there it does not.
func (c *Config) upsideDown() []Warning {
	var out []Warning
	for _, name := range slices.Sorted(maps.Keys(c.PolicyTexts)) {
		for i, rule := range c.policies[name].Modes {
			if class, far, back := tooFar(c.policies[name], rule); class != 0 {
				out = append(out, Warning{
					fmt.Sprintf("policies.%s.modes[%d]", name, i),
					fmt.Sprintf("%s steps may go as far as %s, and %s ones, which bring back what was taken away, as far as %s: what cannot be brought back is not taken away, so that both go as far as %[4]s", class, far, galen.Reversible, back),
					fmt.Sprintf("let %s steps go at least as far", galen.Reversible),
				})
			}
		}
	}
	return out
}

// tooFar is a class of steps that a rule of a policy is about, and that may go further than those which bring back, with both modes; 0: none.
func tooFar(p galen.Policy, rule galen.ModeRule) (class galen.Class, far, back galen.Mode) {
	of := cmp.Or(strings.NewReplacer("*", "x", "?", "x").Replace(rule.Runbook), "x") // a runbook that it is about
	back = p.ModeOf(of, galen.Reversible)
	for _, class := range []galen.Class{galen.Disruptive, galen.Destructive} {
		about := rule.Class == class || rule.Class == galen.Reversible || rule.Class == 0
		if far := p.ModeOf(of, class); about && back.Less(far) {
			return class, far, back
		}
	}
	return 0, "", back
}

// tooShort says where a policy ends something before what it waits for can be.
func (c *Config) tooShort() []Warning {
	var out []Warning
	for _, name := range slices.Sorted(maps.Keys(c.PolicyTexts)) {
		p := c.policies[name]
		if p.ConfirmFor < p.DownFor {
			out = append(out, Warning{
				fmt.Sprintf("policies.%s.confirm_for", name),
				fmt.Sprintf("an alert that nothing confirms is looked at for %s, and a node is a finding once it was seen down for %s: a true alert may end as one that nothing confirmed", p.ConfirmFor, p.DownFor),
				"make it at least as long as down_for",
			})
		}
		if p.RunDeadline < p.StepDeadline {
			out = append(out, Warning{
				fmt.Sprintf("policies.%s.run_deadline", name),
				fmt.Sprintf("a run is held after %s, so that no step is refused for as long as step_deadline (%s)", p.RunDeadline, p.StepDeadline),
				"make it at least as long as step_deadline, or that one shorter",
			})
		}
	}
	return out
}

// deadRules are those that no alert can reach, or whose alerts can name no resource.
func (c *Config) deadRules(healedIn func(galen.Code) []string) []Warning {
	var out []Warning
	for i, r := range c.Alerts {
		of := r.conditions()
		before := slices.IndexFunc(c.Alerts[:i], func(earlier AlertRule) bool { return follows(of, earlier.conditions()) })
		one, other, never := apart(of)
		switch kinds := healedIn(r.Code); {
		case never:
			out = append(out, Warning{ruleAt(i), fmt.Sprintf("no alert fits %s and %s", one, other), "leave one of them out: one alert has one value of a label"})
		case before >= 0:
			out = append(out, Warning{ruleAt(i), fmt.Sprintf("no alert comes to it: each that it fits, alerts[%d] fits too, and the first counts", before), fmt.Sprintf("put it before alerts[%d], or take it out", before)})
		case len(kinds) > 0 && !slices.ContainsFunc(c.Resources, func(res Resource) bool { return slices.Contains(kinds, res.Resource.Kind) }):
			out = append(out, Warning{ruleAt(i), fmt.Sprintf("%s is healed on resources of the kind %s, and there is none here", r.Code, strings.Join(kinds, ", ")), "take it out, or add the resource"})
		case c.namesNone(of, kinds):
			out = append(out, Warning{ruleAt(i), "its alerts can name no resource: the labels and matchers of each want other values than it does", "make it and a resource fit one alert"})
		}
	}
	return out
}

// namesNone tells whether what a rule wants contradicts what every resource wants that alerts can name.
func (c *Config) namesNone(of []*labels.Matcher, kinds []string) bool {
	some := false
	for _, r := range c.Resources {
		wants := r.conditions()
		if _, _, never := apart(wants); never || len(wants) == 0 || !slices.Contains(kinds, r.Resource.Kind) {
			continue
		}
		some = true
		if _, _, never := apart(slices.Concat(of, wants)); !never {
			return false
		}
	}
	return some
}

// nameless are resources that no alert can name, where a rule is for their kind.
func (c *Config) nameless(healedIn func(galen.Code) []string) []Warning {
	var out []Warning
	for i, r := range c.Resources {
		at := fmt.Sprintf("resources[%d]", i)
		meant := slices.ContainsFunc(c.Alerts, func(rule AlertRule) bool { return slices.Contains(healedIn(rule.Code), r.Resource.Kind) })
		one, other, never := apart(r.conditions())
		switch {
		case !meant:
		case len(r.Labels)+len(r.Matchers) == 0:
			out = append(out, Warning{at, fmt.Sprintf("no alert can name %s: it has neither labels nor matchers, and alerts has rules for its kind", r.Resource), "give it the labels that its alerts have, unless only Galen's own looks shall find what is wrong with it"})
		case never:
			out = append(out, Warning{at, fmt.Sprintf("no alert can name %s: none fits %s and %s", r.Resource, one, other), "leave one of them out: one alert has one value of a label"})
		}
	}
	return out
}

// embedded says that a namespace is that of a server of the engine's own.
func (c *Config) embedded() []Warning {
	if c.Temporal.Address != "" || c.Temporal.Namespace == defaultNamespace {
		return nil
	}
	return []Warning{{"temporal.namespace", "no address is named, so that an embedded server is started, and the namespace is one of its own", "name the server as temporal.address, or leave the namespace out"}}
}

// conditions are all that an alert must fit for the rule.
func (r AlertRule) conditions() []*labels.Matcher {
	var out []*labels.Matcher
	if r.Alertname != "" {
		out = append(out, equal("alertname", r.Alertname))
	}
	return append(out, insides(r.Matchers)...)
}

// conditions are all that an alert must fit to name the resource.
func (r Resource) conditions() []*labels.Matcher {
	var out []*labels.Matcher
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		out = append(out, equal(name, r.Labels[name]))
	}
	return append(out, insides(r.Matchers)...)
}

func insides(all []Matcher) []*labels.Matcher {
	var out []*labels.Matcher
	for _, m := range all {
		if m.is != nil {
			out = append(out, m.is)
		}
	}
	return out
}

func equal(name, value string) *labels.Matcher {
	return &labels.Matcher{Type: labels.MatchEqual, Name: name, Value: value}
}

// follows tells whether what fits all of one fits all of the other, as far as that is plain: by the same matcher, or by a value.
func follows(from, all []*labels.Matcher) bool {
	return !slices.ContainsFunc(all, func(want *labels.Matcher) bool {
		return !slices.ContainsFunc(from, func(m *labels.Matcher) bool {
			return m.Name == want.Name && (m.Type == want.Type && m.Value == want.Value || m.Type == labels.MatchEqual && want.Matches(m.Value))
		})
	})
}

// apart are two matchers that no value of a label fits both, as far as that is plain: one of them names the value.
func apart(all []*labels.Matcher) (one, other *labels.Matcher, found bool) {
	for _, m := range all {
		for _, with := range all {
			if m.Type == labels.MatchEqual && m.Name == with.Name && !with.Matches(m.Value) {
				return m, with, true
			}
		}
	}
	return nil, nil, false
}
