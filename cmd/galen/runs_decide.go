package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) runsApproveCommand() *cobra.Command {
	var plan, why string
	cmd := &cobra.Command{
		Use:   "approve RUN",
		Short: "Say yes to a run's plan, or let a held run go on",
		Long: `Says yes to the newest plan of a run: its steps and its outline, as they were shown. The yes expires, and the world
can make it void: each step still passes every guard at its call. A held run goes on. What is destructive needs the
yes of two people, neither of whom asked for the run: the answer tells who has said yes, and who else must.

--plan names what you have read. Without it nothing is approved: the newest plan is shown, with what the guards say,
and the command that approves it, such as --plan 3:1f0c9a2e: plan 3, and the state of its targets that you were shown.
If the run has made another plan since, or those targets have changed, the yes is refused. --plan 3 alone is a yes to
plan 3 with its targets as they are now, whatever changed since you read it.`,
		Example: "  galen runs approve 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44                     # shows the plan\n  galen runs approve 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 --plan 3:1f0c9a2e   # says yes to it",
		Args:    takes(1, 1, "the ID of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("plan") {
				return c.showPlan(cmd.Context(), args[0])
			}
			return c.approve(cmd.Context(), args[0], plan, why)
		},
	}
	cmd.Flags().StringVar(&plan, "plan", "", "the plan that you have read, as it was shown: NUMBER:SHOWN, or NUMBER")
	cmd.Flags().StringVar(&why, "why", "", "a reason, for the journal")
	return cmd
}

// shownShort is how many characters of a run's shown a person passes on.
const shownShort = 8

// planToken names the newest plan of a run as it is shown: its number, and what a yes to it rests on.
func planToken(d api.RunDetail) string {
	token := strconv.Itoa(d.Run.Plan)
	if d.Shown != nil && len(*d.Shown) >= shownShort {
		token += ":" + (*d.Shown)[:shownShort]
	}
	return token
}

// planRead reads what [planToken] wrote, or a number alone.
func planRead(token string) (api.Approve, error) {
	number, shown, named := strings.Cut(token, ":")
	n, err := strconv.Atoi(number)
	if err != nil || named && shown == "" {
		return api.Approve{}, usage("--plan %q: want what galen runs approve RUN prints, such as 3:1f0c9a2e, or a plan's number", token)
	}
	return api.Approve{Plan: n, Shown: optional(shown)}, nil
}

// showPlan shows what an approval would be a yes to.
func (c *cli) showPlan(ctx context.Context, id string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetRunWithResponse(ctx, id, nil)
	if err := c.fault("read run "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	run, plans := res.JSON200.Run, res.JSON200.Plans
	i := newest(*res.JSON200)
	if i < 0 {
		return notDone("run %s is %s and has no plan yet: %s", id, run.Status, run.Why)
	}
	err = c.print(plans[i], func(w io.Writer) error {
		fmt.Fprintf(w, "plan %d of run %s: %s on %s\n", run.Plan, id, run.Runbook, run.Resource)
		return printPlan(w, c.planned(ctx, client, run.Resource, plans[i]))
	})
	if err != nil {
		return err
	}
	if stepless(*res.JSON200) {
		return notDone("nothing is approved: plan %d has no step to say yes to, and run %s is %s. End it (galen runs cancel %s --why ...), or mend what it names; a held run is then let look and try again by galen runs approve %s --plan %s",
			run.Plan, id, run.Status, id, id, planToken(*res.JSON200))
	}
	return notDone("nothing is approved yet; a yes to this plan is: galen runs approve %s --plan %s", id, planToken(*res.JSON200))
}

func (c *cli) approve(ctx context.Context, id, plan, why string) error {
	yes, err := planRead(plan)
	if err != nil {
		return err
	}
	yes.Why = optional(why)
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.ApproveRunWithResponse(ctx, id, yes)
	if err := c.fault("approve run "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	as := "as it was shown"
	if yes.Shown == nil {
		as = "with its targets as they are now"
	}
	done := fmt.Sprintf("approved plan %d of run %s, %s", yes.Plan, id, as)
	return c.print(*res.JSON200, func(w io.Writer) error {
		p := res.JSON200.People
		if counts := p == nil || p.Why == nil; counts && res.JSON200.Run.Status == galen.RunAsking {
			fmt.Fprintf(w, "%s; it looks again now, and goes on if nothing has moved\n", done)
		} else {
			fmt.Fprintf(w, "%s; it is %s now\n", done, status(res.JSON200.Run))
		}
		if p != nil {
			fmt.Fprintln(w, saidYes(*p))
		}
		fmt.Fprintf(w, "follow it: galen runs show %s\n", id)
		return nil
	})
}

// saidYes is how many people have said yes, and who else must.
func saidYes(p api.People) string {
	if p.Why != nil {
		return *p.Why
	}
	return fmt.Sprintf("%d of %d people have said yes: %s", len(p.Said), p.Wanted, strings.Join(p.Said, ", "))
}

// decided tells what a person's decision came to.
func (c *cli) decided(run galen.Run, what string) error {
	return c.print(run, func(w io.Writer) error {
		fmt.Fprintf(w, "%s; it is %s now\nfollow it: galen runs show %s\n", what, status(run), run.ID)
		return nil
	})
}

func (c *cli) runsRejectCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:     "reject RUN",
		Short:   "Say no; the run is held",
		Long:    "Says no to a run's plan. Approvals of it end, and it is held until a person approves or cancels it.",
		Example: `  galen runs reject 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 --why "not during the sale"`,
		Args:    takes(1, 1, "the ID of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.reject(cmd.Context(), args[0], why) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason (required)")
	return cmd
}

func (c *cli) reject(ctx context.Context, id, why string) error {
	if why == "" {
		return usage("--why is required: whoever looks at the run next needs the reason")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.RejectRunWithResponse(ctx, id, api.Reason{Why: why})
	if err := c.fault("reject run "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.decided(*res.JSON200, "rejected run "+id)
}

func (c *cli) runsCancelCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "End a run at a safe point",
		Long: `Asks a run to end. Its runbook plans its way to a safe point first: what is half done is finished or taken back. A
replacement whose new node has begun to join is finished, closing repair included.`,
		Example: `  galen runs cancel 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 --why "the disk is being swapped by hand"`,
		Args:    takes(1, 1, "the ID of one run"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.cancel(cmd.Context(), args[0], why) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason (required)")
	return cmd
}

func (c *cli) cancel(ctx context.Context, id, why string) error {
	if why == "" {
		return usage("--why is required: whoever looks at the run next needs the reason")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.CancelRunWithResponse(ctx, id, api.Reason{Why: why})
	if err := c.fault("cancel run "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.decided(*res.JSON200, "asked run "+id+" to end")
}
