package journal

import (
	"context"
	"errors"

	"github.com/galenhq/galen"
)

// Settle writes changed effects of intents, with the facts they earn, and lets go of claims that nobody needs any more. In
// the same transaction the yes that the intent's run has is re-based. An effect that was settled stays.
func (s *Store) Settle(ctx context.Context, runID string, changes []galen.Settlement) error {
	return s.write(ctx, "settle intents for run "+runID, func(ctx context.Context, t *tx) error {
		if _, err := runOf(ctx, t, runID); err != nil {
			return err
		}
		raised := map[string]bool{}
		for _, change := range changes {
			in, err := intentOf(ctx, t, change.Intent)
			if err != nil {
				return err
			}
			news, err := t.settle(ctx, in, change)
			if err != nil {
				return err
			}
			resource := in.Resource.String()
			if !news || raised[resource] {
				continue
			}
			raised[resource] = true
			if err := t.raise(ctx, resource); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) settle(ctx context.Context, in galen.Intent, change galen.Settlement) (bool, error) {
	if in.Effect.Settled() {
		return false, nil
	}
	was := in.Effect
	in.Effect = change.Effect
	if was.Status == in.Effect.Status && len(change.Facts) == 0 {
		in.Effect.At = was.At
		return false, t.saveIntent(ctx, in) // newer wording only
	}
	if in.Effect.At.IsZero() {
		in.Effect.At = t.now
	}
	if err := t.saveIntent(ctx, in); err != nil {
		return false, err
	}
	t.citeIntent(in)
	facts, err := t.putFacts(ctx, in, change.Facts)
	if err != nil {
		return false, err
	}
	if err := errors.Join(t.ended(ctx, in), t.rebase(ctx, in.Run, change.Basis)); err != nil {
		return false, err
	}
	body := map[string]any{"intent": in.ID, "verb": in.Step.Verb, "target": in.Step.Target, "effect": in.Effect, "was": was.Status, "facts": facts}
	if change.Margin != "" {
		body["margin"] = change.Margin
	}
	return true, t.event(ctx, galen.Event{Resource: in.Resource, Run: in.Run, Kind: galen.EventSettled}, body)
}

// ended: what is settled lets its claims go, and what failed is counted.
func (t *tx) ended(ctx context.Context, in galen.Intent) error {
	if !in.Effect.Settled() {
		return nil
	}
	if err := t.dropNeeds(ctx, in); err != nil || in.Effect.Status != galen.EffectFailed {
		return err
	}
	return t.failed(ctx, in)
}

// dropNeeds: a settled intent needs no claim any more.
func (t *tx) dropNeeds(ctx context.Context, in galen.Intent) error {
	err := each(ctx, t, func(rows cursor) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		t.citeGone(needRow(in.ID, name))
		return nil
	}, "SELECT name FROM needs WHERE intent = ?", in.ID)
	if err != nil {
		return err
	}
	if err := t.exec(ctx, "DELETE FROM needs WHERE intent = ?", in.ID); err != nil {
		return err
	}
	return t.dropClaims(ctx, in.Run)
}

// Abandoned is what runs on a resource that have ended still owe: undos, newest first, those that this release cannot read included, and
// all else by what and who needs it.
func (s *Store) Abandoned(ctx context.Context, r galen.Resource) (undos []galen.Debt, duties []galen.Duty, err error) {
	err = s.read(ctx, "list what ended runs owe on "+r.String(), func(ctx context.Context, q querier) error {
		undos, duties = nil, nil
		facts, err := factsOf(ctx, q, r.String())
		if err != nil {
			return err
		}
		for _, d := range galen.AllDebts(facts) {
			_, open, err := whose(ctx, q, d.Intent)
			if err != nil {
				return err
			}
			if !open {
				undos = append(undos, d)
			}
		}
		for _, d := range galen.Duties(facts) {
			var open bool
			if d.Run, open, err = whose(ctx, q, d.Intent); err != nil {
				return err
			}
			if !open {
				duties = append(duties, d)
			}
		}
		return nil
	})
	return undos, duties, err
}

// whose is the run of an intent, and whether it is open.
func whose(ctx context.Context, q querier, intent string) (run string, open bool, err error) {
	if _, err = first(ctx, q, []any{&run}, "SELECT run FROM intents WHERE id = ?", intent); err == nil {
		_, err = first(ctx, q, []any{&open}, "SELECT open FROM runs WHERE id = ?", run)
	}
	return run, open, err
}
