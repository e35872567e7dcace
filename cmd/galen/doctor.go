package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// The exit codes of doctor.
const (
	exitWell = 0
	exitWarn = 1
	exitBad  = 2
)

// doctorLimit bounds each examination; they go on side by side.
const doctorLimit = 15 * time.Second

// Verdicts of doctor.
const (
	isOK   = "ok"
	isWarn = "warn"
	isBad  = "bad"
)

// symptom is one line of the doctor.
type symptom struct {
	Check string `json:"check"` // config, disk, journal, clock, engine, temporal, node, token, login
	About string `json:"about,omitempty"`
	Is    string `json:"is"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
}

// diagnosis is the answer of doctor.
type diagnosis struct {
	Is       string    `json:"is"` // the worst
	Symptoms []symptom `json:"symptoms"`
}

func (c *cli) doctorCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What is wrong with Galen itself, and what to do",
		Long: `Examines what the engine stands on: the configuration, the disk, the journal, the clock, the engine, Temporal, each node,
the tokens and the provider by which people log in. For each there are lines that say ok, warn or bad, what is wrong, and what to do. It works while the engine is down, too,
needs no token and changes nothing but for one file that it writes to the data directory and removes again.

Run it on the engine's machine, as the user that the engine runs as: it looks with the same rights.
Exit code 0 if all is well, 1 if something needs attention, 2 if something keeps Galen from its work. Each examination has 15 s.`,
		Example: "  galen doctor --config /etc/galen/galen.yaml\n  galen doctor -o json | jq '.symptoms[] | select(.is != \"ok\")'",
		Args:    takes(0, 0, "no arguments: name the configuration with --config"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := c.examine(cmd.Context(), path)
			if err := c.print(d, func(w io.Writer) error { return printDiagnosis(w, d) }); err != nil {
				return err
			}
			if code := map[string]int{isOK: exitWell, isWarn: exitWarn, isBad: exitBad}[d.Is]; code != exitWell {
				return &failure{code: code, err: errors.New("something is wrong"), said: true}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", "galen.yaml", "the configuration file")
	return cmd
}

// doctor is what the examinations share.
type doctor struct {
	*cli
	on    machine
	cfg   *config.Config
	can   app.Catalogue
	place journal.Place
	seen  journal.Peeked
	// unseen is why the journal could not be looked at.
	unseen error
	// asked is the engine that was named with --server.
	asked string
	// runs: an engine has the data directory.
	runs bool
}

// examine makes all examinations that are possible.
func (c *cli) examine(ctx context.Context, path string) diagnosis {
	can := catalogue()
	cfg, err := loadConfig(path, can)
	if err != nil {
		return diagnosed([]symptom{{"config", path, isBad, oneLine(err.Error()), "mend it until galen config check ends with 0; all else waits for that"}})
	}
	d := &doctor{cli: c, on: thisMachine(), asked: c.server, cfg: cfg, can: can}
	if c.on != nil {
		d.on = *c.on
	}
	d.runs = d.locked()
	peek, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	if d.place, d.unseen = app.JournalPlace(cfg); d.unseen == nil {
		d.seen, d.unseen = journal.Peek(peek, d.place, c.now)
	}
	checks := []func(context.Context) []symptom{d.config, d.disk, d.journal, d.clock, d.engine, d.temporal, d.nodes, d.tokens, d.people}
	found := make([][]symptom, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, doctorLimit)
			defer cancel()
			found[i] = check(ctx)
		})
	}
	all.Wait()
	var out []symptom
	for _, of := range found {
		out = append(out, of...)
	}
	return diagnosed(out)
}

func diagnosed(all []symptom) diagnosis {
	out := diagnosis{Is: isOK, Symptoms: all}
	for _, s := range all {
		if s.Is == isBad || s.Is == isWarn && out.Is == isOK {
			out.Is = s.Is
		}
	}
	return out
}

func printDiagnosis(w io.Writer, d diagnosis) error {
	bad, warn := 0, 0
	for _, s := range d.Symptoms {
		switch s.Is {
		case isBad:
			bad++
		case isWarn:
			warn++
		}
		about := s.Check
		if s.About != "" {
			about += " " + oneLine(s.About)
		}
		fmt.Fprintf(w, "%-4s  %s: %s\n", s.Is, about, oneLine(s.What))
		if s.Do != "" {
			fmt.Fprintf(w, "      do: %s\n", oneLine(s.Do))
		}
	}
	if bad+warn == 0 {
		_, err := fmt.Fprintln(w, "all is well")
		return err
	}
	_, err := fmt.Fprintf(w, "%d bad, %d to look at\n", bad, warn)
	return err
}

// config tells where the configuration promises less than it could.
func (d *doctor) config(context.Context) []symptom {
	out := []symptom{{"config", d.cfg.Path, isOK, some(len(d.cfg.Resources), "resource"), ""}}
	for _, r := range d.cfg.Resources {
		differences, err := config.Differences(d.cfg.Policy(r.Resource))
		if err != nil {
			out = append(out, symptom{"config", r.Resource.String(), isBad, err.Error(), "report it"})
		}
		for _, f := range differences {
			if f.Weak != "" {
				out = append(out, symptom{"config", r.Resource.String(), isWarn, fmt.Sprintf("%s is %s, which is weaker than %s promises (%s)", f.Field, f.Here, f.Weak, f.Safe), "galen explain " + f.Weak + "; take it out of the policy " + d.cfg.PolicyName(r.Resource) + " unless you want that"})
			}
		}
	}
	for _, why := range d.cfg.Broad() {
		out = append(out, symptom{"config", "alerts", isWarn, why, "name an alertname, or a matcher on a label that tells those alerts from others, unless you want that"})
	}
	if d.cfg.DeadMan.URLFile != "" {
		if _, err := d.cfg.DeadMan.URL(); err != nil {
			out = append(out, symptom{"config", "dead_man", isBad, err.Error(), "put the URL into that file: the engine does not start without it"})
		}
	}
	return out
}
