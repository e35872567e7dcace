package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Ask for the same run again and again",
		Long: `A schedule asks for a run at each time of a cron spec, as its author would with galen run: the same guards, the same yes where
one is needed, and refused once its author may not ask any more. When it fires next, and what became of the last time, is in
the journal. Each time is one run's at most, whatever engines crash, and missed times never come in a burst.`,
	}
	group(cmd)
	cmd.AddCommand(c.scheduleCreateCommand(), c.scheduleListCommand(), c.scheduleShowCommand(), c.schedulePauseCommand(), c.scheduleResumeCommand(), c.scheduleDeleteCommand())
	return cmd
}

type scheduleFlags struct {
	runFlags
	spec, zone, missed, late string
	within                   []string
}

func (c *cli) scheduleCreateCommand() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "create NAME RUNBOOK RESOURCE",
		Short: "Ask for a run at each time of a spec",
		Long: `Creates a schedule. --spec has five fields of cron, minute hour day month weekday, or is @daily, @weekly and the like, in
--zone. A time that a day does not have, since clocks are set forward, comes an hour later; one that it has twice comes once.

--within is a window outside of which it does not fire, as a JSON object: '{"name": "night", "from": "22:00", "for": "6h",
"days": ["fri"], "zone": "Europe/Berlin"}'; of several one is enough.

A time is missed when no engine was there within --late after it. --missed skip, the default, leaves it out; --missed once
asks for one run, as soon as an engine is there, for all that were missed.`,
		Example: `  galen schedule create tuesday-restart cassandra/restart-node cassandra/orders --param node=n2 --spec "30 3 * * tue" --zone Europe/Berlin
  galen schedule create weekly-restart cassandra/restart-node cassandra/orders --param node=n1 --spec @weekly --missed once`,
		Args: takes(3, 3, "a name, a runbook and a resource"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.createSchedule(cmd.Context(), args[0], args[1], args[2], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.spec, "spec", "", "when: five fields of cron, or @daily and its like (required)")
	flags.StringVar(&f.zone, "zone", "", "the zone of the spec, such as Europe/Berlin; UTC without it")
	flags.StringVar(&f.missed, "missed", "", "what becomes of missed times: skip or once")
	flags.StringVar(&f.late, "late", "", "how long after its time a firing is not missed yet (5m)")
	flags.StringArrayVar(&f.within, "within", nil, "a window as a JSON object (may be repeated)")
	flags.StringArrayVar(&f.params, "param", nil, "one parameter as name=value; the value is JSON, or else text (may be repeated)")
	flags.StringVar(&f.json, "params", "", "all parameters as a JSON object")
	return cmd
}

func (c *cli) createSchedule(ctx context.Context, name, runbook, resource string, f scheduleFlags) error {
	if f.spec == "" {
		return usage("--spec is required: when it fires, such as \"30 3 * * tue\"")
	}
	run, err := request(runbook, resource, f.runFlags)
	if err != nil {
		return err
	}
	req := api.ScheduleRequest{
		Name: name, Runbook: runbook, Resource: resource, Params: run.Params, Spec: f.spec, Zone: optional(f.zone), Late: optional(f.late),
	}
	if f.missed != "" {
		missed := api.ScheduleRequestMissed(f.missed)
		req.Missed = &missed
	}
	var windows []galen.Window
	for _, text := range f.within {
		w, err := galen.Decode[galen.Window]([]byte(text))
		if err != nil {
			return usage("--within: %w", err)
		}
		windows = append(windows, w)
	}
	if len(windows) > 0 {
		req.Within = &windows
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.CreateScheduleWithResponse(ctx, req)
	what := "create the schedule " + name
	if err := c.fault(what, res, err, res != nil && res.JSON201 != nil); err != nil {
		return c.lacking(ctx, client, asking{what, runbook, req.Params}, res, err)
	}
	return c.firesNext(*res.JSON201)
}

// firesNext tells when a schedule fires next.
func (c *cli) firesNext(s galen.Schedule) error {
	return c.print(s, func(w io.Writer) error {
		fmt.Fprintf(w, "schedule %s: %s on %s, %s\n", s.Name, s.Runbook, s.Resource, nextTime(s))
		return nil
	})
}

func nextTime(s galen.Schedule) string {
	if s.Paused {
		return "paused"
	}
	return "next " + s.Next.UTC().Format(time.RFC3339)
}

func (c *cli) scheduleListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the schedules",
		Long:    "Lists the schedules by name: what each asks for, when it fires next, and what became of its last time.",
		Example: "  galen schedule list",
		Args:    takes(0, 0, "no argument"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.listSchedules(cmd.Context()) },
	}
}

func (c *cli) listSchedules(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := allSchedules(ctx, client)
	if err := c.fault("list the schedules", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	all := res.JSON200.Schedules
	return c.print(*res.JSON200, func(w io.Writer) error {
		if len(all) == 0 {
			fmt.Fprintln(w, "no schedules")
			return nil
		}
		var rows [][]string
		for _, s := range all {
			rows = append(rows, []string{s.Name, s.Runbook, s.Resource.String(), string(s.Params), whenOf(s), nextTime(s), lastTime(s), s.By})
		}
		return table(w, []string{"name", "runbook", "resource", "params?", "spec", "fires", "last", "by"}, rows)
	})
}

// whenOf is the spec of a schedule, in its zone.
func whenOf(s galen.Schedule) string { return strings.TrimSpace(s.Spec + " " + s.Zone) }

func (c *cli) scheduleShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "One schedule, with its parameters and windows",
		Long:    "Shows one schedule: what it asks for and with which parameters, when, in which windows, for whom, and what became of its last time.",
		Example: "  galen schedule show tuesday-restart",
		Args:    takes(1, 1, "the name of one schedule"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.showSchedule(cmd.Context(), args[0]) },
	}
}

func (c *cli) showSchedule(ctx context.Context, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetScheduleWithResponse(ctx, name)
	if err := c.fault("read the schedule "+name, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	s := *res.JSON200
	return c.print(s, func(w io.Writer) error {
		rows := [][]string{
			{"name", s.Name}, {"runbook", s.Runbook}, {"resource", s.Resource.String()}, {"params", string(s.Params)}, {"spec", whenOf(s)}, {"fires", nextTime(s)}, {"last", lastTime(s)},
			{"missed", s.Missed}, {"late", s.Late.String()}, {"by", s.By}, {"since", momentOf(s.At)},
		}
		for _, within := range s.Within {
			text, err := json.Marshal(within)
			if err != nil {
				return err
			}
			rows = append(rows, []string{"within", string(text)})
		}
		return table(w, []string{"schedule", "is"}, rows)
	})
}

// lastTime is what became of the last time of a schedule.
func lastTime(s galen.Schedule) string {
	if s.Last == nil {
		return "never"
	}
	text := s.Last.Due.UTC().Format(time.RFC3339) + " " + s.Last.Is
	if s.Last.Run != "" {
		return text + " " + s.Last.Run
	}
	if s.Last.Why != "" {
		return text + ": " + cut(oneLine(s.Last.Why), errorShown)
	}
	return text
}

func (c *cli) schedulePauseCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:     "pause NAME",
		Short:   "Stop a schedule from firing",
		Long:    "Stops a schedule until galen schedule resume. Runs that it opened go on.",
		Example: `  galen schedule pause tuesday-restart --why "no restarts during the sale"`,
		Args:    takes(1, 1, "the name of one schedule"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.pauseSchedule(cmd.Context(), args[0], why) },
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason (required)")
	return cmd
}

func (c *cli) pauseSchedule(ctx context.Context, name, why string) error {
	if why == "" {
		return usage("--why is required: whoever looks at the schedule next needs the reason")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.PauseScheduleWithResponse(ctx, name, api.Reason{Why: why})
	if err := c.fault("pause the schedule "+name, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.firesNext(*res.JSON200)
}

func (c *cli) scheduleResumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "resume NAME",
		Short:   "Have a paused schedule fire again",
		Long:    "Has a paused schedule fire again, at its next time from now on. What passed in the meantime is not made up for.",
		Example: "  galen schedule resume tuesday-restart",
		Args:    takes(1, 1, "the name of one schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			res, err := client.ResumeScheduleWithResponse(cmd.Context(), args[0])
			if err := c.fault("resume the schedule "+args[0], res, err, res != nil && res.JSON200 != nil); err != nil {
				return err
			}
			return c.firesNext(*res.JSON200)
		},
	}
}

func (c *cli) scheduleDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "End a schedule for good",
		Long:    "Ends a schedule. Runs that it opened go on; what it did stays in the journal.",
		Example: "  galen schedule delete tuesday-restart",
		Args:    takes(1, 1, "the name of one schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			res, err := client.DeleteScheduleWithResponse(cmd.Context(), args[0])
			if err := c.fault("delete the schedule "+args[0], res, err, res != nil && res.StatusCode() == 204); err != nil {
				return err
			}
			return c.print(map[string]string{"deleted": args[0]}, func(w io.Writer) error {
				fmt.Fprintf(w, "deleted %s\n", args[0])
				return nil
			})
		},
	}
}
