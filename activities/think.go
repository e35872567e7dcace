package activities

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// subject is what a decision is about.
type subject struct {
	kind    galen.ListedKind
	runbook galen.ListedRunbook
	ledger  galen.Ledger
	state   galen.State
	vitals  []galen.Sample
	policy  galen.Policy
	now     time.Time
	began   time.Time // the journal's clock before the look
}

// thought is a subject with what was decided on it.
type thought struct {
	subject
	finding  *galen.Finding
	plan     galen.Plan
	verdicts [][]galen.Verdict // of the steps, then of the outline
	margin   string            // what the resource has to spare now
	// own: there are steps, and each takes back the run's own work.
	own bool
	// unconfirmed: an alert that nothing in the State confirms.
	unconfirmed bool
	// left says that something does confirm it, and that people have taken it upon themselves; "": nothing does.
	left string
	// owes is what the run itself still owes to a member, for people; "": nothing.
	owes string
	// outdated is why the yes that the run has covers no more what needs one now; "": it does, or there is none.
	outdated string
}

// think finds the finding in the State, lets the runbook decide and asks the guards. Pure but for the detectors' and
// the runbook's own time limit. A [runbookFault] is the runbook's; another error is a detector's or the State's that
// panicked.
func (a *Activities) think(s subject) (t thought, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decision on %s panicked: %v\n%s", s.ledger.Run.Resource, p, debug.Stack())
		}
	}()
	t.subject = s
	t.margin = s.kind.Margin(s.state, s.ledger.Open, s.policy)
	run := s.ledger.Run
	all := a.findings(s)
	t.finding = newest(run, s.runbook, all)
	if run.FromAlert() && t.finding == nil && run.Finding == nil && len(s.ledger.Past) == 0 {
		t.unconfirmed, t.left = true, seenAndLeft(run, s.runbook, all)
		t.plan = galen.Plan{Wait: s.policy.LookSoon, Why: cmp.Or(t.left, "nothing confirms the alert yet")}
		return t, nil
	}
	plan, err := decideTwice(s.runbook, t.situation, a.o.DecideLimit)
	if err != nil {
		return t, &runbookFault{err}
	}
	t.plan, t.owes = plan, owes(s)
	w := galen.World[galen.State]{Now: s.now, State: s.state, Vitals: s.vitals}
	led := s.ledger
	led.Run.Finding = t.finding
	t.own = len(plan.Steps) > 0 && !slices.ContainsFunc(plan.Steps, func(step galen.Step) bool {
		q, err := gate.Question(s.kind, w, led, s.policy, step)
		return err != nil || !q.Own
	})
	for _, step := range plan.Steps {
		t.verdicts = append(t.verdicts, a.o.Gate.Preview(w, led, step))
	}
	for _, step := range plan.Outline {
		t.verdicts = append(t.verdicts, a.o.Gate.Foresee(w, led, step))
	}
	t.outdated = t.uncovered(w, led)
	return t, nil
}

// uncovered is why the yes that the run has counts no more: a step that needs one now, or, if none of them does, one that is to follow, is not
// what it was given to, or the target is not as it was shown.
func (t thought) uncovered(w galen.World[galen.State], led galen.Ledger) string {
	if !t.mayEnd(led) {
		return ""
	}
	needed := false
	for i, step := range slices.Concat(t.plan.Steps, t.plan.Outline) {
		if i >= len(t.plan.Steps) && needed {
			return ""
		}
		if !slices.ContainsFunc(t.verdicts[i], func(v galen.Verdict) bool { return v.Answer == galen.NeedYes }) {
			continue
		}
		needed = true
		if why := uncoveredStep(gate.Question(t.kind, w, led, t.policy, step)); why != "" {
			return why
		}
	}
	return ""
}

// mayEnd: what the run itself has begun moves the world, and an effect of it the yes with it; a yes without steps, and one that lets a run go on
// past its deadline, are to going on.
func (t thought) mayEnd(led galen.Ledger) bool {
	yes, deadline := led.Approval, led.Run.Deadline
	late := !deadline.IsZero() && t.now.After(deadline)
	return yes != nil && len(yes.Steps) > 0 && led.Now.Before(yes.Expires) && !late && openEffect(led.Past) == ""
}

// uncoveredStep: while people are still to join a yes to that very step, who joins is compared with what the first was shown, and a moment in
// which a neighbour flaps ends nothing.
func uncoveredStep(q galen.Ask[galen.State], err error) string {
	if err != nil {
		return "" // such a step is held
	}
	missing := q.Covered()
	if missing == nil || q.Waits() {
		return ""
	}
	return missing.Error()
}

// seenAndLeft says what is seen of the run's targets and is none of the run's, for people have taken it upon themselves; "": nothing.
func seenAndLeft(run galen.Run, rb galen.ListedRunbook, all []galen.Finding) string {
	run.Except = nil
	f := newest(run, rb, all)
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%s in %s is seen, and left to people since one of them ended a run about it: who wants it healed asks for it (galen run %s)", f.Code, f.Domain, rb.Name)
}

// owes is the first undo, or duty towards a member, that stands since an intent of the run. Of who is no member any more, a note tells it
// when the run has ended.
func owes(s subject) string {
	own := func(intent string) bool {
		return slices.ContainsFunc(s.ledger.Past, func(in galen.Intent) bool { return in.ID == intent })
	}
	for _, d := range galen.AllDebts(s.ledger.Facts) {
		if own(d.Intent) {
			return fmt.Sprintf("%s, which takes back intent %s, is owed", d.Step, d.Intent)
		}
	}
	for _, d := range galen.Duties(s.ledger.Facts) {
		if !own(d.Intent) || !serving(s.state, d.Instance) {
			continue
		}
		if how, owed := s.kind.Remedy(s.state, d); owed {
			return strings.TrimSuffix(fmt.Sprintf("the %s of %s on %s is owed since intent %s: %s", d.What, d.Of, d.Instance, d.Intent, how), ": ")
		}
	}
	return ""
}

// serving: a member that takes part runs on the instance.
func serving(s galen.State, instance string) bool {
	return slices.ContainsFunc(s.Members(), func(m galen.Member) bool { return m.Is("instance/"+instance) && !m.Bare() })
}

func (a *Activities) findings(s subject) []galen.Finding {
	var out []galen.Finding
	for _, d := range a.o.Catalogue.Detectors {
		out = append(out, detect(d, s)...)
	}
	return out
}

// detect names the detector that panics.
func detect(d galen.Detector[galen.State], s subject) []galen.Finding {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("detector %s: %v", d.Name, p))
		}
	}()
	return d.Detect(s.now, s.state, s.policy)
}

// newest is the run's finding as the State shows it now: the one of its key, else the gravest one that the runbook
// heals on one of its targets; nil: gone, or asked for by a person. What the run leaves to people is not in it.
func newest(run galen.Run, rb galen.ListedRunbook, all []galen.Finding) *galen.Finding {
	var best *galen.Finding
	for _, f := range all {
		if f = f.Without(run.Except); f.Resource != run.Resource || f.Note || len(f.Targets) == 0 {
			continue
		}
		if f.Key() == run.Key {
			return &f
		}
		shares := slices.ContainsFunc(run.InScope(), func(t galen.Target) bool { return f.Has(t.ID) })
		if shares && slices.Contains(rb.Heals, f.Code) && (best == nil || f.Urgency > best.Urgency) {
			best = &f
		}
	}
	return best
}

// scope are the targets that the run may act on, the newest finding's included.
func (t thought) scope() []galen.Target {
	run := t.ledger.Run
	if t.finding != nil {
		run.Finding = t.finding
	}
	return run.InScope()
}

// shown is the basis of each target of the plan, and of what its steps reach besides, as a person who approves it sees it.
func (t thought) shown() map[string]string {
	out := map[string]string{}
	for _, s := range slices.Concat(t.plan.Steps, t.plan.Outline) {
		out[s.Target.ID] = t.state.Basis(galen.Target{ID: s.Target.ID})
		verb, known := t.kind.Verbs[s.Verb]
		if !known {
			continue
		}
		for _, c := range verb.Claims(t.state, s) {
			if id := c.Target(); id != "" {
				out[id] = t.state.Basis(galen.Target{ID: id})
			}
		}
	}
	return out
}

// grounds are the facts under what is shown.
func (t thought) grounds() galen.Grounds {
	return galen.GroundsOf(t.state, slices.Collect(maps.Keys(t.shown())))
}
