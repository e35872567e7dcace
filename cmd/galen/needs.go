package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// need is one thing that waits for a person.
type need struct {
	ink  ink
	sort string
	what string
	// do are the commands, to be copied: they are never cut or wrapped.
	do []string
}

// needsShown of each sort; a storm asks for hundreds of approvals.
const needsShown = 10

// lookCloser finds what needs a person behind the numbers of a status.
func (c *cli) lookCloser(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	s.needs = engineNeeds(s.Status)
	for _, look := range []func(context.Context, *api.ClientWithResponses, *glance) error{
		c.quarantineNeeds, c.faultNeeds, c.askingNeeds, c.heldNeeds, c.idleNeeds, c.holdNeeds, c.findingsOf, c.strayAlert, // what holds runs stands before them
	} {
		if err := look(ctx, client, s); err != nil {
			return err
		}
	}
	s.needs = append(s.needs, slices.Concat(orphanNeeds(valueOf(s.Orphans)), leftNeeds(s.findings, c.now()), s.badNeeds(), unknownNeeds(s.Resources), noteNeeds(s.findings))...)
	return nil
}

// kept tells whether the token may not ask this, which makes an overview shorter and is no error of it.
func kept(r reply) bool { return r.StatusCode() == http.StatusForbidden }

// unseen: so many of a sort need somebody, of which this token may see no more.
func (s *glance) unseen(n int, sort string) {
	s.needs = append(s.needs, need{ink: inkWarn, sort: sort, what: fmt.Sprintf("%d, which your token may not see", n), do: []string{"galen token create NAME --scope view ..."}})
}

func engineNeeds(s api.Status) []need {
	if !s.Health.Ok {
		return []need{{ink: inkBad, sort: "engine", what: "it does not work, and heals nothing until that is mended", do: []string{"galen doctor"}}}
	}
	if s.Observe == nil {
		return nil
	}
	return []need{{ink: inkBad, sort: "observes", what: "galen makes no call in any run: " + *s.Observe, do: []string{"galen rearm --why ..."}}}
}

// lot are the runs that wait for a person for one thing.
type lot struct {
	ink    ink
	sort   string
	status galen.RunStatus
	// n is how many there are, by the engine.
	n int
}

// has tells whether a run is of it. Those that wait act by themselves, but for idle ones.
func (l lot) has(r galen.Run) bool {
	return r.Status == l.status && (l.status != galen.RunWaiting || r.Idle())
}

func (c *cli) askingNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	asking := lot{ink: inkWarn, sort: "approve", status: galen.RunAsking, n: s.AskingRuns}
	runs, err := c.standing(ctx, client, s, asking)
	if err != nil {
		return err
	}
	for _, r := range first(runs, needsShown) {
		res, err := client.GetRunWithResponse(ctx, r.ID, nil)
		if err := c.fault("read run "+r.ID, res, err, res != nil && res.JSON200 != nil); err != nil {
			return err
		}
		d := *res.JSON200
		if d.Run.Status != galen.RunAsking {
			continue // somebody was faster
		}
		if yes := d.Approval; yes != nil && !s.Health.Ok && (d.People == nil || d.People.Enough) {
			s.needs = append(s.needs, need{ink: inkWarn, sort: "approved", do: []string{"galen runs show " + r.ID},
				what: fmt.Sprintf("%s on %s goes on once the engine works, with the yes of %s, if nothing has moved until then", r.Runbook, r.Resource, yes.By)})
			continue
		}
		s.needs = append(s.needs, need{ink: inkWarn, sort: "approve", what: asked(d, c.now()), do: []string{
			fmt.Sprintf("galen runs approve %s --plan %s", r.ID, planToken(d)), fmt.Sprintf("galen runs approve %s    shows the plan", r.ID),
		}})
	}
	s.beyond(len(runs), asking)
	return nil
}

// asked is what a run asks a yes for.
func asked(d api.RunDetail, now time.Time) string {
	what := d.Run.Why
	if i := newest(d); i >= 0 {
		p := d.Plans[i].Plan
		if steps := slices.Concat(p.Steps, p.Outline); len(steps) > 0 {
			what = fmt.Sprintf("%s: %s", counted(steps), p.Why)
		}
	}
	return fmt.Sprintf("%s on %s, %s, for %s: %s", d.Run.Runbook, d.Run.Resource, urgencyName(d.Run.Urgency), span(now.Sub(d.Run.Created)), what)
}

func (c *cli) heldNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	return c.stuckNeeds(ctx, client, s, lot{ink: inkBad, sort: "held", status: galen.RunHeld, n: s.HeldRuns})
}

// idleNeeds: galen does nothing about what these runs see, so that somebody else is to.
func (c *cli) idleNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	return c.stuckNeeds(ctx, client, s, lot{ink: inkWarn, sort: "idle", status: galen.RunWaiting, n: s.IdleRuns})
}

// stuckNeeds are the runs of a lot that a person is to look at.
func (c *cli) stuckNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance, l lot) error {
	runs, err := c.standing(ctx, client, s, l)
	for _, r := range first(runs, needsShown) {
		s.needs = append(s.needs, need{ink: l.ink, sort: l.sort, do: []string{"galen runs show " + r.ID},
			what: fmt.Sprintf("%s on %s, %s, for %s: %s", r.Runbook, r.Resource, urgencyName(r.Urgency), span(c.now().Sub(r.Created)), r.Why)})
	}
	s.beyond(len(runs), l)
	return err
}

// beyond tells of those of a lot that are too many to be shown.
func (s *glance) beyond(n int, l lot) {
	if n > needsShown {
		s.needs = append(s.needs, need{ink: l.ink, sort: l.sort, what: fmt.Sprintf("and %d more", n-needsShown), do: []string{"galen runs list --status " + string(l.status)}})
	}
}

// standing are the runs of a lot, the most urgent first, the one that has waited longest first among those.
func (c *cli) standing(ctx context.Context, client *api.ClientWithResponses, s *glance, l lot) ([]galen.Run, error) {
	if l.n == 0 {
		return nil, nil
	}
	res, err := pagedRuns(ctx, client, 0, api.ListRunsParams{Status: optional(l.status)})
	if res != nil && kept(res) {
		s.unseen(l.n, l.sort)
		return nil, nil
	}
	if err := c.fault("list the runs", res, err, res != nil && res.JSON200 != nil); err != nil {
		return nil, err
	}
	runs := slices.DeleteFunc(res.JSON200.Runs, func(r galen.Run) bool { return !l.has(r) || s.orphaned(r.Resource) })
	slices.SortStableFunc(runs, func(a, b galen.Run) int {
		return cmp.Or(cmp.Compare(b.Urgency, a.Urgency), a.Created.Compare(b.Created))
	})
	return runs, nil
}

func (c *cli) holdNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	if s.Holds == 0 {
		return nil
	}
	res, err := allHolds(ctx, client)
	if res != nil && kept(res) {
		return nil
	}
	if err := c.fault("list the holds", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	s.holds = res.JSON200.Holds
	for _, h := range s.holds {
		if h.Until.IsZero() || !c.now().After(h.Until) {
			continue
		}
		s.needs = append(s.needs, need{ink: inkBad, sort: "overdue",
			what: fmt.Sprintf("hold of %s on %s, overdue for %s, holds on: %s", h.By, scope(h), span(c.now().Sub(h.Until)), h.Why),
			do:   []string{"galen release " + h.ID, fmt.Sprintf("galen hold extend %s --until 4h --why ...", h.ID)}})
	}
	return nil
}

func (c *cli) quarantineNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	if s.Quarantines == 0 {
		return nil
	}
	res, err := allQuarantines(ctx, client)
	if res != nil && kept(res) {
		s.unseen(s.Quarantines, "quarantine")
		return nil
	}
	if err := c.fault("list the quarantines", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	for _, q := range res.JSON200.Quarantines {
		s.needs = append(s.needs, need{ink: inkBad, sort: "quarantine",
			what: fmt.Sprintf("%s acts nowhere for %s: %s failed on %s", q.Runbook, span(c.now().Sub(q.At)), q.Verb, few(q.Targets)),
			do:   []string{fmt.Sprintf("galen quarantine clear %s --why ...", q.Runbook)}})
	}
	return nil
}

func (c *cli) faultNeeds(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	res, err := allRunbooks(ctx, client)
	if res != nil && kept(res) {
		return nil
	}
	if err := c.fault("list the runbooks", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	for _, rb := range res.JSON200.Runbooks {
		if rb.Fault != nil {
			s.needs = append(s.needs, need{ink: inkBad, sort: "fault",
				what: fmt.Sprintf("%s decides no more in this engine until it is mended and restarted: %s", rb.Name, *rb.Fault), do: []string{"galen runbooks"}})
		}
	}
	return nil
}

// strayFor is how long an alert that starts nothing is worth a line.
const strayFor = time.Hour

// strayAlert finds the newest alert that starts nothing: a sender may well send what is not ours, and a rule that is wrong looks the same.
func (c *cli) strayAlert(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	state, limit, from := api.Unmatched, 1, c.now().Add(-strayFor)
	res, err := client.ListAlertsWithResponse(ctx, &api.ListAlertsParams{State: &state, Limit: &limit, From: &from})
	if res != nil && kept(res) {
		return nil
	}
	if err := c.fault("list the alerts that start nothing", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	if all := res.JSON200.Alerts; len(all) > 0 && all[0].State == state {
		a := all[0]
		s.stray = fmt.Sprintf("an alert started nothing %s, %s: %s", age(c.now(), a.Received), cmp.Or(a.Labels["alertname"], "without an alertname"), text(a.Why))
	}
	return nil
}

func (c *cli) findingsOf(ctx context.Context, client *api.ClientWithResponses, s *glance) error {
	if s.foundKnown = s.Findings == 0; s.foundKnown {
		return nil
	}
	res, err := allFindings(ctx, client, "")
	if res != nil && kept(res) {
		return nil
	}
	if err := c.fault("list the findings", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	s.findings, s.foundKnown = byUrgency(res.JSON200.Findings), true
	return nil
}

// noteNeeds are the findings that no run is opened for: what they say is for people to do.
func noteNeeds(all []api.FoundProblem) []need {
	var out []need
	for _, f := range all {
		if f.Note && len(out) < needsShown {
			out = append(out, need{ink: inkWarn, sort: "note", what: fmt.Sprintf("%s on %s, which Galen does not treat: %s", f.Code, f.Resource, f.Why), do: []string{"galen explain " + string(f.Code)}})
		}
	}
	return out
}

// orphaned tells whether no engine looks after a resource: no yes lets its runs go on, which [orphanNeeds] tells.
func (s *glance) orphaned(r galen.Resource) bool {
	return slices.ContainsFunc(valueOf(s.Orphans), func(o api.Orphan) bool { return o.Resource == r.String() })
}

// orphanNeeds are what stands on resources that no engine looks after: nothing of it ever ends by itself.
func orphanNeeds(all []api.Orphan) []need {
	var out []need
	for _, l := range first(all, needsShown) {
		var on, do []string
		for _, one := range []struct {
			n         int
			what, see string
		}{
			{l.OpenRuns, "open run", "galen runs list --open --resource " + l.Resource + "    then galen runs cancel RUN --why ..."}, {l.Schedules, "schedule", "galen schedule list"}, {l.Holds, "hold", "galen holds"},
		} {
			if one.n > 0 {
				on, do = append(on, some(one.n, one.what)), append(do, one.see)
			}
		}
		out = append(out, need{ink: inkWarn, sort: "orphan", what: fmt.Sprintf("no engine looks after %s, which has %s: end that, or put it back into the configuration", l.Resource, strings.Join(on, ", ")), do: do})
	}
	return out
}

// leftNeeds are the problems that no open run is about: one was cancelled or has ended, or more were found at once than runs are opened for.
func leftNeeds(all []api.FoundProblem, now time.Time) []need {
	var out []need
	for _, f := range all {
		if !f.Note && len(f.Runs) == 0 && len(out) < needsShown {
			out = append(out, need{ink: inkBad, sort: "found", do: []string{"galen explain " + string(f.Code), "galen runs list --resource " + f.Resource.String()},
				what: fmt.Sprintf("%s on %s, %s, for %s, and no run is open about it: %s", f.Code, f.Resource, urgencyName(f.Urgency), span(now.Sub(f.Since)), f.Why)})
		}
	}
	return out
}

// badNeeds are members that are seen bad and of which nothing is found yet: until a finding has had its time nobody looks into it.
func (s *glance) badNeeds() []need {
	var out []need
	for _, r := range s.Resources {
		if n := r.Bad - s.foundOf(r.Resource); n > 0 && s.foundKnown {
			out = append(out, need{ink: inkWarn, sort: "bad", do: []string{"galen resources " + r.Resource},
				what: fmt.Sprintf("%s: %s seen bad, and no finding yet: that takes as long as the policy says (down_for)", r.Resource, some(n, "member"))})
		}
	}
	return first(out, needsShown)
}

// foundOf is how many members of a resource are the targets of what is found there, but for notes.
func (s *glance) foundOf(resource string) int {
	of := map[string]bool{}
	for _, f := range s.findings {
		for _, target := range f.Targets {
			if !f.Note && f.Resource.String() == resource {
				of[target.ID] = true
			}
		}
	}
	return len(of)
}

func unknownNeeds(all []api.Resource) []need {
	var out []need
	for _, r := range all {
		if r.Seen != nil && r.Members == 0 {
			out = append(out, need{ink: inkWarn, sort: "unknown",
				what: r.Resource + ": no member of it is known: none of them was heard", do: []string{"galen doctor", "galen resources " + r.Resource}})
		}
		if r.Unknown > 0 {
			out = append(out, need{ink: inkWarn, sort: "unknown",
				what: fmt.Sprintf("%s: %s that nobody sees good or bad", r.Resource, some(r.Unknown, "member")), do: []string{"galen resources " + r.Resource}})
		}
	}
	return out
}

func printNeeds(w io.Writer, all []need) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, paint(inkGood, "nothing needs you")+"\n")
		return err
	}
	fmt.Fprintln(w, paint(inkBold, "NEEDS YOU"))
	sorts := 0
	for _, n := range all {
		sorts = max(sorts, widthOf(n.sort))
	}
	indent := strings.Repeat(" ", sorts+2*gap)
	for _, n := range all {
		writeWrapped(w, "  "+paint(n.ink, padded(n.sort, sorts+gap)), indent, oneLine(n.what))
		for _, do := range n.do {
			fmt.Fprintf(w, "%s  %s\n", indent, shown(do))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
