package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

type approvalsFlags struct {
	resource, run, state, cursor string
	limit                        int
}

func (c *cli) approvalsCommand() *cobra.Command {
	var f approvalsFlags
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "Every yes that was given, and what became of it",
		Long: `Lists approvals, the newest first. One stands until each of its steps was begun as often as it was said yes to (used), its
time was over (expired), a newer yes to the run came (replaced), its run ended (over), the world moved (voided), its run
was held (held), a person said no (rejected), or the token of who said it was revoked (revoked). galen runs show tells why,
with what moved. What waits for a yes: galen runs list --status asking.`,
		Example: `  galen approvals --state stands
  galen approvals --resource cassandra/orders --limit 10
  galen approvals --run 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 -o json | jq -r '.approvals[] | .by'`,
		Args: takes(0, 0, "no arguments: choose with flags"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.approvals(cmd.Context(), f, chosen(cmd)) },
	}
	var states []string
	for _, s := range galen.ApprovalStates() {
		states = append(states, string(s))
	}
	flags := cmd.Flags()
	flags.StringVar(&f.resource, "resource", "", "only those of runs on this resource (kind/name)")
	flags.StringVar(&f.run, "run", "", "only those of this run")
	flags.StringVar(&f.state, "state", "", "only those that stand so: "+strings.Join(states, ", "))
	flags.IntVar(&f.limit, "limit", 30, "how many at most")
	flags.StringVar(&f.cursor, "cursor", "", "go on where a list ended: the next that it printed")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	return c.watchable(cmd)
}

func (c *cli) approvals(ctx context.Context, f approvalsFlags, chosen string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if f.limit < 1 {
		return usage("--limit %d: want 1 or more", f.limit)
	}
	res, err := paged(f.limit, optional(f.cursor), func(limit int, cursor *string) (*api.ListApprovalsResponse, error) {
		return client.ListApprovalsWithResponse(ctx, &api.ListApprovalsParams{
			Resource: optional(f.resource), Run: optional(f.run), State: optional(galen.ApprovalState(f.state)), Limit: &limit, Cursor: cursor,
		})
	}, func(res *api.ListApprovalsResponse) (*[]api.Approval, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Approvals, &res.JSON200.Next, true
	})
	if err := c.fault("list the approvals", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		if err := printApprovals(w, res.JSON200.Approvals, c.now(), chosen); err != nil {
			return err
		}
		printMore(w, res.JSON200.Next)
		return nil
	})
}

func printApprovals(w io.Writer, all []api.Approval, now time.Time, chosen string) error {
	if len(all) == 0 {
		return printNone(w, "approvals", chosen)
	}
	rows := make([][]string, 0, len(all))
	for _, a := range all {
		plan := ""
		if a.Plan != nil {
			plan = fmt.Sprint(*a.Plan)
		}
		end := "expires " + momentOf(a.Expires)
		if a.Ended != nil {
			end = age(now, *a.Ended)
		}
		rows = append(rows, []string{
			a.Run, a.Resource, a.Runbook, plan, string(a.State), a.By, strings.Join(valueOf(a.With), ", "), age(now, a.At), end, approvedSteps(a),
			a.Id, strings.Join(a.Intents, ", "), valueOf(a.Why),
		})
	}
	return table(w, []string{"run", "resource?", "runbook+", "plan?", "state", "by", "with?", "given", "ended?", "steps+", "id+", "intents+", "why"}, rows)
}

// approvedSteps are what was said yes to, in words.
func approvedSteps(a api.Approval) string {
	var out []string
	for _, s := range a.Steps {
		text := s.Verb + " " + s.Target
		if s.Count > 1 {
			text += fmt.Sprintf(" %d times", s.Count)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
