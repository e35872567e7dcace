// Package activities holds the engine's activities: Decide (look, settle, let the runbook decide, ask the guards), Act
// (one step through the gate) and Close, with the ports they need.
package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/gate"
)

// ErrTypeNoRun is the type of the application error for a run that the journal does not know; no retry can help.
const ErrTypeNoRun = "NoRun"

// Journal is what the activities read of runs, and write of decisions.
type Journal interface {
	Run(ctx context.Context, id string) (galen.Run, error)
	Ledger(ctx context.Context, run string) (galen.Ledger, error)
	Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error)
	Settle(ctx context.Context, run string, changes []galen.Settlement) error
}

// Records are the rows beside the decisions.
type Records interface {
	Plan(ctx context.Context, run string, number int) (galen.Decision, error)
	Vitals(ctx context.Context, r galen.Resource, since time.Time) ([]galen.Sample, error)
	Append(ctx context.Context, e galen.Event) error
}

// Runs say where a run stands.
type Runs interface {
	SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error
	// HoldRun holds a run that stands as it stood when that was found, else [galen.ErrMoved].
	HoldRun(ctx context.Context, id, why string, was galen.Standing) error
	// VerifyRun ends a run as verified by a look that began lately, else [galen.ErrMoved].
	VerifyRun(ctx context.Context, id, why string, looked time.Time) error
	// Stop asks a run to yield; Resume ends that.
	Stop(ctx context.Context, id, stop, by, why string) error
	Resume(ctx context.Context, id, why string) error
}

// World is the way to see a resource: a look folded onto the last State.
type World interface {
	Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error)
}

// Gate is the one door to the world.
type Gate interface {
	Act(ctx context.Context, req gate.Request) (gate.Result, error)
	// Preview and Foresee say what the gate would answer to a step now, and to one of an outline.
	Preview(w galen.World[galen.State], l galen.Ledger, s galen.Step) []galen.Verdict
	Foresee(w galen.World[galen.State], l galen.Ledger, s galen.Step) []galen.Verdict
	// ClockStep is by how much the engine's clock was set lately.
	ClockStep(p galen.Policy) time.Duration
}

// Catalogue is what this process can run.
type Catalogue struct {
	Kinds     map[string]galen.ListedKind
	Runbooks  map[string]galen.ListedRunbook
	Detectors []galen.Detector[galen.State]
	Policy    func(galen.Resource) galen.Policy
	// Gone tells whether nobody looks after a resource any more; nil: of none is that known.
	Gone func(galen.Resource) bool
	// Outdated says why another engine is to decide while the configuration with that hash counts, "" if this one may; nil: it always may.
	Outdated func(counts string) string
}

// Options are what the activities stand on.
type Options struct {
	Journal   Journal
	Records   Records
	Runs      Runs
	World     World
	Gate      Gate
	Catalogue Catalogue
	Faults    *Faults
	Now       func() time.Time
	// DecideLimit is how long a runbook may think, by the real clock; 0: 1 s. A simulation on a busy machine gives more.
	DecideLimit time.Duration
	Logger      *slog.Logger
}

// Activities are registered with the worker; the workflow calls them by method name.
type Activities struct {
	o Options
}

// New checks nothing: a missing port is a programming error and panics at its first use.
func New(o Options) *Activities {
	if o.DecideLimit == 0 {
		o.DecideLimit = decideLimit
	}
	return &Activities{o: o}
}

// Act does one step of a stored plan through the gate. It is tried once; whoever lost its answer looks.
func (a *Activities) Act(ctx context.Context, in ActInput) (Acted, error) {
	defer beat(ctx)()
	return a.act(ctx, in)
}

func (a *Activities) act(ctx context.Context, in ActInput) (Acted, error) {
	d, err := a.o.Records.Plan(ctx, in.Run, in.Plan)
	if err != nil {
		return Acted{}, a.noRun(fmt.Errorf("read plan %d of run %s: %w", in.Plan, in.Run, err))
	}
	if in.Index < 0 || in.Index >= len(d.Plan.Steps) {
		return Acted{}, fmt.Errorf("run %s: plan %d has %d steps, asked for step %d", in.Run, in.Plan, len(d.Plan.Steps), in.Index)
	}
	step := d.Plan.Steps[in.Index]
	failpoint.At(failpoint.Acting, step.Verb)
	res, err := a.o.Gate.Act(ctx, gate.Request{Run: in.Run, Plan: in.Plan, Step: step})
	if err != nil {
		return Acted{}, fmt.Errorf("gate, %s: %w", step, err)
	}
	run, err := a.o.Journal.Run(ctx, in.Run)
	if err != nil {
		return Acted{}, a.noRun(err)
	}
	log := a.o.Logger.With("run", in.Run, "resource", run.Resource.String(), "step", step.String())
	out := Acted{At: a.o.Now(), Wait: a.o.Catalogue.Policy(run.Resource).LookSoon}
	switch res.Answer {
	case gate.Sent:
		out.Sent = true
		log.Info("step sent", "intent", res.Intent.ID)
	case gate.Denied:
		why := "the gate denied " + step.String() + ": " + res.Why
		switch err := a.o.Runs.HoldRun(ctx, in.Run, why, res.Was); {
		case errors.Is(err, galen.ErrMoved): // what people do wins: it is decided anew
			log.Warn("denied, and not held", "why", why, "moved", err)
		case err != nil:
			return Acted{}, fmt.Errorf("hold run %s: %w", in.Run, err)
		default:
			log.Error("run held, a person is needed", "why", why)
		}
	case gate.Failed:
		log.Warn("the call was answered with an error, looks tell what became of it", "intent", res.Intent.ID, "why", res.Why)
	default:
		out = turnedAway(out, run, res)
		log.Info("step not sent", "answer", string(res.Answer), "why", res.Why)
	}
	return out, nil
}

// turnedAway is what a refusal means for the run.
func turnedAway(out Acted, run galen.Run, res gate.Result) Acted {
	worst := gate.Worst(res.Verdicts)
	out.Refused = (res.Answer == gate.Refused || res.Answer == gate.Ask) && !waitedOut(worst)
	if worst.Guard == gate.GuardRate {
		out.Wait = galen.Duration(spread(run, out.At, out.Wait.D()))
	}
	return out
}

// Close ends a run in the journal. It may be repeated, and long after it was ordered: what nobody has looked at lately is not called
// verified, and the workflow looks again. A run that has ended otherwise stays as it ended, and its workflow is over, too.
func (a *Activities) Close(ctx context.Context, in CloseInput) (Closed, error) {
	defer beat(ctx)()
	why := in.Why
	if in.Margin != "" {
		why += "; " + in.Margin
	}
	failpoint.At(failpoint.Closing, "")
	switch err := a.end(ctx, in, why); {
	case errors.Is(err, galen.ErrMoved):
		a.o.Logger.Warn("run not ended, it is looked at again", "run", in.Run, "status", string(in.Status), "moved", err)
		return Closed{Stale: true}, nil
	case errors.Is(err, galen.ErrEnded):
		a.o.Logger.Warn("run had ended otherwise, and stays so", "run", in.Run, "status", string(in.Status), "ended", err)
		return Closed{}, nil
	case err != nil:
		return Closed{}, a.noRun(fmt.Errorf("close run %s as %s: %w", in.Run, in.Status, err))
	}
	failpoint.At(failpoint.Closed, "")
	a.o.Logger.Info("run ended", "run", in.Run, "status", string(in.Status), "why", why)
	return Closed{}, nil
}

// end writes the row. Only verified says something of the world as it is.
func (a *Activities) end(ctx context.Context, in CloseInput, why string) error {
	if in.Status == galen.RunVerified {
		return a.o.Runs.VerifyRun(ctx, in.Run, why, in.Looked)
	}
	return a.o.Runs.SetRun(ctx, in.Run, in.Status, why, time.Time{})
}

func (a *Activities) noRun(err error) error {
	if errors.Is(err, galen.ErrNotFound) {
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrTypeNoRun, err)
	}
	return err
}
