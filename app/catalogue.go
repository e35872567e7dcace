package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/config"
)

// Catalogue is what an engine can do: its kinds with their drivers, its runbooks and its detectors. An SRE's own main
// appends to it.
type Catalogue struct {
	Kinds     []Kind
	Runbooks  []galen.ListedRunbook
	Detectors []galen.Detector[galen.State]
}

// Kind opens a kind's driver for the configured resources of that kind.
type Kind struct {
	Name string
	// Open reads each resource's setup strictly. It must not touch a resource. Who opens a kind closes it.
	Open func(setups map[galen.Resource]json.RawMessage, logger *slog.Logger) (galen.ListedKind, error)
	// CheckPolicy tells what only the kind can see to be wrong in a policy of its resources; nil: nothing.
	CheckPolicy func(galen.Policy) error
	// Doubt tells what of a resource's setup is no fault, and seldom meant; nil: nothing.
	Doubt func(setup json.RawMessage) []config.Warning
	// Saved is the kind without a driver, for questions about States that were saved, see [galen.ListSaved]; nil: none can be asked.
	Saved func() galen.ListedKind
}

// CheckPolicies lets each kind check the policies of its resources; each fault is an error.
func (c Catalogue) CheckPolicies(cfg *config.Config) []error {
	var errs []error
	checked := map[string]bool{}
	for _, r := range cfg.Resources {
		i := slices.IndexFunc(c.Kinds, func(k Kind) bool { return k.Name == r.Resource.Kind && k.CheckPolicy != nil })
		name := cfg.PolicyName(r.Resource)
		if checked[r.Resource.Kind+"/"+name] {
			continue
		}
		checked[r.Resource.Kind+"/"+name] = true
		errs = slices.Concat(errs, c.checkModes(name, cfg.Policy(r.Resource)), c.checkCauses(name, cfg.Policy(r.Resource)))
		if i < 0 {
			continue
		}
		if err := c.Kinds[i].CheckPolicy(cfg.Policy(r.Resource)); err != nil {
			for line := range strings.Lines(err.Error()) {
				errs = append(errs, fmt.Errorf("policies.%s: %s", name, strings.TrimSuffix(line, "\n")))
			}
		}
	}
	return errs
}

// Warnings are of what is no fault in a configuration, and seldom meant.
func (c Catalogue) Warnings(cfg *config.Config) []config.Warning {
	out := cfg.Warnings(c.healedIn)
	for i, r := range cfg.Resources {
		for _, k := range c.Kinds {
			if k.Name != r.Resource.Kind || k.Doubt == nil {
				continue
			}
			for _, w := range k.Doubt(r.Setup) {
				w.At = fmt.Sprintf("resources[%d].setup.%s", i, w.At)
				out = append(out, w)
			}
		}
	}
	return out
}

// healedIn are the kinds in which a runbook heals the code.
func (c Catalogue) healedIn(code galen.Code) []string {
	var out []string
	for _, rb := range c.Runbooks {
		kind, _, _ := strings.Cut(rb.Name, "/")
		if slices.Contains(rb.Heals, code) && !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}

// checkModes refuses rules that name no runbook: a slip of the pen in one that forbids would allow.
func (c Catalogue) checkModes(policy string, p galen.Policy) []error {
	var errs []error
	for i, rule := range p.Modes {
		if !slices.ContainsFunc(c.Runbooks, func(rb galen.ListedRunbook) bool { return rule.Names(rb.Name) }) {
			errs = append(errs, fmt.Errorf("policies.%s: modes[%d]: no runbook is called %q: want a pattern of one of %s", policy, i, rule.Runbook, c.runbookNames()))
		}
	}
	return errs
}

// checkCauses refuses a cooldown after what no run is for: it would be that of nothing, and who wrote it believes that it holds.
func (c Catalogue) checkCauses(policy string, p galen.Policy) []error {
	var errs []error
	for i, rule := range p.Cooldowns {
		if rule.Cause != "" && len(c.healedIn(rule.Cause)) == 0 {
			errs = append(errs, fmt.Errorf("policies.%s: cooldowns[%d].cause: no runbook heals %q, so that it would count for nothing: want one of %s", policy, i, rule.Cause, c.healed()))
		}
	}
	return errs
}

func (c Catalogue) healed() string {
	var out []string
	for _, rb := range c.Runbooks {
		for _, code := range rb.Heals {
			out = append(out, string(code))
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

func (c Catalogue) runbookNames() string {
	var out []string
	for _, rb := range c.Runbooks {
		out = append(out, rb.Name)
	}
	return strings.Join(out, ", ")
}

// Temporal starts or reaches a Temporal server. dir is the data directory.
type Temporal func(ctx context.Context, dir string, logger *slog.Logger) (Server, error)

// Server is a Temporal server that an engine may use.
type Server struct {
	// Address is host:port of its frontend.
	Address   string
	Namespace string
	// Headers or APIKey prove who we are; nil: not needed.
	Headers func(context.Context) (map[string]string, error)
	APIKey  func(context.Context) (string, error)
	// TLS names the files of a TLS connection; nil: plain text.
	TLS *TLS
	// Stop ends an embedded server; nil: it is not ours.
	Stop func() error
}

// TLS names files in PEM form. Without CAFile the system's authorities are believed.
type TLS struct{ CAFile, CertFile, KeyFile string }

// opened are the lists by name.
type opened struct {
	kinds    map[string]galen.ListedKind
	runbooks map[string]galen.ListedRunbook
}

// open opens the kinds that the configuration needs and checks that the lists are without doubles.
func (c Catalogue) open(setups func(kind string) map[galen.Resource]json.RawMessage, logger *slog.Logger) (opened, error) {
	out := opened{kinds: map[string]galen.ListedKind{}, runbooks: map[string]galen.ListedRunbook{}}
	for _, k := range c.Kinds {
		if _, twice := out.kinds[k.Name]; twice {
			return out, fmt.Errorf("kind %q is listed twice", k.Name)
		}
		listed, err := k.Open(setups(k.Name), logger)
		if err != nil {
			return out, fmt.Errorf("kind %s: %w", k.Name, err)
		}
		out.kinds[k.Name] = listed
	}
	for _, rb := range c.Runbooks {
		if err := rb.CheckName(); err != nil {
			return out, err
		}
		if _, twice := out.runbooks[rb.Name]; twice {
			return out, fmt.Errorf("runbook %q is listed twice", rb.Name)
		}
		out.runbooks[rb.Name] = rb
	}
	for _, d := range c.Detectors {
		if i := slices.IndexFunc(d.Codes, galen.Code.Owed); i >= 0 {
			return out, fmt.Errorf("detector %s finds %s: codes that end like it are told of what ended runs owe, and no detector sees that", d.Name, d.Codes[i])
		}
	}
	return out, nil
}
