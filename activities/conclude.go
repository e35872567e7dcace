package activities

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// conclusion is what follows from a thought for the run.
type conclusion struct {
	status  galen.RunStatus
	why     string
	wait    time.Duration
	steps   int // how many steps to execute now
	refused bool
	// only is the mode that lets nothing be done, suggests what would be done, were it not for that.
	only     galen.Mode
	suggests []string
	// outdates is why the yes that the run has counts no more, "" if it stands.
	outdates string
	done     bool
	final    galen.RunStatus
	// atOnce: done needs no further look.
	atOnce bool
}

// looksWithin is after which time it looks again at the latest: what is done is looked at a few times over the holding time.
func (c conclusion) looksWithin(p galen.Policy) time.Duration {
	if !c.done {
		return c.wait
	}
	return max(c.wait, p.HoldFor.D()/time.Duration(max(p.HoldLooks-1, 1)))
}

// minWait keeps a runbook from spinning.
const minWait = 100 * time.Millisecond

// conclude decides the run's status. Pure. The order matters: what is proved done ends even a held run; then the ends
// that a person must see; then waiting and acting.
func conclude(t thought, refusedSince time.Time) conclusion {
	run := t.ledger.Run
	if t.unconfirmed {
		return unconfirmed(t)
	}
	finished := atItsEnd(t)
	if finished.done {
		return finished
	}
	if why := overdue(t, refusedSince); why != "" {
		return held(t, strings.TrimPrefix(finished.why+"; "+why, "; "))
	}
	switch {
	case staysHeld(t):
		return held(t, run.Why)
	case t.plan.End == galen.EndDone:
		return finished
	case t.plan.End == galen.EndEscalate:
		return held(t, t.plan.Why)
	case len(t.plan.Steps) == 0:
		wait := max(min(t.plan.Wait.D(), t.policy.Fallback.D()), minWait)
		return conclusion{status: galen.RunWaiting, why: t.plan.Why, wait: wait}
	default:
		return onVerdicts(t)
	}
}

// atItsEnd is what an end that the runbook planned means where no person is needed for it; the zero conclusion if one is, or none was
// planned.
func atItsEnd(t thought) conclusion {
	switch {
	case t.plan.End == galen.EndDone:
		return doneOrDoubt(t)
	case t.plan.End == galen.EndEscalate && t.ledger.Run.Stop == galen.StopCancel && openEffect(t.ledger.Past) == "":
		return givenUp(t)
	}
	return conclusion{}
}

// givenUp: a person has cancelled, and the runbook can only ask for one. The run would keep its targets from every other for nothing:
// it ends. What it owes stays owed, as facts, and what it left is for detectors and people.
func givenUp(t thought) conclusion {
	return conclusion{
		status: galen.RunWaiting, why: "cancelled; no effect of it is open, and its runbook needs a person to go on: " + t.plan.Why,
		wait: t.policy.LookSoon.D(), done: true, final: galen.RunCancelled, atOnce: len(t.ledger.Past) == 0,
	}
}

// held waits for a person. Who is held already, and keeps targets to itself that have their trouble since, says which: a page of its own.
func held(t thought, why string) conclusion {
	also := newcomers(t)
	words := make([]string, 0, len(also))
	for _, target := range also {
		words = append(words, target.ID)
	}
	more := "; has the trouble since it was held, and no other run sees to it: " + strings.Join(words, ", ")
	if len(also) > 0 && !strings.Contains(why, more) {
		why += more
	}
	return conclusion{status: galen.RunHeld, why: why, wait: t.policy.Fallback.D()}
}

// staysHeld: a cancelled run takes back its own work without a person's yes, and nothing else.
func staysHeld(t thought) bool {
	return leftToPeople(t) && !(t.ledger.Run.Stop == galen.StopCancel && t.own)
}

// leftToPeople: a held run goes on by a person's yes, or decides anew when another target has the trouble, for it keeps that one from
// every other run. That does not overrule a person's no, nor anything else that no look decided.
func leftToPeople(t thought) bool {
	run := t.ledger.Run
	return run.Status == galen.RunHeld && t.ledger.Approval == nil && (run.HeldFast || len(newcomers(t)) == 0)
}

// newcomers are the targets that a held run is to heal, and was not when it was decided on last. A cancelled one heals nothing any more.
func newcomers(t thought) []galen.Target {
	run := t.ledger.Run
	if run.Status != galen.RunHeld || run.Stop == galen.StopCancel || t.finding == nil {
		return nil
	}
	had := run.Scope
	if run.Finding != nil {
		had = run.Finding.Targets
	}
	return slices.DeleteFunc(slices.Clone(t.finding.Targets), func(now galen.Target) bool {
		return slices.ContainsFunc(had, func(was galen.Target) bool { return was.ID == now.ID })
	})
}

// takesBack: the run was cancelled and is taking back its own work, or waits for that to show; no deadline of the run forbids it. What it
// did before the cancel may be under way for hours: that holds it at its deadline as any other.
func takesBack(t thought) bool {
	unsettled := slices.ContainsFunc(t.ledger.Past, func(in galen.Intent) bool {
		return (in.Undoes != "" || t.kind.Verbs[in.Step.Verb].Own) && !in.Effect.Settled()
	})
	return t.ledger.Run.Stop == galen.StopCancel && (t.own || unsettled)
}

// doneOrDoubt believes a runbook's done only if no effect is open, the run owes nothing, and two kinds of observers show every member of
// the scope good and no observer bad, as far as it is still a member. A run that yields is never done: it goes on when [Activities.resume]
// lets it.
func doneOrDoubt(t thought) conclusion {
	run := t.ledger.Run
	if why := openEffect(t.ledger.Past); why != "" {
		return conclusion{status: galen.RunWaiting, why: "done, but " + why, wait: t.policy.LookSoon.D()}
	}
	if run.Stop == galen.StopYield { // it is a safe point, or no longer: what it is then is seen when the run goes on
		why := fmt.Sprintf("at a safe point, waits for run %s: %s", run.StopBy, t.plan.Why)
		return conclusion{status: galen.RunWaiting, why: why, wait: t.policy.Fallback.D()}
	}
	if why := doubt(t); why != "" {
		return conclusion{status: galen.RunWaiting, why: "done, but " + why, wait: t.policy.LookSoon.D()}
	}
	if t.owes != "" && run.Stop != galen.StopCancel { // nothing that is waited for pays it: a person is paged soon
		return conclusion{status: galen.RunWaiting, why: "done, but " + t.owes, wait: t.policy.LookSoon.D(), refused: true}
	}
	why := t.plan.Why + otherwise(run, t.ledger.Past)
	out := conclusion{status: galen.RunWaiting, why: why, wait: t.policy.LookSoon.D(), done: true, final: galen.RunVerified}
	if run.Stop == galen.StopCancel {
		out.final, out.atOnce = galen.RunCancelled, len(t.ledger.Past) == 0 // without a call there is nothing to see settle
	}
	return out
}

// doubt says why the members do not yet prove it; a cancelled run has nothing to prove.
func doubt(t thought) string {
	if t.ledger.Run.Stop == galen.StopCancel {
		return ""
	}
	for _, m := range toProve(t) {
		if why := notGood(m, t.policy.Kinds); why != "" {
			return why
		}
	}
	return ""
}

// toProve are the members that the run was for and acted on, but for spares, which serve nobody. Where none of those is left, all are: that
// a member vanished heals nothing.
func toProve(t thought) []galen.Member {
	ids := map[string]bool{}
	for _, target := range t.scope() {
		ids[target.ID] = true
	}
	for _, in := range t.ledger.Past {
		ids[in.Step.Target.ID] = true
	}
	all := t.state.Members()
	left := slices.DeleteFunc(slices.Clone(all), func(m galen.Member) bool { return !ids[m.Target.ID] && !ids[m.Instance] })
	if len(ids) > 0 && len(left) == 0 {
		return slices.DeleteFunc(slices.Clone(all), galen.Member.Bare)
	}
	return slices.DeleteFunc(left, func(m galen.Member) bool { return m.Spare })
}

// notGood says who calls the member bad, or that too few kinds of observers call it good.
func notGood(m galen.Member, want int) string {
	if m.Bad {
		return fmt.Sprintf("%s (%s) is seen bad", m.Name, m.Target)
	}
	if seen := kindsSayingGood(m); seen < want {
		return fmt.Sprintf("%s (%s) is seen good by %d kinds of observers, want %d", m.Name, m.Target, seen, want)
	}
	if i := slices.IndexFunc(m.Observations, func(o galen.Observation) bool { return o.Says == galen.Bad }); i >= 0 {
		return fmt.Sprintf("%s calls %s (%s) bad: %s", m.Observations[i].Observer, m.Name, m.Target, m.Observations[i].Detail)
	}
	return ""
}

func kindsSayingGood(m galen.Member) int {
	kinds := map[galen.ObserverKind]bool{}
	for _, o := range m.Observations {
		if o.Says == galen.Good {
			kinds[o.Kind] = true
		}
	}
	return len(kinds)
}

// overdue says which deadline has passed. A person who approves after a deadline lets the run go on past it, until the yes expires.
func overdue(t thought, refusedSince time.Time) string {
	run := t.ledger.Run
	if leftToPeople(t) {
		return ""
	}
	passed := func(deadline time.Time) bool {
		return !deadline.IsZero() && t.now.After(deadline) && t.ledger.YesSince(deadline) == nil
	}
	for _, in := range t.ledger.Past {
		if !in.Effect.Settled() && passed(in.Deadline()) {
			return fmt.Sprintf("%s is not settled %s after its intent %s: %s", in.Step, in.Step.Within, in.ID, in.Effect.Why)
		}
	}
	if passed(run.Deadline) && !takesBack(t) {
		return fmt.Sprintf("the run is past its deadline %s", run.Deadline.UTC().Format(time.RFC3339))
	}
	return refusedTooLong(t, refusedSince)
}

func refusedTooLong(t thought, since time.Time) string {
	if since.IsZero() || t.now.Sub(since) <= t.policy.StepDeadline.D() {
		return ""
	}
	why := "the gate refuses what the guards allow beforehand, see the events of the run"
	if v := strictest(t); v.Answer != galen.Allow {
		why = v.Why
	}
	if t.plan.End == galen.EndDone {
		why = "its runbook plans nothing for what it owes"
	}
	return fmt.Sprintf("refused for longer than %s: %s", t.policy.StepDeadline, why)
}

// onVerdicts: steps are planned; the strictest answer of any guard on any of them decides.
func onVerdicts(t thought) conclusion {
	v := strictest(t)
	soon := t.policy.LookSoon.D()
	if mode := strictestMode(t); !mode.Acts() {
		return onlyTold(t, mode)
	}
	if t.ledger.Observe != "" { // a person ends that, and it wakes the run
		return conclusion{status: galen.RunWaiting, why: t.ledger.Observe, wait: t.policy.Fallback.D()}
	}
	switch v.Answer {
	case galen.Allow:
		return conclusion{status: galen.RunRunning, why: t.plan.Why, wait: soon, steps: len(t.plan.Steps)}
	case galen.NeedYes:
		return conclusion{status: galen.RunAsking, why: v.Why, wait: t.policy.Fallback.D(), outdates: t.outdated}
	case galen.LookAgain:
		return onLookAgain(t, v)
	default:
		return held(t, v.Guard+": "+v.Why)
	}
}

// onlyTold: the mode lets nothing be done. Who has begun already, and may not go on, has left something: a person is to see it.
func onlyTold(t thought, mode galen.Mode) conclusion {
	would := fmt.Sprintf("would %s: %s", t.plan.Steps[0], t.plan.Why)
	if begun(t.ledger.Past) {
		return held(t, fmt.Sprintf("mode %s: it has begun, and may not go on by itself: %s", mode, would))
	}
	out := conclusion{status: galen.RunWaiting, why: fmt.Sprintf("mode %s, %s", mode, would), wait: t.policy.Fallback.D(), only: mode}
	if mode == galen.ModeSuggest {
		out.suggests = suggested(t.plan)
	}
	return out
}

// classesOf are those of the steps of the plan, and of what is to follow them; of what takes back the run's own work nothing does. known: the
// kind has all of their verbs.
func classesOf(t thought) (steps, follow []galen.Class, known bool) {
	all, n := t.classes(), len(t.plan.Steps)
	if len(all) < n {
		return nil, nil, false
	}
	if t.own {
		return all[:n], nil, true
	}
	return all[:n], all[n:], true
}

// strictestMode is that of the plan, see [galen.Policy.ModeOfPlan]; that of the resource, if a verb is unknown.
func strictestMode(t thought) galen.Mode {
	steps, follow, known := classesOf(t)
	if !known {
		return t.policy.Mode
	}
	return t.policy.ModeOfPlan(t.ledger.Run.Runbook, steps, follow)
}

// suggested are the steps of a plan for people.
func suggested(p galen.Plan) []string {
	out := make([]string, 0, len(p.Steps))
	for _, s := range p.Steps {
		out = append(out, fmt.Sprintf("%s: %s", s, s.Why))
	}
	return out
}

// otherwise says of a run that suggested, and did not do it, how that ended, and what it would have done.
func otherwise(run galen.Run, past []galen.Intent) string {
	s := run.Suggested
	if s == nil {
		return ""
	}
	how := "galen did nothing (mode suggest): it ended otherwise"
	switch {
	case run.Stop == galen.StopCancel:
		how = "what galen suggested it has not done, and the trouble may stand"
	case begun(past):
		how = "the rest galen did not do (mode suggest): it ended otherwise"
	}
	return fmt.Sprintf("; %s; suggested since %s, plan %d: %s", how, s.At.UTC().Format(time.RFC3339), s.Plan, strings.Join(s.Steps, "; "))
}

// begun: a call has gone out that is not known to have been lost.
func begun(past []galen.Intent) bool {
	return slices.ContainsFunc(past, func(in galen.Intent) bool { return in.Sent != galen.SentNot && in.Effect.Status != galen.EffectAbsent })
}

// onLookAgain: the run waits. What ends without its doing is waited for until the run's own deadline.
func onLookAgain(t thought, v galen.Verdict) conclusion {
	soon := t.policy.LookSoon.D()
	c := conclusion{status: galen.RunWaiting, why: v.Guard + ": " + v.Why, wait: soon, refused: !waitedOut(v)}
	switch v.Guard {
	case gate.GuardHold, gate.GuardStorm, gate.GuardCalendar:
		c.wait = t.policy.Fallback.D()
	case gate.GuardRate:
		c.wait = spread(t.ledger.Run, t.now, soon)
	}
	return c
}

// waitedOut: a kill switch, a storm, a window and the release rate end without this run's doing, so waiting for them does not use up
// the deadline of its step: it goes on when they end.
func waitedOut(v galen.Verdict) bool {
	outer := []string{gate.GuardHold, gate.GuardStorm, gate.GuardCalendar, gate.GuardRate}
	return v.Answer == galen.LookAgain && slices.Contains(outer, v.Guard)
}

// strictest is the strictest verdict on the steps. What follows may be denied today and allowed when its time has come: of that only the yes
// that it needs counts, where the steps take something away.
func strictest(t thought) galen.Verdict {
	var all []galen.Verdict
	steps := len(t.plan.Steps)
	for i := range min(steps, len(t.verdicts)) {
		all = append(all, t.verdicts[i]...)
	}
	if now, follow, _ := classesOf(t); len(follow) > 0 && steps < len(t.verdicts) && slices.ContainsFunc(now, galen.Class.TakesAway) {
		for _, v := range slices.Concat(t.verdicts[steps:]...) {
			if v.Guard == gate.GuardApproval && v.Answer == galen.NeedYes {
				all = append(all, v)
			}
		}
	}
	return gate.Worst(all)
}
