package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) alertsCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "alerts",
		Short: "The alerts that were sent, and what became of each",
		Long: `Every alert that Galen answered with success is here, with where it stands: pending (not dealt with yet), matched (a run
looks into it, or it tells that something is over), unmatched (neither the configuration nor what was seen knows what it
names: nothing starts) or refused (it breaks a limit). Alerts that were dealt with are kept for 30 days.`,
	})
	cmd.AddCommand(c.alertsListCommand(), c.alertsShowCommand())
	return cmd
}

type alertsFlags struct {
	state, resource, run, fingerprint, from, cursor string
	labels                                          []string
	limit                                           int
}

func (c *cli) alertsListCommand() *cobra.Command {
	var f alertsFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Alerts, newest first",
		Long: `Lists alerts, the newest first, with why each stands as it does. TIMES is how often the same alert came: same source,
fingerprint, status, start and labels. An alert that was matched to no resource, or to several, is shown to who may view everything.`,
		Example: `  galen alerts list --state unmatched
  galen alerts list --resource cassandra/orders --label alertname=CassandraNodeDown --from 24h
  galen alerts list --watch --limit 10
  galen alerts list --limit 500 -o json | jq -r '.alerts[] | select(.state == "refused") | .why'`,
		Args: takes(0, 0, "no arguments: choose with flags"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.alertsList(cmd.Context(), f, chosen(cmd)) },
	}
	cmd.Flags().StringVar(&f.state, "state", "", "only those that stand so: pending, matched, unmatched, refused")
	cmd.Flags().StringVar(&f.resource, "resource", "", "only those that were matched to this resource (kind/name)")
	cmd.Flags().StringVar(&f.run, "run", "", "only those that this run looks into")
	cmd.Flags().StringVar(&f.fingerprint, "fingerprint", "", "only those with this fingerprint")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "only those with this label, as name=value (may be repeated)")
	cmd.Flags().StringVar(&f.from, "from", "", "only those that came then or later: 2026-09-01T06:00:00Z, or 24h or 30d ago")
	cmd.Flags().IntVar(&f.limit, "limit", 30, "how many at most")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "go on where a list ended: the next that it printed")
	return c.watchable(cmd)
}

func (c *cli) alertsList(ctx context.Context, f alertsFlags, chosen string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if f.limit < 1 {
		return usage("--limit %d: want 1 or more", f.limit)
	}
	params := api.ListAlertsParams{
		State: optional(api.AlertState(f.state)), Resource: optional(f.resource), Run: optional(f.run), Fingerprint: optional(f.fingerprint),
	}
	if len(f.labels) > 0 {
		params.Label = &f.labels
	}
	if f.from != "" {
		from, err := moment(f.from, c.now(), ago)
		if err != nil {
			return usage("--from %q: %w", f.from, err)
		}
		params.From = &from
	}
	res, err := paged(f.limit, optional(f.cursor), func(limit int, cursor *string) (*api.ListAlertsResponse, error) {
		params.Limit, params.Cursor = &limit, cursor
		return client.ListAlertsWithResponse(ctx, &params)
	}, func(res *api.ListAlertsResponse) (*[]api.Alert, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Alerts, &res.JSON200.Next, true
	})
	if err := c.fault("list the alerts", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printAlerts(w, *res.JSON200, c.now(), chosen) })
}

func printAlerts(w io.Writer, list api.AlertList, now time.Time, chosen string) error {
	if len(list.Alerts) == 0 {
		return printNone(w, "alerts", chosen)
	}
	rows := make([][]string, 0, len(list.Alerts))
	for _, a := range list.Alerts {
		rows = append(rows, []string{
			fmt.Sprint(a.Number), cut(a.Id, shortID), a.Id, a.Labels["alertname"], a.Status, age(now, a.Received), fmt.Sprint(a.Duplicates + 1),
			string(a.State), a.Source, a.Fingerprint, valueOf(a.Resource), valueOf(a.Run), valueOf(a.Why),
		})
	}
	heads := []string{"number", "alert?", "id+", "alertname", "status", "received?", "times?", "state", "source+", "fingerprint+", "resource+", "run+", "why"}
	if err := table(w, heads, rows); err != nil {
		return err
	}
	printMore(w, list.Next)
	return nil
}

// shortID is how many characters of an ID a list shows: when the alert began, and some of what tells it from others of that time. The number
// beside it names the alert, too.
const shortID = 22

func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (c *cli) alertsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NUMBER|ID",
		Short: "One alert with its labels",
		Long: `Shows one alert with its labels, and what became of it. -o json has its body as it was received, too. What a sender
wrote is foreign text: control characters are not printed.`,
		Example: "  galen alerts show 4711",
		Args:    takes(1, 1, "one alert: its number in the list, or its whole ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.alertsShow(cmd.Context(), strings.ToLower(args[0]))
		},
	}
}

func (c *cli) alertsShow(ctx context.Context, id string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetAlertWithResponse(ctx, id)
	if err := c.fault("read alert "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printAlert(w, *res.JSON200, c.now()) })
}

func printAlert(w io.Writer, a api.Alert, now time.Time) error {
	rows := [][]string{
		{"alert", a.Id}, {"state", string(a.State)}, {"why", valueOf(a.Why)}, {"resource", valueOf(a.Resource)}, {"run", valueOf(a.Run)}, {"source", a.Source},
		{"fingerprint", a.Fingerprint}, {"status", a.Status}, {"received", age(now, a.Received)}, {"times", fmt.Sprint(a.Duplicates + 1)},
	}
	if a.StartsAt != nil {
		rows = append(rows, []string{"started", a.StartsAt.UTC().Format(time.RFC3339)})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		rows = append(rows, []string{"label " + name, a.Labels[name]})
	}
	notes := valueOf(a.Annotations)
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		rows = append(rows, []string{"annotation " + name, notes[name]})
	}
	return table(w, []string{"number", fmt.Sprint(a.Number)}, rows)
}
