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

func (c *cli) runbooksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "runbooks",
		Short: "What this engine can run",
		Long: `Lists the runbooks of the engine: the findings for which each starts by itself, whether galen run can start it by
hand (--plan shows first what it would do), and its parameters with their defaults. One that is not for hands needs
the targets that a finding brings. One that panicked, hung or contradicted itself is at fault: this engine holds its
runs, and asks it no more until it is restarted with a mended one.`,
		Example: "  galen runbooks\n  galen run cassandra/restart-node cassandra/orders --plan",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runbooks(cmd.Context()) },
	}
}

func (c *cli) runbooks(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := allRunbooks(ctx, client)
	if err := c.fault("list the runbooks", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printRunbooks(w, res.JSON200.Runbooks) })
}

func printRunbooks(w io.Writer, all []api.Runbook) error {
	rows := make([][]string, 0, len(all))
	for _, rb := range all {
		params := ""
		if rb.Params != nil {
			b, err := galen.Canonical(*rb.Params)
			if err != nil {
				return err
			}
			params = string(b)
		}
		byHand := "no"
		if rb.ByHand {
			byHand = "yes"
		}
		rows = append(rows, []string{rb.Name, strconv.Itoa(rb.Version), strings.Join(rb.Heals, ", "), byHand, params, rb.About})
	}
	if err := table(w, []string{"runbook", "version?", "heals", "by hand", "params?", "about"}, rows); err != nil {
		return err
	}
	for _, rb := range all {
		if rb.Fault == nil {
			continue
		}
		writeWrapped(w, "", "", oneLine(fmt.Sprintf("%s is at fault, and decides no more in this engine until it is mended and restarted: %s", rb.Name, *rb.Fault)))
	}
	return nil
}
