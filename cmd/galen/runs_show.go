package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) runsShowCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "The story of a run, line by line",
		Long: `Shows what happened in a run, from the journal, each line with its time (UTC) and the time since the run
was opened:

  seen       a finding, with what each observer says
  decided    what the runbook decided, and why; what should follow
  refused    the guard that refused a step, and why
  allowed    the gate allowed a step and wrote its intent; what was left before a guard would have refused (I-02: the
             quorum's margin)
  called     the one call, and what was answered, which proves nothing
  under way, done, failed, absent    what later looks showed of the effect
  asks, approved, held               where a person came in
  verified   the problem was seen gone, on several looks, by several kinds of observers
  opened, gone, stop, cancelled      the run began; its finding is seen no more; somebody wants it to end, or it let another pass
  engine     an engine started meanwhile
  margin, then, owes, paid, noted    below a line: what was left, what should follow, the debts that it leaves or pays, facts

What repeats is one line with its number. -o json has the newest 1,000 plans and intents and the first 10,000 events, each whole.

--watch shows the run while it goes on, until it ends or is held: on a terminal as a tree of what was found, each call with its effect, what it
waits for and what should follow; elsewhere one line for each event. Ctrl-C ends the view, not the run.`,
		Example: "  galen runs list --open\n  galen runs show 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44\n  galen runs show 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 --watch",
		Args:    takes(1, 1, "the ID of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch {
				return c.runsWatch(cmd.Context(), args[0])
			}
			return c.runsShow(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it while it goes on, to its end")
	return cmd
}

// runsWatch follows a run; whatever becomes of it, it was shown.
func (c *cli) runsWatch(ctx context.Context, id string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	run, err := c.follow(ctx, client, id)
	if errors.Is(err, errInterrupted) {
		return nil
	}
	if err != nil || c.forPeople() {
		return err
	}
	return c.print(run, nil)
}

func (c *cli) runsShow(ctx context.Context, id string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetRunWithResponse(ctx, id, nil)
	if err := c.fault("read run "+id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	d := *res.JSON200
	if !c.forPeople() {
		return c.print(d, nil)
	}
	around, err := c.around(ctx, client, d)
	if err != nil {
		return err
	}
	if err := printRun(c.page(), d, tell(d, around), c.now()); err != nil || !d.Run.Status.Open() {
		return err
	}
	return c.observing(ctx, client)
}

// observing tells in the end that no run can go on, whatever a guard said of this one, while Galen only observes.
func (c *cli) observing(ctx context.Context, client *api.ClientWithResponses) error {
	res, err := client.GetStatusWithResponse(ctx)
	if err := c.fault("ask whether galen may act", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	if why := res.JSON200.Observe; why != nil {
		fmt.Fprintf(c.page(), "\nGalen observes only, and makes no call in any run until galen rearm: %s\n", oneLine(*why))
	}
	return nil
}

// lookBack is how many events before the run's first one may hold the finding that opened it.
const lookBack = 200

// wholeSpan is how many events of the journal are read for one story at most; of a run that spans more, only those of its
// resource are read.
const wholeSpan = 10_000

// around are the events that belong to the story of a run without naming it: findings and holds on its resource, and
// starts of the engine.
func (c *cli) around(ctx context.Context, client *api.ClientWithResponses, d api.RunDetail) ([]galen.Event, error) {
	if len(d.Events) == 0 {
		return nil, nil
	}
	sortEvents(d.Events)
	after := max(0, d.Events[0].Seq-lookBack-1)
	limit := wholeSpan
	params := &api.ListEventsParams{After: &after, Limit: &limit}
	if d.Events[len(d.Events)-1].Seq-after > wholeSpan/2 {
		params.Resource = optional(d.Run.Resource.String())
	}
	res, err := client.ListEventsWithResponse(ctx, params)
	if err := c.fault("read the journal around run "+d.Run.ID, res, err, res != nil && res.JSON200 != nil); err != nil {
		return nil, err
	}
	return res.JSON200.Events, nil
}

func printRun(w io.Writer, d api.RunDetail, story []line, now time.Time) error {
	r := d.Run
	fmt.Fprintf(w, "run %s\n", r.ID)
	head := []detail{
		{"resource", r.Resource.String()},
		{"runbook", fmt.Sprintf("%s, version %d", r.Runbook, r.Version)},
		{"targets", targets(r)},
		{"asked by", fmt.Sprintf("%s, urgency %s", r.Asked, urgencyName(r.Urgency))},
		{"status", status(r)},
		{"why", r.Why},
		{"time", when(r, now)},
		{"calls", calls(d.Intents, isTrue(d.MoreIntents))},
	}
	if d.People != nil {
		head = append(head, detail{"people", saidYes(*d.People)})
	}
	if yes := d.Approval; yes != nil {
		what := "approved"
		if d.People != nil && !d.People.Enough {
			what = "a yes"
		}
		head = append(head, detail{what, fmt.Sprintf("by %s, counts until %s", yes.By, yes.Expires.UTC().Format(time.DateTime))})
	}
	writeDetails(w, "  ", head)
	if len(story) > 0 {
		fmt.Fprintln(w)
		writeStory(w, story, r.Created)
	}
	if isTrue(d.More) {
		fmt.Fprintf(w, "\nThere is more of it: galen journal list --run %s --after %d\n", r.ID, d.Events[len(d.Events)-1].Seq)
	}
	if hint := yourTurn(d); hint != "" {
		fmt.Fprintf(w, "\n%s\n", hint)
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// targets are the whole IDs of what the run was opened for; the story has them short.
func targets(r galen.Run) string { return targetIDs(r.Scope) }

func targetIDs(all []galen.Target) string {
	ids := make([]string, 0, len(all))
	for _, t := range all {
		ids = append(ids, t.ID)
	}
	return few(ids)
}

func status(r galen.Run) string {
	if r.Stop != "" && r.Status.Open() {
		return fmt.Sprintf("%s, asked to %s", r.Status, r.Stop)
	}
	return string(r.Status)
}

func when(r galen.Run, now time.Time) string {
	from := r.Created.UTC().Format(time.DateTime)
	if !r.Ended.IsZero() {
		return fmt.Sprintf("%s to %s UTC, %s", from, r.Ended.UTC().Format(time.TimeOnly), span(lasted(r, now)))
	}
	text := fmt.Sprintf("since %s UTC, for %s", from, span(lasted(r, now)))
	if r.Status == galen.RunHeld || r.Until.IsZero() {
		return text
	}
	if due := now.Sub(r.Until); due > 0 {
		return fmt.Sprintf("%s; its next look is due since %s UTC, for %s", text, r.Until.UTC().Format(time.TimeOnly), span(due))
	}
	return fmt.Sprintf("%s; looks again at %s UTC at the latest", text, r.Until.UTC().Format(time.TimeOnly))
}

// calls counts the intents by what became of them; more: there are older ones.
func calls(all []galen.Intent, more bool) string {
	if len(all) == 0 {
		return "none"
	}
	var parts []string
	for _, status := range []galen.EffectStatus{galen.EffectDone, galen.EffectUnderWay, galen.EffectUnknown, galen.EffectFailed, galen.EffectAbsent} {
		n := 0
		for _, in := range all {
			if in.Effect.Status == status {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, effectName(status)))
		}
	}
	which := ""
	if more {
		which = "the newest "
	}
	return fmt.Sprintf("%s%d: %s", which, len(all), strings.Join(parts, ", "))
}

// effectName is what became of an intent, in words.
func effectName(s galen.EffectStatus) string {
	switch s {
	case galen.EffectUnderWay:
		return "under way"
	case galen.EffectUnknown, "":
		return "unknown"
	default:
		return string(s)
	}
}

// yourTurn says what a person can do about a run that waits for one. No yes helps a plan that has no step: it would only let
// the run try again what the plan gives up.
func yourTurn(d api.RunDetail) string {
	r := d.Run
	approve, cancel := fmt.Sprintf("galen runs approve %s --plan %s", r.ID, planToken(d)), fmt.Sprintf("galen runs cancel %s --why ...", r.ID)
	switch {
	case r.Status == galen.RunAsking:
		return fmt.Sprintf("It waits for your yes or no:\n  %s\n  galen runs reject %s --why ...", approve, r.ID)
	case r.Status != galen.RunHeld:
		return ""
	case stepless(d):
		return fmt.Sprintf("It waits for you, and its plan has no step to say yes to. End it:\n  %s\nor mend what it names, and then let it look and try again:\n  %s", cancel, approve)
	default:
		return fmt.Sprintf("It waits for you. Let it go on, or end it at a safe point:\n  %s\n  %s", approve, cancel)
	}
}

// stepless: the newest plan of a run plans nothing to say yes to.
func stepless(d api.RunDetail) bool {
	i := newest(d)
	return i >= 0 && len(d.Plans[i].Plan.Steps)+len(d.Plans[i].Plan.Outline) == 0
}

// newest is the index of a run's newest plan, -1 before the first.
func newest(d api.RunDetail) int {
	return slices.IndexFunc(d.Plans, func(p galen.Decision) bool { return p.Number == d.Run.Plan })
}
