package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Runbooks that act nowhere because they failed alike on several targets",
		Long: `A step of one runbook that fails on two targets within a day (policy: quarantine_after, quarantine_window) fails on the
third, too. The runbook is then in quarantine: it looks and plans on, and its steps are denied on every resource, until a
person has found the cause and clears it.`,
	}
	group(cmd)
	cmd.AddCommand(c.quarantineListCommand(), c.quarantineClearCommand())
	return cmd
}

func (c *cli) quarantineListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "The runbooks in quarantine, and why",
		Long:    "Lists the runbooks that act nowhere until a person clears them, with the step that failed and the targets it failed on.",
		Example: "  galen quarantine list",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.quarantines(cmd.Context()) },
	}
}

func (c *cli) quarantines(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := allQuarantines(ctx, client)
	if err := c.fault("list the quarantines", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return c.printQuarantines(w, res.JSON200.Quarantines) })
}

func (c *cli) printQuarantines(w io.Writer, all []galen.Quarantine) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "no runbook is in quarantine")
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, q := range all {
		rows = append(rows, []string{q.Runbook, age(c.now(), q.At), momentOf(q.At), q.Verb, strings.Join(q.Targets, ", ")})
	}
	return table(w, []string{"runbook", "since", "since then+", "failed", "on"}, rows)
}

func (c *cli) quarantineClearCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "clear RUNBOOK",
		Short: "Let a runbook act again",
		Long: `Ends the quarantine of a runbook; what failed before counts no more. Runs that it held go on by galen runs approve.
Clear it when you know why it failed: the next two failures put it in quarantine again.`,
		Example: `  galen quarantine clear cassandra/heal-node --why "the image of the spares was broken, it is replaced"`,
		Args:    takes(1, 1, "one runbook"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.clearQuarantine(cmd.Context(), args[0], why) },
	}
	cmd.Flags().StringVar(&why, "why", "", "what was wrong and what makes it right now (required)")
	return cmd
}

func (c *cli) clearQuarantine(ctx context.Context, runbook, why string) error {
	if why == "" {
		return usage("--why is required: it stays in the journal")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.ClearQuarantineWithResponse(ctx, api.ClearQuarantine{Runbook: runbook, Why: why})
	if err := c.fault("clear the quarantine of "+runbook, res, err, res != nil && res.StatusCode() == 204); err != nil {
		return err
	}
	return c.print(map[string]string{"cleared": runbook}, func(w io.Writer) error {
		fmt.Fprintf(w, "%s may act again; the runs that it held meanwhile wait for a yes each: galen runs list --status held\n", runbook)
		return nil
	})
}
