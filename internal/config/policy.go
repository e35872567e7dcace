package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// defaultPolicy is the name of the policy of a resource for which nothing names another one.
const defaultPolicy = "default"

// Pattern gives a policy to the resources that it matches.
type Pattern struct {
	Match  galen.Pattern `json:"match"`
	Policy string        `json:"policy"`
}

// checkPolicies reads the policies and finds that of each resource; it tells every fault.
func (c *Config) checkPolicies() []error {
	var errs []error
	c.policies = map[string]galen.Policy{defaultPolicy: galen.SafePolicy()}
	for _, name := range slices.Sorted(maps.Keys(c.PolicyTexts)) {
		p, faults := policyOf(c.PolicyTexts[name])
		for _, err := range faults {
			errs = append(errs, fmt.Errorf("policies.%s: %w", name, err))
		}
		c.policies[name] = p
	}
	for i, p := range c.PolicyFor {
		if err := c.checkPattern(p); err != nil {
			errs = append(errs, fmt.Errorf("policy_for[%d]: %w", i, err))
		}
	}
	needed, err := c.closure()
	errs = append(errs, err)
	c.of = map[galen.Resource]galen.Policy{}
	for i, r := range c.Resources {
		p, known := c.policies[c.PolicyName(r.Resource)]
		if !known {
			errs = append(errs, fmt.Errorf("resources[%d].policy: %w", i, c.noPolicy(r.Policy)))
		}
		if why := needed[r.Resource]; why != "" && p.EngineNeeds == "" {
			p.EngineNeeds = why
		}
		c.of[r.Resource] = p
	}
	return errs
}

// policyOf reads a policy; each fault is one line of its own.
func policyOf(text json.RawMessage) (galen.Policy, []error) {
	p := galen.SafePolicy()
	unread := galen.DecodeOver(text, &p)
	if unread != nil {
		p = readable(text)
	}
	err := errors.Join(unread, blanks[galen.Policy](text), p.Valid())
	if err == nil {
		return p, nil
	}
	var errs []error
	for line := range strings.Lines(err.Error()) {
		errs = append(errs, errors.New(strings.TrimSuffix(line, "\n")))
	}
	return p, errs
}

// readable are the fields of a policy that can be read, over the safe defaults: what can't be hides no other fault.
func readable(text json.RawMessage) galen.Policy {
	p := galen.SafePolicy()
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return p
	}
	for name, value := range fields {
		one, err := json.Marshal(map[string]json.RawMessage{name: value})
		with := p
		if err == nil && galen.DecodeOver(one, &with) == nil {
			p = with
		}
	}
	return p
}

func (c *Config) noPolicy(name string) error {
	return fmt.Errorf("no policy %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(c.policies)), ", "))
}

// checkPattern refuses a pattern that matches nothing: whoever wrote it believes that something is guarded by it.
func (c *Config) checkPattern(p Pattern) error {
	if _, known := c.policies[p.Policy]; !known {
		return fmt.Errorf("policy: %w", c.noPolicy(p.Policy))
	}
	if err := p.Match.Check(); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	if !slices.ContainsFunc(c.Resources, func(r Resource) bool { return p.Match.Matches(r.Resource) }) {
		return fmt.Errorf("match: %q matches no resource", p.Match)
	}
	return nil
}

// PolicyName is the name of a resource's policy: its own, or that of the first pattern that matches it, or "default".
func (c *Config) PolicyName(r galen.Resource) string {
	for _, have := range c.Resources {
		if have.Resource == r && have.Policy != "" {
			return have.Policy
		}
	}
	if i := c.patternFor(r); i >= 0 {
		return c.PolicyFor[i].Policy
	}
	return defaultPolicy
}

// patternFor is the place of the pattern that gives a resource without a policy of its own one, -1 if there is none.
func (c *Config) patternFor(r galen.Resource) int {
	return slices.IndexFunc(c.PolicyFor, func(p Pattern) bool { return p.Match.Matches(r) })
}

// Policy is that of a resource; one that is not configured gets the safe defaults.
func (c *Config) Policy(r galen.Resource) galen.Policy {
	if p, known := c.of[r]; known {
		return p
	}
	return galen.SafePolicy()
}

// closure is what the engine cannot do without, each with the chain that leads there (I-22).
func (c *Config) closure() (map[galen.Resource]string, error) {
	needs := map[galen.Resource][]galen.Resource{}
	for _, r := range c.Resources {
		needs[r.Resource] = r.DependsOn
	}
	errs := unknownIn(needs, "", c.DependsOn)
	for _, r := range c.Resources {
		errs = append(errs, unknownIn(needs, r.Resource.String()+".", r.DependsOn)...)
	}
	out := map[galen.Resource]string{}
	next := slices.Clone(c.DependsOn)
	for _, r := range next {
		out[r] = "the engine depends on " + r.String()
	}
	for len(next) > 0 {
		r := next[0]
		next = next[1:]
		for _, deeper := range needs[r] {
			if out[deeper] == "" {
				out[deeper] = out[r] + ", which depends on " + deeper.String()
				next = append(next, deeper)
			}
		}
	}
	return out, errors.Join(errs...)
}

func unknownIn(known map[galen.Resource][]galen.Resource, who string, needs []galen.Resource) []error {
	var errs []error
	for _, r := range needs {
		if _, is := known[r]; !is {
			errs = append(errs, fmt.Errorf("%sdepends_on: %s is not looked after here: what is not cannot be treated either, so leave it out", who, r))
		}
	}
	return errs
}
