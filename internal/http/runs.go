package http

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// ListRuns implements [api.ServerInterface].
func (s *server) ListRuns(w http.ResponseWriter, r *http.Request, params api.ListRunsParams) {
	p, err := pagingOf("runs", params.Limit, params.Cursor, pageUsual, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f, err := runFilter(params)
	f.Limit, f.Before = p.limit+1, p.after
	if err == nil {
		err = s.known(r.Context(), f.Resource)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if f.Before != "" {
		if err = s.mayOnRun(r.Context(), galen.ScopeView, f.Before); err == nil {
			_, err = s.o.Runs.Run(r.Context(), f.Before)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
	}
	runs, err := s.runs(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.RunList{}
	out.Runs, out.Next = cut(p, runs, func(run galen.Run) string { return run.ID })
	s.answer(w, r, http.StatusOK, out)
}

func statuses() []galen.RunStatus {
	return []galen.RunStatus{
		galen.RunOpened, galen.RunRunning, galen.RunWaiting, galen.RunAsking, galen.RunHeld,
		galen.RunVerified, galen.RunNotConfirmed, galen.RunCancelled,
	}
}

func runFilter(params api.ListRunsParams) (RunFilter, error) {
	resource, err := resourceOr(params.Resource)
	if err != nil {
		return RunFilter{}, err
	}
	f := RunFilter{Resource: resource, Status: deref(params.Status), OpenOnly: deref(params.Open)}
	if params.Status != nil && !slices.Contains(statuses(), f.Status) {
		return f, badf("status %q: want one of %v", f.Status, statuses())
	}
	return f, nil
}

// detailEvents bounds the events of a run that come with it.
const detailEvents = 10_000

// GetRun implements [api.ServerInterface].
func (s *server) GetRun(w http.ResponseWriter, r *http.Request, id api.Id, params api.GetRunParams) {
	ctx := r.Context()
	if err := s.changed(w, r, id, params); err != nil {
		s.fail(w, r, err)
		return
	}
	// Read first: what is newer than it may be in the answer, and what is not newer is.
	newest, err := s.o.Records.Events(ctx, EventFilter{Run: id, Newest: true, Limit: 1})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ledger, err := s.o.Runs.Ledger(ctx, id)
	if errors.Is(err, galen.ErrNotFound) {
		err = fmt.Errorf("run %s: %w", id, galen.ErrNotFound) // what of it was read is nothing to the caller
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	plans, err := s.o.Runs.Plans(ctx, id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	events, err := s.o.Records.Events(ctx, EventFilter{Run: id, Limit: detailEvents + 1})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.RunDetail{Run: ledger.Run, Plans: list(plans), Intents: list(ledger.Past), Events: list(events), Approval: standing(ledger)}
	if more := len(events) > detailEvents; more {
		out.Events, out.More = events[:detailEvents], &more
	}
	if len(newest) > 0 {
		out.Seq = newest[0].Seq
	}
	if i := slices.IndexFunc(plans, func(d galen.Decision) bool { return d.Number == ledger.Run.Plan }); i >= 0 {
		shown := shownOf(plans[i])
		out.Shown = &shown
		out.People = peopleOf(plans[i], ledger)
	}
	s.answer(w, r, http.StatusOK, out)
}

// runRequest is [api.RunRequest] with the parameters as they were written.
type runRequest struct {
	Runbook  string          `json:"runbook"`
	Resource galen.Resource  `json:"resource"`
	Params   json.RawMessage `json:"params,omitempty"`
	PlanOnly bool            `json:"plan_only,omitempty"`
}

var keyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)

// CreateRun implements [api.ServerInterface].
func (s *server) CreateRun(w http.ResponseWriter, r *http.Request, params api.CreateRunParams) {
	req, err := read[runRequest](r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := may(r.Context(), galen.ScopePropose, req.Resource); err != nil {
		s.fail(w, r, err)
		return
	}
	if _, err := s.watched(req.Resource); err != nil {
		s.fail(w, r, err)
		return
	}
	key := params.IdempotencyKey
	if key != nil && !keyForm.MatchString(*key) {
		s.fail(w, r, badf("Idempotency-Key: want 1 to 128 characters of A-Z, a-z, 0-9 and . _ : / -, such as a UUID"))
		return
	}
	q := Request{Runbook: req.Runbook, Resource: req.Resource, Params: req.Params, By: by(r.Context())}
	if req.PlanOnly {
		plan, err := s.o.Requests.Preview(r.Context(), q)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.answer(w, r, http.StatusOK, api.RunAnswer{Plan: &plan})
		return
	}
	if key != nil {
		q.Key = "request/" + *key
	}
	s.open(w, r, q)
}

func (s *server) open(w http.ResponseWriter, r *http.Request, q Request) {
	if q.Key == "" {
		q.Key = "request/" + strings.ToLower(rand.Text())
	}
	run, opened, err := s.o.Requests.Request(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if opened {
		status = http.StatusCreated
		w.Header().Set("Location", "/v1/runs/"+run.ID)
	}
	s.answer(w, r, status, api.RunAnswer{Run: &run})
}
