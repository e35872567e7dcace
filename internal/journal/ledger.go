package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// Ledger is what a step of a run depends on, in one consistent view; galen.ErrNotFound.
func (s *Store) Ledger(ctx context.Context, runID string) (galen.Ledger, error) {
	var out galen.Ledger
	err := s.readNow(ctx, "read the ledger of run "+runID, func(ctx context.Context, q querier, now time.Time) (err error) {
		out, err = readLedger(ctx, q, runID, now)
		return err
	})
	return out, err
}

// Clock is the journal's: on SQLite that of the engine, on PostgreSQL the database's, which all engines have in common.
func (s *Store) Clock(ctx context.Context) (at time.Time, err error) {
	err = s.readNow(ctx, "read the clock", func(_ context.Context, _ querier, now time.Time) error {
		at = now
		return nil
	})
	return at, err
}

// Preview is the ledger that a run would see which the journal does not have: for plan mode. run.ID must be empty.
func (s *Store) Preview(ctx context.Context, run galen.Run) (galen.Ledger, error) {
	if run.ID != "" {
		return galen.Ledger{}, fmt.Errorf("preview a ledger: run %s is a real one, read its own", run.ID)
	}
	var out galen.Ledger
	err := s.readNow(ctx, "read the ledger of "+run.Resource.String(), func(ctx context.Context, q querier, now time.Time) (err error) {
		out, err = ledgerOf(ctx, q, run, now)
		return err
	})
	return out, err
}

// OpenIntents are the intents on a resource whose effect is not settled, of any run, oldest first.
func (s *Store) OpenIntents(ctx context.Context, r galen.Resource) ([]galen.Intent, error) {
	var out []galen.Intent
	err := s.read(ctx, "list the open intents of "+r.String(), func(ctx context.Context, q querier) (err error) {
		out, err = openIntentsOf(ctx, q, r.String())
		return err
	})
	return out, err
}

// IntentsOf are all intents of a run, oldest first.
func (s *Store) IntentsOf(ctx context.Context, run string) ([]galen.Intent, error) {
	var out []galen.Intent
	err := s.read(ctx, "list the intents of run "+run, func(ctx context.Context, q querier) (err error) {
		out, err = pastOf(ctx, q, run)
		return err
	})
	return out, err
}

// Intents are the intents of a run that are older than the one of that ID ("": all), newest first, at most so many; [galen.ErrNotFound] if
// the run has no such one.
func (s *Store) Intents(ctx context.Context, run, before string, limit int) ([]galen.Intent, error) {
	var out []galen.Intent
	err := s.read(ctx, "list the intents of run "+run, func(ctx context.Context, q querier) (err error) {
		where, args := "run = ?", []any{run}
		if before != "" {
			var n int64
			known, err := first(ctx, q, []any{&n}, "SELECT n FROM intents WHERE id = ? AND run = ?", before, run)
			if err == nil && !known {
				err = fmt.Errorf("intent %.80q: %w", before, galen.ErrNotFound)
			}
			if err != nil {
				return err
			}
			where, args = where+" AND n < ?", append(args, n)
		}
		out, err = docs[galen.Intent](ctx, q, "SELECT doc FROM intents WHERE "+where+" ORDER BY n DESC LIMIT ?", append(args, limitOr(limit))...)
		return err
	})
	return out, err
}

func openIntentsOf(ctx context.Context, q querier, resource string) ([]galen.Intent, error) {
	return docs[galen.Intent](ctx, q, "SELECT doc FROM intents WHERE resource = ? AND settled = 0 ORDER BY n", resource)
}

func readLedger(ctx context.Context, q querier, runID string, now time.Time) (galen.Ledger, error) {
	run, err := runOf(ctx, q, runID)
	if err != nil {
		return galen.Ledger{}, err
	}
	return ledgerOf(ctx, q, run, now)
}

func ledgerOf(ctx context.Context, q querier, run galen.Run, now time.Time) (galen.Ledger, error) {
	l := galen.Ledger{Now: now, Run: run}
	resource := run.Resource.String()
	for _, part := range []func() error{
		func() (err error) { l.Revision, err = revisionOf(ctx, q, resource); return err },
		func() error {
			e, err := epochOf(ctx, q)
			l.Observe = e.Observe()
			return err
		},
		func() (err error) { l.Configuration, err = counts(ctx, q); return err },
		func() (err error) { l.Account, err = revisionOf(ctx, q, account); return err },
		func() (err error) {
			l.Past, err = pastOf(ctx, q, run.ID)
			return err
		},
		func() (err error) {
			l.Open, err = openIntentsOf(ctx, q, resource)
			return err
		},
		func() (err error) { l.Claims, err = claimsOf(ctx, q, resource); return err },
		func() (err error) { l.Holds, err = holdsOf(ctx, q); return err },
		func() (err error) { l.Spent, err = spentSince(ctx, q, now.Add(-galen.MaxLookBack)); return err },
		func() (err error) {
			l.Recoveries, err = recoveriesOf(ctx, q, resource, now.Add(-galen.MaxLookBack))
			return err
		},
		func() (err error) { l.Released, err = releasedOf(ctx, q, now); return err },
		func() (err error) { l.Quarantine, err = quarantineOf(ctx, q, run.Runbook); return err },
		func() (err error) { l.Facts, err = factsOf(ctx, q, resource); return err },
		func() (err error) { l.Fences, err = fencesOf(ctx, q, resource); return err },
		func() (err error) {
			l.Approval, l.LastYes, err = approvalOf(ctx, q, l.Run.ID, l.Past, now)
			return err
		},
	} {
		if err := part(); err != nil {
			return galen.Ledger{}, err
		}
	}
	return l, nil
}

func revisionOf(ctx context.Context, q querier, name string) (int64, error) {
	var n int64
	_, err := first(ctx, q, []any{&n}, "SELECT revision FROM revisions WHERE name = ?", name)
	return n, err
}

func claimsOf(ctx context.Context, q querier, resource string) ([]galen.HeldClaim, error) {
	type holding struct{ name, run string }
	needed := map[holding][]string{}
	err := each(ctx, q, func(rows cursor) error {
		var h holding
		var intent string
		if err := rows.Scan(&h.name, &h.run, &intent); err != nil {
			return err
		}
		needed[h] = append(needed[h], intent)
		return nil
	}, "SELECT name, run, intent FROM needs WHERE resource = ? ORDER BY intent", resource)
	if err != nil {
		return nil, err
	}
	var out []galen.HeldClaim
	err = each(ctx, q, func(rows cursor) error {
		var c galen.HeldClaim
		var since int64
		if err := rows.Scan(&c.Name, &c.Run, &c.Shared, &c.Kept, &since); err != nil {
			return err
		}
		c.Since, c.Intents = moment(since), needed[holding{c.Name, c.Run}]
		out = append(out, c)
		return nil
	}, "SELECT name, run, shared, kept, since FROM claims WHERE resource = ? ORDER BY name, run", resource)
	if err != nil {
		return nil, err
	}
	runs := runReader{}
	for i := range out {
		run, err := runs.of(ctx, q, out[i].Run)
		if err != nil {
			return nil, err
		}
		out[i].Urgency = run.Urgency
	}
	return out, nil
}

func holdsOf(ctx context.Context, q querier) ([]galen.Hold, error) {
	return docs[galen.Hold](ctx, q, "SELECT doc FROM holds WHERE released = 0 ORDER BY n")
}

func spentSince(ctx context.Context, q querier, since time.Time) ([]galen.Spend, error) {
	var out []galen.Spend
	err := each(ctx, q, func(rows cursor) error {
		spend, err := scanSpend(rows)
		out = append(out, spend)
		return err
	}, "SELECT budget, run, target, resource, at FROM spends WHERE at > ? ORDER BY at, budget, run, target", stamp(since))
	return out, err
}

func scanSpend(rows cursor) (galen.Spend, error) {
	var spend galen.Spend
	var resource string
	var at int64
	if err := rows.Scan(&spend.Budget, &spend.Run, &spend.Target, &resource, &at); err != nil {
		return spend, err
	}
	spend.At = moment(at)
	if err := spend.Resource.UnmarshalText([]byte(resource)); err != nil {
		return spend, fmt.Errorf("spend of run %s: %w", spend.Run, err)
	}
	return spend, nil
}

// recoveriesOf lists who made a call on which target since then, and when last. A call that turned out absent treated nobody,
// nor did one that put back what another had set.
func recoveriesOf(ctx context.Context, q querier, resource string, since time.Time) ([]galen.Recovery, error) {
	intents, err := docs[galen.Intent](ctx, q, "SELECT doc FROM intents WHERE resource = ? AND at > ? AND sent <> ? ORDER BY n",
		resource, stamp(since), galen.SentNot)
	if err != nil || len(intents) == 0 {
		return nil, err
	}
	seen, err := acksOf(ctx, q, resource)
	if err != nil {
		return nil, err
	}
	type of struct {
		run, target string
		class       galen.Class
	}
	var out []galen.Recovery
	runs, at := runReader{}, map[of]int{}
	for _, in := range intents {
		if in.Effect.Status == galen.EffectAbsent || in.Undoes != "" {
			continue
		}
		key := of{in.Run, in.Step.Target.ID, in.Class}
		i, known := at[key]
		if !known {
			run, err := runs.of(ctx, q, in.Run)
			if err != nil {
				return nil, err
			}
			i = len(out)
			at[key] = i
			out = append(out, galen.Recovery{Run: in.Run, Runbook: run.Runbook, Target: key.target, Class: in.Class, Cause: run.Cause()})
		}
		out[i].At, out[i].Acknowledged = in.At, seen[key.target] >= stamp(in.At) // the newest comes last
	}
	return out, nil
}

// acksOf are when a person last looked at each target's recoveries.
func acksOf(ctx context.Context, q querier, resource string) (map[string]int64, error) {
	seen := map[string]int64{}
	err := each(ctx, q, func(rows cursor) error {
		var target string
		var at int64
		err := rows.Scan(&target, &at)
		seen[target] = at
		return err
	}, "SELECT target, at FROM acks WHERE resource = ?", resource)
	return seen, err
}

// runReader reads each run once.
type runReader map[string]galen.Run

func (r runReader) of(ctx context.Context, q querier, id string) (galen.Run, error) {
	if run, known := r[id]; known {
		return run, nil
	}
	run, err := runOf(ctx, q, id)
	r[id] = run
	return run, err
}

func factsOf(ctx context.Context, q querier, resource string) (map[string]galen.Fact, error) {
	all, err := docs[galen.Fact](ctx, q, "SELECT doc FROM facts WHERE resource = ?", resource)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	out := make(map[string]galen.Fact, len(all))
	for _, f := range all {
		out[f.Key] = f
	}
	return out, nil
}

func fencesOf(ctx context.Context, q querier, resource string) (map[string]int64, error) {
	out := map[string]int64{}
	err := each(ctx, q, func(rows cursor) error {
		var target string
		var fence int64
		if err := rows.Scan(&target, &fence); err != nil {
			return err
		}
		out[target] = fence
		return nil
	}, "SELECT target, fence FROM fences WHERE resource = ?", resource)
	if len(out) == 0 {
		out = nil
	}
	return out, err
}

// liveApproval is what [Store.Ledger] gives as the approval of a run.
func liveApproval(ctx context.Context, q querier, runID string, now time.Time) (*galen.Approval, error) {
	past, err := pastOf(ctx, q, runID)
	if err != nil {
		return nil, err
	}
	yes, _, err := approvalOf(ctx, q, runID, past, now)
	return yes, err
}

func pastOf(ctx context.Context, q querier, runID string) ([]galen.Intent, error) {
	return docs[galen.Intent](ctx, q, "SELECT doc FROM intents WHERE run = ? ORDER BY n", runID)
}

// approvalOf is the newest approval of a run, unless it was voided, rejected or used up. One without steps is a yes to
// going on; nothing uses it up, so it counts until it expires. last is when it was given, whatever became of it.
func approvalOf(ctx context.Context, q querier, runID string, past []galen.Intent, now time.Time) (yes *galen.Approval, last time.Time, err error) {
	rows, err := approvalsOf(ctx, q, "run = ?", runID)
	if err != nil || len(rows) == 0 {
		return nil, time.Time{}, err
	}
	newest := rows[0]
	switch {
	case newest.state != "",
		len(newest.Steps) == 0 && !now.Before(newest.Expires),
		len(newest.Steps) > 0 && usedUp(newest.Approval, past):
		return nil, newest.At, nil
	}
	return &newest.Approval, newest.At, nil
}

// usedUp: every approved step was done as often as approved.
func usedUp(a galen.Approval, past []galen.Intent) bool {
	return !slices.ContainsFunc(a.Steps, func(s galen.ApprovedStep) bool { return a.Used(s.Verb, []string{s.Target}, past) < s.Count })
}
