package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) ackCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ack RESOURCE TARGET",
		Short: "You have seen that a target was treated: its cool-down is over",
		Long: `Galen treats a target by itself once per cool-down (an hour by default): what fails again so soon needs a person's
eyes. A run that meets a cool-down asks. galen ack tells that you have looked; galen runs approve of that run does too.

TARGET is a member as galen resources RESOURCE shows it: its ID, its instance, its name or its address.`,
		Example: "  galen ack cassandra/orders 10.0.3.17",
		Args:    takes(2, 2, "a resource and a target"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.ack(cmd.Context(), args[0], args[1]) },
	}
}

func (c *cli) ack(ctx context.Context, resource, target string) error {
	r, err := resourceNamed(resource)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.AcknowledgeWithResponse(ctx, r.Kind, r.Name, api.Acknowledge{Target: target})
	if err := c.fault("acknowledge "+target, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(map[string]string{"resource": r.String(), "acknowledged": res.JSON200.Target}, func(w io.Writer) error {
		fmt.Fprintf(w, "acknowledged %s of %s\n", res.JSON200.Target, r)
		return nil
	})
}
