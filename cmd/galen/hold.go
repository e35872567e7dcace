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
		Use:   "hold [PATTERN [TARGET]]",
		Short: "The kill switch: no change in its scope until it is released",
		Long: `Sets a hold. While it is set, Galen makes no change in its scope: everything, one resource, the resources that a
pattern with *, ? or [a-z] means (later ones too), or one target of a resource. It counts before the next call of any
engine on this journal. Galen goes on looking, finding and planning; its runs wait. What a call has already begun goes on
at its target.

A hold does not end of itself. --until (a time, or how long from now, at most 90 days) is when it is overdue: it still
holds then, and pages until a person extends it (galen hold extend) or releases it (galen release).

TARGET is a member as galen resources RESOURCE shows it: its ID, its instance, its name or its address. A name that
means nobody is refused, since such a hold would hold nothing.`,
		Example: `  galen hold --why "change freeze" --until 2026-09-01T06:00:00Z
  galen hold 'cassandra/*-eu' --why "the network team works there" --until 2h
  galen hold cassandra/orders --why "disks are being swapped" --until 4h
  galen hold cassandra/orders 10.0.3.17 --why "kept for forensics" --until 72h`,
		Args: takes(0, 2, "at most a resource and a target"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.hold(cmd.Context(), args, why, until) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for those who meet the hold (required)")
	cmd.Flags().StringVar(&until, "until", "", "when it is overdue: 2026-09-01T06:00:00Z, or 4h from now (required)")
	cmd.AddCommand(c.extendCommand())
	return cmd
}

func (c *cli) hold(ctx context.Context, args []string, why, until string) error {
	if why == "" {
		return usage("--why is required: those who meet the hold need the reason")
	}
	end, err := holdEnd(until, c.now())
	if err != nil {
		return err
	}
	req := api.HoldRequest{Why: why, Until: end}
	if len(args) > 0 {
		if err := galen.Pattern(args[0]).Check(); err != nil {
			return usage("%w", err)
		}
		req.Resource = &args[0]
	}
	if len(args) > 1 {
		req.Target = &args[1]
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

func holdEnd(until string, now time.Time) (time.Time, error) {
	if until == "" {
		return time.Time{}, usage("--until is required, such as --until 4h: past it the hold still holds, and somebody is paged to extend or release it")
	}
	at, err := moment(until, now, ahead)
	if err != nil {
		return at, usage("--until %q: %w", until, err)
	}
	return at, nil
}

func (c *cli) extendCommand() *cobra.Command {
	var why, until string
	cmd := &cobra.Command{
		Use:     "extend HOLD",
		Short:   "Move the end of a kill switch",
		Long:    "Gives a hold, by its ID as galen holds shows it, another time at which it is overdue, at most 90 days from now. Nothing\nelse of it changes.",
		Example: `  galen hold extend hold-3kq7xw2m5vta --until 2h --why "the disks are late"`,
		Args:    takes(1, 1, "the ID of one hold"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.extend(cmd.Context(), args[0], why, until) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason (required)")
	cmd.Flags().StringVar(&until, "until", "", "when it is overdue: 2026-09-01T06:00:00Z, or 4h from now (required)")
	return cmd
}

func (c *cli) extend(ctx context.Context, id, why, until string) error {
	if why == "" {
		return usage("--why is required: it stays in the journal")
	}
	end, err := holdEnd(until, c.now())
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.ExtendHoldWithResponse(ctx, id, api.ExtendHold{Why: why, Until: end})
	if err := c.fault("extend "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is overdue at %s; no change to %s until you say: galen release %s\n",
			id, end.UTC().Format(time.RFC3339), scope(*res.JSON200), id)
		return err
	})
}

func scope(h api.Held) string {
	switch {
	case h.Pattern != "":
		return string(h.Pattern)
	case h.Resource == galen.Resource{}:
		return "anything"
	case h.Called != "":
		return fmt.Sprintf("%s (%s) of %s", h.Called, short(h.Target), h.Resource)
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
	res, err := allHolds(ctx, client)
	if err := c.fault("list the holds", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printHolds(w, res.JSON200.Holds, c.now()) })
}

func printHolds(w io.Writer, all []api.Held, now time.Time) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "no holds in what your token may view: Galen may act there where policies and guards allow")
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, h := range all {
		until := h.Until.UTC().Format(time.RFC3339)
		switch {
		case h.Until.IsZero():
			until = "none"
		case now.After(h.Until):
			until = "OVERDUE " + span(now.Sub(h.Until)) + ", holds on"
		}
		rows = append(rows, []string{h.ID, scope(h), until, h.By, age(now, h.At), momentOf(h.At), h.Why})
	}
	return table(w, []string{"hold", "scope", "overdue at", "by?", "set?", "set at+", "why"}, rows)
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
