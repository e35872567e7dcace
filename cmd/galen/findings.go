package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) findingsCommand() *cobra.Command {
	var resource string
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "The problems that are seen now",
		Long: `Lists the problems that are seen now, the most urgent first. A note is told to people only: no run starts for it (an
engine that cannot reach one node which all others see well, a repair that a cancelled run still owed: repair-owed). RUN is
the open run that has one of its targets in hand, STANDS how it stands: while one has, no other is opened for it. -o json
has the evidence of each observer.`,
		Example: "  galen findings\n  galen findings --watch --every 10s\n  galen findings --resource cassandra/orders -o json | jq '.findings[].evidence'",
		Args:    takes(0, 0, "no arguments: choose with --resource"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.findings(cmd.Context(), resource) },
	}
	cmd.Flags().StringVar(&resource, "resource", "", "only those of this resource (kind/name)")
	return c.watchable(cmd)
}

func (c *cli) findings(ctx context.Context, resource string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := allFindings(ctx, client, resource)
	if err := c.fault("list the findings", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printFindings(w, res.JSON200.Findings, c.now()) })
}

// optional is nil for the zero value: the API reads an absent field as its default.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func printFindings(w io.Writer, all []api.FoundProblem, now time.Time) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "no findings in what your token may view; a member that is seen bad is one after down_for: galen status counts those")
		return nil
	}
	all = byUrgency(all)
	rows := make([][]string, 0, len(all))
	for _, f := range all {
		level := urgencyName(f.Urgency)
		if f.Note {
			level = "note"
		}
		run, stands := inHand(f)
		rows = append(rows, []string{f.Resource.String(), string(f.Code), f.Domain, level, age(now, f.Since), run, stands, targetIDs(f.Targets), witnesses(f.Finding), f.Margin, f.Why})
	}
	return table(w, []string{"resource", "code", "domain?", "urgency", "since?", "run", "stands?", "targets+", "observers+", "margin+", "why"}, rows)
}

// inHand is the open run that has a finding in hand, and how it stands; of several the first.
func inHand(f api.FoundProblem) (run, stands string) {
	if len(f.Runs) == 0 {
		return "", ""
	}
	stands = string(f.Runs[0].Status)
	if more := len(f.Runs) - 1; more > 0 {
		stands += fmt.Sprintf(", and %d more", more)
	}
	return f.Runs[0].Run, stands
}

// witnesses are the observers of a finding's evidence.
func witnesses(f galen.Finding) string {
	var who []string
	for _, o := range f.Evidence {
		who = append(who, o.Observer)
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(who))), ", ")
}
