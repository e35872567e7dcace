package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/failpoint"
)

const (
	// maxMoved is how often a moved ledger sends the gate back to the guards.
	maxMoved = 3
	// maxLooks is how often the gate looks for one step, where what others do overtakes its looks. Then the run decides anew.
	maxLooks = 3
	// maxVoids approvals in a row made void by the world: then a person must look at the whole.
	maxVoids = 3
	// recordWithin bounds the record of an outcome, which is written even if the caller has gone.
	recordWithin = 5 * time.Second
)

// errOvertaken: something was done after the look had begun, which may or may not show in it.
var errOvertaken = errors.New("the look was overtaken")

// view is a fresh State with its age.
type view struct {
	state galen.State
	known galen.Ledger  // what the journal knew before the look began
	wall  time.Time     // when the look began
	mono  time.Duration // the same moment on the monotonic clock
}

// now is the wall time of the look's beginning plus what has passed since then by the monotonic clock, so that a clock
// step cannot make a view younger.
func (v view) now(mono time.Duration) time.Time { return v.wall.Add(mono - v.mono) }

// Act does one step, or refuses it. An error means that nothing was called, or that the journal failed after the
// commit: either way the next look tells. It is never to be repeated by the caller without a new decision.
func (g *Gate) Act(ctx context.Context, req Request) (Result, error) {
	l, err := g.ledger(ctx, req.Run)
	if err != nil {
		return Result{}, err
	}
	// What cannot be done at all costs no look.
	if v := g.current(l, req); v.Answer != galen.Allow {
		return g.refuse(ctx, l, req, nil, []galen.Verdict{v})
	}
	for range maxLooks {
		seen, look := g.look(ctx, l, req.Step)
		if look != nil {
			v := named(guardFresh, lookAgain("nothing of %s could be seen: %s", l.Run.Resource, look))
			return g.refuse(ctx, l, req, nil, []galen.Verdict{v})
		}
		failpoint.At(failpoint.GateLooked, req.Step.Verb)
		var result Result
		if result, l, err = g.onLook(ctx, req, seen); !errors.Is(err, errOvertaken) {
			return result, err
		}
	}
	v := named(guardFresh, lookAgain("%d looks in a row: %s", maxLooks, err))
	return g.refuse(ctx, l, req, nil, []galen.Verdict{v})
}

// onLook goes on from one look, with the ledger as it is now, read again as often as it moves. errOvertaken: look again,
// knowing the ledger that it returns.
func (g *Gate) onLook(ctx context.Context, req Request, seen view) (Result, galen.Ledger, error) {
	var l galen.Ledger
	for range maxMoved + 1 {
		var err error
		if l, err = g.ledger(ctx, req.Run); err != nil {
			return Result{}, l, err
		}
		result, err := g.attempt(ctx, l, req, seen)
		if !errors.Is(err, galen.ErrMoved) {
			return result, l, err
		}
	}
	v := named(guardGate, lookAgain("the ledger moved %d times in a row while the guards were asked", maxMoved+1))
	result, err := g.refuse(ctx, l, req, nil, []galen.Verdict{v})
	return result, l, err
}

// Overtaken tells what was done on the resource since the ledger was read that a look rests on: "" for nothing. The guards
// count as under way what the ledger shows unsettled; what was settled meanwhile is neither there nor, for certain, in a State
// that was being looked at. It goes by the journal's own order, for the clocks of two engines differ: a fence rises with each
// intent, of any run, and what was unsettled and is not now has been settled.
func Overtaken(before, now galen.Ledger) string {
	for _, id := range slices.Sorted(maps.Keys(now.Fences)) {
		if was, is := before.Fences[id], now.Fences[id]; was != is {
			return fmt.Sprintf("a step on %s was begun meanwhile (fence %d, now %d)", id, was, is)
		}
	}
	for _, in := range before.Open {
		if !slices.ContainsFunc(now.Open, func(o galen.Intent) bool { return o.ID == in.ID }) {
			return fmt.Sprintf("the effect of %s of run %s was settled meanwhile", in.Step, in.Run)
		}
	}
	return ""
}

// ledger reads a run's ledger, and notes when by the engine's clocks.
func (g *Gate) ledger(ctx context.Context, run string) (galen.Ledger, error) {
	asked, mono := g.o.Now(), g.o.Mono()
	l, err := g.o.Journal.Ledger(ctx, run)
	if err != nil {
		return galen.Ledger{}, fmt.Errorf("read the ledger of run %s: %w", run, err)
	}
	return l.ReadBetween(asked, asked.Add(g.o.Mono()-mono)), nil
}

// current: galen may act, and by this engine's configuration; the run is live, and the step belongs to its newest plan, which was made knowing of a cancel
// or yield.
func (g *Gate) current(l galen.Ledger, req Request) galen.Verdict {
	r := l.Run
	if g.o.Overruled != nil {
		if why := g.o.Overruled(r.Resource, l.Configuration); why != "" {
			return named(guardGate, lookAgain("%s", why))
		}
	}
	switch {
	case l.Observe != "":
		return named(guardGate, lookAgain("%s", l.Observe))
	case !r.Status.Open():
		return named(guardGate, lookAgain("run %s has ended as %s", r.ID, r.Status))
	case r.Status == galen.RunHeld:
		return named(guardGate, deny("run %s is held for a person: %s", r.ID, r.Why))
	case r.Plan != req.Plan:
		return named(guardGate, lookAgain("the step is of plan %d, the newest is %d", req.Plan, r.Plan))
	case r.Stop != r.PlanStop:
		return named(guardGate, lookAgain("run %s was asked to %s since plan %d was made", r.ID, r.Stop, r.Plan))
	}
	return named(guardGate, allow(""))
}

// look is (1): the target, what the run is about, and what the driver knows to share data with them.
func (g *Gate) look(ctx context.Context, l galen.Ledger, s galen.Step) (view, error) {
	v := view{known: l, wall: g.o.Now(), mono: g.o.Mono()}
	scope := []galen.Target{s.Target}
	for _, t := range l.Run.InScope() {
		if !slices.Contains(scope, t) {
			scope = append(scope, t)
		}
	}
	state, err := g.o.World.Look(ctx, l.Run.Resource, scope, l.Open)
	if err == nil && state == nil {
		err = errors.New("the look returned no state")
	}
	v.state = state
	return v, err
}

// attempt is (3) to (6) on one reading of the ledger. ErrMoved: nothing was written, read it again. errOvertaken: look again.
func (g *Gate) attempt(ctx context.Context, l galen.Ledger, req Request, seen view) (Result, error) {
	if v := g.current(l, req); v.Answer != galen.Allow {
		return g.refuse(ctx, l, req, seen.state, []galen.Verdict{v})
	}
	if done := Overtaken(seen.known, l); done != "" {
		return Result{}, fmt.Errorf("%w: %s", errOvertaken, done)
	}
	w := galen.World[galen.State]{Now: seen.now(g.o.Mono()), State: seen.state}
	a, refused := g.question(w, l, req.Step, galen.LookAgain)
	if refused != nil {
		return g.refuse(ctx, l, req, seen.state, []galen.Verdict{*refused})
	}
	verdicts := judge(a, g.guards(l.Run.Resource.Kind), g.o.GuardLimit)
	if age := g.o.Mono() - seen.mono; age > a.Policy.ViewAge.D() {
		verdicts = append(verdicts, named(guardFresh, lookAgain("the view is %s old, at most %s is allowed", age.Round(time.Millisecond), a.Policy.ViewAge)))
	}
	if Worst(verdicts).Answer != galen.Allow {
		return g.refuse(ctx, l, req, seen.state, verdicts)
	}
	c, err := g.commitment(a, verdicts)
	if err != nil {
		return g.refuse(ctx, l, req, seen.state, append(verdicts, named(guardStep, deny("%s", err))))
	}
	failpoint.At(failpoint.Judged, req.Step.Verb)
	began := g.o.Mono()
	in, err := g.o.Journal.Commit(ctx, c)
	if v, is := refusal(err); is {
		return g.refuse(ctx, l, req, seen.state, append(verdicts, v))
	}
	if err != nil {
		return Result{}, fmt.Errorf("commit the intent of %s: %w", req.Step, err)
	}
	failpoint.At(failpoint.Committed, req.Step.Verb)
	return g.call(ctx, in, verdicts, g.o.Kinds[l.Run.Resource.Kind].Verbs[req.Step.Verb].Call, func() error {
		if err := g.unheld(ctx, in, c.Touched); err != nil {
			return err
		}
		return g.inTime(a.Policy, began, seen)
	})
}

// unheld says why the call of a committed intent must not leave any more: a hold was set since the commit, by whatever process, or nobody
// can tell. A hold that is stored when this reads stops the call; one that comes later meets a call that is under way.
func (g *Gate) unheld(ctx context.Context, in galen.Intent, touched []string) error {
	ctx, cancel := context.WithTimeout(ctx, galen.StartWithin)
	defer cancel()
	holds, err := g.o.Holds(ctx)
	if err != nil {
		return fmt.Errorf("dropped, for whether somebody holds it since the commit cannot be read: %w", err)
	}
	if h, id, held := galen.HeldBy(holds, in.Resource, touched); held {
		return fmt.Errorf("dropped, for %s holds %s since %s: %s", h.By, id, h.At.UTC().Format(time.RFC3339), h.Why)
	}
	return nil
}

// inTime says why the call of a committed intent must not leave any more, nil if it may. began is when the commit was sent:
// when the journal has committed is not known, and a verb's settle time counts from the intent, so that a slow answer eats into
// the 2 s.
func (g *Gate) inTime(p galen.Policy, began time.Duration, seen view) error {
	now := g.o.Mono()
	if late := now - began; late > galen.StartWithin {
		return fmt.Errorf("dropped %s after the commit was sent, at most %s is allowed", late.Round(time.Millisecond), galen.StartWithin)
	}
	if age := now - seen.mono; age > p.ViewAge.D() {
		return fmt.Errorf("dropped, for the view is %s old now, at most %s is allowed", age.Round(time.Millisecond), p.ViewAge)
	}
	if why := p.ClockDoubt(g.ClockStep(p), 0); why != "" {
		return fmt.Errorf("dropped: %s", why)
	}
	return nil
}

// refusal translates what the journal's transaction refused into a verdict.
func refusal(err error) (galen.Verdict, bool) {
	switch {
	case errors.Is(err, galen.ErrClaimed):
		return named(guardClaims, lookAgain("%s", err)), true
	case errors.Is(err, galen.ErrUnsettled):
		return named(guardUnsettled, lookAgain("%s", err)), true
	case errors.Is(err, galen.ErrHeld):
		return named(guardHold, lookAgain("%s", err)), true
	case errors.Is(err, galen.ErrDisarmed):
		return named(guardGate, lookAgain("%s", err)), true
	case errors.Is(err, galen.ErrRate):
		return named(guardRate, lookAgain("%s", err)), true
	case errors.Is(err, galen.ErrEnded):
		return named(guardGate, lookAgain("%s", err)), true
	}
	return galen.Verdict{}, false
}

// call is (5) and (6). may is asked last of all before the call.
func (g *Gate) call(ctx context.Context, in galen.Intent, verdicts []galen.Verdict, deadline time.Duration, may func() error) (Result, error) {
	result := Result{Answer: Sent, Verdicts: verdicts, Intent: &in}
	in.Sent = galen.SentYes
	callCtx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if late := may(); late != nil {
		result.Answer, in.Sent, in.Reply = NotSent, galen.SentNot, late.Error()
	} else if reply, err := g.do(callCtx, in); err != nil {
		result.Answer, in.Sent, in.Reply = Failed, galen.SentError, err.Error()
		if reply != "" {
			in.Reply = reply + "\n" + err.Error()
		}
	} else {
		in.Reply = reply
	}
	failpoint.At(failpoint.Called, in.Step.Verb)
	result.Why = in.Reply
	record, stop := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer stop()
	if err := g.o.Journal.Outcome(record, in.ID, in.Sent, in.Reply); err != nil {
		// The intent stands without an outcome, which means "unknown: look". Nothing is repeated.
		return result, fmt.Errorf("record the outcome %s of intent %s: %w", in.Sent, in.ID, err)
	}
	failpoint.At(failpoint.Recorded, in.Step.Verb)
	return result, nil
}

// do makes the call. A driver that panics has perhaps acted.
func (g *Gate) do(ctx context.Context, in galen.Intent) (reply string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the driver panicked: %v", p)
		}
	}()
	in.Sent = ""
	return g.o.World.Do(ctx, in)
}

// commitment is what the transaction writes.
func (g *Gate) commitment(a galen.Ask[galen.State], verdicts []galen.Verdict) (c galen.Commit, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("verb %q panicked: %v", a.Step.Verb, p)
		}
	}()
	l := a.Ledger
	debt, _ := paysDebt(a)
	names := galen.NamesOf(a.State.Members(), a.Step.Target.ID)
	in := galen.Intent{
		// The run's intents are numbered; it is short enough for a client token and safe in a file name.
		ID:  intentID(l.Run.ID, len(l.Past)+1),
		Run: l.Run.ID, Resource: l.Run.Resource, Step: a.Step, Also: names[1:], Class: a.Class,
		Basis: a.State.Basis(a.Step.Target), At: g.o.Now(), Undoes: debt,
		Effect: galen.Effect{Status: galen.EffectUnknown},
	}
	c = galen.Commit{
		Intent: in, Revision: l.Revision, Account: l.Account, Claims: a.Claims, Touched: touched(a), Spend: spends(a),
		PerSecond: a.Policy.ReleasePerSecond,
		Facts:     g.o.Kinds[l.Run.Resource.Kind].Verbs[a.Step.Verb].Facts(a.State, in, a.Policy), Verdicts: verdicts, State: galen.HashJSON(a.State),
	}
	owed, err := galen.Owe(in)
	if err != nil {
		return c, err
	}
	if owed != nil {
		c.Facts = append(c.Facts, *owed)
	}
	for i := range c.Facts {
		c.Facts[i].Intent, c.Facts[i].At = in.ID, in.At
	}
	return c, nil
}

func intentID(run string, number int) string { return fmt.Sprintf("%s-%d", run, number) }

// FirstIntent is the ID of the first intent of a run.
func FirstIntent(run string) string { return intentID(run, 1) }

// refuse records why nothing was done. A guard that now asks or denies makes the run's approval void. seen is nil where nobody looked.
func (g *Gate) refuse(ctx context.Context, l galen.Ledger, req Request, seen galen.State, verdicts []galen.Verdict) (Result, error) {
	worst, was := Worst(verdicts), l.Standing()
	if voids(l, worst) {
		was.Approval = ""
		now := groundsNow(l.Approval, seen)
		n, err := g.o.Journal.Void(ctx, l.Approval.ID, worst.Guard+": "+worst.Why, now)
		if err != nil {
			return Result{}, fmt.Errorf("void approval %s of run %s: %w", l.Approval.ID, req.Run, err)
		}
		if n >= maxVoids {
			worst = named(guardApproval, deny("the world made %d approvals in a row void, the last because %s%s; look at the run as a whole", n, worst.Why, movedSince(l.Approval, now, worst.Why)))
			verdicts = append(verdicts, worst)
		}
	}
	if err := g.o.Journal.Refused(ctx, req.Run, req.Step, verdicts); err != nil {
		return Result{}, fmt.Errorf("record the refusal of %s: %w", req.Step, err)
	}
	answers := map[galen.Answer]Answer{galen.NeedYes: Ask, galen.LookAgain: Refused}
	answer, known := answers[worst.Answer]
	if !known {
		answer = Denied
	}
	g.o.Logger.InfoContext(ctx, "step refused", "run", req.Run, "resource", l.Run.Resource.String(), "step", req.Step.String(),
		"answer", string(answer), "guard", worst.Guard, "why", worst.Why)
	return Result{Answer: answer, Verdicts: verdicts, Why: worst.Guard + ": " + worst.Why, Was: was}, nil
}

// groundsNow are the facts of what a person has approved, as they are seen now; nil if nobody looked.
func groundsNow(yes *galen.Approval, seen galen.State) galen.Grounds {
	if seen == nil {
		return nil
	}
	return galen.GroundsOf(seen, slices.Collect(maps.Keys(yes.Grounds)))
}

// movedSince tells what moved since the yes, unless that is told already.
func movedSince(yes *galen.Approval, now galen.Grounds, told string) string {
	text := galen.TellMoved(galen.Moved(yes.Grounds, now))
	if text == "" || strings.Contains(told, text) {
		return ""
	}
	return " (since it was given: " + text + ")"
}

func voids(l galen.Ledger, v galen.Verdict) bool {
	return l.Approval != nil && l.Now.Before(l.Approval.Expires) && (v.Answer == galen.NeedYes || v.Answer == galen.Deny)
}
