package gym

import (
	"context"
	"slices"

	"github.com/galenhq/galen"
)

// weak is a journal that leaves out the rule which it has besides a guard, so that the guard stands alone: holds, claims,
// unsettled intents and the rate are checked again in the transaction that commits an intent. What the rule would look at is
// kept here, and shown in every ledger.
type weak struct {
	store
	guard  string
	holds  []galen.Hold
	claims map[string][]galen.HeldClaim // by intent
	open   map[string]galen.Intent      // unsettled, whatever the rows say
}

func weaken(guard string) func(store) store {
	return func(s store) store {
		return &weak{store: s, guard: guard, claims: map[string][]galen.HeldClaim{}, open: map[string]galen.Intent{}}
	}
}

func (k *weak) SetHold(ctx context.Context, h galen.Hold) error {
	if k.guard != "I-17 hold" {
		return k.store.SetHold(ctx, h)
	}
	k.holds = append(k.holds, h)
	return nil
}

func (k *weak) Release(ctx context.Context, id, by string) error {
	if k.guard != "I-17 hold" {
		return k.store.Release(ctx, id, by)
	}
	k.holds = nil
	return nil
}

func (k *weak) Ledger(ctx context.Context, run string) (galen.Ledger, error) {
	l, err := k.store.Ledger(ctx, run)
	l.Holds = append(l.Holds, k.holds...)
	for _, held := range k.claims {
		l.Claims = append(l.Claims, held...)
	}
	for i, in := range l.Past {
		if still, is := k.open[in.ID]; is {
			l.Past[i].Effect = still.Effect
		}
	}
	for _, in := range k.open {
		if !slices.ContainsFunc(l.Open, func(o galen.Intent) bool { return o.ID == in.ID }) {
			l.Open = append(l.Open, in)
		}
	}
	return l, err
}

func (k *weak) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	claims := c.Claims
	switch k.guard {
	case "I-19 claims":
		c.Claims = nil
	case "I-23 release rate":
		c.PerSecond = 0
	case "I-20 unsettled intent":
		if err := k.forget(ctx, c.Intent); err != nil {
			return galen.Intent{}, err
		}
	}
	in, err := k.store.Commit(ctx, c)
	if err == nil && k.guard == "I-19 claims" {
		for _, claim := range claims {
			k.claims[in.ID] = append(k.claims[in.ID], galen.HeldClaim{Claim: claim, Run: in.Run, Intents: []string{in.ID}, Since: in.At})
		}
	}
	return in, err
}

// forget lets the rows say that the unsettled intents on a target came to nothing.
func (k *weak) forget(ctx context.Context, next galen.Intent) error {
	open, err := k.OpenIntents(ctx, next.Resource)
	if err != nil {
		return err
	}
	for _, in := range open {
		if in.Step.Target.ID != next.Step.Target.ID {
			continue
		}
		k.open[in.ID] = in
		err := k.store.Settle(ctx, in.Run, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectAbsent, Why: "forgotten"}}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *weak) Settle(ctx context.Context, run string, changes []galen.Settlement) error {
	for _, c := range changes {
		if c.Effect.Settled() {
			delete(k.claims, c.Intent)
			delete(k.open, c.Intent)
		}
	}
	return k.store.Settle(ctx, run, changes)
}
