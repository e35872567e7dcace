package http

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
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

func runFilter(params api.ListRunsParams) (RunFilter, error) {
	resource, err := resourceOr(params.Resource)
	if err != nil {
		return RunFilter{}, err
	}
	f := RunFilter{Resource: resource, Status: deref(params.Status), OpenOnly: deref(params.Open)}
	if params.Status != nil && !slices.Contains(galen.RunStatuses(), f.Status) {
		return f, badf("status %q: want one of %s", f.Status, words(galen.RunStatuses()))
	}
	return f, nil
}

// The bounds of what comes with a run.
const (
	detailEvents  = 10_000
	detailPlans   = 1000
	detailIntents = 1000
)

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
	plans, err := s.o.Runs.Plans(ctx, id, 0, detailPlans+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	events, err := s.o.Records.Events(ctx, EventFilter{Run: id, Limit: detailEvents + 1})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := detailOf(ledger, plans, events)
	if len(newest) > 0 {
		out.Seq = newest[0].Seq
	}
	s.answer(w, r, http.StatusOK, out)
}

// detailOf is a run with what came with it: of plans, newest first, and events one more than is told, if there are so many.
func detailOf(ledger galen.Ledger, plans []galen.Decision, events []galen.Event) api.RunDetail {
	out := api.RunDetail{Run: ledger.Run, Approval: standing(ledger)}
	if i := slices.IndexFunc(plans, func(d galen.Decision) bool { return d.Number == ledger.Run.Plan }); i >= 0 {
		shown := shownOf(ledger.Run, plans[i])
		out.Shown = &shown
		out.People, _ = peopleOf(plans[i], ledger)
	}
	out.Events, out.More = some(events, detailEvents)
	out.Plans, out.MorePlans = some(plans, detailPlans)
	slices.Reverse(out.Plans)
	older := max(0, len(ledger.Past)-detailIntents)
	out.Intents = list(ledger.Past[older:])
	if more := older > 0; more {
		out.MoreIntents = &more
	}
	return out
}

// some is the beginning of a list, and whether there is more of it: nil if not.
func some[T any](all []T, most int) ([]T, *bool) {
	more := len(all) > most
	if !more {
		return list(all), nil
	}
	return all[:most], &more
}

// ListPlans implements [api.ServerInterface].
func (s *server) ListPlans(w http.ResponseWriter, r *http.Request, id api.Id, params api.ListPlansParams) {
	p, err := pagingOf("plans/"+id, params.Limit, params.Cursor, pageUsual, pageMost)
	var before int64
	if err == nil {
		before, err = p.number()
	}
	if err == nil {
		_, err = s.o.Runs.Run(r.Context(), id)
	}
	var plans []galen.Decision
	if err == nil {
		plans, err = s.o.Runs.Plans(r.Context(), id, int(before), p.limit+1)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.PlanList{}
	out.Plans, out.Next = cut(p, plans, func(d galen.Decision) string { return strconv.Itoa(d.Number) })
	s.answer(w, r, http.StatusOK, out)
}

// ListIntents implements [api.ServerInterface].
func (s *server) ListIntents(w http.ResponseWriter, r *http.Request, id api.Id, params api.ListIntentsParams) {
	p, err := pagingOf("intents/"+id, params.Limit, params.Cursor, pageUsual, pageMost)
	if err == nil {
		_, err = s.o.Runs.Run(r.Context(), id)
	}
	var intents []galen.Intent
	if err == nil {
		if intents, err = s.o.Intents.Intents(r.Context(), id, p.after, p.limit+1); errors.Is(err, galen.ErrNotFound) {
			err = strange()
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.IntentList{}
	out.Intents, out.Next = cut(p, intents, func(in galen.Intent) string { return in.ID })
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
	if len(req.Params) == 0 {
		req.Params = json.RawMessage("{}") // what is required is missing in it
	}
	q := Request{Runbook: req.Runbook, Resource: req.Resource, Params: req.Params, By: by(r.Context()), Person: callerOf(r.Context()).Person}
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
