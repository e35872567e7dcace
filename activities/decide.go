package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// vitalsWindow is how far back the vitals reach that a runbook is handed.
const vitalsWindow = time.Hour

// Decide looks afresh, settles the effects of open intents, lets the runbook decide, asks the guards, and stores what
// came out. It changes nothing but rows and may be repeated.
func (a *Activities) Decide(ctx context.Context, in DecideInput) (Decided, error) {
	defer beat(ctx)()
	run, err := a.o.Journal.Run(ctx, in.Run)
	if err != nil {
		return Decided{}, a.noRun(fmt.Errorf("read run %s: %w", in.Run, err))
	}
	if !run.Status.Open() {
		return Decided{At: a.o.Now(), Ended: true}, nil
	}
	policy := a.o.Catalogue.Policy(run.Resource)
	kind, rb, err := a.known(run)
	if err != nil {
		return a.hold(ctx, run, policy, err)
	}
	led, state, err := a.lookAndSettle(ctx, kind, run)
	if err != nil {
		return a.blind(ctx, run, policy, err)
	}
	vitals, err := a.o.Records.Vitals(ctx, run.Resource, a.o.Now().Add(-vitalsWindow))
	if err != nil {
		return Decided{}, fmt.Errorf("read vitals of %s: %w", run.Resource, err)
	}
	t, err := a.think(subject{kind: kind, runbook: rb, ledger: led, state: state, vitals: vitals, policy: policy, now: a.o.Now()})
	if err != nil {
		a.o.Quarantine.Put(run.Runbook, err.Error())
		return a.hold(ctx, run, policy, err)
	}
	out := conclude(t, in.RefusedSince)
	return a.record(ctx, t, out)
}

// known finds kind and runbook of a run. A run whose runbook this engine does not have, has in another version, or
// has in quarantine is held, never guessed at.
func (a *Activities) known(run galen.Run) (galen.ListedKind, galen.ListedRunbook, error) {
	kind, ok := a.o.Catalogue.Kinds[run.Resource.Kind]
	if !ok {
		return kind, galen.ListedRunbook{}, fmt.Errorf("%w %q", errUnknownKind, run.Resource.Kind)
	}
	rb, ok := a.o.Catalogue.Runbooks[run.Runbook]
	switch {
	case !ok:
		return kind, rb, fmt.Errorf("this engine does not know the runbook %q", run.Runbook)
	case rb.Version != run.Version:
		return kind, rb, fmt.Errorf("the run was opened with %s version %d, this engine has version %d: run it on with the old engine, or cancel and ask anew", run.Runbook, run.Version, rb.Version)
	}
	if why := a.o.Quarantine.Why(run.Runbook); why != "" {
		return kind, rb, fmt.Errorf("runbook %s is in quarantine: %s", run.Runbook, why)
	}
	return kind, rb, nil
}

// hold stops a run for a person.
func (a *Activities) hold(ctx context.Context, run galen.Run, policy galen.Policy, why error) (Decided, error) {
	if run.Status != galen.RunHeld {
		a.o.Logger.Error("run held, a person is needed", "run", run.ID, "resource", run.Resource.String(), "why", why.Error())
		if err := a.o.Journal.SetRun(ctx, run.ID, galen.RunHeld, why.Error(), time.Time{}); err != nil {
			return Decided{}, a.noRun(fmt.Errorf("hold run %s: %w", run.ID, err))
		}
	}
	return Decided{At: a.o.Now(), Wait: policy.Fallback, Why: why.Error()}, nil
}

// blind: nothing at all could be seen. The run waits; past its deadline it is held.
func (a *Activities) blind(ctx context.Context, run galen.Run, policy galen.Policy, why error) (Decided, error) {
	now := a.o.Now()
	if now.After(run.Deadline) {
		return a.hold(ctx, run, policy, fmt.Errorf("past its deadline, and blind: %w", why))
	}
	a.o.Logger.Warn("cannot see the resource", "run", run.ID, "resource", run.Resource.String(), "error", why.Error())
	if run.Status == galen.RunRunning || run.Status == galen.RunWaiting || run.Status == galen.RunOpened {
		err := a.o.Journal.SetRun(ctx, run.ID, galen.RunWaiting, "cannot see the resource: "+why.Error(), now.Add(policy.LookSoon.D()))
		if err != nil {
			return Decided{}, a.noRun(fmt.Errorf("note on run %s: %w", run.ID, err))
		}
	}
	return Decided{At: now, Wait: policy.LookSoon, Why: why.Error()}, nil
}

// lookAndSettle looks at the whole resource and writes what became of the open intents.
func (a *Activities) lookAndSettle(ctx context.Context, kind galen.ListedKind, run galen.Run) (galen.Ledger, galen.State, error) {
	led, err := a.o.Journal.Ledger(ctx, run.ID)
	if err != nil {
		return led, nil, fmt.Errorf("read ledger of run %s: %w", run.ID, err)
	}
	state, err := a.o.World.Look(ctx, run.Resource, nil, led.Open)
	if err != nil {
		return led, nil, fmt.Errorf("look at %s: %w", run.Resource, err)
	}
	byRun, mine := Settlements(kind, state, led.Open, a.o.Now(), run.ID)
	if len(byRun) == 0 {
		return led, state, nil
	}
	for id, changes := range byRun {
		if err := a.o.Journal.Settle(ctx, id, changes); err != nil {
			return led, nil, fmt.Errorf("settle effects of run %s: %w", id, err)
		}
	}
	if mine && led.Approval != nil {
		if err := a.o.Records.Rebase(ctx, led.Approval.ID, basisOf(state, led.Approval)); err != nil {
			return led, nil, fmt.Errorf("re-base approval %s: %w", led.Approval.ID, err)
		}
	}
	if led, err = a.o.Journal.Ledger(ctx, run.ID); err != nil {
		return led, nil, fmt.Errorf("read ledger of run %s again: %w", run.ID, err)
	}
	return led, state, nil
}

// Settlements are the intents whose effect a State shows anew, by run. mine: one of them is of the named run. Pure.
func Settlements(kind galen.ListedKind, state galen.State, open []galen.Intent, now time.Time, run string) (byRun map[string][]galen.Settlement, mine bool) {
	for _, in := range open {
		verb, ok := kind.Verbs[in.Step.Verb]
		if !ok {
			continue // of another engine: its deadline holds the run
		}
		effect := galen.SettleEffect(verb, state, in, now)
		if effect.Status == in.Effect.Status {
			continue
		}
		in.Effect = effect
		if byRun == nil {
			byRun = map[string][]galen.Settlement{}
		}
		facts := append(verb.Facts(state, in), galen.Paid(in)...)
		for i := range facts {
			facts[i].Intent, facts[i].At = in.ID, now
		}
		byRun[in.Run] = append(byRun[in.Run], galen.Settlement{Intent: in.ID, Effect: effect, Facts: facts})
		mine = mine || in.Run == run
	}
	return byRun, mine
}

func basisOf(state galen.State, a *galen.Approval) map[string]string {
	out := make(map[string]string, len(a.Basis))
	for id := range a.Basis {
		out[id] = state.Basis(galen.Target{ID: id})
	}
	return out
}

// record stores the decision and tells the workflow what follows.
func (a *Activities) record(ctx context.Context, t thought, c conclusion) (Decided, error) {
	body, hash, err := stateJSON(t.state)
	if err != nil {
		return Decided{}, err
	}
	run := t.ledger.Run
	if c.status == galen.RunHeld && t.ledger.Approval != nil {
		// Held means that a person must look again: the yes of before does not let it go on by itself.
		if _, err := a.o.Records.Void(ctx, t.ledger.Approval.ID, "the run is held: "+c.why); err != nil {
			return Decided{}, fmt.Errorf("void approval %s: %w", t.ledger.Approval.ID, err)
		}
	}
	d, err := a.o.Journal.Decide(ctx, galen.Decision{
		Run: run.ID, At: t.now, Plan: t.plan, Hash: t.plan.Hash(), Verdicts: t.verdicts, State: hash, Basis: t.state.Basis(),
		Shown: t.shown(), Status: c.status, Why: c.why, Until: t.now.Add(c.wait), Finding: t.finding,
	}, body)
	if err != nil {
		return Decided{}, a.noRun(fmt.Errorf("store decision of run %s: %w", run.ID, err))
	}
	if c.status == galen.RunHeld && run.Status != galen.RunHeld {
		a.o.Logger.Error("run held, a person is needed", "run", run.ID, "resource", run.Resource.String(), "why", c.why)
	}
	return Decided{
		At: t.now, Plan: d.Number, Steps: c.steps, Refused: c.refused, Wait: galen.Duration(c.wait), Done: c.done,
		Final: c.final, Looks: t.policy.HoldLooks, HoldFor: t.policy.HoldFor, Why: c.why,
	}, nil
}

// Preview is the same thinking without a run, a row or an act: what would be done now. The ledger is of the resource,
// with run as the run that is not there.
func (a *Activities) Preview(ctx context.Context, led galen.Ledger) (galen.Decision, error) {
	kind, rb, err := a.known(led.Run)
	if err != nil {
		return galen.Decision{}, err
	}
	state, err := a.o.World.Look(ctx, led.Run.Resource, nil, led.Open)
	if err != nil {
		return galen.Decision{}, fmt.Errorf("look at %s: %w", led.Run.Resource, err)
	}
	t, err := a.think(subject{kind: kind, runbook: rb, ledger: led, state: state, policy: a.o.Catalogue.Policy(led.Run.Resource), now: a.o.Now()})
	if err != nil {
		return galen.Decision{}, err
	}
	c := conclude(t, time.Time{})
	return galen.Decision{
		At: t.now, Plan: t.plan, Hash: t.plan.Hash(), Verdicts: t.verdicts, State: galen.HashJSON(state), Basis: state.Basis(),
		Shown: t.shown(), Status: c.status, Why: c.why, Until: t.now.Add(c.wait), Finding: t.finding,
	}, nil
}

// situation is what the runbook is told, a fresh copy each time so that it cannot change what the second run sees.
func (t thought) situation() galen.Situation[galen.State, json.RawMessage] {
	run := t.ledger.Run
	facts := make(map[string]galen.Fact, len(t.ledger.Facts))
	for k, f := range t.ledger.Facts {
		facts[k] = f
	}
	return galen.Situation[galen.State, json.RawMessage]{
		World:   galen.World[galen.State]{Now: t.now, State: t.state, Vitals: t.vitals, Facts: facts, Open: t.ledger.Open},
		Finding: t.finding, Scope: t.scope(), Params: run.Params, Policy: t.policy, Past: t.ledger.Past, Stop: run.Stop,
	}
}
