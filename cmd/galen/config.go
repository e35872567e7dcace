package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

func (c *cli) configCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "Check a configuration",
	})
	cmd.AddCommand(c.configCheckCommand())
	return cmd
}

func (c *cli) configCheckCommand() *cobra.Command {
	var path string
	var noFiles bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read a configuration as the engine would, and show what it means",
		Long: `Reads a configuration file as strictly as galen serve does, the setups of its resources included, and shows each
resource with its mode and each place where its policy leaves the safe defaults, marked where it is weaker than what
docs/safety.md promises. Nothing is started or touched.
To stderr goes a warning for each thing that is no fault and seldom meant: an alert rule that every alert fits, that none can
reach, or whose alerts can name no resource; a resource that no alert can name; a policy that no resource has, or
whose modes would take away what they would not bring back; a ring of nothing but spares. -o json has them as warnings. They leave the exit code 0.
Exit code 2 and every fault that can be found if there is one, a file that the configuration names and that cannot be used
included: run it as the user that the engine runs as, or with --no-files elsewhere, such as in CI. What cannot be found yet: the faults within a part that
cannot be read (not YAML, a resource that is no kind/name, a setup with an unknown field), and what only a look at the
resources would show, such as the name of a keyspace.`,
		Example: "  galen config check --config galen.yaml\n  galen config check --config galen.yaml --no-files   # in CI, where its secrets are not",
		Args:    takes(0, 0, "no arguments: name the file with --config"),
		RunE: func(*cobra.Command, []string) error {
			can := catalogue()
			var more []func(*config.Config) []error
			if !noFiles {
				more = append(more, filesHere)
			}
			cfg, err := loadConfig(path, can, more...)
			if err != nil {
				return err
			}
			meaning, err := meaningOf(cfg)
			if err != nil {
				return err
			}
			meaning.Warnings = can.Warnings(cfg)
			for _, w := range meaning.Warnings {
				fmt.Fprintf(c.errs, "warning: %s\n", oneLine(w.String()))
			}
			return c.print(meaning, func(w io.Writer) error { return printMeaning(w, meaning) })
		},
	}
	cmd.Flags().StringVar(&path, "config", "galen.yaml", "the configuration file")
	cmd.Flags().BoolVar(&noFiles, "no-files", false, "do not look at the files that it names")
	return cmd
}

// filesHere tells of each file that cannot be used, and, if there is one, how to check without them.
func filesHere(cfg *config.Config) []error {
	errs := cfg.CheckFiles()
	if place, err := app.JournalPlace(cfg); err == nil && place.URL != "" { // else it is among those
		if err := journal.CheckURL(place.URL); err != nil {
			errs = append(errs, fmt.Errorf("journal.url_file: %s: %w", cfg.Journal.URLFile, err))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("elsewhere than on the engine's machine, --no-files leaves the files out"))
	}
	return errs
}

// meaning is what a configuration comes to.
type meaning struct {
	Path      string      `json:"path"`
	Data      string      `json:"data"`
	Journal   string      `json:"journal"` // its file, or PostgreSQL and the file that says where
	Listen    string      `json:"listen"`
	TLS       bool        `json:"tls"`
	Temporal  string      `json:"temporal"` // address, or "embedded"
	Resources []treatment `json:"resources"`
	// Warnings are of what is no fault, and seldom meant.
	Warnings []config.Warning `json:"warnings,omitempty"`

	reach string // in words
}

// treatment is how one resource is looked after.
type treatment struct {
	Resource    galen.Resource      `json:"resource"`
	Mode        galen.Mode          `json:"mode"`
	Policy      string              `json:"policy"`
	Differences []config.Difference `json:"differences"`
}

func meaningOf(cfg *config.Config) (meaning, error) {
	out := meaning{Path: cfg.Path, Data: cfg.Data, Journal: journalAt(cfg), Listen: cfg.Listen, TLS: cfg.TLS.On(), reach: reachOf(cfg), Temporal: cfg.Temporal.Address, Resources: []treatment{}}
	if out.Temporal == "" {
		out.Temporal = "embedded"
	}
	for _, r := range cfg.Resources {
		policy := cfg.Policy(r.Resource)
		differences, err := config.Differences(policy)
		if err != nil {
			return out, fmt.Errorf("compare the policy of %s with the safe one: %w", r.Resource, err)
		}
		if differences == nil {
			differences = []config.Difference{}
		}
		out.Resources = append(out.Resources, treatment{
			Resource: r.Resource, Mode: policy.Mode, Policy: cfg.PolicyName(r.Resource), Differences: differences,
		})
	}
	return out, nil
}

// journalAt says where the journal is without a look at it, or at the connection string.
func journalAt(cfg *config.Config) string {
	if cfg.Journal.URLFile != "" {
		return "PostgreSQL, see " + cfg.Journal.URLFile
	}
	return filepath.Join(cfg.Data, app.JournalFile)
}

func printMeaning(w io.Writer, m meaning) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "configuration\t%s\ndata\t%s\njournal\t%s\nlisten\t%s\ntemporal\t%s\n", m.Path, m.Data, m.Journal, m.Listen+m.reach, m.Temporal)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printTreatments(w, m.Resources)
}

// reachOf marks an API that other machines reach, or that is served by HTTPS.
func reachOf(cfg *config.Config) string {
	host, _, err := net.SplitHostPort(cfg.Listen)
	switch {
	case cfg.TLS.ClientCAFile != "":
		return "  TLS, clients need a certificate"
	case cfg.TLS.On():
		return "  TLS"
	case err == nil && config.Loopback(host):
		return ""
	}
	return "  plain HTTP, other machines reach it: put TLS in front"
}

// printTreatments shows each resource and where its policy leaves the safe defaults.
func printTreatments(w io.Writer, all []treatment) error {
	for _, r := range all {
		if len(r.Differences) == 0 {
			writeLine(w, "%s  mode %s, policy %s: the safe defaults", r.Resource, r.Mode, r.Policy)
			continue
		}
		writeLine(w, "%s  mode %s, policy %s, %s from the safe defaults:", r.Resource, r.Mode, r.Policy, some(len(r.Differences), "difference"))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  FIELD\tSAFE\tHERE")
		for _, d := range r.Differences {
			if d.Weak != "" {
				d.Here += "\tweaker than " + d.Weak + " promises"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\n", d.Field, d.Safe, d.Here)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
