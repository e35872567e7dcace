package app

import (
	"context"
	"time"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"

	"github.com/galenhq/galen/internal/advice"
)

// advisor answers people before they touch a member by hand, from what was seen last and what the journal knows now.
type advisor struct{ *Engine }

func (a advisor) view(ctx context.Context, r galen.Resource) (advice.View, error) {
	asked := time.Now()
	ledger, err := a.journal.Preview(ctx, galen.Run{Resource: r})
	if err != nil {
		return advice.View{}, err
	}
	now := time.Now()
	v := advice.View{Kind: a.opened.kinds[r.Kind], Policy: a.o.Config.Policy(r), Ledger: ledger.ReadBetween(asked, now), Now: now}
	if state, seen := a.world.Last(r); seen {
		v.State = state
	}
	return v, nil
}

func (a advisor) CanI(ctx context.Context, r galen.Resource, verb, member string) (galen.Advice, error) {
	v, err := a.view(ctx, r)
	if err != nil {
		return galen.Advice{}, err
	}
	out, err := advice.CanI(v, verb, member)
	if err != nil {
		return galen.Advice{}, galenhttp.Unprocessable(err)
	}
	return out, nil
}

func (a advisor) WhatIf(ctx context.Context, r galen.Resource, down []string) (galen.Advice, error) {
	v, err := a.view(ctx, r)
	if err != nil {
		return galen.Advice{}, err
	}
	return advice.WhatIf(v, down), nil
}

func (a advisor) Saved(ctx context.Context, r galen.Resource) (galen.Saved, error) {
	v, err := a.view(ctx, r)
	if err != nil {
		return galen.Saved{}, err
	}
	return advice.Save(v)
}

// Margin counts the steps in flight, as the guards do.
func (a advisor) Margin(ctx context.Context, r galen.Resource) (string, error) {
	state, seen := a.world.Last(r)
	if !seen {
		return "", nil
	}
	open, err := a.journal.OpenIntents(ctx, r)
	if err != nil {
		return "", err
	}
	return a.opened.kinds[r.Kind].Margin(state, open, a.o.Config.Policy(r)), nil
}
