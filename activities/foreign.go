package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Needs names what not every release has of what a run needs: its runbook in its version. It is the name of the work
// that an engine polls for.
func Needs(runbook string, version int) string { return fmt.Sprintf("%s@%d", runbook, version) }

// Serves lists what this process can carry on, see [Needs]: its runbooks, as far as it has their kind.
func (c Catalogue) Serves() []string {
	var out []string
	for name, rb := range c.Runbooks {
		kind, _, _ := strings.Cut(name, "/")
		if _, known := c.Kinds[kind]; known {
			out = append(out, Needs(name, rb.Version))
		}
	}
	return out
}

// Lacks says what of a run this process does not have, kind, runbook or version; "" if nothing. Whatever it is, nothing is
// guessed: the run waits for a release that has it, or for a person.
func (c Catalogue) Lacks(run galen.Run) string {
	const advice = "start the release that opened it and approve there, or cancel it"
	if _, known := c.Kinds[run.Resource.Kind]; !known {
		return fmt.Sprintf("this engine does not know the kind %q: %s", run.Resource.Kind, advice)
	}
	rb, known := c.Runbooks[run.Runbook]
	switch {
	case !known:
		return fmt.Sprintf("this engine does not know the runbook %q: %s", run.Runbook, advice)
	case rb.Version != run.Version:
		return fmt.Sprintf("the run was opened with %s version %d, this engine has version %d: %s and ask anew", run.Runbook, run.Version, rb.Version, advice)
	}
	return ""
}

// lacksVerb says which unsettled intent of a run this process cannot judge; "" if it can judge all.
func lacksVerb(kind galen.ListedKind, past []galen.Intent) string {
	for _, in := range past {
		if _, known := kind.Verbs[in.Step.Verb]; !known && !in.Effect.Settled() {
			return fmt.Sprintf("this engine does not know the verb %q of the intent %s, whose effect is not settled: start the release that has it", in.Step.Verb, in.ID)
		}
	}
	return ""
}

// Lacks is [Catalogue.Lacks] of this process.
func (a *Activities) Lacks(run galen.Run) string { return a.o.Catalogue.Lacks(run) }

// HoldForeign holds an open run that this process cannot carry on; one that is held already stays as it is.
func (a *Activities) HoldForeign(ctx context.Context, run galen.Run) error {
	why := a.o.Catalogue.Lacks(run)
	if why == "" || run.Status == galen.RunHeld {
		return nil
	}
	led, err := a.ledger(ctx, run.ID)
	if err != nil {
		return err
	}
	_, err = a.hold(ctx, led, a.o.Catalogue.Policy(run.Resource), errors.New(why))
	return err
}

// EndForeign ends a cancelled run that this process cannot carry on, once no effect of it is open, see endWithout.
func (a *Activities) EndForeign(ctx context.Context, run galen.Run) (ended bool, err error) {
	led, err := a.ledger(ctx, run.ID)
	if err != nil {
		return false, err
	}
	if led, err = a.settleForeign(ctx, led); err != nil {
		return false, err
	}
	return a.endWithout(ctx, led, a.o.Catalogue.Lacks(run))
}

// unable: nobody here can decide for the run. It is held; but a cancelled one whose runbook is at fault ends without it, for
// it would keep its targets from every other run. Of one that another release has, the dispatcher finds out first whether it runs.
func (a *Activities) unable(ctx context.Context, led galen.Ledger, policy galen.Policy, why error) (Decided, error) {
	run := led.Run
	if run.Stop != galen.StopCancel || a.Lacks(run) != "" {
		return a.hold(ctx, led, policy, why)
	}
	led, err := a.settleForeign(ctx, led)
	if err != nil {
		return a.blind(ctx, led, policy, err)
	}
	ended, err := a.endWithout(ctx, led, why.Error())
	if err != nil {
		return Decided{}, a.noRun(err)
	}
	return Decided{At: a.o.Now(), Ended: ended, Wait: policy.Fallback, Why: why.Error()}, nil
}

// endWithout ends a cancelled run without its runbook, once no effect of it is open. Nobody can plan a way to a safe point; what
// it owes stays owed, as facts, and what it left is for detectors and people. ended is false, and the run held with the reason,
// while an effect is open.
func (a *Activities) endWithout(ctx context.Context, led galen.Ledger, lacks string) (ended bool, err error) {
	run := led.Run
	if why := openEffect(led.Past); why != "" {
		if kind, known := a.o.Catalogue.Kinds[run.Resource.Kind]; known {
			if verb := lacksVerb(kind, led.Past); verb != "" {
				why += "; " + verb
			}
		}
		if err := a.o.Runs.HoldRun(ctx, run.ID, "cancelled, but "+why, led.Standing()); err != nil {
			return false, fmt.Errorf("hold run %s: %w", run.ID, err)
		}
		return false, nil
	}
	why := "cancelled; no effect of it is open, and no way to a safe point was planned: " + lacks
	if err := a.o.Runs.SetRun(ctx, run.ID, galen.RunCancelled, why, time.Time{}); err != nil {
		return false, fmt.Errorf("end run %s: %w", run.ID, err)
	}
	a.o.Logger.Warn("run cancelled without its runbook", "run", run.ID, "resource", run.Resource.String(), "why", why)
	return true, nil
}

// settleForeign looks, and settles what this process can judge.
func (a *Activities) settleForeign(ctx context.Context, led galen.Ledger) (galen.Ledger, error) {
	kind, known := a.o.Catalogue.Kinds[led.Run.Resource.Kind]
	policy := a.o.Catalogue.Policy(led.Run.Resource)
	if !known || openEffect(led.Past) == "" || policy.ClockDoubt(a.o.Gate.ClockStep(policy), led.ClockOff()) != "" {
		return led, nil
	}
	state, err := a.o.World.Look(ctx, led.Run.Resource, nil, led.Open)
	if err != nil {
		return led, fmt.Errorf("look at %s: %w", led.Run.Resource, err)
	}
	now, step := a.timed(policy)
	if step != 0 {
		return led, nil
	}
	byRun, unjudged := Settlements(kind, state, led.Open, policy, now)
	if led, err = a.settle(ctx, led, byRun); err != nil {
		return led, err
	}
	return led, unjudged[led.Run.ID]
}

// openEffect names an intent whose effect is not settled, "" if there is none.
func openEffect(past []galen.Intent) string {
	for _, in := range past {
		if !in.Effect.Settled() {
			return fmt.Sprintf("the effect of %s (intent %s) is %s", in.Step, in.ID, in.Effect.Status)
		}
	}
	return ""
}
