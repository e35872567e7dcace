package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/failpoint"
)

// vitalsWindow is how far back the vitals reach that a runbook is handed.
const vitalsWindow = time.Hour

// Decide looks afresh, settles the effects of open intents, lets the runbook decide, asks the guards, and stores what
// came out. It may be repeated: the first step, where it is asked for, goes by the decision just stored, and a repetition looks before it.
func (a *Activities) Decide(ctx context.Context, in DecideInput) (Decided, error) {
	defer beat(ctx)()
	out, err := a.decideOn(ctx, in)
	if err != nil || !in.First || out.Steps == 0 {
		return out, err
	}
	acted, err := a.act(ctx, ActInput{Run: in.Run, Plan: out.Plan})
	if err != nil {
		out.Lost = true
		a.o.Logger.Warn("the first step did not tell its end, looks tell what became of it", "run", in.Run, "plan", out.Plan, "error", err.Error())
		return out, nil
	}
	out.First = &acted
	return out, nil
}

func (a *Activities) decideOn(ctx context.Context, in DecideInput) (Decided, error) {
	led, err := a.take(ctx, in.Run)
	if err != nil {
		return Decided{}, err
	}
	run := led.Run
	if !run.Status.Open() {
		return Decided{At: a.o.Now(), Ended: true}, nil
	}
	if err := a.left(led); err != nil {
		return Decided{}, err
	}
	policy := a.o.Catalogue.Policy(run.Resource)
	kind, rb, err := a.known(led)
	if err != nil {
		return a.unable(ctx, led, policy, err)
	}
	return a.decide(ctx, subject{kind: kind, runbook: rb, ledger: led, policy: policy}, in.RefusedSince)
}

// left is an error if another engine is to decide: Temporal gives the work to who asks for it next, again and again.
func (a *Activities) left(led galen.Ledger) error {
	if a.o.Catalogue.Outdated == nil {
		return nil
	}
	if why := a.o.Catalogue.Outdated(led.Configuration); why != "" {
		return fmt.Errorf("decide on run %s: %s", led.Run.ID, why)
	}
	return nil
}

// decide is the part of Decide that needs a look; the subject has none yet.
func (a *Activities) decide(ctx context.Context, s subject, refusedSince time.Time) (Decided, error) {
	led, run, policy := s.ledger, s.ledger.Run, s.policy
	if step := a.o.Gate.ClockStep(policy); policy.ClockDoubt(step, led.ClockOff()) != "" {
		return a.untimely(ctx, led, policy, step)
	}
	s.began = led.Now
	state, err := a.look(ctx, led)
	if err != nil {
		return a.blind(ctx, led, policy, err)
	}
	failpoint.At(failpoint.Looked, newestVerb(led))
	now, step := a.timed(policy)
	if step != 0 {
		return a.untimely(ctx, led, policy, step)
	}
	byRun, unjudged := Settlements(s.kind, state, led.Open, policy, now)
	if led, err = a.settle(ctx, led, byRun); err != nil {
		return Decided{}, err
	}
	if err := unjudged[run.ID]; err != nil {
		return a.hold(ctx, led, policy, err)
	}
	vitals, err := a.o.Records.Vitals(ctx, run.Resource, a.o.Now().Add(-vitalsWindow))
	if err != nil {
		return Decided{}, fmt.Errorf("read vitals of %s: %w", run.Resource, err)
	}
	s.ledger, s.state, s.vitals = led, state, vitals
	if s.now, step = a.timed(policy); step != 0 {
		return a.untimely(ctx, led, policy, step)
	}
	t, err := a.think(s)
	if err != nil {
		if err := a.blame(ctx, led.Run, err); err != nil {
			return Decided{}, err
		}
		return a.unable(ctx, led, policy, err)
	}
	failpoint.At(failpoint.Thought, newestVerb(led))
	c := conclude(t, refusedSince)
	if err := a.letPass(ctx, t, c); err != nil {
		return Decided{}, err
	}
	return a.record(ctx, t, c)
}

// look sees nothing of a resource that nobody looks after, whatever its kind would see there.
func (a *Activities) look(ctx context.Context, led galen.Ledger) (galen.State, error) {
	r := led.Run.Resource
	if a.gone(r) {
		return nil, fmt.Errorf("%s is in the configuration no more: put it back, or cancel the run", r)
	}
	state, err := a.o.World.Look(ctx, r, nil, led.Open)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", r, err)
	}
	return state, nil
}

func (a *Activities) gone(r galen.Resource) bool {
	return a.o.Catalogue.Gone != nil && a.o.Catalogue.Gone(r)
}

// timed is the time, and by how much the clock was set lately if that is more than allowed: it may have been while the resource was
// looked at.
func (a *Activities) timed(policy galen.Policy) (now time.Time, step time.Duration) {
	now = a.o.Now() // first, so that no step between the two readings is missed
	return now, a.o.Gate.ClockStep(policy)
}

// take reads a run, lets it go on if it has yielded long enough, and reads what its decision rests on. Of one that has ended
// there is the run alone.
func (a *Activities) take(ctx context.Context, id string) (galen.Ledger, error) {
	led, err := a.ledger(ctx, id)
	switch {
	case err != nil:
		return galen.Ledger{}, err
	case !led.Run.Status.Open():
		return galen.Ledger{Run: led.Run}, nil
	case led.Run.Stop != galen.StopYield:
		return led, nil
	}
	if err := a.resume(ctx, led.Run); err != nil {
		return galen.Ledger{}, err
	}
	return a.ledger(ctx, id)
}

// ledger reads a run's ledger, and notes when by the engine's clock.
func (a *Activities) ledger(ctx context.Context, run string) (galen.Ledger, error) {
	asked := a.o.Now()
	led, err := a.o.Journal.Ledger(ctx, run)
	if err != nil {
		return led, a.noRun(fmt.Errorf("read ledger of run %s: %w", run, err))
	}
	return led.ReadBetween(asked, a.o.Now()), nil
}

// newestVerb is that of the run's newest intent, "" before the first.
func newestVerb(led galen.Ledger) string {
	if len(led.Past) == 0 {
		return ""
	}
	return led.Past[len(led.Past)-1].Step.Verb
}

// known finds kind and runbook of a run. A run whose runbook this engine does not have, has in another version, or
// has found at fault is held, never guessed at; so is one with an open effect that this engine cannot judge.
func (a *Activities) known(led galen.Ledger) (galen.ListedKind, galen.ListedRunbook, error) {
	run := led.Run
	kind, rb := a.o.Catalogue.Kinds[run.Resource.Kind], a.o.Catalogue.Runbooks[run.Runbook]
	if lacks := a.o.Catalogue.Lacks(run); lacks != "" {
		return kind, rb, errors.New(lacks)
	}
	if lacks := lacksVerb(kind, led.Past); lacks != "" {
		return kind, rb, errors.New(lacks)
	}
	if why := a.o.Faults.Why(run.Runbook); why != "" {
		return kind, rb, fmt.Errorf("runbook %s is at fault, and decides no more in this engine until it is mended and restarted: %s", run.Runbook, why)
	}
	return kind, rb, nil
}

// blame keeps a runbook that is at fault from deciding in this process again, with an event, once.
func (a *Activities) blame(ctx context.Context, run galen.Run, why error) error {
	var fault *runbookFault
	if !errors.As(why, &fault) || !a.o.Faults.Put(run.Runbook, why.Error()) {
		return nil
	}
	body, err := json.Marshal(map[string]string{"runbook": run.Runbook, "why": why.Error()})
	if err == nil {
		err = a.o.Records.Append(ctx, galen.Event{Resource: run.Resource, Run: run.ID, Kind: galen.EventFault, Body: body})
	}
	if err != nil {
		a.o.Faults.take(run.Runbook) // the retry tells it
		return fmt.Errorf("tell the fault of runbook %s: %w", run.Runbook, err)
	}
	return nil
}

// hold stops a run for a person. A person who acted since the ledger was read wins, as in record.
func (a *Activities) hold(ctx context.Context, led galen.Ledger, policy galen.Policy, why error) (Decided, error) {
	if run := led.Run; run.Status != galen.RunHeld {
		if err := a.o.Runs.HoldRun(ctx, run.ID, why.Error(), led.Standing()); err != nil {
			return Decided{}, a.noRun(fmt.Errorf("hold run %s: %w", run.ID, err))
		}
		a.o.Logger.Error("run held, a person is needed", "run", run.ID, "resource", run.Resource.String(), "why", why.Error())
	}
	return Decided{At: a.o.Now(), Wait: policy.Fallback, Why: why.Error()}, nil
}

// blind: nothing at all could be seen. The run waits; past its deadline it is held, unless a person has approved since. One that is cancelled
// and has made no call has nothing to look for.
func (a *Activities) blind(ctx context.Context, led galen.Ledger, policy galen.Policy, why error) (Decided, error) {
	if led.Run.Stop == galen.StopCancel && (len(led.Past) == 0 || a.gone(led.Run.Resource)) {
		ended, err := a.endWithout(ctx, led, "nothing can be seen: "+why.Error()+leaves(led.Past))
		if err != nil {
			return Decided{}, a.noRun(err)
		}
		return Decided{At: a.o.Now(), Ended: ended, Wait: policy.Fallback, Why: why.Error()}, nil
	}
	if late(led) {
		return a.hold(ctx, led, policy, fmt.Errorf("past its deadline, and blind: %w", why))
	}
	return a.wait(ctx, led, policy, "cannot see the resource: "+why.Error())
}

// leaves tells what of a run stays as it is when it ends without a way to a safe point.
func leaves(past []galen.Intent) string {
	var steps []string
	for _, in := range past {
		if in.Effect.Status == galen.EffectDone {
			steps = append(steps, in.Step.String())
		}
	}
	if len(steps) == 0 {
		return ""
	}
	return "; what it did stays as it is: " + strings.Join(steps, ", ")
}

// untimely: nothing is concluded by a clock that cannot be believed, neither an effect nor a deadline nor an end. While it is off the
// journal's the run is held past its deadline by the journal's; after a step the journal's may have been set with it.
func (a *Activities) untimely(ctx context.Context, led galen.Ledger, policy galen.Policy, step time.Duration) (Decided, error) {
	why := policy.ClockDoubt(step, led.ClockOff())
	if policy.ClockDoubt(step, 0) == "" && late(led) {
		return a.hold(ctx, led, policy, errors.New("past its deadline, and "+why))
	}
	return a.wait(ctx, led, policy, why)
}

// late: past its deadline by the journal's clock, and no person has approved since.
func late(led galen.Ledger) bool {
	return led.Now.After(led.Run.Deadline) && led.YesSince(led.Run.Deadline) == nil
}

// wait notes why nothing can be decided now.
func (a *Activities) wait(ctx context.Context, led galen.Ledger, policy galen.Policy, why string) (Decided, error) {
	run := led.Run
	a.o.Logger.Warn("cannot decide", "run", run.ID, "resource", run.Resource.String(), "why", why)
	if run.Status == galen.RunRunning || run.Status == galen.RunWaiting || run.Status == galen.RunOpened {
		err := a.o.Runs.SetRun(ctx, run.ID, galen.RunWaiting, why, led.Now.Add(policy.LookSoon.D()))
		if err != nil && !errors.Is(err, galen.ErrHeld) { // by a person, meanwhile
			return Decided{}, a.noRun(fmt.Errorf("note on run %s: %w", run.ID, err))
		}
	}
	return Decided{At: led.Now, Unseen: true, Wait: policy.LookSoon, Why: why}, nil
}

// settle writes what became of the open intents, and reads the ledger again if that was anything.
func (a *Activities) settle(ctx context.Context, led galen.Ledger, byRun map[string][]galen.Settlement) (galen.Ledger, error) {
	if len(byRun) == 0 {
		return led, nil
	}
	for id, changes := range byRun {
		err := a.o.Journal.Settle(ctx, id, changes)
		switch {
		case err != nil && id == led.Run.ID:
			return led, a.noRun(fmt.Errorf("settle effects of run %s: %w", id, err))
		case err != nil: // that another run is not found does not end this one's workflow
			return led, fmt.Errorf("settle effects of run %s, seen by run %s: %w", id, led.Run.ID, err)
		}
	}
	failpoint.At(failpoint.Settled, newestVerb(led))
	again, err := a.ledger(ctx, led.Run.ID)
	if err != nil {
		return led, err
	}
	return again, nil
}

// Settlements are the intents whose effect a State shows anew, by run. Pure. A verb that panics on one leaves that one open; unjudged
// names it, by run, and is of no other run's concern.
func Settlements(kind galen.ListedKind, state galen.State, open []galen.Intent, p galen.Policy, now time.Time) (byRun map[string][]galen.Settlement, unjudged map[string]error) {
	seen := sight{kind: kind, state: state, open: open, policy: p, now: now}
	for _, in := range open {
		verb, ok := kind.Verbs[in.Step.Verb]
		if !ok {
			continue // of another release: its own run is held
		}
		s, err := seen.settlement(verb, in)
		if err != nil {
			if unjudged == nil {
				unjudged = map[string]error{}
			}
			unjudged[in.Run] = errors.Join(unjudged[in.Run], err)
			continue
		}
		if s.Effect.Status == in.Effect.Status {
			continue
		}
		if byRun == nil {
			byRun = map[string][]galen.Settlement{}
		}
		byRun[in.Run] = append(byRun[in.Run], s)
	}
	return byRun, unjudged
}

// sight is a State in which the effects of open intents are looked for.
type sight struct {
	kind   galen.ListedKind
	state  galen.State
	open   []galen.Intent
	policy galen.Policy
	now    time.Time
}

// settlement is what a State shows of one intent, with the margin where that is news.
func (s sight) settlement(verb galen.Verb[galen.State], in galen.Intent) (out galen.Settlement, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("verb %s, or the margin of its kind, panicked on the effect of intent %s: %v\n%s", verb.Name, in.ID, p, debug.Stack())
		}
	}()
	effect := galen.SettleEffect(verb, s.state, in, s.now)
	if effect.Status == in.Effect.Status {
		return galen.Settlement{Intent: in.ID, Effect: effect}, nil
	}
	in.Effect = effect
	facts := append(verb.Facts(s.state, in, s.policy), galen.Paid(in)...)
	for i := range facts {
		facts[i].Intent, facts[i].At = in.ID, s.now
	}
	margin := s.kind.Margin(s.state, s.open, s.policy)
	return galen.Settlement{Intent: in.ID, Effect: effect, Facts: facts, Basis: concerned(verb, s.state, in), Margin: margin}, nil
}

// concerned is the basis of the target of an intent and of each member that it claims by name, under all their IDs. What
// else a person was shown is not of this intent's making: it stands, or makes the yes void.
func concerned(verb galen.Verb[galen.State], state galen.State, in galen.Intent) map[string]string {
	ids := map[string]bool{in.Step.Target.ID: true}
	for _, c := range verb.Claims(state, in.Step) {
		if id := c.Target(); id != "" {
			ids[id] = true
		}
	}
	out := map[string]string{}
	for id := range ids {
		out[id] = state.Basis(galen.Target{ID: id})
	}
	for _, m := range state.Members() {
		if names := galen.NamesOf([]galen.Member{m}, m.Target.ID); slices.ContainsFunc(names, func(id string) bool { return ids[id] }) {
			for _, id := range names {
				out[id] = state.Basis(galen.Target{ID: id})
			}
		}
	}
	return out
}

// record stores the decision and tells the workflow what follows. A person who acted since the ledger was read wins, and what was
// held up since the look is too late: galen.ErrMoved, and the retry looks again.
func (a *Activities) record(ctx context.Context, t thought, c conclusion) (Decided, error) {
	run := t.ledger.Run
	body, err := json.Marshal(t.state)
	if err != nil {
		return Decided{}, fmt.Errorf("encode state of %s: %w", run.Resource, err)
	}
	was := t.ledger.Standing()
	was.At = t.began // reading the ledger again made the look no younger
	d, err := a.o.Journal.Decide(ctx, galen.Decision{
		Run: run.ID, Was: &was, At: t.now, Plan: t.plan, Verdicts: t.verdicts, Classes: t.classes(), Margin: t.margin, Basis: t.state.Basis(),
		Shown: t.shown(), Status: c.status, Why: c.why, Until: t.now.Add(c.looksWithin(t.policy)), Finding: t.finding, Only: c.only, Suggests: c.suggests, Outdates: c.outdates,
		Approvals: t.approvals(), Grounds: t.grounds(),
	}, body)
	if err != nil {
		return Decided{}, a.noRun(fmt.Errorf("store decision of run %s: %w", run.ID, err))
	}
	failpoint.At(failpoint.Decided, newestVerb(t.ledger))
	a.page(t, c)
	out := Decided{
		At: t.now, Plan: d.Number, Steps: c.steps, Refused: c.refused, Wait: galen.Duration(c.wait), Done: c.done,
		Final: c.final, Looks: t.policy.HoldLooks, HoldFor: t.policy.HoldFor, Why: c.why, Margin: t.margin,
		Looked: t.began,
	}
	if c.atOnce {
		out.Looks, out.HoldFor = 1, 0
	}
	return out, nil
}

// page logs that a run waits for a person from now on, or for something else than before.
func (a *Activities) page(t thought, c conclusion) {
	run := t.ledger.Run
	if c.status == run.Status && (c.status != galen.RunHeld || c.why == run.Why) {
		return
	}
	log := a.o.Logger.With("run", run.ID, "resource", run.Resource.String())
	switch c.status {
	case galen.RunHeld:
		log.Error("run held, a person is needed", "why", c.why)
	case galen.RunAsking:
		log.Warn("run asks for a yes, a person is needed", "step", t.plan.Steps[0].String(), "why", c.why, "command", "galen runs approve "+run.ID)
	default: // nobody is needed
	}
}

// Preview is the same thinking without a run, a row or an act: what would be done now. The ledger is of the resource,
// with run as the run that is not there, and tells when it was read ([galen.Ledger.ReadBetween]).
func (a *Activities) Preview(ctx context.Context, led galen.Ledger) (galen.Decision, error) {
	kind, rb, err := a.known(led)
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
		At: t.now, Plan: t.plan, Hash: t.plan.Hash(), Verdicts: t.verdicts, Classes: t.classes(), Margin: t.margin, State: galen.HashJSON(state), Basis: state.Basis(),
		Shown: t.shown(), Status: c.status, Why: c.why, Until: t.now.Add(c.wait), Finding: t.finding, Approvals: t.approvals(), Grounds: t.grounds(),
	}, nil
}

// classes are those of the steps, then of the outline; none if the kind does not know a verb, whose step is refused.
func (t thought) classes() []galen.Class {
	var out []galen.Class
	for _, step := range slices.Concat(t.plan.Steps, t.plan.Outline) {
		verb, known := t.kind.Verbs[step.Verb]
		if !known {
			return nil
		}
		out = append(out, verb.Class)
	}
	return out
}

// situation is what the runbook is told. Its maps, slices and finding are copies of its own, so that what it writes into
// them is not seen by the second run; the State, arguments and parameters within are shared, and plain data to be read.
func (t thought) situation() galen.Situation[galen.State, json.RawMessage] {
	run := t.ledger.Run
	var finding *galen.Finding
	if t.finding != nil {
		f := *t.finding
		f.Targets, f.Evidence, f.Began = slices.Clone(f.Targets), slices.Clone(f.Evidence), maps.Clone(f.Began)
		finding = &f
	}
	facts := maps.Clone(t.ledger.Facts)
	if facts == nil {
		facts = map[string]galen.Fact{}
	}
	return galen.Situation[galen.State, json.RawMessage]{
		World: galen.World[galen.State]{
			Now: t.now, State: t.state, Vitals: slices.Clone(t.vitals), Facts: facts, Open: slices.Clone(t.ledger.Open),
		},
		Finding: finding, Scope: t.scope(), Params: run.Params, Policy: t.policy, Past: slices.Clone(t.ledger.Past),
		LastYes: t.ledger.LastYes, Stop: run.Stop,
	}
}
