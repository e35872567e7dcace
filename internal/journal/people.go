package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// Approve stores a person's yes to an open run. It replaces an earlier one, lets a held run go on, and wakes it. While galen only
// observes nobody can know what the yes would be to: galen.ErrDisarmed. It begins now by the journal's clock, and lasts as long as it
// would from its At on, if it has one, by the clock of whoever made it.
func (s *Store) Approve(ctx context.Context, a galen.Approval) error {
	if a.By == "" {
		return fmt.Errorf("approve run %s: who approves is required", a.Run)
	}
	return s.write(ctx, "approve run "+a.Run, func(ctx context.Context, t *tx) error {
		a := a
		run, err := openRunOf(ctx, t, a.Run)
		if err != nil {
			return err
		}
		if err := t.hears(ctx, run, a); err != nil {
			return err
		}
		a.Asked = false
		if a.ID == "" {
			a.ID = t.newID(t.now)
		}
		if !a.At.IsZero() {
			a.Expires = t.now.Add(a.Expires.Sub(a.At))
		}
		a.At = t.now
		if !t.now.Before(a.Expires) {
			return fmt.Errorf("the approval would expire at %s, which is past", a.Expires.UTC().Format(time.RFC3339))
		}
		if err := t.join(ctx, run, &a); err != nil {
			return err
		}
		if err := t.insertApproval(ctx, a); err != nil {
			return err
		}
		err = t.wakeRun(ctx, run, galen.Event{Kind: galen.EventApproved, By: a.By}, map[string]any{"approval": a})
		if err != nil || run.Status != galen.RunHeld {
			return err
		}
		return t.setStatus(ctx, run, standing{status: galen.RunRunning, why: "approved by " + a.By + ", goes on", by: a.By})
	})
}

// hears refuses a yes that does not know what has become of the run since, or that nobody could know what it would be to.
func (t *tx) hears(ctx context.Context, run galen.Run, a galen.Approval) error {
	if a.Asked && run.HeldFast {
		return fmt.Errorf("it is held since, %s: read it again before you say yes: %w", run.Why, galen.ErrMoved)
	}
	if err := t.armed(ctx); err != nil {
		return fmt.Errorf("a yes would not count after the re-arming, approve then: %w", err)
	}
	return nil
}

func (t *tx) insertApproval(ctx context.Context, a galen.Approval) error {
	text, err := asDoc(a)
	if err != nil {
		return err
	}
	basis, err := asDoc(a.Basis)
	if err != nil {
		return err
	}
	err = t.exec(ctx, "INSERT INTO approvals (id, run, state, ended, doc, basis) VALUES (?, ?, '', 0, ?, ?)", a.ID, a.Run, text, basis)
	if err != nil {
		return err
	}
	t.citeApproval(approvalRow{Approval: a, given: a.Basis})
	t.cite(basisRow(a.ID), a.Basis)
	return nil
}

// wakeRun is the end of whatever a person did to a run: event, revision, wake.
func (t *tx) wakeRun(ctx context.Context, run galen.Run, e galen.Event, body any) error {
	e.Resource, e.Run = run.Resource, run.ID
	if err := t.event(ctx, e, body); err != nil {
		return err
	}
	if err := t.raise(ctx, run.Resource.String()); err != nil {
		return err
	}
	return t.post(ctx, OutboxWake, run)
}

func (t *tx) citeApproval(a approvalRow) { t.cite("approval/"+a.ID, citedApproval(a)) }

func basisRow(approval string) string { return "basis/" + approval }

// citedApproval leaves out the re-based basis, which follows the run's own effects and is cited apart.
func citedApproval(a approvalRow) any {
	a.Basis = a.given
	return []any{a.Approval, a.state, stamp(a.ended)}
}

// Reject stores a person's no: approvals of the run end, and the run is held until a person approves or cancels.
func (s *Store) Reject(ctx context.Context, runID, by, why string) error {
	if by == "" {
		return fmt.Errorf("reject run %s: who rejects is required", runID)
	}
	return s.write(ctx, "reject run "+runID, func(ctx context.Context, t *tx) error {
		run, err := openRunOf(ctx, t, runID)
		if err != nil {
			return err
		}
		rows, err := approvalsOf(ctx, t, "run = ? AND state = ''", runID)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := t.endApproval(ctx, row, galen.ApprovalRejected); err != nil {
				return err
			}
		}
		if err := t.keepClaims(ctx, run, nil); err != nil {
			return err
		}
		run.Status, run.Why, run.Until, run.HeldFast = galen.RunHeld, "rejected by "+by+": "+why, time.Time{}, true
		if err := t.saveRun(ctx, run); err != nil {
			return err
		}
		t.citeRun(run)
		if err := t.keepHeld(ctx, run.ID); err != nil {
			return err
		}
		return t.wakeRun(ctx, run, galen.Event{Kind: galen.EventRejected, By: by}, map[string]any{"why": why, "status": run.Status})
	})
}

func (t *tx) endApproval(ctx context.Context, row approvalRow, state galen.ApprovalState) error {
	row.state, row.ended = state, t.now
	t.citeApproval(row)
	return t.exec(ctx, "UPDATE approvals SET state = ?, ended = ? WHERE id = ?", string(state), stamp(t.now), row.ID)
}

// Void ends an approval because the world moved. It returns how many approvals of the run in a row were voided without an
// intent in between: at the third a person needs the difference, not another question. Voided twice counts once.
// now are the facts of its targets as they are seen; nil: as the run decided on them last.
func (s *Store) Void(ctx context.Context, approvalID, why string, now galen.Grounds) (int, error) {
	var inARow int
	err := s.write(ctx, "void approval "+approvalID, func(ctx context.Context, t *tx) error {
		row, err := approvalByID(ctx, t, approvalID)
		if err != nil {
			return err
		}
		run, err := runOf(ctx, t, row.Run)
		if err != nil {
			return err
		}
		if row.state == "" {
			inARow, err = t.end(ctx, run, row, voiding{galen.ApprovalVoided, why, galen.Decision{Grounds: now}})
		} else {
			inARow, err = voidsInARow(ctx, t, row.Run)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return inARow, nil
}

// voiding is how an approval that counts ends: as what, and why. By is the decision that ends it, or has the facts as they are seen, if there is one.
type voiding struct {
	as  galen.ApprovalState
	why string
	by  galen.Decision
}

// end ends an approval, with its event. inARow counts what the world made void, see [Store.Void]; other ends say nothing of the world.
func (t *tx) end(ctx context.Context, run galen.Run, row approvalRow, e voiding) (inARow int, err error) {
	moved, err := t.movedSince(ctx, run, row, e.by)
	if err != nil {
		return 0, err
	}
	if err := t.endApproval(ctx, row, e.as); err != nil {
		return 0, err
	}
	if e.as == galen.ApprovalVoided {
		if inARow, err = voidsInARow(ctx, t, run.ID); err != nil {
			return 0, err
		}
	}
	return inARow, t.voided(ctx, run, voidedBody(row, e.why, inARow, moved))
}

func (t *tx) voided(ctx context.Context, run galen.Run, body map[string]any) error {
	err := t.event(ctx, galen.Event{Resource: run.Resource, Run: run.ID, Kind: galen.EventVoided}, body)
	if err != nil {
		return err
	}
	return t.raise(ctx, run.Resource.String())
}

// endNewest ends the yes that a run has, if it has one, by which it must not go on.
func (t *tx) endNewest(ctx context.Context, run galen.Run, e voiding) error {
	yes, err := liveApproval(ctx, t, run.ID, t.now)
	if err != nil || yes == nil {
		return err
	}
	row, err := approvalByID(ctx, t, yes.ID)
	if err == nil {
		_, err = t.end(ctx, run, row, e)
	}
	return err
}

func voidsInARow(ctx context.Context, q querier, runID string) (int, error) {
	rows, err := approvalsOf(ctx, q, "run = ?", runID)
	if err != nil {
		return 0, err
	}
	last := int64(0) // of an intent: whatever was voided before it was of some use in between
	if _, err := first(ctx, q, []any{&last}, "SELECT at FROM intents WHERE run = ? ORDER BY at DESC LIMIT 1", runID); err != nil {
		return 0, err
	}
	n := 0
	for _, row := range rows {
		switch {
		case row.state == galen.ApprovalHeld, row.state == galen.ApprovalRevoked: // says nothing of the world
			continue
		case row.state != galen.ApprovalVoided, stamp(row.ended) < last:
			return n, nil
		}
		n++
	}
	return n, nil
}

// rebase moves the newest approval of a run on after an effect of one of its own intents, if it counts: for the targets
// that the intent concerns, as far as the person was shown them.
func (t *tx) rebase(ctx context.Context, runID string, basis map[string]string) error {
	rows, err := approvalsOf(ctx, t, "run = ?", runID)
	if err != nil || len(rows) == 0 || rows[0].state != "" {
		return err
	}
	moved := maps.Clone(rows[0].Basis)
	for id := range moved {
		if is, concerned := basis[id]; concerned {
			moved[id] = is
		}
	}
	if maps.Equal(moved, rows[0].Basis) {
		return nil
	}
	text, err := asDoc(moved)
	if err != nil {
		return err
	}
	t.cite(basisRow(rows[0].ID), moved)
	return t.exec(ctx, "UPDATE approvals SET basis = ? WHERE id = ?", text, rows[0].ID)
}

// SetHold sets the kill switch. It raises the revision of all that it covers, and wakes its open runs, so that each says at once what it
// waits for. An end is required: one that nobody set a time for is the one that is forgotten.
func (s *Store) SetHold(ctx context.Context, h galen.Hold) error {
	if err := checkHold(h); err != nil {
		return fmt.Errorf("set a hold: %w", err)
	}
	return s.write(ctx, "set a hold", func(ctx context.Context, t *tx) error {
		h := h
		if !h.Until.After(t.now) {
			return fmt.Errorf("set a hold until %s: that is past, it is %s", h.Until.UTC().Format(time.RFC3339), t.now.UTC().Format(time.RFC3339))
		}
		if h.ID == "" {
			h.ID = t.newID(t.now)
		}
		if h.At.IsZero() {
			h.At = t.now
		}
		text, err := asDoc(h)
		if err != nil {
			return err
		}
		err = t.exec(ctx, `INSERT INTO holds (id, released, doc) VALUES (?, 0, ?)
			ON CONFLICT (id) DO UPDATE SET released = 0, doc = excluded.doc`, h.ID, text)
		if err != nil {
			return err
		}
		t.cite(holdRow(h), citedHold(h, false))
		if err := t.event(ctx, galen.Event{Resource: h.Resource, Kind: galen.EventHold, By: h.By}, map[string]any{"hold": h}); err != nil {
			return err
		}
		if err := t.raise(ctx, h.Resource.String()); err != nil { // of the account, when it covers everything
			return err
		}
		return t.wakeAll(ctx, h.Resource)
	})
}

func checkHold(h galen.Hold) error {
	switch {
	case h.By == "" || h.Why == "" || h.Until.IsZero():
		return errors.New("who sets it, why and until when are required")
	case h.Pattern == "":
		return nil
	case h.Resource != (galen.Resource{}) || h.Target != "":
		return fmt.Errorf("it names %s %s and the pattern %s: want one of them", h.Resource, h.Target, h.Pattern)
	}
	return h.Pattern.Check()
}

// ExtendHold moves the end of a hold that nobody has released, and returns it. Nothing else of it changes.
func (s *Store) ExtendHold(ctx context.Context, id string, until time.Time, by, why string) (galen.Hold, error) {
	var h galen.Hold
	if by == "" || why == "" {
		return h, fmt.Errorf("extend hold %s: who extends it and why are required", id)
	}
	err := s.write(ctx, "extend hold "+id, func(ctx context.Context, t *tx) (err error) {
		if h, err = heldBy(ctx, t, id); err != nil {
			return err
		}
		if !until.After(t.now) {
			return fmt.Errorf("extend hold %s until %s: that is past, it is %s", id, until.UTC().Format(time.RFC3339), t.now.UTC().Format(time.RFC3339))
		}
		h.Until = until.UTC()
		text, err := asDoc(h)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, "UPDATE holds SET doc = ? WHERE id = ?", text, id); err != nil {
			return err
		}
		t.cite(holdRow(h), citedHold(h, false))
		return t.event(ctx, galen.Event{Resource: h.Resource, Kind: galen.EventHold, By: by}, map[string]any{"hold": h, "extended": why})
	})
	return h, err
}

// heldBy is a hold that nobody has released.
func heldBy(ctx context.Context, t *tx, id string) (galen.Hold, error) {
	var released int64
	var text string
	found, err := first(ctx, t, []any{&released, &text}, "SELECT released, doc FROM holds WHERE id = ?", id)
	switch {
	case err != nil:
		return galen.Hold{}, err
	case !found:
		return galen.Hold{}, fmt.Errorf("hold %q: %w", id, galen.ErrNotFound)
	case released != 0:
		return galen.Hold{}, fmt.Errorf("hold %q: %w", id, galen.ErrReleased)
	}
	return undoc[galen.Hold]([]byte(text))
}

func holdRow(h galen.Hold) string { return "hold/" + h.ID }

func citedHold(h galen.Hold, released bool) any { return []any{h, released} }

// Release takes a hold away; only a person does. The open runs that it stopped are woken.
func (s *Store) Release(ctx context.Context, holdID, by string) error {
	if by == "" {
		return fmt.Errorf("release hold %s: who releases it is required", holdID)
	}
	return s.write(ctx, "release hold "+holdID, func(ctx context.Context, t *tx) error {
		h, err := heldBy(ctx, t, holdID)
		if err != nil {
			return err
		}
		if err := t.exec(ctx, "UPDATE holds SET released = 1 WHERE id = ?", holdID); err != nil {
			return err
		}
		t.cite(holdRow(h), citedHold(h, true))
		if err := t.event(ctx, galen.Event{Resource: h.Resource, Kind: galen.EventRelease, By: by}, map[string]any{"hold": h}); err != nil {
			return err
		}
		if err := t.raise(ctx, h.Resource.String()); err != nil {
			return err
		}
		return t.wakeAll(ctx, h.Resource)
	})
}

// wakeAll wakes the open runs on a resource, on all for the zero one.
func (t *tx) wakeAll(ctx context.Context, r galen.Resource) error {
	where, args := "open = 1", []any(nil)
	if r != (galen.Resource{}) {
		where, args = "open = 1 AND resource = ?", []any{r.String()}
	}
	runs, err := docs[galen.Run](ctx, t, "SELECT doc FROM runs WHERE "+where+" ORDER BY n", args...)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := t.post(ctx, OutboxWake, run); err != nil {
			return err
		}
	}
	return nil
}

// Holds are the holds that nobody released, oldest first, overdue ones included.
func (s *Store) Holds(ctx context.Context) ([]galen.Hold, error) {
	var out []galen.Hold
	err := s.read(ctx, "list holds", func(ctx context.Context, q querier) (err error) {
		out, err = holdsOf(ctx, q)
		return err
	})
	return out, err
}

// Acknowledge records that a person has looked at the recoveries of a target so far: its cool-down is over. names are all by which
// it goes: what was treated as an empty instance may be a node by now.
func (s *Store) Acknowledge(ctx context.Context, resource galen.Resource, names []string, by string) error {
	if by == "" || len(names) == 0 || slices.Contains(names, "") {
		return fmt.Errorf("acknowledge a recovery on %s: target %q and person %q are required", resource, names, by)
	}
	return s.write(ctx, "acknowledge the recovery of "+names[0], func(ctx context.Context, t *tx) error {
		for _, name := range names {
			err := t.exec(ctx, `INSERT INTO acks (resource, target, by, at) VALUES (?, ?, ?, ?)
				ON CONFLICT (resource, target) DO UPDATE SET by = excluded.by, at = excluded.at`, resource.String(), name, by, stamp(t.now))
			if err != nil {
				return err
			}
			t.cite(ackRow(resource.String(), name), citedAck(by, stamp(t.now)))
		}
		if err := t.event(ctx, galen.Event{Resource: resource, Kind: galen.EventAck, By: by}, map[string]any{"target": names[0]}); err != nil {
			return err
		}
		if err := t.raise(ctx, resource.String()); err != nil {
			return err
		}
		return t.wakeAll(ctx, resource)
	})
}

func ackRow(resource, target string) string { return "ack/" + resource + "/" + target }

func citedAck(by string, at int64) any { return []any{by, at} }
