package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) rearmCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "rearm",
		Short: "Let Galen act again after its journal was in doubt",
		Long: `Galen observes only when it cannot trust its journal any more: it was restored from an old backup, the clock jumped,
Temporal lost a history, or two engines wrote the same file. It looks and plans, makes no call, and holds every open run;
galen status says why.

Look first at what was done meanwhile: what the journal does not know may be under way. Then galen rearm begins a new
epoch: the runs that were held for this look afresh and go on, and what was approved before must be approved again.`,
		Example: `  galen rearm --why "restored last night's backup; nothing was under way"`,
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.rearm(cmd.Context(), why) },
	}
	cmd.Flags().StringVar(&why, "why", "", "what happened and why Galen may act again (required)")
	return cmd
}

func (c *cli) rearm(ctx context.Context, why string) error {
	if why == "" {
		return usage("--why is required: it stays in the journal")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.RearmWithResponse(ctx, api.Rearm{Why: why})
	if err := c.fault("re-arm", res, err, res != nil && res.StatusCode() == 204); err != nil {
		return err
	}
	return c.print(map[string]bool{"armed": true}, func(w io.Writer) error {
		fmt.Fprintln(w, "re-armed: Galen may act again")
		return nil
	})
}
