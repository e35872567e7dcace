package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
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
	state := deref(params.State)
	switch {
	case err != nil:
	case params.State != nil && !state.Valid():
		err = badf("state %q: want pending, matched, unmatched or refused", string(state))
	}
	var before int64
	if err == nil {
		before, err = p.number()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.o.Alerts.List(r.Context(), string(state), before, p.limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.AlertList{}
	out.Alerts, out.Next = cut(p, all, func(a api.Alert) string { return strconv.FormatInt(a.Number, 10) })
	s.answer(w, r, http.StatusOK, out)
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
