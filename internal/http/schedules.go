package http

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// lateDefault is how long after its time a firing is not missed yet, unless it is said.
const lateDefault = galen.Duration(5 * time.Minute)

// scheduleRequest is [api.ScheduleRequest] with the parameters as they were written.
type scheduleRequest struct {
	Name     string          `json:"name"`
	Runbook  string          `json:"runbook"`
	Resource galen.Resource  `json:"resource"`
	Params   json.RawMessage `json:"params,omitempty"`
	Spec     string          `json:"spec"`
	Zone     string          `json:"zone,omitempty"`
	Within   []galen.Window  `json:"within,omitempty"`
	Missed   *string         `json:"missed,omitempty"`
	Late     *galen.Duration `json:"late,omitempty"`
}

// ListSchedules implements [api.ServerInterface].
func (s *server) ListSchedules(w http.ResponseWriter, r *http.Request, params api.ListSchedulesParams) {
	p, err := pagingOf("schedules", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.o.Schedules.Schedules(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	view := seesOf(r.Context())
	out := api.ScheduleList{}
	out.Schedules, out.Next = pageOf(p, only(all, func(one galen.Schedule) bool { return view.resource(one.Resource) }), func(one galen.Schedule) string { return one.Name })
	s.answer(w, r, http.StatusOK, out)
}

// CreateSchedule implements [api.ServerInterface]. It needs what each of its runs needs.
func (s *server) CreateSchedule(w http.ResponseWriter, r *http.Request) {
	req, err := read[scheduleRequest](r)
	if err == nil {
		err = may(r.Context(), galen.ScopePropose, req.Resource)
	}
	if err == nil {
		err = lasts(callerOf(r.Context()))
	}
	if err == nil {
		_, err = s.watched(req.Resource)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	want := galen.Schedule{
		Name: req.Name, Runbook: req.Runbook, Resource: req.Resource, Params: req.Params, Spec: req.Spec, Zone: req.Zone, Within: req.Within,
		Missed: galen.MissedSkip, Late: lateDefault, By: by(r.Context()),
	}
	if len(want.Params) == 0 {
		want.Params = json.RawMessage("{}") // what is required is missing in it
	}
	if req.Missed != nil {
		want.Missed = *req.Missed
	}
	if req.Late != nil {
		want.Late = *req.Late
	}
	if err := want.Check(); err != nil {
		s.fail(w, r, Unprocessable(err))
		return
	}
	made, err := s.o.Schedules.CreateSchedule(r.Context(), want)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/v1/schedules/"+made.Name)
	s.answer(w, r, http.StatusCreated, made)
}

// scheduleFor is the schedule of that name, if the call's token grants the scope on its resource.
func (s *server) scheduleFor(ctx context.Context, scope galen.Scope, name string) (galen.Schedule, error) {
	all, err := s.o.Schedules.Schedules(ctx)
	if err != nil {
		return galen.Schedule{}, err
	}
	i := slices.IndexFunc(all, func(one galen.Schedule) bool { return one.Name == name })
	switch {
	case i >= 0 && callerOf(ctx).May(scope, all[i].Resource):
		return all[i], nil
	case i < 0 && callerOf(ctx).May(scope, galen.Resource{}):
		return galen.Schedule{}, fmt.Errorf("schedule %q: %w", name, galen.ErrNotFound)
	default:
		return galen.Schedule{}, unseen(ctx, scope, "schedule", name)
	}
}

// GetSchedule implements [api.ServerInterface].
func (s *server) GetSchedule(w http.ResponseWriter, r *http.Request, id api.Id) {
	one, err := s.scheduleFor(r.Context(), galen.ScopeView, id)
	s.schedule(w, r, one, err)
}

// schedule answers with a schedule as it is now.
func (s *server) schedule(w http.ResponseWriter, r *http.Request, one galen.Schedule, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, one)
}

// PauseSchedule implements [api.ServerInterface].
func (s *server) PauseSchedule(w http.ResponseWriter, r *http.Request, id api.Id) {
	req, err := read[api.Reason](r)
	if err == nil {
		err = checkWhy(req.Why)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	one, err := s.o.Schedules.PauseSchedule(r.Context(), id, by(r.Context()), req.Why)
	s.schedule(w, r, one, err)
}

// ResumeSchedule implements [api.ServerInterface].
func (s *server) ResumeSchedule(w http.ResponseWriter, r *http.Request, id api.Id) {
	one, err := s.o.Schedules.ResumeSchedule(r.Context(), id, by(r.Context()))
	s.schedule(w, r, one, err)
}

// DeleteSchedule implements [api.ServerInterface].
func (s *server) DeleteSchedule(w http.ResponseWriter, r *http.Request, id api.Id) {
	if err := s.o.Schedules.DeleteSchedule(r.Context(), id, by(r.Context())); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
