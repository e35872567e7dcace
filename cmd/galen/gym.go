package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/gym"
)

// gymFlags are those of galen gym.
type gymFlags struct {
	n, workers int
	seed       uint64
	runbook    string
	story      bool
}

func (c *cli) gymCommand() *cobra.Command {
	var f gymFlags
	cmd := &cobra.Command{
		Use:   "gym",
		Short: "Let the runbooks face seeded incidents in virtual time",
		Long: `Plays N incidents, one for each seed from SEED on: a simulated ring whose nodes die, freeze, lose their data or are worked
on by people; calls that are lost, late or lie; engines that die at any moment, or two on one journal. The engine's parts
are the real ones. A checker that sees what is true names each invariant that did not hold; nothing outside this process
is touched.

A seed that fails prints what happened, shortened as far as it still fails, and the command that plays it again. Exit code
3 if one did.`,
		Example: `  galen gym --n 1000
  galen gym --seed 4711 --n 1 --story           one incident, line by line
  galen gym --runbook cassandra/heal-node`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.gym(cmd.Context(), f) },
	}
	cmd.Flags().IntVar(&f.n, "n", 1000, "how many incidents")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first one")
	cmd.Flags().IntVar(&f.workers, "workers", 0, "how many are played at once; 0: one for each core")
	cmd.Flags().StringVar(&f.runbook, "runbook", "", "only this runbook heals; what it does not heal is left alone")
	cmd.Flags().BoolVar(&f.story, "story", false, "tell what happened in each incident")
	return cmd
}

func (c *cli) gym(ctx context.Context, f gymFlags) error {
	o := gym.Options{Seed: f.seed, N: f.n, Workers: f.workers}
	if f.runbook != "" {
		for _, rb := range catalogue().Runbooks {
			if rb.Name == f.runbook {
				o.Runbooks = []galen.ListedRunbook{rb}
			}
		}
		if len(o.Runbooks) == 0 {
			return usage("no runbook %q; galen runbooks list names them", f.runbook)
		}
	}
	if f.story {
		o.Tell = func(p gym.Played) { fmt.Fprintf(c.errs, "%s\n", p.Story) }
	}
	began := c.now()
	report, err := gym.Train(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(c.print(report, func(w io.Writer) error { return writeReport(w, report, c.now().Sub(began)) }), verdict(report))
}

func writeReport(w io.Writer, r gym.Report, took time.Duration) error {
	seconds := max(took.Seconds(), 1e-3)
	_, err := fmt.Fprintf(w, "%s\n%.1f incidents/s, %.0f times faster than time\n", strings.TrimSpace(r.String()), float64(r.N)/seconds, r.Virtual.Seconds()/seconds)
	return err
}

func verdict(r gym.Report) error {
	if len(r.Failures) == 0 {
		return nil
	}
	return notDone("%d incidents broke an invariant:\n%s", len(r.Failures), r.Told())
}
