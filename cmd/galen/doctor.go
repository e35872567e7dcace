package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
needs no token and changes nothing but for one file that it writes to the data directory and removes again; where that is
not there yet, one directory where it would be made.

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
	// runs: an engine has the data directory; free: none has it, as far as could be seen.
	runs, free bool
}

// faultsOf are the faults that an error tells line by line, on one line.
func faultsOf(err error) string {
	var out strings.Builder
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case strings.HasSuffix(out.String(), ":"): // what it is the heading of
			out.WriteString(" ")
		case out.Len() > 0:
			out.WriteString("; ")
		}
		out.WriteString(line)
	}
	return out.String()
}

// examine makes all examinations that are possible.
func (c *cli) examine(ctx context.Context, path string) diagnosis {
	can := catalogue()
	cfg, err := loadConfig(path, can)
	if err != nil {
		return diagnosed([]symptom{{"config", path, isBad, oneLine(faultsOf(err)), "mend it until galen config check ends with 0; all else waits for that"}})
	}
	d := &doctor{cli: c, on: thisMachine(), asked: c.server, cfg: cfg, can: can}
	if c.on != nil {
		d.on = *c.on
	}
	if _, ended := within(ctx, d.on.limit, d.open); !ended {
		return diagnosed([]symptom{{"disk", cfg.Data, isBad, fmt.Sprintf("nothing of it could be read within %s", d.on.limit), "look at the disk, or at the network file system and its server: the engine hangs on it, too"}})
	}
	checks := []struct {
		of string
		do func(context.Context) []symptom
	}{
		{"config", d.config}, {"disk", d.disk}, {"journal", d.journal}, {"clock", d.clock}, {"engine", d.engine}, {"engine", d.trusted}, {"temporal", d.temporal},
		{"node", d.nodes}, {"token", d.tokens}, {"login", d.people},
	}
	found := make([][]symptom, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			is, ended := within(ctx, d.on.limit, check.do)
			if !ended {
				is = []symptom{{check.of, "", isBad, fmt.Sprintf("the examination did not end within %s", d.on.limit), "look at what it reads: a disk or a network file system that does not answer"}}
			}
			found[i] = is
		})
	}
	all.Wait()
	return diagnosed(slices.Concat(found...))
}

// spare is how much longer than its limit an examination may take that minds it.
const spare = 2 * time.Second

// within is what work came to, and whether it ended in time. What hangs on a disk cannot be ended, and is left behind.
func within[T any](ctx context.Context, limit time.Duration, work func(context.Context) T) (out T, ended bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	end := make(chan T, 1)
	go func() {
		defer cancel()
		end <- work(ctx)
	}()
	late := time.NewTimer(limit + spare)
	defer late.Stop()
	select {
	case out = <-end:
		return out, true
	case <-late.C:
		return out, false
	}
}

// open looks at the data directory and the journal, and tells whether it could.
func (d *doctor) open(ctx context.Context) bool {
	d.runs, d.free = d.locked()
	if d.place, d.unseen = app.JournalPlace(d.cfg); d.unseen == nil {
		d.seen, d.unseen = journal.Peek(ctx, d.place, d.now)
	}
	return d.unseen == nil
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
	for _, w := range d.can.Warnings(d.cfg) {
		out = append(out, symptom{"config", w.At, isWarn, w.What, w.Do})
	}
	for _, f := range d.cfg.Files() {
		if err := f.Fault(); err != nil {
			out = append(out, symptom{"config", f.Path, isBad, err.Error(), f.Do() + ": the engine does not start without it"})
		}
	}
	return out
}
