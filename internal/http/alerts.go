package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// alertBytesAtOnce bounds the bodies of alerts that are at work at once: a body is some twenty times its size while it is read and
// stored. Who sends slowly holds its part until the read timeout at most.
const alertBytesAtOnce = 12 << 20

// weights counts the bytes that are at work.
type weights struct{ now atomic.Int64 }

func (b *weights) take(n int64) bool {
	if b.now.Add(n) <= alertBytesAtOnce {
		return true
	}
	b.now.Add(-n)
	return false
}

func (b *weights) give(n int64) { b.now.Add(-n) }

// PostAlertmanager implements [api.ServerInterface]. Trouble of ours, and a body that came to us cut off, is a 503, which
// Alertmanager tries again; a 4xx it drops.
func (s *server) PostAlertmanager(w http.ResponseWriter, r *http.Request) {
	weight := r.ContentLength
	if weight < 0 {
		weight = bodyLimit
	}
	if !s.alertBytes.take(weight) {
		s.fail(w, r, Unavailable(errors.New("too many alerts are being read: send again")))
		return
	}
	defer s.alertBytes.give(weight)
	b, err := body(r)
	if errors.Is(err, ErrBad) {
		err = Unavailable(errors.Unwrap(err))
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	accepted, err := s.o.Alerts.Store(r.Context(), b)
	if err != nil {
		if problemOf(err).status == http.StatusInternalServerError {
			s.o.Logger.Error("alerts could not be stored, the sender is asked to try again", "error", err.Error())
			err = Unavailable(err)
		}
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusAccepted, accepted)
}

// errUnknownSender marks the 503 of a sender of alerts whose token nobody knows.
var errUnknownSender = errors.New("nobody knows the sender")

// turnedAway counts a call with alerts that was told to come again. One that nobody knows may be a guess, and is no inbox that is full.
func (s *server) turnedAway(r *http.Request, status int, why error) {
	switch {
	case status != http.StatusServiceUnavailable || s.operations[s.callOf(r)].Access.Scope != string(galen.ScopeAlerts):
	case !errors.Is(why, errUnknownSender):
		s.o.Alerts.TurnedAway()
	case s.o.Refusals != nil:
		s.o.Refusals.stranger()
	}
}

// lost takes down a call with alerts that is not read, for it is too large: its sender drops them.
func (s *server) lost(r *http.Request) {
	if s.operations[s.callOf(r)].Access.Scope != string(galen.ScopeAlerts) || may(r.Context(), galen.ScopeAlerts, galen.Resource{}) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lookupTimeout)
	defer cancel()
	if err := s.o.Alerts.TooLarge(ctx, bodyLimit); err != nil {
		s.o.Logger.Error("alerts are lost", "error", err.Error())
	}
}

// ListAlerts implements [api.ServerInterface].
func (s *server) ListAlerts(w http.ResponseWriter, r *http.Request, params api.ListAlertsParams) {
	p, err := pagingOf("alerts", params.Limit, params.Cursor, pageUsual, pageMost)
	var f AlertFilter
	if err == nil {
		f, err = s.alertFilter(r.Context(), params)
	}
	if err == nil {
		f.Before, err = p.number()
	}
	f.Limit = p.limit + 1
	var all []api.Alert
	if err == nil {
		all, err = s.alerts(r.Context(), f)
	}
	if err == nil && len(all) == 0 && f.Run != "" { // there are none, or nobody knows such a run
		err = s.isRun(r.Context(), f.Run)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.AlertList{}
	out.Alerts, out.Next = cut(p, all, func(a api.Alert) string { return strconv.FormatInt(a.Number, 10) })
	s.answer(w, r, http.StatusOK, out)
}

func (s *server) alertFilter(ctx context.Context, params api.ListAlertsParams) (AlertFilter, error) {
	state := deref(params.State)
	f := AlertFilter{State: string(state), Run: deref(params.Run), Fingerprint: deref(params.Fingerprint), From: deref(params.From), Labels: map[string]string{}}
	var err error
	if f.Resource, err = filtered(params.Resource, given{"run", params.Run}, given{"fingerprint", params.Fingerprint}); err != nil {
		return f, err
	}
	switch {
	case params.State != nil && !state.Valid():
		return f, badf("state %q: want pending, matched, unmatched or refused", string(state))
	case params.From != nil && f.From.IsZero():
		return f, senselessf("from: want a time such as 2026-11-24T10:00:00Z")
	}
	for _, label := range deref(params.Label) {
		name, value, is := strings.Cut(label, "=")
		if !is || name == "" {
			return f, badf("label %.80q: want name=value", label)
		}
		if _, twice := f.Labels[name]; twice {
			return f, senselessf("label %.80q: want each name once", label)
		}
		f.Labels[name] = value
	}
	return s.ofItsRun(ctx, f)
}

// ofItsRun chooses the resource of the run that a filter names, if it may be read: its alerts are found by an index, and those of the run are
// among them.
func (s *server) ofItsRun(ctx context.Context, f AlertFilter) (AlertFilter, error) {
	if err := s.mayRead(ctx, EventFilter{Resource: f.Resource, Run: f.Run}); err != nil || f.Run == "" || f.Resource != (galen.Resource{}) {
		return f, err
	}
	run, err := s.o.Runs.Run(ctx, f.Run)
	if errors.Is(err, galen.ErrNotFound) {
		return f, nil // an empty list is told so
	}
	f.Resource = run.Resource
	return f, err
}

// alerts are those of a filter that the token may view, as many as the filter wants if there are so many. What was matched to no resource, or
// to several, is for who may view everything.
func (s *server) alerts(ctx context.Context, f AlertFilter) ([]api.Alert, error) {
	view, want := seesOf(ctx), f.Limit
	if view.all() || f.Resource != (galen.Resource{}) {
		return s.o.Alerts.List(ctx, f)
	}
	f.Owned = true
	return scan(want, view.alert, func(limit int, last *api.Alert) ([]api.Alert, error) {
		if f.Limit = limit; last != nil {
			f.Before = last.Number
		}
		return s.o.Alerts.List(ctx, f)
	})
}

// ownerOf is the resource that an alert was matched to, zero for none.
func ownerOf(a api.Alert) galen.Resource {
	r, _ := resourceOr(a.Resource)
	return r
}

// GetAlert implements [api.ServerInterface].
func (s *server) GetAlert(w http.ResponseWriter, r *http.Request, id api.Id) {
	a, err := s.o.Alerts.Alert(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, a)
}
