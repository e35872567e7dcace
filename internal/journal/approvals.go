package journal

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// approvalRow is an approval as it is stored, its basis re-based.
type approvalRow struct {
	galen.Approval
	n     int64
	state galen.ApprovalState // how it was ended; "": by nobody
	ended time.Time
	given map[string]string // the basis as it was shown
}

// approvalsOf lists approvals, newest first.
func approvalsOf(ctx context.Context, q querier, where string, args ...any) ([]approvalRow, error) {
	return approvalRows(ctx, q, where+" ORDER BY n DESC", args...)
}

func approvalRows(ctx context.Context, q querier, which string, args ...any) ([]approvalRow, error) {
	var out []approvalRow
	err := each(ctx, q, func(rows cursor) error {
		var text, basis []byte
		var row approvalRow
		var state string
		var ended int64
		if err := rows.Scan(&row.n, &state, &ended, &text, &basis); err != nil {
			return err
		}
		var err error
		if row.Approval, err = undoc[galen.Approval](text); err != nil {
			return err
		}
		row.state, row.ended, row.given = galen.ApprovalState(state), moment(ended), row.Basis
		row.Basis, err = undoc[map[string]string](basis)
		out = append(out, row)
		return err
	}, "SELECT n, state, ended, doc, basis FROM approvals WHERE "+which, args...)
	return out, err
}

func approvalByID(ctx context.Context, q querier, id string) (approvalRow, error) {
	rows, err := approvalsOf(ctx, q, "id = ?", id)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("approval %q: %w", id, galen.ErrNotFound)
	}
	if err != nil {
		return approvalRow{}, err
	}
	return rows[0], nil
}

// approvalScan is how many approvals are read at once for a filter.
const approvalScan = 100

// Approvals lists approvals, newest first, each with what became of it. It goes through them in pages, each in a view of its own, as
// [Store.Alerts] does.
func (s *Store) Approvals(ctx context.Context, f ApprovalFilter) ([]galen.GivenApproval, error) {
	search := approvalSearch{f: f, before: f.Before}
	var err error
	for more := true; more && err == nil; {
		err = s.readNow(ctx, "list approvals", func(ctx context.Context, q querier, now time.Time) (err error) {
			more, err = search.page(ctx, q, now)
			return err
		})
	}
	return search.found, err
}

// approvalSearch goes through approvals, from the newest on.
type approvalSearch struct {
	f      ApprovalFilter
	found  []galen.GivenApproval
	before int64
}

// page goes through the next ones, and tells whether there are more.
func (s *approvalSearch) page(ctx context.Context, q querier, now time.Time) (more bool, err error) {
	where, args := "n > 0", []any{}
	if s.f.Run != "" {
		where, args = where+" AND run = ?", append(args, s.f.Run)
	}
	if s.before > 0 {
		where, args = where+" AND n < ?", append(args, s.before)
	}
	rows, err := approvalRows(ctx, q, where+" ORDER BY n DESC LIMIT ?", append(args, approvalScan)...)
	if err != nil {
		return false, err
	}
	runs := approvedRuns{}
	for _, row := range rows {
		one, err := runs.given(ctx, q, row, now)
		if err != nil {
			return false, err
		}
		s.before = row.n
		if s.f.fits(one) {
			s.found = append(s.found, one)
		}
		if len(s.found) == limitOr(s.f.Limit) {
			return false, nil
		}
	}
	return len(rows) == approvalScan, nil
}

func (f ApprovalFilter) fits(one galen.GivenApproval) bool {
	return (f.Resource == galen.Resource{} || f.Resource == one.Resource) && (f.State == "" || f.State == one.State)
}

// approvedRun is a run with what tells the fate of its approvals.
type approvedRun struct {
	run  galen.Run
	past []galen.Intent
	at   map[int64]time.Time // when the next approval after the one of that number was given
}

// approvedRuns reads each run once.
type approvedRuns map[string]approvedRun

func (r approvedRuns) of(ctx context.Context, q querier, id string) (approvedRun, error) {
	if known, is := r[id]; is {
		return known, nil
	}
	out := approvedRun{at: map[int64]time.Time{}}
	var err error
	if out.run, err = runOf(ctx, q, id); err != nil {
		return out, err
	}
	if out.past, err = pastOf(ctx, q, id); err != nil {
		return out, err
	}
	rows, err := approvalsOf(ctx, q, "run = ?", id)
	for i, row := range rows[min(1, len(rows)):] {
		out.at[row.n] = rows[i].At
	}
	r[id] = out
	return out, err
}

// given is an approval with what became of it.
func (r approvedRuns) given(ctx context.Context, q querier, row approvalRow, now time.Time) (galen.GivenApproval, error) {
	of, err := r.of(ctx, q, row.Run)
	if err != nil {
		return galen.GivenApproval{}, err
	}
	out := galen.GivenApproval{Approval: row.Approval, Number: row.n, Resource: of.run.Resource}
	at := now
	if row.state != "" {
		at = row.ended
	}
	out.State, out.Ended = row.Fate(of.run, of.at[row.n], of.past, at)
	if out.State == galen.ApprovalStands && row.state != "" { // else there was nothing of it left to end
		out.State, out.Ended = row.state, row.ended
	}
	for _, in := range row.Spent(of.past, cmp.Or(out.Ended, at)) {
		out.Intents = append(out.Intents, in.ID)
	}
	return out, nil
}
