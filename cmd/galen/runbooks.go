package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) runbooksCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "runbooks [RUNBOOK]",
		Aliases: []string{"runbook"},
		Short:   "What this engine can run; with a name, its parameters",
		Long: `Lists the runbooks of the engine: the findings for which each starts by itself, whether galen run can start it by
hand (--plan shows first what it would do), and its parameters with their defaults. One that is not for hands needs
the targets that a finding brings. One that panicked, hung or contradicted itself is at fault: this engine holds its
runs, and asks it no more until it is restarted with a mended one.

With the name of one it shows what each parameter is. -o json has their JSON Schema, by which a program can ask for
them and check them; what it refuses, the engine refuses.`,
		Example: "  galen runbooks\n  galen runbooks cassandra/tune-streaming\n  galen runbooks cassandra/tune-streaming -o json | jq .schema\n  galen run cassandra/restart-node cassandra/orders --plan",
		Args:    takes(0, 1, "at most one runbook"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.runbooks(cmd.Context())
			}
			return c.runbook(cmd.Context(), args[0])
		},
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

// runbook shows one with its parameters.
func (c *cli) runbook(ctx context.Context, called string) error {
	kind, name, whole := strings.Cut(called, "/")
	if !whole {
		return usage("runbook %q: want kind/verb-noun, such as cassandra/start-node; galen runbooks lists them", called)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetRunbookWithResponse(ctx, kind, name)
	if err := c.fault("show the runbook", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		rb := *res.JSON200
		fmt.Fprintf(w, "%s, version %d\n", rb.Name, rb.Version)
		writeWrapped(w, "  ", "  ", rb.About)
		starts := []string{}
		if len(rb.Heals) > 0 {
			starts = append(starts, "by itself for "+strings.Join(rb.Heals, ", "))
		}
		if rb.ByHand {
			starts = append(starts, "by hand: galen run "+rb.Name+" RESOURCE")
		}
		writeWrapped(w, "  ", "  ", "starts "+strings.Join(starts, "; "))
		if rb.Fault != nil {
			writeWrapped(w, "  ", "  ", "at fault: "+oneLine(*rb.Fault))
		}
		for _, line := range parameterLines(rb.Schema) {
			writeWrapped(w, "  ", "    ", line)
		}
		return nil
	})
}

// parameterLines tell each parameter of a schema for people.
func parameterLines(schema map[string]any) []string {
	properties, _ := schema["properties"].(map[string]any)
	required := fmt.Sprint(schema["required"])
	var out []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		of, _ := properties[name].(map[string]any)
		what := fmt.Sprint(of["type"])
		if items, is := of["items"].(map[string]any); is {
			what += fmt.Sprintf(" of %v", items["type"])
		}
		if words, has := of["enum"]; has {
			what = "one of " + strings.Trim(fmt.Sprint(words), "[]")
		}
		if slices.Contains(strings.Fields(strings.Trim(required, "[]")), name) {
			what += ", required"
		}
		if preset, has := of["default"]; has {
			what += fmt.Sprintf(", %v if it is left out", preset)
		}
		line := fmt.Sprintf("parameter %s (%s)", name, what)
		if about, has := of["description"].(string); has {
			line += ": " + about
		}
		out = append(out, oneLine(line))
	}
	return out
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
