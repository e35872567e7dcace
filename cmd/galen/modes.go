package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) modesCommand() *cobra.Command {
	var runbook string
	cmd := &cobra.Command{
		Use:   "modes [RESOURCE]",
		Short: "How far each runbook may go by itself, and where",
		Long: `Lists for each resource and runbook the mode of its steps, by how much harm they can do: reversible, disruptive (takes a
replica away for a while) and destructive. observe: it finds and plans, and never acts; suggest: the same, and its runs tell what they would
have done and that it ended otherwise; approve: it acts on a person's yes; act: it acts where the guards allow. The policy of the resource in
the configuration says so; galen resources RESOURCE shows where that leaves the safe defaults.`,
		Example: "  galen modes\n  galen modes cassandra/orders\n  galen modes --runbook cassandra/replace-node -o json",
		Args:    takes(0, 1, "at most one resource"),
		RunE: func(cmd *cobra.Command, args []string) error {
			params := api.ListModesParams{Runbook: optional(runbook)}
			if len(args) == 1 {
				r, err := resourceNamed(args[0])
				if err != nil {
					return err
				}
				name := r.String()
				params.Resource = &name
			}
			return c.modes(cmd.Context(), params)
		},
	}
	cmd.Flags().StringVar(&runbook, "runbook", "", "only of this runbook")
	return cmd
}

func (c *cli) modes(ctx context.Context, params api.ListModesParams) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := paged(0, nil, func(limit int, cursor *string) (*api.ListModesResponse, error) {
		params.Limit, params.Cursor = &limit, cursor
		return client.ListModesWithResponse(ctx, &params)
	}, func(res *api.ListModesResponse) (*[]api.ModeRow, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Modes, &res.JSON200.Next, true
	})
	if err := c.fault("list the modes", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		rows := make([][]string, 0, len(res.JSON200.Modes))
		for _, m := range res.JSON200.Modes {
			rows = append(rows, []string{m.Resource, m.Runbook, string(m.Reversible), string(m.Disruptive), string(m.Destructive), m.Policy})
		}
		return table(w, []string{"resource", "runbook", "reversible", "disruptive", "destructive", "policy"}, rows)
	})
}
