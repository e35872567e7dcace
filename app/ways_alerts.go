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
)

// alertRows is the journal as the inbox knows it.
type alertRows struct{ journal *journal.Store }

func (r alertRows) StoreAlert(ctx context.Context, a intake.Alert) (bool, error) {
	return r.journal.StoreAlert(ctx, journal.Alert(a))
}

func (r alertRows) PendingAlerts(ctx context.Context, limit int) ([]intake.Alert, error) {
	pending, err := r.journal.PendingAlerts(ctx, limit)
	out := make([]intake.Alert, 0, len(pending))
	for _, a := range pending {
		out = append(out, intake.Alert(a))
	}
	return out, err
}

func (r alertRows) AlertDone(ctx context.Context, id, outcome string) error {
	return r.journal.AlertDone(ctx, id, outcome)
}

// alerts is the inbox as the API knows it.
type alerts struct{ inbox *intake.Inbox }

func (a alerts) Store(ctx context.Context, body []byte) (api.Accepted, error) {
	got, err := a.inbox.Alertmanager(ctx, body)
	if errors.Is(err, intake.ErrBad) {
		return api.Accepted{}, galenhttp.Bad(err)
	}
	out := api.Accepted{Stored: got.Stored, Duplicates: got.Duplicates}
	if got.Refused > 0 {
		why := got.Why.Error()
		out.Refused, out.Why = &got.Refused, &why
	}
	return out, err
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

// matcher matches what is in the inbox with the configuration.
func (e *Engine) matcher(inbox *intake.Inbox) *intake.Matcher {
	o := intake.Options{Inbox: inbox, World: e.world, Runs: hints{e}, Now: time.Now, Logger: e.o.Logger}
	for _, rule := range e.o.Config.Alerts {
		o.Rules = append(o.Rules, intake.Rule(rule))
	}
	for _, r := range e.o.Config.Resources {
		o.Resources = append(o.Resources, intake.Resource{Resource: r.Resource, Labels: r.Labels})
	}
	return intake.NewMatcher(o)
}

// matchAlerts runs the matcher until the engine stops.
func (e *Engine) matchAlerts(inbox *intake.Inbox) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.matcher(inbox).Run(ctx)
	}()
	e.stops = append(e.stops, func() error { cancel(); <-ended; return nil })
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
}

func (m measure) armed(ctx context.Context) (bool, error) {
	epoch, err := m.journal.Epoch(ctx)
	return epoch.Armed, err
}

func (m measure) now(ctx context.Context) (galenhttp.Measures, error) {
	out := galenhttp.Measures{OpenRuns: map[galen.RunStatus]int{}, OpenIntents: map[galen.Resource]int{}, Looks: m.looks.now()}
	open, err := m.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: countLimit})
	if err != nil {
		return out, err
	}
	for _, run := range open {
		out.OpenRuns[run.Status]++
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
	for _, r := range m.o.Config.Resources {
		intents, err := m.journal.OpenIntents(ctx, r.Resource)
		if err != nil {
			return out, err
		}
		out.OpenIntents[r.Resource] = len(intents)
	}
	out.Refused = m.refusals.Counts()
	if out.Tokens, err = m.journal.Tokens(ctx); err != nil {
		return out, err
	}
	out.Alerts.Stored, out.Alerts.Duplicates, out.Alerts.Refused = m.inbox.Counts()
	return out, nil
}
