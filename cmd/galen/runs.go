package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) runsCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "runs",
		Short: "What Galen does and did, and what it asks of you",
		Long: `A run is one durable execution of a runbook on a resource, from the finding (or the request) to its end. An open run is
opened, running, waiting (for the world), asking (for an approval) or held (for a person). It ends verified (the
problem is proved gone), not-confirmed (nothing confirmed the alert; no call was made) or cancelled.`,
	})
	cmd.AddCommand(c.runsListCommand(), c.runsShowCommand(), c.runsApproveCommand(), c.runsRejectCommand(), c.runsCancelCommand())
	return cmd
}

type runsFlags struct {
	resource, status, cursor string
	open                     bool
	limit                    int
}

func (c *cli) runsListCommand() *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Runs, newest first",
		Long:  "Lists runs, the newest first, with where each stands and why.",
		Example: `  galen runs list --open --watch
  galen runs list --status held
  galen runs list --resource cassandra/orders --limit 10 -o json | jq -r '.runs[].id'`,
		Args: takes(0, 0, "no arguments: choose with flags"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runsList(cmd.Context(), f, chosen(cmd)) },
	}
	cmd.Flags().StringVar(&f.resource, "resource", "", "only those on this resource (kind/name)")
	cmd.Flags().StringVar(&f.status, "status", "", "only those that stand so: held, asking, verified, ...")
	cmd.Flags().BoolVar(&f.open, "open", false, "only those that go on")
	cmd.Flags().IntVar(&f.limit, "limit", 30, "how many at most")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "go on where a list ended: the next that it printed")
	return c.watchable(cmd)
}

func (c *cli) runsList(ctx context.Context, f runsFlags, chosen string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if f.limit < 1 {
		return usage("--limit %d: want 1 or more", f.limit)
	}
	res, err := pagedRuns(ctx, client, f.limit, api.ListRunsParams{
		Resource: optional(f.resource), Status: optional(galen.RunStatus(f.status)), Open: optional(f.open), Cursor: optional(f.cursor),
	})
	if err := c.fault("list the runs", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		if err := printRuns(w, res.JSON200.Runs, c.now(), chosen); err != nil {
			return err
		}
		printMore(w, res.JSON200.Next)
		return nil
	})
}

func printRuns(w io.Writer, all []galen.Run, now time.Time, chosen string) error {
	if len(all) == 0 {
		return printNone(w, "runs", chosen)
	}
	rows := make([][]string, 0, len(all))
	for _, r := range all {
		rows = append(rows, []string{
			r.ID, r.Resource.String(), r.Runbook, string(r.Status), age(now, r.Created), span(lasted(r, now)), r.Asked, urgencyName(r.Urgency),
			targets(r), fmt.Sprint(r.Plan), momentOf(r.Deadline), r.Why,
		})
	}
	return table(w, []string{"run", "resource", "runbook", "status", "opened?", "took?", "asked by?", "urgency+", "targets+", "plan+", "deadline+", "why"}, rows)
}

// lasted is how long a run took, or has been going on.
func lasted(r galen.Run, now time.Time) time.Duration {
	if r.Ended.IsZero() {
		return now.Sub(r.Created)
	}
	return r.Ended.Sub(r.Created)
}

// momentOf is a time as -o wide shows it, which has the room.
func momentOf(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

func sortEvents(all []galen.Event) {
	slices.SortFunc(all, func(a, b galen.Event) int { return cmp.Compare(a.Seq, b.Seq) })
}
