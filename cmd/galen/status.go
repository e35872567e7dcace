package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "How is everything, and does anything wait for me",
		Long: `Shows at a glance whether the engine works, what it looks after, how many members are bad, and what waits for a
person: held runs, runs that ask for an approval, and holds that are set.

Exit code 3 if the engine says that it does not work.`,
		Example: "  galen status\n  galen status -o json | jq .held_runs",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
}

func (c *cli) status(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetStatusWithResponse(ctx)
	if err := c.fault("read the status", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	if err := c.print(res.JSON200, func(w io.Writer) error { return printStatus(w, *res.JSON200, c.now()) }); err != nil {
		return err
	}
	if h := res.JSON200.Health; !h.Ok {
		return notDone("the engine does not work: %s", text(h.Why))
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func printStatus(w io.Writer, s api.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	health := "works"
	if !s.Health.Ok {
		health = "DOES NOT WORK: " + oneLine(text(s.Health.Why))
	}
	fmt.Fprintf(t, "engine\t%s, version %s, up for %s\n", health, s.Health.Version, span(now.Sub(s.Health.Started)))
	if s.Observe != nil {
		fmt.Fprintf(t, "acts\tNO: %s\n", oneLine(*s.Observe))
	}
	fmt.Fprintf(t, "runs\t%d open\n", s.OpenRuns)
	for _, row := range []struct {
		n          int
		name, does string
	}{
		{s.Findings, "findings", "stand: galen findings"},
		{s.HeldRuns, "held", "wait for a person: galen runs list --status held"},
		{s.AskingRuns, "asking", "wait for an approval: galen runs list --status asking"},
		{s.Holds, "holds", "forbid changes: galen holds"},
		{s.Quarantines, "quarantines", "runbooks act nowhere: galen quarantine list"},
	} {
		if row.n == 0 {
			fmt.Fprintf(t, "%s\t0\n", row.name)
			continue
		}
		fmt.Fprintf(t, "%s\t%d %s\n", row.name, row.n, row.does)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printResources(w, s.Resources, now)
}

func printResources(w io.Writer, all []api.Resource, now time.Time) error {
	rows := make([][]string, 0, len(all))
	for _, r := range all {
		seen := "not yet"
		if r.Seen != nil {
			seen = age(now, *r.Seen)
		}
		rows = append(rows, []string{r.Resource, string(r.Mode), r.Policy, strconv.Itoa(r.Members), strconv.Itoa(r.Bad), strconv.Itoa(r.Unknown), strconv.Itoa(r.Apart), seen, shortMargin(r.Margin)})
	}
	return table(w, []string{"resource", "mode", "policy", "members", "bad", "unknown", "apart", "seen", "margin"}, rows)
}

// shortMargin is what stands before the range; the resource itself tells the rest.
func shortMargin(m *string) string {
	first, _, _ := strings.Cut(text(m), ":")
	return first
}
