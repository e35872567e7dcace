package http

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// ListApprovals implements [api.ServerInterface].
func (s *server) ListApprovals(w http.ResponseWriter, r *http.Request, params api.ListApprovalsParams) {
	p, err := pagingOf("approvals", params.Limit, params.Cursor, pageUsual, pageMost)
	var f ApprovalFilter
	if err == nil {
		f, err = s.approvalFilter(r.Context(), params)
	}
	if err == nil {
		f.Before, err = p.number()
	}
	f.Limit = p.limit + 1
	var all []galen.GivenApproval
	if err == nil {
		all, err = s.approvals(r.Context(), f)
	}
	if err == nil && len(all) == 0 && f.Run != "" { // there are none, or nobody knows such a run
		err = s.isRun(r.Context(), f.Run)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page, next := cut(p, all, func(a galen.GivenApproval) string { return strconv.FormatInt(a.Number, 10) })
	out := api.ApprovalList{Approvals: make([]api.Approval, 0, len(page)), Next: next}
	for _, one := range page {
		out.Approvals = append(out.Approvals, shownApproval(one))
	}
	s.answer(w, r, http.StatusOK, out)
}

func (s *server) approvalFilter(ctx context.Context, params api.ListApprovalsParams) (ApprovalFilter, error) {
	f := ApprovalFilter{Run: deref(params.Run), State: deref(params.State)}
	var err error
	if f.Resource, err = filtered(params.Resource, given{"run", params.Run}); err != nil {
		return f, err
	}
	if params.State != nil && !slices.Contains(galen.ApprovalStates(), f.State) {
		return f, badf("state %q: want one of %s", f.State, words(galen.ApprovalStates()))
	}
	return f, s.mayRead(ctx, EventFilter{Resource: f.Resource, Run: f.Run})
}

// approvals are those of a filter that the token may view, as many as the filter wants if there are so many.
func (s *server) approvals(ctx context.Context, f ApprovalFilter) ([]galen.GivenApproval, error) {
	view, want := seesOf(ctx), f.Limit
	if view.all() || f.Resource != (galen.Resource{}) {
		return s.o.Approvals.Approvals(ctx, f)
	}
	return scan(want, view.approval, func(limit int, last *galen.GivenApproval) ([]galen.GivenApproval, error) {
		if f.Limit = limit; last != nil {
			f.Before = last.Number
		}
		return s.o.Approvals.Approvals(ctx, f)
	})
}

// shownApproval is an approval as the API shows it.
func shownApproval(a galen.GivenApproval) api.Approval {
	out := api.Approval{
		Id: a.ID, Number: a.Number, Run: a.Run, Resource: a.Resource.String(), Runbook: a.Runbook, State: a.State, By: a.By, At: a.At, Expires: a.Expires,
		Steps: list(a.Steps), Intents: list(a.Intents),
	}
	if a.Plan != 0 {
		out.Plan = &a.Plan
	}
	if a.Why != "" {
		out.Why = &a.Why
	}
	if !a.Ended.IsZero() {
		out.Ended = &a.Ended
	}
	if len(a.With) > 0 {
		var with []string
		for _, one := range a.With {
			with = append(with, one.By)
		}
		out.With = &with
	}
	return out
}
