package journal

import (
	"context"
	"slices"

	"github.com/galenhq/galen"
)

// join notes whose token says yes, and who said yes before: by the newest approval, if the world has not ended that.
func (t *tx) join(ctx context.Context, run galen.Run, a *galen.Approval) (err error) {
	person, program := a.Lineage.Person, a.Lineage.Program
	if a.Lineage, err = lineageOf(ctx, t, a.By); err != nil {
		return err
	}
	a.Lineage.Person, a.Lineage.Program = person, program
	asked, err := lineageOf(ctx, t, run.AskedBy())
	if err != nil {
		return err
	}
	a.Lineage.Asked = a.MadeBy(asked.Makers)
	a.With = nil
	rows, err := approvalsOf(ctx, t, "run = ?", a.Run)
	if err == nil && len(rows) > 0 && rows[0].state == "" {
		a.With = rows[0].Joined(*a, t.now)
	}
	return err
}

// lineageOf is who made the token of that name, and the tokens of its makers.
func lineageOf(ctx context.Context, q querier, name string) (galen.Lineage, error) {
	t, found, err := doc[galen.Token](ctx, q, "SELECT doc FROM tokens WHERE name = ?", name)
	if err != nil || !found {
		return galen.Lineage{}, err
	}
	makers, err := makersOf(ctx, q, t)
	return galen.Lineage{Since: t.At, Makers: makers}, err
}

// makersOf are those of a token. One that an older release made does not name them until [Store.KeepMakers]: they are those that its makers' names
// have now, and a name can be given again, so that they may come round in a circle.
func makersOf(ctx context.Context, q querier, t galen.Token) ([]string, error) {
	var out []string
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	for name := t.Name; ; {
		if len(t.Makers) > 0 {
			add(t.Makers...)
			return out, nil
		}
		if t.By == name || slices.Contains(out, t.By) {
			return out, nil
		}
		add(t.By, t.ByPerson)
		next, found, err := doc[galen.Token](ctx, q, "SELECT doc FROM tokens WHERE name = ?", t.By)
		if err != nil || !found {
			return out, err
		}
		t = next
	}
}

// KeepMakers has each token that an older release made keep its makers from now on, as their names tell them now. An engine calls it at its start.
func (s *Store) KeepMakers(ctx context.Context) error {
	return s.write(ctx, "keep the makers of tokens", func(ctx context.Context, t *tx) error {
		type row struct {
			hash  string
			token galen.Token
		}
		var older []row
		err := each(ctx, t, func(rows cursor) error {
			var hash string
			var text []byte
			if err := rows.Scan(&hash, &text); err != nil {
				return err
			}
			token, err := undoc[galen.Token](text)
			if err == nil && len(token.Makers) == 0 {
				older = append(older, row{hash, token})
			}
			return err
		}, "SELECT hash, doc FROM tokens")
		if err != nil {
			return err
		}
		for i := range older { // all of them before the first is written
			if older[i].token.Makers, err = makersOf(ctx, t, older[i].token); err != nil {
				return err
			}
		}
		for _, one := range older {
			if err := t.saveToken(ctx, one.token, one.hash, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// changesKept is how many changes the journal keeps of a yes that became void.
const changesKept = 50

// movedSince is what is otherwise than the person was shown it: the facts of d, or else of the newest plan, and the steps of that plan.
func (t *tx) movedSince(ctx context.Context, run galen.Run, row approvalRow, d galen.Decision) ([]galen.Change, error) {
	newest, planned, err := doc[galen.Decision](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", run.ID, run.Plan)
	if err != nil {
		return nil, err
	}
	if d.Run != "" {
		newest, planned = d, true
	}
	now := d.Grounds
	if now == nil {
		now = newest.Grounds
	}
	moved := galen.Moved(row.Grounds, now)
	if planned {
		past, err := pastOf(ctx, t, run.ID)
		if err != nil {
			return nil, err
		}
		moved = append(moved, row.StepsMoved(past, newest.Plan)...)
	}
	return moved[:min(len(moved), changesKept)], nil
}

// voidedBody is what the event of a yes that became void says: why, and what moved.
func voidedBody(row approvalRow, why string, inARow int, moved []galen.Change) map[string]any {
	out := map[string]any{"approval": row.ID, "by": row.By, "why": why}
	if inARow > 0 {
		out["in_a_row"] = inARow
	}
	if len(moved) > 0 {
		out["moved"] = moved
	}
	return out
}

// PeopleLogIn ends the approvals of open runs that rest on what a token said while nobody could log in: it may be that of a person who has said
// yes, or says it, by a login.
func (s *Store) PeopleLogIn(ctx context.Context) error {
	return s.write(ctx, "end the yeses of tokens", func(ctx context.Context, t *tx) error {
		return t.endYeses(ctx, "people log in now, and a token said it", func(a galen.Assent) bool { return a.Lineage.Person == "" && !a.Lineage.Program })
	})
}

// endYesesOf ends the approvals of open runs in which a token has said yes: whoever revokes it may not trust what it said.
func (t *tx) endYesesOf(ctx context.Context, token string) error {
	return t.endYeses(ctx, "the token "+token+" was revoked", func(a galen.Assent) bool { return a.By == token })
}

// endYeses ends the approvals of open runs in which there is such a yes.
func (t *tx) endYeses(ctx context.Context, why string, such func(galen.Assent) bool) error {
	open, err := docs[galen.Run](ctx, t, "SELECT doc FROM runs WHERE open = 1")
	if err != nil {
		return err
	}
	for _, run := range open {
		rows, err := approvalsOf(ctx, t, "run = ? AND state = ''", run.ID)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !slices.ContainsFunc(row.Assents(), such) {
				continue
			}
			if err := t.endApproval(ctx, row, galen.ApprovalRevoked); err != nil {
				return err
			}
			if err := t.wakeRun(ctx, run, galen.Event{Kind: galen.EventVoided}, voidedBody(row, why, 0, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}
