package app

import (
	"context"
	"fmt"
	"time"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"

	"github.com/galenhq/galen/internal/advice"
	"github.com/galenhq/galen/internal/gate"
)

// advisor answers people before they touch a member by hand, from what was seen last and what the journal knows now.
type advisor struct{ *Engine }

// adviceLimit bounds a look for a question; a driver gives each member less.
const adviceLimit = 10 * time.Second

// view is what was seen last, by whatever engine, or is looked at afresh where that is too old: of what another engine watches, only what
// has changed is stored. The ledger is read first: a step that it shows settled shows in what is taken up after it, which was stored before.
func (a advisor) view(ctx context.Context, r galen.Resource) (advice.View, error) {
	v, err := a.known(ctx, r)
	if err != nil {
		return v, err
	}
	if err := a.world.TakeUp(ctx, r); err != nil {
		return v, err
	}
	last, seen := a.world.Newest(r)
	if !seen {
		return v, nil
	}
	v.State = last.State
	if v.Stale() == "" {
		if last.Reckoned != nil {
			v.Reckoned = func() galen.Reckoning[galen.State] { return last.Reckoned(v.Policy) }
		}
		return v, nil
	}
	return a.afresh(ctx, v)
}

// known is what the journal knows.
func (a advisor) known(ctx context.Context, r galen.Resource) (advice.View, error) {
	asked := time.Now()
	ledger, err := a.journal.Preview(ctx, galen.Run{Resource: r})
	now := time.Now()
	if err != nil {
		return advice.View{}, err
	}
	runs, err := a.journal.OpenRuns(ctx, r)
	return advice.View{
		Kind: a.opened.kinds[r.Kind], Policy: a.o.Config.Policy(r), Ledger: ledger.ReadBetween(asked, now), Runs: runs, Now: now, Doubt: a.overruledOn(r, ledger.Configuration),
		By: galenhttp.Author(ctx), Since: galenhttp.AuthorSince(ctx),
	}, err
}

// afresh looks, and reads the ledger again: what a step has changed in between may or may not show. A look that fails leaves the old view,
// which is too old for a yes.
func (a advisor) afresh(ctx context.Context, old advice.View) (advice.View, error) {
	r := old.Ledger.Run.Resource
	look, cancel := context.WithTimeout(ctx, adviceLimit)
	defer cancel()
	state, err := a.world.Look(look, r, nil, old.Ledger.Open)
	if err != nil {
		a.o.Logger.Warn("a question is answered from an old view, for a look failed", "resource", r.String(), "error", err.Error())
		state = old.State
	}
	v, err := a.known(ctx, r)
	v.State = state
	if done := gate.Overtaken(old.Ledger, v.Ledger); done != "" {
		v.Doubt = done + ": ask again"
	}
	return v, err
}

// asking is the view with the levels that are asked about besides.
func (a advisor) asking(ctx context.Context, r galen.Resource, levels []string) (advice.View, error) {
	v, err := a.view(ctx, r)
	if err != nil {
		return v, err
	}
	if v, err = v.Besides(levels); err != nil {
		return v, galenhttp.Unprocessable(err)
	}
	return v, nil
}

func (a advisor) CanI(ctx context.Context, r galen.Resource, verb, member string, levels []string) (galen.Advice, error) {
	v, err := a.asking(ctx, r, levels)
	if err != nil {
		return galen.Advice{}, err
	}
	out, err := advice.CanI(v, verb, member)
	if err != nil {
		return galen.Advice{}, galenhttp.Unprocessable(err)
	}
	return out, nil
}

func (a advisor) WhatIf(ctx context.Context, r galen.Resource, down, levels []string) (galen.Advice, error) {
	v, err := a.asking(ctx, r, levels)
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

// Margin counts the steps in flight, as the guards do, and what it rests on once for each State.
func (a advisor) Margin(ctx context.Context, r galen.Resource) (text string, err error) {
	last, seen := a.world.Newest(r)
	if !seen {
		return "", nil
	}
	open, err := a.journal.OpenIntents(ctx, r)
	if err != nil {
		return "", err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the kind %s panicked (%v): please report it", r.Kind, p)
		}
	}()
	if last.Reckoned == nil {
		return a.opened.kinds[r.Kind].Margin(last.State, open, a.o.Config.Policy(r)), nil
	}
	return last.Reckoned(a.o.Config.Policy(r)).Margin(open), nil
}
