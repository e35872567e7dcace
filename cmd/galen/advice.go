package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/advice"
	galenhttp "github.com/galenhq/galen/internal/http"
)

// The exit codes of a question. A script goes on at 0 only.
const (
	exitNo      = 1
	exitUnknown = 2
	exitUnasked = 3 // no answer: a usage error, or the engine could not be asked
)

// asks marks the commands with the exit codes of a question.
const asks = "asks"

const answers = `Exit codes, which differ from those of other commands: 0 yes, 1 no, 2 unknown (never seen, the view is too old, or nobody could be
heard), 3 no answer: the question has no sense, or the engine could not be asked. Only 0 is leave.`

// question is how one is asked beside its words.
type question struct {
	file   string   // a State that was saved; "": the engine
	within string   // how long leave from such a file is believed
	levels []string // besides those of the policy
}

func (q *question) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&q.file, "state", "", "ask this file, written by galen state, and no engine")
	cmd.Flags().StringSliceVar(&q.levels, "level", nil, "ask for these consistency levels, too, separated by commas")
	cmd.Flags().StringVar(&q.within, "within", "", "with --state: how long after it was saved a yes is believed, such as 2h or 30d (default 15m)")
}

// adviseSaved prints an answer from the file, as far as it counts now.
func (c *cli) adviseSaved(a galen.Advice, q question) error {
	until, err := moment(firstOf(q.within, "15m"), a.At, ahead)
	if err != nil {
		return usage("--within %q: %w", q.within, err)
	}
	return c.advise(advice.Believed(a, c.now(), until), true)
}

// check refuses a question that makes no sense.
func (q *question) check() error {
	if q.within != "" && q.file == "" {
		return usage("--within is about a file: name it with --state")
	}
	return nil
}

func (c *cli) canICommand() *cobra.Command {
	var q question
	cmd := &cobra.Command{
		Use:   "can-i VERB RESOURCE MEMBER",
		Short: "May I do this to a member by hand now",
		Long: `Asks whether a person may do something to a member by hand now: the guards of the resource that a run would meet, and what would be
lost, level by level. Steps in flight count as down. Nothing is reserved: what is true now need not be in a minute.

Who is at work there keeps you back: a claim of a run, a tool of others, and a hold of somebody else are a no. A window of the policy, and a hold
that you have set yourself (by the name of the token), keep only runs back: the answer and its exit code stay what they are, and a line that
begins with mind tells of it, and of each open run that is about the member; -o json has it under notes.

Of a Cassandra node: stop, drain, restart, kill, start, fence, decommission, removenode. MEMBER is an ID, instance, name or address.

The answer is about the consistency levels that the policy keeps. --level asks for others besides: it is only stricter by that. A keyspace with at
most two replicas has no guard unless the policy names it; what it loses is told in a line that begins with mind, and refuses only at a level of --level.

--state asks a file that galen state has written, without an engine: its policy, steps in flight and age are those of the moment when it was
saved. Claims of runs and holds are not in it. A yes from a file that is older than --within is unknown.

` + answers,
		Example: `  galen can-i stop cassandra/orders n7
  galen can-i decommission cassandra/orders 10.0.3.7 -o json | jq .why
  galen can-i drain cassandra/orders n7 && nodetool drain    # deploy/nodetool/nodetool does it for you
  galen can-i stop cassandra/orders n7 --level EACH_QUORUM,ALL
  galen can-i stop cassandra/orders n7 --state orders.json --within 2h`,
		Args:        takes(3, 3, "a verb, a resource and a member"),
		Annotations: map[string]string{asks: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.check(); err != nil {
				return err
			}
			return c.canI(cmd.Context(), args[0], args[1], args[2], q)
		},
	}
	q.flags(cmd)
	return cmd
}

func (c *cli) whatIfCommand() *cobra.Command {
	var q question
	var down []string
	cmd := &cobra.Command{
		Use:   "what-if [RESOURCE]",
		Short: "What is lost if these members go down",
		Long: `Shows each level that the resource keeps, and of --level, in how many ranges it is lost now and with the members of --down down at once; who may
be down at once besides, in each failure domain and in all of it; and whose loss would break what then. Steps in flight count as down. Without --down
it is how things are.

--state asks a file that galen state has written, without an engine. RESOURCE may be left out where there is only one: that of the file, or the only one
that your token may view, which is told. A yes from a file that is older than --within is unknown: the ring may be another one by now.

The answer is yes if nothing is lost by it of what is guarded, no if something is, or if nobody would be left;
what has no guard is told besides, and refuses only at a level of --level. ` + answers,
		Example: `  galen what-if --down n3,n7
  galen what-if cassandra/orders
  galen what-if cassandra/orders --down n3,n7
  galen what-if cassandra/orders --down n3 -o json | jq '.outlook.rolling[] | {domain, members}'
  galen what-if cassandra/orders --down n3 --state orders.json --within 30d`,
		Args:        takes(0, 1, "at most one resource"),
		Annotations: map[string]string{asks: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.check(); err != nil {
				return err
			}
			return c.whatIf(cmd.Context(), firstOf(args...), down, q)
		},
	}
	cmd.Flags().StringSliceVar(&down, "down", nil, "members supposed to be down at once, separated by commas")
	q.flags(cmd)
	return cmd
}

func (c *cli) stateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "state RESOURCE",
		Short: "What was seen last, to be saved and asked later",
		Long: `Prints the newest State of a resource as JSON, whatever -o says, with its policy, the steps in flight and what is owed. can-i and what-if ask
such a file with --state. docs/schema/state.md has the form.`,
		Example: "  galen state cassandra/orders > orders.json\n  galen what-if cassandra/orders --down n3 --state orders.json",
		Args:    takes(1, 1, "a resource"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := resourceNamed(args[0])
			if err != nil {
				return err
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			res, err := client.GetStateWithResponse(cmd.Context(), r.Kind, r.Name)
			if err := c.fault("read the state of "+args[0], res, err, res != nil && res.JSON200 != nil); err != nil {
				return err
			}
			return printJSON(c.out, res.JSON200)
		},
	}
}

func (c *cli) canI(ctx context.Context, verb, resource, member string, q question) error {
	r, err := resourceNamed(resource)
	if err != nil {
		return err
	}
	if q.file != "" {
		v, ids, err := c.savedView(q, r, []string{member})
		if err != nil {
			return err
		}
		out, err := advice.CanI(v, verb, ids[0])
		if err != nil {
			return usage("%w", err)
		}
		return c.adviseSaved(out, q)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.CanIWithResponse(ctx, r.Kind, r.Name, &api.CanIParams{Verb: verb, Member: member, Level: listed(q.levels)})
	if err := c.fault(fmt.Sprintf("can I %s %s of %s", verb, member, resource), res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.advise(*res.JSON200, false)
}

// whatIf of a resource; "": of the only one.
func (c *cli) whatIf(ctx context.Context, resource string, down []string, q question) error {
	var r galen.Resource
	var err error
	if resource != "" {
		if r, err = resourceNamed(resource); err != nil {
			return err
		}
	}
	if q.file != "" {
		v, ids, err := c.savedView(q, r, down)
		if err != nil {
			return err
		}
		return c.adviseSaved(advice.WhatIf(v, ids), q)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if resource == "" {
		if r, err = c.onlyResource(ctx, client); err != nil {
			return err
		}
		fmt.Fprintf(c.errs, "of %s, the only one that your token may view\n", r) // rings have nodes and keyspaces of the same names
	}
	res, err := client.WhatIfWithResponse(ctx, r.Kind, r.Name, &api.WhatIfParams{Down: listed(down), Level: listed(q.levels)})
	if err := c.fault("what if, of "+r.String(), res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.advise(*res.JSON200, false)
}

// listed is a list of a query; nil: none.
func listed(all []string) *[]string {
	if len(all) == 0 {
		return nil
	}
	return &all
}

// onlyResource is the one that the token may view, if there is only one.
func (c *cli) onlyResource(ctx context.Context, client *api.ClientWithResponses) (galen.Resource, error) {
	res, err := client.ListResourcesWithResponse(ctx, nil)
	if err := c.fault("list the resources", res, err, res != nil && res.JSON200 != nil); err != nil {
		return galen.Resource{}, err
	}
	all := res.JSON200.Resources
	if len(all) == 1 && res.JSON200.Next == nil {
		return resourceNamed(all[0].Resource)
	}
	names := make([]string, 0, len(all))
	for _, one := range all {
		names = append(names, one.Resource)
	}
	return galen.Resource{}, usage("which resource? There are several: %s", few(names))
}

// savedView reads a file of galen state, which has to be of that resource if one is named, and the IDs of the members that were named.
func (c *cli) savedView(q question, r galen.Resource, names []string) (advice.View, []string, error) {
	file := q.file
	b, err := readSaved(file)
	if err != nil {
		return advice.View{}, nil, fmt.Errorf("--state: %w", err)
	}
	v, err := advice.Load(b, savedKind)
	if err != nil {
		return v, nil, &failure{code: exitUsage, err: fmt.Errorf("--state %s: %w", file, err), clear: true}
	}
	of := v.Ledger.Run.Resource
	if r != (galen.Resource{}) && of != r {
		return v, nil, usage("--state %s: it is of %s, not of %s", file, of, r)
	}
	if v, err = v.Besides(q.levels); err != nil {
		return v, nil, usage("--level: %w", err)
	}
	ids, err := galenhttp.MemberIDs(of, v.State, names)
	if err != nil {
		return v, nil, &failure{code: exitUsage, err: err, clear: true}
	}
	return v, ids, nil
}

// readSaved reads a file, or a pipe; a device may have no end.
func readSaved(file string) ([]byte, error) {
	st, err := os.Stat(file)
	if err == nil && st.Mode()&os.ModeDevice != 0 {
		err = fmt.Errorf("%s: it is a device; want a file that galen state has written", file)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// savedKind is the pure half of a kind of the catalogue.
func savedKind(name string) (galen.ListedKind, bool) {
	for _, k := range catalogue().Kinds {
		if k.Name == name && k.Saved != nil {
			return k.Saved(), true
		}
	}
	return galen.ListedKind{}, false
}

// advise prints the answer, on the ring as it is or as it was saved; the exit code tells it too.
func (c *cli) advise(a galen.Advice, saved bool) error {
	if err := c.print(a, func(w io.Writer) error { return c.printAdvice(w, a, saved) }); err != nil {
		return err
	}
	switch a.Answer {
	case galen.Yes:
		return nil
	case galen.No:
		return &failure{code: exitNo, err: errors.New("no"), said: true}
	default:
		return &failure{code: exitUnknown, err: errors.New("unknown"), said: true}
	}
}

func (c *cli) printAdvice(w io.Writer, a galen.Advice, saved bool) error {
	called := func(id string) string { return firstOf(oneLine(a.Names[id]), short(id)) }
	writeLine(w, "%s: %s", strings.ToUpper(string(a.Answer)), oneLine(a.Why))
	for _, n := range a.Notes {
		writeLine(w, "mind: %s: %s", oneLine(n.Guard), oneLine(n.Why))
	}
	printUnguarded(w, a.Outlook)
	if len(a.Outlook.Strays) > 0 {
		writeLine(w, "mind: the policy names what is not there, and keeps nothing by it: %s", oneLine(few(a.Outlook.Strays)))
	}
	if a.Answer != galen.Yes && a.Outlook.Margin != "" {
		writeLine(w, "margin then: %s", oneLine(a.Outlook.Margin))
	}
	c.printWhen(w, a, saved)
	if len(a.Outlook.Down) > 0 {
		writeLine(w, "down already, or may be: %s", fewOf(a.Outlook.Down, called))
	}
	for _, d := range a.Outlook.Doubts {
		writeLine(w, "in doubt: %s", oneLine(d.Why))
	}
	if err := printObjections(w, a.Verdicts); err != nil {
		return err
	}
	if err := printLevels(w, a.Outlook); err != nil {
		return err
	}
	if err := printRolling(w, a.Outlook, called); err != nil {
		return err
	}
	return printThreats(w, a.Outlook.Threats, called)
}

// printWhen tells how old what the answer rests on is.
func (c *cli) printWhen(w io.Writer, a galen.Advice, saved bool) {
	then := "asked"
	if saved {
		then = "saved"
		writeLine(w, "saved at %s UTC, %s ago; what has happened since is not in it", a.At.UTC().Format(time.DateTime), span(c.now().Sub(a.At)))
	}
	if !a.Seen.IsZero() {
		writeLine(w, "seen %s before it was %s", span(a.At.Sub(a.Seen)), then)
	}
}

// fewOf names the first of many members.
func fewOf(ids []string, called func(string) string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = called(id)
	}
	if len(names) == 0 {
		return "-"
	}
	return few(names)
}

// printObjections shows who does not allow it, and how many do.
func printObjections(w io.Writer, all []galen.Verdict) error {
	if len(all) == 0 {
		return nil
	}
	against := slices.DeleteFunc(slices.Clone(all), func(v galen.Verdict) bool { return v.Answer == galen.Allow })
	writeLine(w, "%d of %d guards allow it", len(all)-len(against), len(all))
	return printVerdicts(w, "     ", against)
}

// printUnguarded minds what no guard keeps, and what of it would be away.
func printUnguarded(w io.Writer, o galen.Outlook) {
	if len(o.Unguarded) == 0 {
		return
	}
	var lost []string
	for _, l := range o.Told {
		if l.Lost > 0 {
			lost = append(lost, fmt.Sprintf("%s in %d of %d ranges", strings.TrimSpace(l.Of+" "+l.Name+" "+l.Group), l.Lost, l.Ranges))
		}
	}
	then := "what a member has of it is away while it is down"
	if len(lost) > 0 {
		then = "lost then: " + few(lost)
	}
	writeLine(w, "mind: not guarded, for want of replicas: %s; %s", oneLine(strings.Join(o.Unguarded, ", ")), oneLine(then))
}

func printLevels(w io.Writer, o galen.Outlook) error {
	if len(o.Levels)+len(o.Told) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := make([][]string, 0, len(o.Levels)+len(o.Told))
	for i, l := range slices.Concat(o.Levels, o.Told) {
		of := l.Of
		if i >= len(o.Levels) {
			of += " (not guarded)"
		}
		rows = append(rows, []string{of, l.Group, l.Name, fmt.Sprint(l.Ranges), fmt.Sprint(l.LostNow), fmt.Sprint(l.Lost), fmt.Sprintf("%d of %d, %d needed", l.Alive, l.Replicas, l.Needed)})
	}
	return table(w, []string{"of", "group", "level", "ranges", "lost now", "lost then", "worst range"}, rows)
}

func printRolling(w io.Writer, o galen.Outlook, called func(string) string) error {
	all := o.Rolling
	if len(all) == 0 {
		return nil
	}
	if o.Together != nil {
		all = append(slices.Clone(all), *o.Together)
	}
	fmt.Fprintln(w)
	rows := make([][]string, 0, len(all))
	for _, r := range all {
		most := fmt.Sprint(len(r.Members))
		if !r.Largest {
			most += " or more"
		}
		rows = append(rows, []string{firstOf(r.Domain, "(all of it)"), most, fewOf(r.Members, called), fewOf(r.Others, called)})
	}
	return table(w, []string{"domain", "may rest", "at once", "not besides"}, rows)
}

// threatsAtMost of a long list are printed; -o json has them all.
const threatsAtMost = 20

func printThreats(w io.Writer, all []galen.Threat, called func(string) string) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for i, t := range all {
		if i == threatsAtMost {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(all)-i), "-o json has all", "", ""})
			break
		}
		for j, l := range t.Levels {
			who := ""
			if j == 0 {
				who = called(t.ID)
			}
			rows = append(rows, []string{who, l.Of, strings.TrimSpace(l.Name + " " + l.Group), fmt.Sprintf("%d of %d", l.Lost, l.Ranges)})
		}
	}
	return table(w, []string{"one more down", "breaks", "level", "ranges"}, rows)
}
