package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// accountWindow is the window of the account's budget.
const accountWindow = time.Hour

// deadline: a run past its deadline acts no more without a person's yes that was given since; it may still take back its
// own work (I-26).
func deadline(a galen.Ask[galen.State]) galen.Verdict {
	run := a.Ledger.Run
	yes := a.Ledger.YesSince(run.Deadline)
	switch {
	case !mutates(a) || a.Own:
		return allow("")
	case run.Deadline.IsZero():
		return deny("run %s has no deadline", run.ID)
	case yes != nil:
		return allow("past its deadline, approved since by " + yes.By)
	case !a.Ledger.Now.Before(run.Deadline):
		return deny("the run's deadline was %s", run.Deadline.UTC().Format(time.RFC3339))
	}
	return allow(fmt.Sprintf("%s left", run.Deadline.Sub(a.Ledger.Now).Round(time.Second)))
}

// cooldown: the engine treats a patient once per cool-down by itself, which a policy may set for a cause and a class of
// steps; what comes back so soon needs a person's eyes (I-14). An approval is such a look, and so is an acknowledgement.
func cooldown(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) || a.Own || a.Ledger.Run.FromPerson() {
		return allow("") // what a person asks for is not automatic
	}
	var ids []string
	for _, t := range patients(a) {
		ids = append(ids, galen.NamesOf(a.State.Members(), t.ID)...)
	}
	last, until := treated(a, ids)
	if last.Run == "" || a.Approved() == nil {
		return allow("")
	}
	return needYes("%s was treated by run %s at %s already; by itself the engine does so again after %s: acknowledge it, or approve this step",
		last.Target, last.Run, last.At.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))
}

// treated is the recovery of one of these by another run whose cool-down lasts longest, and until when; none is over.
func treated(a galen.Ask[galen.State], ids []string) (last galen.Recovery, until time.Time) {
	until = a.Ledger.Now
	for _, r := range a.Ledger.Recoveries {
		again := r.At.Add(a.Policy.CooldownOf(r, a.Ledger.Run.Cause(), a.Class).D())
		if r.Run != a.Ledger.Run.ID && !r.Acknowledged && slices.Contains(ids, r.Target) && again.After(until) {
			last, until = r, again
		}
	}
	return last, until
}

// budget: few destructive targets per resource and per account in a while (I-10).
func budget(a galen.Ask[galen.State]) galen.Verdict {
	if a.Class < galen.Destructive || a.Own {
		return allow("")
	}
	p, now := a.Policy, a.Ledger.Now
	if _, has := token(a); has {
		return allow("this run's token covers it")
	}
	var here, everywhere int
	for _, s := range a.Ledger.Spent {
		if s.Budget != galen.BudgetDestructive {
			continue
		}
		if s.Resource == a.Ledger.Run.Resource && s.At.Add(p.DestructiveWindow.D()).After(now) {
			here++
		}
		if s.At.Add(accountWindow).After(now) {
			everywhere++
		}
	}
	count := fmt.Sprintf("%d of %d destructive targets on %s in %s, %d of %d in the account in %s", here, p.DestructivePerResource,
		a.Ledger.Run.Resource, p.DestructiveWindow, everywhere, p.DestructivePerAccount, accountWindow)
	if here >= p.DestructivePerResource || everywhere >= p.DestructivePerAccount {
		return deny("the budget is spent: %s", count)
	}
	return allow(count)
}

// token is the target under which this run pays for the step, and whether it has paid, under any of its names. One token per run
// and patient: the fence, the replacement and its retry share it.
func token(a galen.Ask[galen.State]) (target string, has bool) {
	of := patients(a)
	spent := func(id string) bool {
		names := galen.NamesOf(a.State.Members(), id)
		return slices.ContainsFunc(a.Ledger.Spent, func(s galen.Spend) bool {
			return s.Budget == galen.BudgetDestructive && s.Run == a.Ledger.Run.ID && s.Resource == a.Ledger.Run.Resource && slices.Contains(names, s.Target)
		})
	}
	for _, t := range of {
		if spent(t.ID) {
			return t.ID, true
		}
	}
	return of[0].ID, false
}

// spends is what the commit pays.
func spends(a galen.Ask[galen.State]) []galen.Spend {
	if a.Class < galen.Destructive || a.Own {
		return nil
	}
	target, has := token(a)
	if has {
		return nil
	}
	return []galen.Spend{{Budget: galen.BudgetDestructive, Resource: a.Ledger.Run.Resource, Run: a.Ledger.Run.ID, Target: target, At: a.Ledger.Now}}
}

// modeFor says for whom the mode is another than that of the resource.
func modeFor(a galen.Ask[galen.State], mode galen.Mode) string {
	if mode == a.Policy.Mode {
		return ""
	}
	return fmt.Sprintf(" for %s steps of %s", a.Class, a.Ledger.Run.Runbook)
}

// modeAndAssent: how far the engine goes by itself. The yes to a step is a yes to its undo.
func modeAndAssent(a galen.Ask[galen.State]) galen.Verdict {
	_, pays := paysDebt(a)
	mode := a.Policy.ModeOf(a.Ledger.Run.Runbook, a.Class)
	switch {
	case !mutates(a):
		return allow("")
	case mode == galen.ModeAct:
		return allow("mode act")
	case !mode.Acts():
		return deny("the resource is in mode %s%s: the engine finds and plans, and changes nothing", mode, modeFor(a, mode))
	case pays:
		return allow("the undo of an approved step")
	}
	if err := a.Approved(); err != nil {
		return needYes("a person's yes is needed: %s", err)
	}
	return allow("approved by " + strings.Join(sayers(a), " and "))
}

// sayers are those whose yes counts for the step, each as a person of its own; where one is enough, at least who said it last.
func sayers(a galen.Ask[galen.State]) []string {
	yes := *a.Ledger.Approval
	wanted := 1
	if a.Class >= galen.Destructive {
		wanted = a.Policy.DestructiveApprovals
	}
	said, _ := yes.PeopleFor(a.Ledger, a.Step, galen.NamesOf(a.State.Members(), a.Step.Target.ID), wanted)
	if !slices.Contains(said, yes.By) {
		said = append(said, yes.By)
	}
	return said
}
