package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// completeWithin is how long a shell waits for names at most; one that waits longer feels broken.
const completeWithin = 1500 * time.Millisecond

// completions offered at most; a shell shows a list of more as a question.
const completionsAtMost = 100

// aboutAtMost is how many columns of a line tell what a name means.
const aboutAtMost = 60

// names asks the engine for what may stand at a place of the command line, after these arguments.
type names func(ctx context.Context, client *api.ClientWithResponses, args []string) ([]cobra.Completion, error)

// offered are names as a shell completes them: at once, or nothing at all.
func (c *cli) offered(from names, args []string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	c.completing = true
	client, err := c.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := from(ctx, client, args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return first(all, completionsAtMost), cobra.ShellCompDirectiveNoFileComp
}

// places completes the arguments of a command, each from its own source; nil has none.
func (c *cli) places(from ...names) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(from) || from[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.offered(from[len(args)], args)
	}
}

// offer is one name with what there is to say of it. A name that a shell could take for something else is left out.
func offer(name, about string) []cobra.Completion {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return hidden(r) || strings.ContainsRune(" '\"\\$`;&|<>(){}*?!#~", r) }) {
		return nil
	}
	return []cobra.Completion{cobra.CompletionWithDesc(name, cut(oneLine(about), aboutAtMost))}
}

// completed gives each command and flag its completion. It is one table, so that no command is forgotten: see TestEveryPlaceCompletes.
func (c *cli) completed(root *cobra.Command) {
	for path, from := range map[string][]names{
		"ack": {resourceNames, memberNames(0)}, "can-i": {verbNames, resourceNames, memberNames(1)}, "what-if": {resourceNames}, "state": {resourceNames},
		"resources": {resourceNames}, "modes": {resourceNames}, "hold": {resourceNames, memberNames(0)}, "hold extend": {holdNames}, "release": {holdNames},
		"run": {runbookNames(true), resourceNames}, "runbooks": {runbookNames(false)}, "runs show": {runNames()}, "runs approve": {runNames(galen.RunAsking, galen.RunHeld)},
		"runs reject": {runNames(galen.RunAsking)}, "runs cancel": {openRuns}, "alerts show": {alertNumbers}, "quarantine clear": {quarantined},
		"token revoke": {tokenNames}, "schedule create": {nil, runbookNames(true), resourceNames},
		"schedule show": {scheduleNames}, "schedule pause": {scheduleNames}, "schedule resume": {scheduleNames}, "schedule delete": {scheduleNames},
	} {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.ValidArgsFunction = c.places(from...)
		}
	}
	c.completedFlags(root)
}

// shells keeps of the library's scripts those that are tried here.
func shells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		group(cmd)
		for _, shell := range cmd.Commands() {
			if shell.Name() == "powershell" {
				cmd.RemoveCommand(shell)
			}
		}
	}
}

// completedFlags gives the flags of all commands their completion, by name.
func (c *cli) completedFlags(cmd *cobra.Command) {
	words := map[string][]cobra.Completion{
		"output": {formTable, formWide, formJSON, formYAML}, "color": {colorAuto, colorAlways, colorNever},
		"state": {string(api.Pending), string(api.Matched), string(api.Unmatched), string(api.Refused)},
		"scope": {"view", "propose", "approve", "operate", "admin", "alerts"},
	}
	for _, kind := range galen.EventKinds() {
		words["kind"] = append(words["kind"], string(kind))
	}
	for _, s := range galen.RunStatuses() {
		words["status"] = append(words["status"], string(s))
	}
	for name, all := range words {
		if f := cmd.Flags().Lookup(name); f != nil && !(name == "state" && cmd.Name() != "list") { // can-i and what-if want a file
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)) // twice is no harm
		}
	}
	for name, from := range map[string]names{"resource": resourceNames, "run": runNames(), "down": memberNames(0), "runbook": runbookNames(false)} {
		if f := cmd.Flags().Lookup(name); f != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return c.offered(from, args)
			})
		}
	}
	for _, child := range cmd.Commands() {
		c.completedFlags(child)
	}
}

func resourceNames(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	res, err := client.ListResourcesWithResponse(ctx, nil)
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, r := range res.JSON200.Resources {
		out = append(out, offer(r.Resource, fmt.Sprintf("%s, %d bad", some(r.Members, "member"), r.Bad))...)
	}
	return out, nil
}

// memberNames are those of the resource at that place of the arguments.
func memberNames(at int) names {
	return func(ctx context.Context, client *api.ClientWithResponses, args []string) ([]cobra.Completion, error) {
		if len(args) <= at {
			return nil, nil
		}
		r, err := galen.ParseResource(args[at])
		if err != nil {
			return nil, err
		}
		res, err := wholeResource(ctx, client, r)
		if err != nil || res.JSON200 == nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, m := range res.JSON200.Members {
			out = append(out, offer(firstOf(m.Called(), m.Target.ID), strings.TrimSpace(m.Name+" "+standing(m)))...)
		}
		return out, nil
	}
}

// verbNames are those that a kind answers for, see galen can-i.
func verbNames(context.Context, *api.ClientWithResponses, []string) ([]cobra.Completion, error) {
	return []cobra.Completion{"stop", "drain", "restart", "kill", "start", "fence", "decommission", "removenode"}, nil
}

// runbookNames are those that can be asked for by hand, or all.
func runbookNames(byHand bool) names {
	return func(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
		res, err := client.ListRunbooksWithResponse(ctx, nil)
		if err != nil || res.JSON200 == nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, rb := range res.JSON200.Runbooks {
			if rb.ByHand || !byHand {
				out = append(out, offer(rb.Name, rb.About)...)
			}
		}
		return out, nil
	}
}

// runNames are the newest runs, those that stand so or all.
func runNames(as ...galen.RunStatus) names {
	return func(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
		return runsThat(ctx, client, len(as) > 0, func(r galen.Run) bool { return len(as) == 0 || slices.Contains(as, r.Status) })
	}
}

func openRuns(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	return runsThat(ctx, client, true, func(galen.Run) bool { return true })
}

func runsThat(ctx context.Context, client *api.ClientWithResponses, open bool, which func(galen.Run) bool) ([]cobra.Completion, error) {
	limit := completionsAtMost
	res, err := client.ListRunsWithResponse(ctx, &api.ListRunsParams{Open: optional(open), Limit: &limit})
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, r := range res.JSON200.Runs {
		if which(r) {
			out = append(out, offer(r.ID, fmt.Sprintf("%s %s %s", r.Status, r.Runbook, r.Resource))...)
		}
	}
	return out, nil
}

func holdNames(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	res, err := client.ListHoldsWithResponse(ctx, nil)
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, h := range res.JSON200.Holds {
		out = append(out, offer(h.ID, scope(h)+": "+h.Why)...)
	}
	return out, nil
}

func alertNumbers(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	limit := completionsAtMost
	res, err := client.ListAlertsWithResponse(ctx, &api.ListAlertsParams{Limit: &limit})
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, a := range res.JSON200.Alerts {
		out = append(out, offer(fmt.Sprint(a.Number), fmt.Sprintf("%s %s", a.State, a.Labels["alertname"]))...)
	}
	return out, nil
}

func quarantined(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	res, err := client.ListQuarantinesWithResponse(ctx, nil)
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, q := range res.JSON200.Quarantines {
		out = append(out, offer(q.Runbook, q.Verb+" failed")...)
	}
	return out, nil
}

func tokenNames(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	res, err := client.ListTokensWithResponse(ctx, nil)
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, t := range res.JSON200.Tokens {
		if t.Revoked.IsZero() {
			out = append(out, offer(t.Name, grantsOf(t))...)
		}
	}
	return out, nil
}

func scheduleNames(ctx context.Context, client *api.ClientWithResponses, _ []string) ([]cobra.Completion, error) {
	res, err := client.ListSchedulesWithResponse(ctx, nil)
	if err != nil || res.JSON200 == nil {
		return nil, err
	}
	var out []cobra.Completion
	for _, s := range res.JSON200.Schedules {
		out = append(out, offer(s.Name, "")...)
	}
	return out, nil
}
