package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// OpenRun opens a run, and posts its start. While a run with the same key is open, it returns that one and false instead, counts the
// duplicate and raises its urgency. It is created now by the journal's clock, and its deadline is as far from that as it was from
// Created, if it has one, by the clock of whoever made it.
func (s *Store) OpenRun(ctx context.Context, run galen.Run) (galen.Run, bool, error) {
	return s.openRun(ctx, run, func(context.Context, *tx, galen.Run) error { return nil })
}

// OpenAlone is [Store.OpenRun], but opens none of a runbook on a target that an open run of the same runbook has in scope: it could only
// wait for that one. Of two that are asked for at once one is opened; the other is a [galen.AlreadyError].
func (s *Store) OpenAlone(ctx context.Context, run galen.Run) (galen.Run, bool, error) {
	return s.openRun(ctx, run, alone)
}

func alone(ctx context.Context, t *tx, want galen.Run) error {
	open, err := docs[galen.Run](ctx, t, "SELECT doc FROM runs WHERE resource = ? AND open = 1 ORDER BY n DESC", want.Resource.String())
	if err != nil {
		return err
	}
	for _, run := range open {
		shared := slices.ContainsFunc(run.InScope(), func(t galen.Target) bool {
			return slices.ContainsFunc(want.InScope(), func(o galen.Target) bool { return o.ID == t.ID })
		})
		if shared && run.Runbook == want.Runbook {
			return &galen.AlreadyError{Run: run.ID, Status: run.Status}
		}
	}
	return nil
}

func (s *Store) openRun(ctx context.Context, run galen.Run, may func(context.Context, *tx, galen.Run) error) (galen.Run, bool, error) {
	var out galen.Run
	var opened bool
	err := s.write(ctx, "open run "+run.Key, func(ctx context.Context, t *tx) (err error) {
		out, opened, err = t.open(ctx, run, may)
		return err
	})
	if err != nil {
		return galen.Run{}, false, err
	}
	return out, opened, nil
}

// open is [Store.OpenRun] in a transaction, on one condition.
func (t *tx) open(ctx context.Context, run galen.Run, may func(context.Context, *tx, galen.Run) error) (galen.Run, bool, error) {
	if run.Key == "" || run.Runbook == "" || run.Resource == (galen.Resource{}) {
		return galen.Run{}, false, fmt.Errorf("open a run: key %q, runbook %q and resource %q are all required", run.Key, run.Runbook, run.Resource)
	}
	out := run
	open, found, err := doc[galen.Run](ctx, t, "SELECT doc FROM runs WHERE key = ? AND open = 1", run.Key)
	if err != nil {
		return out, false, err
	}
	if found && open.Resource != run.Resource { // nothing of it is told: who asks may not know it
		return galen.Run{}, false, fmt.Errorf("open a run on %s: an open run of another resource has the key %.80q: take a new key", run.Resource, run.Key)
	}
	if found {
		out = open
		out.Urgency = max(open.Urgency, run.Urgency)
		return out, false, t.duplicate(ctx, out)
	}
	if err := may(ctx, t, run); err != nil {
		return out, false, err
	}
	if out.ID == "" {
		out.ID = t.newID(t.now)
	}
	if !run.Created.IsZero() {
		out.Deadline = t.now.Add(run.Deadline.Sub(run.Created))
	}
	out.Status, out.Created, out.Plan, out.Stop, out.Ended = galen.RunOpened, t.now, 0, "", time.Time{}
	return out, true, t.insertRun(ctx, out)
}

func (t *tx) duplicate(ctx context.Context, run galen.Run) error {
	if err := t.saveRun(ctx, run); err != nil {
		return err
	}
	return t.exec(ctx, "UPDATE runs SET duplicates = duplicates + 1 WHERE id = ?", run.ID)
}

func (t *tx) insertRun(ctx context.Context, run galen.Run) error {
	text, err := asDoc(run)
	if err != nil {
		return err
	}
	if _, exists, err := doc[galen.Run](ctx, t, "SELECT doc FROM runs WHERE id = ?", run.ID); err != nil {
		return err
	} else if exists {
		return fmt.Errorf("a run with the ID %s is in the journal already: leave the ID empty", run.ID)
	}
	err = t.exec(ctx, "INSERT INTO runs (id, key, resource, status, open, doc) VALUES (?, ?, ?, ?, 1, ?)",
		run.ID, run.Key, run.Resource.String(), string(run.Status), text)
	if err != nil {
		return err
	}
	t.citeRun(run)
	if err := t.event(ctx, galen.Event{Resource: run.Resource, Run: run.ID, Kind: galen.EventOpened, By: run.Asked}, map[string]any{"run": run}); err != nil {
		return err
	}
	if err := t.raise(ctx, run.Resource.String()); err != nil {
		return err
	}
	return t.post(ctx, OutboxStart, run)
}

// Run is a run by its ID; galen.ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (galen.Run, error) {
	var out galen.Run
	err := s.read(ctx, "read run "+id, func(ctx context.Context, q querier) (err error) {
		out, err = runOf(ctx, q, id)
		return err
	})
	return out, err
}

// Duplicates is how often a run was asked for again while it was open.
func (s *Store) Duplicates(ctx context.Context, id string) (int64, error) {
	var n int64
	err := s.read(ctx, "count the duplicates of run "+id, func(ctx context.Context, q querier) error {
		found, err := first(ctx, q, []any{&n}, "SELECT duplicates FROM runs WHERE id = ?", id)
		if err == nil && !found {
			return fmt.Errorf("run %s: %w", id, galen.ErrNotFound)
		}
		return err
	})
	return n, err
}

// Runs lists runs, newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter) ([]galen.Run, error) {
	where, args := []string{"n > 0"}, []any{}
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	if f.Resource != (galen.Resource{}) {
		add("resource = ?", f.Resource.String())
	}
	if f.Key != "" {
		add("key = ?", f.Key)
	}
	if f.Status != "" {
		add("status = ?", string(f.Status))
	}
	if f.OpenOnly {
		where = append(where, "open = 1")
	}
	var out []galen.Run
	err := s.read(ctx, "list runs", func(ctx context.Context, q querier) (err error) {
		if f.Before != "" {
			var n int64
			known, err := first(ctx, q, []any{&n}, "SELECT n FROM runs WHERE id = ?", f.Before)
			if err != nil || !known {
				return err
			}
			add("n < ?", n)
		}
		out, err = docs[galen.Run](ctx, q, "SELECT doc FROM runs WHERE "+strings.Join(where, " AND ")+" ORDER BY n DESC LIMIT ?", append(args, limitOr(f.Limit))...)
		return err
	})
	return out, err
}

// SetRun sets where a run stands. A changed status is an event: held pages a person and voids the yes that the run had,
// an ended run lets go of every claim that no unsettled intent needs. An ended run stays as it ended: galen.ErrEnded.
// A held run goes on by a person's yes or a decision, not by this: galen.ErrHeld.
func (s *Store) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	return s.write(ctx, "set run "+id+" to "+string(status), func(ctx context.Context, t *tx) error {
		run, err := runOf(ctx, t, id)
		if err != nil {
			return err
		}
		if run.Status == galen.RunHeld && status != galen.RunHeld && status.Open() {
			return fmt.Errorf("run %s waits for a person (%s): %w", run.ID, run.Why, galen.ErrHeld)
		}
		return t.setStatus(ctx, run, standing{status: status, why: why, until: until})
	})
}

// HoldRun holds a run for a person, as [Store.SetRun] does, if it stands as it stood when that was found: else, or if that was too long
// ago, galen.ErrMoved, and the yes that a person gave meanwhile stands. One that is held already is left with what it was held for.
func (s *Store) HoldRun(ctx context.Context, id, why string, was galen.Standing) error {
	return s.write(ctx, "hold run "+id, func(ctx context.Context, t *tx) error {
		run, err := openRunOf(ctx, t, id)
		if err != nil || run.Status == galen.RunHeld {
			return err
		}
		if err := t.unmoved(ctx, run, &was); err != nil {
			return err
		}
		return t.setStatus(ctx, run, standing{status: galen.RunHeld, why: why})
	})
}

// VerifyRun ends a run as verified, as [Store.SetRun] does, if the look that proved it began lately by the journal's clock: else
// galen.ErrMoved, for nobody knows what has become of it since. Of one that an older release looked at, which did not tell when (looked is
// zero), the newest decision must have been stored lately. One that has ended as verified stays so.
func (s *Store) VerifyRun(ctx context.Context, id, why string, looked time.Time) error {
	return s.write(ctx, "verify run "+id, func(ctx context.Context, t *tx) error {
		run, err := runOf(ctx, t, id)
		if err != nil {
			return err
		}
		at := looked
		if at.IsZero() {
			newest, _, err := doc[galen.Decision](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", id, run.Plan)
			if err != nil {
				return err
			}
			at = newest.At
		}
		if run.Status.Open() {
			if err := t.lately(id, at); err != nil {
				return err
			}
		}
		return t.setStatus(ctx, run, standing{status: galen.RunVerified, why: why})
	})
}

// standing is where a run stands, and who says so.
type standing struct {
	status galen.RunStatus
	why    string
	until  time.Time
	by     string
}

// setStatus writes a standing; the event is the status' own kind.
func (t *tx) setStatus(ctx context.Context, run galen.Run, to standing) error {
	was := run.Status
	if !was.Open() {
		if was == to.status {
			return nil
		}
		return fmt.Errorf("run %s ended as %s: %w", run.ID, was, galen.ErrEnded)
	}
	run.Status, run.Why, run.Until, run.Only = to.status, to.why, to.until.UTC(), "" // which only a decision knows
	if was == to.status {
		return t.saveRun(ctx, run)
	}
	run.HeldFast = to.status == galen.RunHeld
	if !to.status.Open() {
		run.Ended = t.now
	}
	if to.status == galen.RunHeld {
		if err := t.endNewest(ctx, run, voiding{as: galen.ApprovalHeld, why: "the run is held: " + to.why}); err != nil {
			return err
		}
	}
	if letsGo(to.status) {
		if err := t.keepClaims(ctx, run, nil); err != nil {
			return err
		}
	}
	if err := t.saveRun(ctx, run); err != nil {
		return err
	}
	t.citeRun(run)
	if err := t.statusEvent(ctx, run, was, to.by); err != nil {
		return err
	}
	return t.raise(ctx, run.Resource.String())
}

// letsGo: who waits for a person, or has ended, holds only the claims of unsettled intents.
func letsGo(s galen.RunStatus) bool {
	return !s.Open() || s == galen.RunAsking || s == galen.RunHeld
}

func (t *tx) statusEvent(ctx context.Context, run galen.Run, was galen.RunStatus, by string) error {
	kind := galen.EventStatus
	switch {
	case !run.Status.Open():
		kind = galen.EventEnded
	case run.Status == galen.RunHeld:
		kind = galen.EventHeld
	case run.Status == galen.RunAsking:
		kind = galen.EventAsked
	}
	body := map[string]any{"status": run.Status, "was": was, "why": run.Why}
	if !run.Until.IsZero() {
		body["until"] = run.Until
	}
	if run.Plan > 0 {
		body["plan"] = run.Plan
	}
	return t.event(ctx, galen.Event{Resource: run.Resource, Run: run.ID, Kind: kind, By: by}, body)
}

// Stop asks a run to reach a safe point and end (cancel) or to let a more urgent one go first (yield). A cancel is not
// taken back by a yield. Whoever asks again for what was asked already changes nothing.
func (s *Store) Stop(ctx context.Context, id, stop, by, why string) error {
	if stop != galen.StopCancel && stop != galen.StopYield {
		return fmt.Errorf("stop run %s: stop %q: want %s or %s", id, stop, galen.StopCancel, galen.StopYield)
	}
	return s.write(ctx, "stop run "+id, func(ctx context.Context, t *tx) error {
		run, err := openRunOf(ctx, t, id)
		if err != nil {
			return err
		}
		if run.Stop == stop || run.Stop == galen.StopCancel {
			return nil
		}
		run.Stop, run.StopBy = stop, by
		if err := t.saveRun(ctx, run); err != nil {
			return err
		}
		t.citeRun(run)
		if err := t.event(ctx, galen.Event{Resource: run.Resource, Run: id, Kind: galen.EventStop, By: by}, map[string]any{"stop": stop, "why": why}); err != nil {
			return err
		}
		if err := t.raise(ctx, run.Resource.String()); err != nil {
			return err
		}
		return t.post(ctx, OutboxWake, run)
	})
}

// Resume ends a yield: whoever was let go first has ended, or waits for a person. A cancel stays.
func (s *Store) Resume(ctx context.Context, id, why string) error {
	return s.write(ctx, "resume run "+id, func(ctx context.Context, t *tx) error {
		run, err := openRunOf(ctx, t, id)
		if err != nil || run.Stop != galen.StopYield {
			return err
		}
		run.Stop, run.StopBy = "", ""
		if err := t.saveRun(ctx, run); err != nil {
			return err
		}
		t.citeRun(run)
		body := map[string]any{"status": run.Status, "was": run.Status, "why": "goes on: " + why}
		if err := t.event(ctx, galen.Event{Resource: run.Resource, Run: id, Kind: galen.EventStatus}, body); err != nil {
			return err
		}
		return t.raise(ctx, run.Resource.String())
	})
}

func runOf(ctx context.Context, q querier, id string) (galen.Run, error) {
	run, found, err := doc[galen.Run](ctx, q, "SELECT doc FROM runs WHERE id = ?", id)
	if err == nil && !found {
		return run, fmt.Errorf("run %q: %w", id, galen.ErrNotFound)
	}
	return run, err
}

func openRunOf(ctx context.Context, q querier, id string) (galen.Run, error) {
	run, err := runOf(ctx, q, id)
	if err == nil && !run.Status.Open() {
		return run, fmt.Errorf("run %s ended as %s: %w", id, run.Status, galen.ErrEnded)
	}
	return run, err
}

// saveRun writes the row. Only [citedRun]'s part of it needs an event.
func (t *tx) saveRun(ctx context.Context, run galen.Run) error {
	text, err := asDoc(run)
	if err != nil {
		return err
	}
	return t.exec(ctx, "UPDATE runs SET status = ?, open = ?, doc = ? WHERE id = ?", string(run.Status), flag(run.Status.Open()), text, run.ID)
}

func (t *tx) citeRun(run galen.Run) { t.cite("run/"+run.ID, citedRun(run)) }

// citedRun is what of a run changes only with an event; the rest are counters and the newest wording.
func citedRun(run galen.Run) any {
	run.Finding, run.Urgency, run.Why, run.Until, run.Only = nil, 0, "", time.Time{}, ""
	return run
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// keepClaims marks which claims of a run its newest plan keeps, and drops those that nobody needs any more.
func (t *tx) keepClaims(ctx context.Context, run galen.Run, keep []galen.Claim) error {
	if err := t.exec(ctx, "UPDATE claims SET kept = 0 WHERE run = ? AND kept = 1", run.ID); err != nil {
		return err
	}
	for _, c := range keep {
		if err := t.exec(ctx, "UPDATE claims SET kept = 1 WHERE run = ? AND resource = ? AND name = ?", run.ID, run.Resource.String(), c.Name); err != nil {
			return err
		}
	}
	return t.dropClaims(ctx, run.ID)
}

// dropClaims takes away the claims of a run that are neither kept nor needed by an unsettled intent. The next event cites
// them.
func (t *tx) dropClaims(ctx context.Context, run string) error {
	needed := map[string]bool{}
	err := each(ctx, t, func(rows cursor) error {
		var resource, name string
		err := rows.Scan(&resource, &name)
		needed[claimRow(resource, run, name)] = true
		return err
	}, "SELECT resource, name FROM needs WHERE run = ?", run)
	if err != nil {
		return err
	}
	type claim struct{ resource, name string }
	var idle []claim
	err = each(ctx, t, func(rows cursor) error {
		var c claim
		if err := rows.Scan(&c.resource, &c.name); err != nil {
			return err
		}
		if !needed[claimRow(c.resource, run, c.name)] {
			idle = append(idle, c)
		}
		return nil
	}, "SELECT resource, name FROM claims WHERE run = ? AND kept = 0", run)
	if err != nil {
		return err
	}
	for _, c := range idle {
		t.citeGone(claimRow(c.resource, run, c.name))
		if err := t.exec(ctx, "DELETE FROM claims WHERE run = ? AND resource = ? AND name = ?", run, c.resource, c.name); err != nil {
			return err
		}
	}
	return nil
}

func claimRow(resource, run, name string) string { return "claim/" + resource + "/" + run + "/" + name }

// OpenRuns are the open runs of a resource, newest first.
func (s *Store) OpenRuns(ctx context.Context, r galen.Resource) ([]galen.Run, error) {
	return s.Runs(ctx, RunFilter{Resource: r, OpenOnly: true, Limit: 1000})
}

// LastRun is the newest run with a key, open or ended; galen.ErrNotFound.
func (s *Store) LastRun(ctx context.Context, r galen.Resource, key string) (galen.Run, error) {
	runs, err := s.Runs(ctx, RunFilter{Resource: r, Key: key, Limit: 1})
	if err != nil {
		return galen.Run{}, err
	}
	if len(runs) == 0 {
		return galen.Run{}, fmt.Errorf("newest run of %s: %w", key, galen.ErrNotFound)
	}
	return runs[0], nil
}
