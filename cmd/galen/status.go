package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

func (c *cli) statusCommand() *cobra.Command {
	return c.watchable(&cobra.Command{
		Use:   "status",
		Short: "Does anything wait for me, and how is everything",
		Long: `Shows first what needs a person, each with the command for it: runs that ask for an approval, that are held, or that do
nothing about what they see, for their mode is observe or suggest (idle), holds that are overdue, runbooks in quarantine or at
fault, members that nobody sees good or bad, or that are seen bad and not found yet, what is found and no run is open about, an
engine that only observes, what stands on a resource that no engine looks after, and notes: what was found and Galen does not
treat. Then the holds that stand, what is found, the newest alert of the last hour that started nothing, and what is looked
after with the margin: how many members may be lost before something is lost with them.

A token that may not view something is not told of it. -o json and yaml are the API's answer: the numbers, without the commands.

Exit code 3 if the engine says that it does not work, or where it sees nothing: of no member anybody tells how it is.`,
		Example: "  galen status\n  galen status --watch\n  galen status -o wide\n  galen status -o json | jq .held_runs",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	})
}

func (c *cli) status(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := wholeStatus(ctx, client)
	if err := c.fault("read the status", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	s := glance{Status: *res.JSON200}
	if c.forPeople() {
		if err := c.lookCloser(ctx, client, &s); err != nil {
			return err
		}
	}
	if err := c.print(s.Status, func(w io.Writer) error { return printStatus(w, s, c.now()) }); err != nil {
		return err
	}
	if h := s.Health; !h.Ok {
		return notDone("the engine does not work: %s", text(h.Why))
	}
	if blind(s.Resources) {
		return notDone("the engine sees nothing: of no member of what it looks after does anybody tell how it is; galen doctor says why")
	}
	return nil
}

// blind tells whether looks end, and show nothing of any member.
func blind(all []api.Resource) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(r api.Resource) bool { return r.Seen == nil || r.Unknown < r.Members })
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// glance is a status with what a person looks for in it.
type glance struct {
	api.Status

	findings   []api.FoundProblem
	foundKnown bool // findings are all that there are
	holds      []api.Held
	needs      []need
	stray      string // of the newest alert that starts nothing; "": none lately
}

func printStatus(w io.Writer, s glance, now time.Time) error {
	health := paint(inkGood, "works")
	switch {
	case s.Health.Ok && s.Observe != nil:
		health = paint(inkBad, "ONLY OBSERVES")
	case !s.Health.Ok:
		health = paint(inkBad, "DOES NOT WORK: "+oneLine(text(s.Health.Why)))
	}
	fmt.Fprintf(w, "galen %s, version %s, up for %s; %s open, %s, %s\n\n",
		health, oneLine(s.Health.Version), span(now.Sub(s.Health.Started)), some(s.OpenRuns, "run"), some(s.Findings, "finding"), some(s.Holds, "hold"))
	if err := printNeeds(w, s.needs); err != nil {
		return err
	}
	if err := printFirst(w, s.holds, holdsShown, "galen holds", func(some []api.Held) error { return printHolds(w, some, now) }); err != nil {
		return err
	}
	if err := printFirst(w, s.findings, findingsShown, "galen findings", func(some []api.FoundProblem) error { return printFindings(w, some, now) }); err != nil {
		return err
	}
	if s.stray != "" {
		writeLine(w, "%s", oneLine(s.stray))
		fmt.Fprint(w, further+"galen alerts list --state unmatched\n\n")
	}
	return printResources(w, s.Resources, now)
}

// So many are shown in a status; a storm has hundreds of findings.
const (
	holdsShown    = 5
	findingsShown = 10
)

// printFirst prints the first few of a list, if it has any, and which command has the others.
func printFirst[T any](w io.Writer, all []T, few int, command string, print func([]T) error) error {
	if len(all) == 0 {
		return nil
	}
	if err := print(first(all, few)); err != nil {
		return err
	}
	if more := len(all) - few; more > 0 {
		fmt.Fprintf(w, "and %d more: %s\n", more, command)
	}
	_, err := fmt.Fprintln(w)
	return err
}

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }

func printResources(w io.Writer, all []api.Resource, now time.Time) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "no resources: the configuration of the engine names none, or your token may view none")
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, r := range all {
		seen := "not yet"
		if r.Seen != nil {
			seen = age(now, *r.Seen)
		}
		rows = append(rows, []string{r.Resource, string(r.Mode), r.Policy, strconv.Itoa(r.Members), strconv.Itoa(r.Bad), strconv.Itoa(r.Unknown), strconv.Itoa(r.Apart), seen, shortMargin(r.Margin), text(r.Margin)})
	}
	return table(w, []string{"resource", "mode", "policy?", "members", "bad", "unknown", "apart?", "seen?", "margin", "counted+"}, rows)
}

// shortMargin is what stands before the range; the resource itself tells the rest.
func shortMargin(m *string) string {
	first, _, _ := strings.Cut(text(m), ":")
	return first
}
