package app

import (
	"context"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/trace"
)

// traced are the kinds with a span for each look and each call of a run. What the watch looks at for itself has none.
func traced(kinds map[string]galen.ListedKind, t *trace.Tracer) map[string]galen.ListedKind {
	if t == nil {
		return kinds
	}
	out := make(map[string]galen.ListedKind, len(kinds))
	for name, kind := range kinds {
		look, do := kind.Look, kind.Do
		kind.Look = func(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
			ctx, end := t.Within(ctx, "look", "galen.resource", r.String())
			state, err := look(ctx, r, scope, open)
			end(err)
			return state, err
		}
		kind.Do = func(ctx context.Context, in galen.Intent) (string, error) {
			ctx, end := t.Within(ctx, "call "+in.Step.Verb, "galen.resource", in.Resource.String(), "galen.target", in.Step.Target.ID, "galen.intent", in.ID)
			reply, err := do(ctx, in)
			end(err)
			return reply, err
		}
		out[name] = kind
	}
	return out
}

// endTraces sends the last spans. That a collector does not take them is no bad end of the engine.
func (e *Engine) endTraces() error {
	if err := e.trace.Stop(); err != nil {
		e.o.Logger.Warn("the last spans are lost: look at the collector", "component", "traces", "error", err.Error())
	}
	return nil
}

// barring is the guard that let a step not pass, and what it said; nothing if all of them allow it.
func barring(verdicts []galen.Verdict) []string {
	if v := gate.Worst(verdicts); len(verdicts) > 0 && v.Answer != galen.Allow {
		return []string{"galen.guard", v.Guard, "galen.guard.answer", string(v.Answer)}
	}
	return nil
}

// tracedDecisions note on the span of a decision who keeps its steps from the gate.
type tracedDecisions struct {
	activities.Journal
	t *trace.Tracer
}

func (j tracedDecisions) Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error) {
	out, err := j.Journal.Decide(ctx, d, state)
	if who := barring(turnedAway(out)); err == nil && who != nil {
		j.t.Note(ctx, append(who, "galen.run", out.Run, "galen.status", string(out.Status), "galen.why", out.Why)...)
	}
	return out, err
}

// tracedGate has a span for each step, with what was answered, and by whom if not all allowed it.
type tracedGate struct {
	activities.Gate
	t *trace.Tracer
}

func (g tracedGate) Act(ctx context.Context, req gate.Request) (gate.Result, error) {
	ctx, end := g.t.Within(ctx, "gate", "galen.run", req.Run, "galen.verb", req.Step.Verb, "galen.target", req.Step.Target.ID)
	res, err := g.Gate.Act(ctx, req)
	end(err, append(barring(res.Verdicts), "galen.answer", string(res.Answer))...)
	return res, err
}

// tracedRuns has a span for each end of a run.
type tracedRuns struct {
	activities.Runs
	t *trace.Tracer
}

func (r tracedRuns) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	ctx, end := r.t.Within(ctx, "end "+string(status), "galen.run", id, "galen.status", string(status), "galen.why", why)
	err := r.Runs.SetRun(ctx, id, status, why, until)
	end(err)
	return err
}

func (r tracedRuns) VerifyRun(ctx context.Context, id, why string, looked time.Time) error {
	ctx, end := r.t.Within(ctx, "end "+string(galen.RunVerified), "galen.run", id, "galen.status", string(galen.RunVerified), "galen.why", why)
	err := r.Runs.VerifyRun(ctx, id, why, looked)
	end(err)
	return err
}
