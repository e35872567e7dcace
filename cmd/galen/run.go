package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

type runFlags struct {
	params []string
	json   string
	key    string
	plan   bool
	wait   bool
	follow bool
	// timeout of following; 0: none
	timeout time.Duration
}

func (c *cli) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run RUNBOOK RESOURCE",
		Short: "Ask for a run; --plan shows first what it would do",
		Long: `Asks the engine to run a runbook on a resource. It passes the same guards as a run that Galen starts by itself; in
mode approve it asks for a person's yes before it changes anything.

--plan looks, decides, asks every guard, and starts nothing. It shows each step: what is called where, for how long it waits, what is lost by it
and by one failure more, how it is undone, which guards do not allow it now, and the sum in the last line. -o wide has the answer of every guard.

--key makes it safe to ask again: the same key opens the same run, once.

--follow shows the run while it goes on: on a terminal as a tree that grows, elsewhere one line for each event, through restarts of the
engine, until it ends or is held. The run's ID is told at once, on standard error. --wait is the same. A run that asks for a yes, and one in mode
suggest, may be open for as long as its trouble: --timeout ends the wait, not the run.

Exit code 3 if the engine refuses, and, with --follow, if the run is held or ends in another way than verified, or not within --timeout.`,
		Example: `  galen run cassandra/restart-node cassandra/orders --param node=n2 --plan
  galen run cassandra/restart-node cassandra/orders --param node=n2 --key ticket-4711 --follow --timeout 30m
  galen run cassandra/replace-node cassandra/orders --params '{"node": "n2", "spare": "n4"}'`,
		Args: takes(2, 2, "a runbook and a resource"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.start(cmd.Context(), args[0], args[1], f) },
	}
	cmd.Flags().StringArrayVar(&f.params, "param", nil, "one parameter as name=value; the value is JSON, or else text (may be repeated)")
	cmd.Flags().StringVar(&f.json, "params", "", "all parameters as a JSON object")
	cmd.Flags().StringVar(&f.key, "key", "", "idempotency key: the same key opens the same run")
	cmd.Flags().BoolVar(&f.plan, "plan", false, "print the plan with what the guards say, start nothing")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "the same as --follow")
	cmd.Flags().BoolVar(&f.follow, "follow", false, "show the run while it goes on, to its end")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "with --follow: how long at most, such as 30m (0: until the run ends or is held)")
	return cmd
}

func (c *cli) start(ctx context.Context, runbook, resource string, f runFlags) error {
	r, err := resourceNamed(resource)
	if err != nil {
		return err
	}
	req, err := request(runbook, resource, f)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.CreateRunWithResponse(ctx, &api.CreateRunParams{IdempotencyKey: optional(f.key)}, req)
	what := fmt.Sprintf("run %s on %s", runbook, resource)
	if err := c.fault(what, res, err, res != nil && (res.JSON200 != nil || res.JSON201 != nil)); err != nil {
		return c.lacking(ctx, client, asking{what, runbook, req.Params}, res, err)
	}
	if res.JSON201 != nil {
		return c.started(ctx, client, *res.JSON201, f, "opened")
	}
	if plan := res.JSON200.Plan; plan != nil {
		return c.print(plan, func(w io.Writer) error {
			fmt.Fprintf(w, "%s on %s, the plan only: nothing is started\n", runbook, resource)
			return printPlan(w, c.planned(ctx, client, r, *plan))
		})
	}
	return c.started(ctx, client, *res.JSON200, f, "was there already")
}

func (f runFlags) follows() bool { return f.wait || f.follow }

func request(runbook, resource string, f runFlags) (api.RunRequest, error) {
	req := api.RunRequest{Runbook: runbook, Resource: resource, PlanOnly: optional(f.plan)}
	switch {
	case f.plan && (f.follows() || f.key != ""):
		return req, usage("--plan starts nothing: leave out --wait, --follow and --key")
	case f.timeout < 0:
		return req, usage("--timeout %s: want a time such as 30m, or 0 for none", f.timeout)
	case f.timeout > 0 && !f.follows():
		return req, usage("--timeout is how long to follow the run: say --follow, too")
	}
	params, err := parameters(f)
	if len(params) > 0 {
		req.Params = &params
	}
	return req, err
}

// started tells that there is a run, or follows it.
func (c *cli) started(ctx context.Context, client *api.ClientWithResponses, answer api.RunAnswer, f runFlags, how string) error {
	run := answer.Run
	switch {
	case run == nil:
		return errors.New("the engine answered with neither a run nor a plan")
	case f.follows():
		fmt.Fprintf(c.errs, "run %s %s; follow it: galen runs show %s\n", run.ID, how, run.ID) // who interrupts the wait still needs it
		return c.followToEnd(ctx, client, run.ID, f.timeout)
	}
	return c.print(run, func(w io.Writer) error {
		if string(run.Status) != how {
			how += ", it is " + string(run.Status)
		}
		fmt.Fprintf(w, "run %s %s\nfollow it: galen runs show %s\n", run.ID, how, run.ID)
		return nil
	})
}

// parameters reads --param and --params.
func parameters(f runFlags) (map[string]any, error) {
	out := map[string]any{}
	if f.json != "" {
		got, err := galen.Decode[map[string]any]([]byte(f.json))
		if err != nil {
			return nil, usage("--params: %w", err)
		}
		out = got
	}
	for _, p := range f.params {
		name, value, found := strings.Cut(p, "=")
		if !found || name == "" {
			return nil, usage("--param %q: want name=value", p)
		}
		if _, twice := out[name]; twice {
			return nil, usage("--param %s: given twice", name)
		}
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil || v == nil {
			v = value // plain text needs no quotes
		}
		out[name] = v
	}
	return out, nil
}

// followToEnd follows a run, for as long as the limit says if there is one; the exit code tells how it ended.
func (c *cli) followToEnd(ctx context.Context, client *api.ClientWithResponses, id string, limit time.Duration) error {
	if limit > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer done()
	}
	run, err := c.follow(ctx, client, id)
	if errors.Is(context.Cause(ctx), errTimeout) && errors.Is(err, errInterrupted) {
		return notDone("run %s is %s after %s (%s); it goes on without us: galen runs show %s", id, cmp.Or(run.Status, "open"), limit, cmp.Or(oneLine(run.Why), "the engine did not say why"), id)
	}
	if errors.Is(err, errInterrupted) {
		return fmt.Errorf("follow run %s: %w; it goes on without us", id, err)
	}
	if err != nil {
		return err
	}
	err = c.print(run, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  %s\nwhat happened: galen runs show %s\n", status(run), oneLine(run.Why), id)
		return err
	})
	if err == nil && run.Status != galen.RunVerified {
		return notDone("run %s is %s: %s", id, run.Status, oneLine(run.Why))
	}
	return err
}
