package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/config"
)

func (c *cli) resourcesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "resources [RESOURCE]",
		Aliases: []string{"resource"},
		Short:   "What is looked after; with a name, its members and policy",
		Long: `Lists what is looked after, each with its mode: observe (finds and plans, never acts), suggest (the same, and its runs
tell what they would have done and that it ended otherwise), approve (acts on a person's yes, the default) or act (acts
where the guards allow). A policy's modes may differ for some runbooks and classes of steps.

With the name of one (kind/name) it shows the members as they were seen last, who says what of the bad ones, and where
the policy leaves the safe defaults. UNKNOWN are members that nobody sees good or bad; APART are instances that take no part: spares, and those
that are fenced, never joined, or of which nobody has ever told that they are members.`,
		Example: "  galen resources\n  galen resources cassandra/orders\n  galen resources cassandra/orders -o json | jq '.members[] | select(.bad)'",
		Args:    takes(0, 1, "at most one resource"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.resources(cmd.Context())
			}
			return c.resource(cmd.Context(), args[0])
		},
	}
}

func (c *cli) resources(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := allResources(ctx, client)
	if err := c.fault("list the resources", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printResources(w, res.JSON200.Resources, c.now()) })
}

// resourceNamed reads a kind/name of the command line.
func resourceNamed(text string) (galen.Resource, error) {
	r, err := galen.ParseResource(text)
	if err != nil {
		return r, usage("%w", err)
	}
	return r, nil
}

func (c *cli) resource(ctx context.Context, name string) error {
	r, err := resourceNamed(name)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := wholeResource(ctx, client, r)
	if err := c.fault("read "+name, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printResource(w, *res.JSON200, c.now()) })
}

func printResource(w io.Writer, d api.ResourceDetail, now time.Time) error {
	named := treatment{Mode: d.Policy.Mode, Policy: d.Resource.Policy}
	if err := named.Resource.UnmarshalText([]byte(d.Resource.Resource)); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	weak := d.Policy.Weak()
	for _, x := range d.Differences {
		named.Differences = append(named.Differences, config.Difference{Field: x.Field, Safe: x.Safe, Here: x.Here, Weak: weak[x.Field]})
	}
	if err := printTreatments(w, []treatment{named}); err != nil {
		return err
	}
	if d.Resource.Seen == nil {
		fmt.Fprintln(w, "\nnot looked at yet")
		return nil
	}
	r := d.Resource
	fmt.Fprintln(w)
	writeLine(w, "%s, %d bad, %d unknown; %s apart; seen %s", some(r.Members, "member"), r.Bad, r.Unknown, some(r.Apart, "instance"), age(now, *r.Seen))
	if r.Margin != nil {
		writeLine(w, "margin: %s", oneLine(*r.Margin))
	}
	rows := make([][]string, 0, len(d.Members))
	for _, m := range d.Members {
		rows = append(rows, []string{m.Name, short(m.Target.ID), m.Target.ID, fmt.Sprint(m.Target.Generation), m.Instance, m.Domain, standing(m), said(m)})
	}
	return table(w, []string{"name", "target?", "id+", "generation+", "instance", "domain?", "is", "said"}, rows)
}

func standing(m galen.Member) string {
	switch {
	case m.Spare:
		return "spare"
	case m.Unlisted:
		return "UNLISTED"
	case m.Bad:
		return "BAD"
	case m.Bare():
		return "no member" // fenced, prepared, or never joined
	case m.Unknown():
		return "UNKNOWN"
	default:
		return "good"
	}
}

// said sums up what observers say of a member; those who see it well are only counted, unless others see it bad.
func said(m galen.Member) string {
	if len(m.Observations) == 0 {
		return ""
	}
	var words []string
	for _, says := range []galen.Says{galen.Bad, galen.Unknown, galen.Good} {
		var who []string
		for _, o := range m.Observations {
			if o.Says == says {
				who = append(who, o.Observer)
			}
		}
		if len(who) == 0 {
			continue
		}
		if says == galen.Good && !m.Bad {
			words = append(words, fmt.Sprintf("%d %s", len(who), says))
			continue
		}
		words = append(words, fmt.Sprintf("%s: %s", says, few(who)))
	}
	return strings.Join(words, "; ")
}

// fewAtMost names of a long list are written out.
const fewAtMost = 6

func few(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if len(names) <= fewAtMost {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:fewAtMost], ", "), len(names)-fewAtMost)
}
