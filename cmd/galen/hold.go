package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) holdCommand() *cobra.Command {
	var why, until string
	cmd := &cobra.Command{
		Use:   "hold [RESOURCE [TARGET]]",
		Short: "The kill switch: no change in its scope until it is released",
		Long: `Sets a hold. While it is set, Galen makes no change in its scope: everything, one resource, or one target of it. It
goes on looking, finding and planning; its runs wait. What a call has already begun goes on at its target.

A hold has no end of itself. --until (a time, or how long from now) is when it is overdue: it still holds then.
Only galen release ends it.

TARGET is a member as galen resources RESOURCE shows it: its ID, its instance, its name or its address. A name that
means nobody is refused, since such a hold would hold nothing.`,
		Example: `  galen hold --why "change freeze"
  galen hold cassandra/orders --why "disks are being swapped" --until 4h
  galen hold cassandra/orders 10.0.3.17 --why "kept for forensics"`,
		Args: takes(0, 2, "at most a resource and a target"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.hold(cmd.Context(), args, why, until) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for those who meet the hold (required)")
	cmd.Flags().StringVar(&until, "until", "", "when it is overdue: 2026-09-01T06:00:00Z, or 4h from now")
	return cmd
}

func (c *cli) hold(ctx context.Context, args []string, why, until string) error {
	req := api.HoldRequest{Why: why}
	if why == "" {
		return usage("--why is required: those who meet the hold need the reason")
	}
	if len(args) > 0 {
		if _, err := resourceNamed(args[0]); err != nil {
			return err
		}
		req.Resource = &args[0]
	}
	if len(args) > 1 {
		req.Target = &args[1]
	}
	if until != "" {
		at, err := moment(until, c.now())
		if err != nil {
			return usage("--until %q: %w", until, err)
		}
		req.Until = &at
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.SetHoldWithResponse(ctx, req)
	if err := c.fault("set a hold", res, err, res != nil && res.JSON201 != nil); err != nil {
		return err
	}
	return c.print(res.JSON201, func(w io.Writer) error {
		fmt.Fprintf(w, "no change to %s until you say: galen release %s\n", scope(*res.JSON201), res.JSON201.ID)
		return nil
	})
}

// moment is a time, or how long from now.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("want a time such as 2026-09-01T06:00:00Z, or a duration such as 4h")
	}
	return at, nil
}

func scope(h galen.Hold) string {
	switch {
	case h.Resource == galen.Resource{}:
		return "anything"
	case h.Target != "":
		return h.Target + " of " + h.Resource.String()
	default:
		return h.Resource.String()
	}
}

func (c *cli) holdsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "holds",
		Short:   "The kill switches that are set",
		Long:    "Lists the holds that nobody has released, overdue ones included: they still hold.",
		Example: "  galen holds",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.holds(cmd.Context()) },
	}
}

func (c *cli) holds(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.ListHoldsWithResponse(ctx)
	if err := c.fault("list the holds", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printHolds(w, res.JSON200.Holds, c.now()) })
}

func printHolds(w io.Writer, all []galen.Hold, now time.Time) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "no holds: Galen may act where policies and guards allow")
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, h := range all {
		until := "until released"
		switch {
		case h.Until.IsZero():
		case now.After(h.Until):
			until = "until released; OVERDUE since " + span(now.Sub(h.Until))
		default:
			until = h.Until.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{h.ID, scope(h), until, h.By, age(now, h.At), h.Why})
	}
	return table(w, []string{"id", "scope", "until", "by", "set", "why"}, rows)
}

func (c *cli) releaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "release HOLD",
		Short:   "Release a kill switch",
		Long:    "Releases a hold by its ID, as galen holds shows it. Runs that it stopped look again at once, and go on if the guards allow.",
		Example: "  galen holds\n  galen release hold-3kq7xw2m5vta",
		Args:    takes(1, 1, "the ID of one hold"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.release(cmd.Context(), args[0]) },
	}
}

func (c *cli) release(ctx context.Context, id string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.ReleaseHoldWithResponse(ctx, id)
	if err := c.fault("release hold "+id, res, err, res != nil && res.StatusCode() == 204); err != nil {
		return err
	}
	return c.print(map[string]string{"released": id}, func(w io.Writer) error {
		fmt.Fprintf(w, "released %s\n", id)
		return nil
	})
}
