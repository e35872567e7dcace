package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/intake"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/trace"
)

// alertRows is the journal as the inbox knows it.
type alertRows struct {
	journal *journal.Store
	trace   *trace.Tracer
}

func (r alertRows) StoreAlerts(ctx context.Context, alerts ...intake.Alert) ([]intake.Kept, error) {
	rows := make([]journal.Alert, 0, len(alerts))
	for _, a := range alerts {
		a.Trace, a.By = r.trace.Carry(ctx), galenhttp.Author(ctx)
		rows = append(rows, journal.Alert(a))
	}
	kept, err := r.journal.StoreAlerts(ctx, rows...)
	out := make([]intake.Kept, 0, len(kept))
	for _, k := range kept {
		out = append(out, intake.Kept{Alert: intake.Alert(k.Alert), Again: k.Again, Pending: k.Pending})
	}
	return out, err
}

func (r alertRows) PendingAlerts(ctx context.Context, after int64, limit int) ([]intake.Alert, error) {
	pending, err := r.journal.PendingAlerts(ctx, after, limit)
	out := make([]intake.Alert, 0, len(pending))
	for _, a := range pending {
		out = append(out, intake.Alert(a))
	}
	return out, err
}

func (r alertRows) CountPendingAlerts(ctx context.Context, limit int) (int, error) {
	return r.journal.CountPendingAlerts(ctx, limit)
}

func (r alertRows) AlertsDone(ctx context.Context, ends ...intake.End) error {
	done := make([]journal.AlertEnd, 0, len(ends))
	for _, end := range ends {
		done = append(done, journal.AlertEnd(end))
	}
	return r.journal.AlertsDone(ctx, done...)
}

// triage is what the configuration says of alerts.
func (e *Engine) triage() *intake.Triage {
	var rules []intake.Rule
	for _, rule := range e.o.Config.Alerts {
		rules = append(rules, intake.Rule{Matches: rule.Matches, Code: rule.Code, MemberLabel: rule.MemberLabel})
	}
	var resources []intake.Resource
	for _, r := range e.o.Config.Resources {
		resources = append(resources, intake.Resource{Resource: r.Resource, Labels: r.Labels, Matches: r.Named})
	}
	return intake.NewTriage(rules, resources)
}

// inbox takes alerts into the journal.
func (e *Engine) inbox(triage *intake.Triage) *intake.Inbox {
	return intake.NewInbox(intake.InboxOptions{Store: alertRows{e.journal, e.trace}, MaxPending: e.o.Config.Inbox.Pending(), Triage: triage, Now: time.Now})
}

// alerts is the inbox as the API knows it.
type alerts struct {
	inbox   *intake.Inbox
	matcher *intake.Matcher
	journal *journal.Store
}

func (a alerts) List(ctx context.Context, f galenhttp.AlertFilter) ([]api.Alert, error) {
	all, err := a.journal.Alerts(ctx, journal.AlertFilter(f))
	out := make([]api.Alert, 0, len(all))
	for _, one := range all {
		out = append(out, a.shown(one))
	}
	return out, err
}

func (a alerts) Alert(ctx context.Context, id string) (api.Alert, error) {
	one, err := a.journal.Alert(ctx, id)
	out := a.shown(one)
	if body := string(one.Body); body != "" {
		out.Body = &body
	}
	return out, err
}

// shown is an alert as the API shows it; of one that waits with what for.
func (a alerts) shown(one journal.Alert) api.Alert {
	if one.State == journal.AlertPending {
		one.Why = a.matcher.Waits(intake.Alert(one))
	}
	out := api.Alert{
		Id: one.ID, Number: one.N, State: api.AlertState(one.State), Source: one.Source, Fingerprint: one.Fingerprint, Status: one.Status, Labels: one.Labels,
		Received: one.Received, Duplicates: one.Duplicates,
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if len(one.Annotations) > 0 {
		out.Annotations = &one.Annotations
	}
	if !one.StartsAt.IsZero() {
		out.StartsAt = &one.StartsAt
	}
	if one.Why != "" {
		out.Why = &one.Why
	}
	if one.Run != "" {
		out.Run = &one.Run
	}
	if of := one.Resource.String(); of != "" {
		out.Resource = &of
	}
	return out
}

func (a alerts) Store(ctx context.Context, body []byte) (api.Accepted, error) {
	got, err := a.inbox.Alertmanager(ctx, body)
	switch {
	case errors.Is(err, intake.ErrRefused):
		return api.Accepted{}, galenhttp.Unprocessable(err)
	case errors.Is(err, intake.ErrBad):
		if kept := a.inbox.Unread(ctx, galenhttp.Author(ctx), body, err); kept != nil {
			return api.Accepted{}, kept // it is to come again, until somebody can see that it came
		}
		return api.Accepted{}, galenhttp.Bad(err)
	}
	out := api.Accepted{Stored: got.Stored, Duplicates: got.Duplicates}
	if got.Refused > 0 {
		why := got.Why.Error()
		out.Refused, out.Why = &got.Refused, &why
	}
	return out, err
}

func (a alerts) TurnedAway() { a.inbox.TurnedAway() }

func (a alerts) TooLarge(ctx context.Context, limit int) error {
	return a.inbox.TooLarge(ctx, galenhttp.Author(ctx), limit)
}

// hints opens the runs that alerts hint at.
type hints struct{ *Engine }

func (h hints) Heals(kind string, code galen.Code) bool {
	return slices.ContainsFunc(h.o.Catalogue.Runbooks, func(rb galen.ListedRunbook) bool {
		return strings.HasPrefix(rb.Name, kind+"/") && slices.Contains(rb.Heals, code)
	})
}

func (h hints) OpenHint(ctx context.Context, hint galen.Finding, alert string) (galen.Run, error) {
	return h.runs.OpenHint(ctx, hint, alert)
}

// matcher matches what is in the inbox with the configuration, and with what the resources are like.
func (e *Engine) matcher(inbox *intake.Inbox, triage *intake.Triage) *intake.Matcher {
	return intake.NewMatcher(intake.Options{Inbox: inbox, World: e.world, Runs: hints{e}, Triage: triage, Now: time.Now, Logger: e.o.Logger, Around: e.matching})
}

// matching goes on below the call that brought an alert.
func (e *Engine) matching(ctx context.Context, a intake.Alert) (context.Context, func(error)) {
	ctx, end := e.trace.Within(e.trace.Join(ctx, a.Trace), "match alert", "galen.alert", a.ID)
	return ctx, func(err error) { end(err) }
}

// matchAlerts runs the matcher until the engine stops.
func (e *Engine) matchAlerts(matcher *intake.Matcher) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		matcher.Run(ctx)
	}()
	e.labours(func() error { cancel(); <-ended; return nil })
}

// measure counts for the metrics.
type measure struct {
	*Engine
	inbox    *intake.Inbox
	refusals *galenhttp.Refusals
}

// countLimit bounds what one scrape reads of runs and outbox.
const countLimit = 10_000

// watched are the numbers of the watch, which begins after the API can be asked.
func (m measure) watched(out *galenhttp.Measures) {
	if m.watch != nil {
		out.Beat = m.watch.Beat()
	}
	if m.admission != nil {
		out.Waiting = m.admission.Waiting()
	}
	out.Works = m.vigil != nil && m.vigil.works() == nil
}

func (m measure) armed(ctx context.Context) (bool, error) {
	epoch, err := m.journal.Epoch(ctx)
	return epoch.Armed, err
}

func (m measure) now(ctx context.Context) (galenhttp.Measures, error) {
	out := galenhttp.Measures{OpenIntents: map[galen.Resource]int{}, Looks: m.looks.now()}
	var err error
	if out.OpenRuns, err = m.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: countLimit}); err != nil {
		return out, err
	}
	if out.Findings, err = m.journal.Findings(ctx, galen.Resource{}); err != nil {
		return out, err
	}
	out.Faults = len(m.faults.All())
	if out.Holds, err = m.journal.Holds(ctx); err != nil {
		return out, err
	}
	if out.Armed, err = m.armed(ctx); err != nil {
		return out, err
	}
	m.watched(&out)
	if out.Quarantines, err = m.journal.Quarantines(ctx); err != nil {
		return out, err
	}
	waiting, err := m.journal.Outbox(ctx, countLimit)
	if err != nil {
		return out, err
	}
	out.Outbox = len(waiting)
	var resources []galen.Resource
	for _, r := range m.o.Config.Resources {
		resources = append(resources, r.Resource)
		intents, err := m.journal.OpenIntents(ctx, r.Resource)
		if err != nil {
			return out, err
		}
		out.OpenIntents[r.Resource] = len(intents)
	}
	out.LookAges = m.looks.ages(resources, m.started)
	out.Refused, out.Handshakes, out.Strangers = m.refusals.Counts(), m.refusals.Handshakes(), m.refusals.Strangers()
	if out.Tokens, err = m.journal.Tokens(ctx); err != nil {
		return out, err
	}
	out.Alerts, err = m.alerts(ctx)
	return out, err
}

func (m measure) alerts(ctx context.Context) (galenhttp.AlertCounts, error) {
	c, err := m.inbox.Counts(ctx)
	if err != nil {
		return galenhttp.AlertCounts{}, err
	}
	out := galenhttp.AlertCounts{Stored: c.Stored, Duplicates: c.Duplicates, Refused: c.Refused, TurnedAway: c.TurnedAway, Pending: c.Pending, Matched: c.Matched, Unmatched: c.Unmatched}
	first, err := m.journal.PendingAlerts(ctx, 0, 1)
	if err == nil && len(first) > 0 {
		out.Oldest = max(time.Since(first[0].Received), 0)
	}
	return out, err
}
