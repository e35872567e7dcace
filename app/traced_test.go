package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/trace"
	"github.com/galenhq/galen/workflows"
)

// TestACollectorThatIsAwayIsNoBadEnd: the log tells it, and the engine has stopped in good order.
func TestACollectorThatIsAwayIsNoBadEnd(t *testing.T) {
	var log bytes.Buffer
	tracer, err := trace.New(t.Context(), "test", sdktrace.WithSyncer(deaf{}))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{o: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, trace: tracer}
	e.stops = append(e.stops, e.endTraces)
	if err := e.Stop(); err != nil || !strings.Contains(log.String(), "nobody answers") {
		t.Errorf("%v, %s", err, &log)
	}
}

// deaf is a collector that does not answer.
type deaf struct{}

func (deaf) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (deaf) Shutdown(context.Context) error                             { return errors.New("nobody answers") }

// answers are a gate that answers so, and a journal that takes every decision.
type answers struct {
	activities.Gate
	activities.Journal
	verdicts []galen.Verdict
}

func (a answers) Act(context.Context, gate.Request) (gate.Result, error) {
	return gate.Result{Answer: gate.Refused, Verdicts: a.verdicts}, nil
}

func (answers) Decide(_ context.Context, d galen.Decision, _ []byte) (galen.Decision, error) {
	return d, nil
}

// TestSpansNameTheGuard: the one that let a step not pass, at the gate and before it, and none if all allow it.
func TestSpansNameTheGuard(t *testing.T) {
	allow, hold := galen.Verdict{Guard: "I-07 identity", Answer: galen.Allow}, galen.Verdict{Guard: "I-17 hold", Answer: galen.LookAgain}
	for name, c := range map[string]struct {
		verdicts []galen.Verdict
		want     string
	}{
		"all allow":  {[]galen.Verdict{allow}, ""},
		"none asked": {nil, ""},
		"one not":    {[]galen.Verdict{allow, hold}, "I-17 hold look-again"},
	} {
		t.Run(name, func(t *testing.T) {
			kept := tracetest.NewInMemoryExporter()
			tracer, err := trace.New(t.Context(), "test", sdktrace.WithSyncer(kept))
			if err != nil {
				t.Fatal(err)
			}
			ctx := tracer.Join(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
			if _, err := (tracedGate{answers{verdicts: c.verdicts}, tracer}).Act(ctx, gate.Request{}); err != nil {
				t.Fatal(err)
			}
			ctx, end := tracer.Within(ctx, "decision")
			d := galen.Decision{Plan: galen.Plan{Steps: []galen.Step{{Verb: "start"}}}, Verdicts: [][]galen.Verdict{c.verdicts}, Status: galen.RunWaiting}
			if len(c.verdicts) == 0 {
				d.Plan.Steps = nil
			}
			if _, err := (tracedDecisions{answers{}, tracer}).Decide(ctx, d, nil); err != nil {
				t.Fatal(err)
			}
			end(nil)
			spans := kept.GetSpans()
			if len(spans) != 2 {
				t.Fatalf("%+v", spans)
			}
			for _, span := range spans {
				said := map[string]string{}
				for _, a := range span.Attributes {
					said[string(a.Key)] = a.Value.AsString()
				}
				if got := strings.TrimSpace(said["galen.guard"] + " " + said["galen.guard.answer"]); got != c.want {
					t.Errorf("%s names %q, want %q", span.Name, got, c.want)
				}
			}
		})
	}
}

// TestWhatAPersonDecidesIsTiedToTheRun: the call is a trace of its own, with a link to the one of its run.
func TestWhatAPersonDecidesIsTiedToTheRun(t *testing.T) {
	const runs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for name, act := range map[string]func(context.Context, people, string) error{
		"approve": func(ctx context.Context, p people, run string) error {
			return p.Approve(ctx, galen.Approval{Run: run, Plan: 1, By: "ann"})
		},
		"reject": func(ctx context.Context, p people, run string) error { return p.Reject(ctx, run, "ann", "no") },
		"cancel": func(ctx context.Context, p people, run string) error { return p.Cancel(ctx, run, "ann", "no") },
	} {
		t.Run(name, func(t *testing.T) {
			e, kept := engineWithoutTemporal(t), tracetest.NewInMemoryExporter()
			var err error
			if e.trace, err = trace.New(t.Context(), "test", sdktrace.WithSyncer(kept)); err != nil {
				t.Fatal(err)
			}
			run, _, err := e.journal.OpenRun(t.Context(), galen.Run{
				Key: "k", Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "detector x", Deadline: time.Now().Add(time.Hour), Trace: runs,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, end := e.trace.Within(e.trace.Join(t.Context(), strings.Replace(runs, "4bf9", "aaaa", 1)), "call")
			_ = act(ctx, people{e}, run.ID) // whether it may be does not matter
			end(act(ctx, people{e}, "nobody"))
			spans := kept.GetSpans()
			if len(spans) != 1 || len(spans[0].Links) != 1 || spans[0].Links[0].SpanContext.TraceID().String() != runs[3:35] || spans[0].Links[0].SpanContext.SpanID().String() != runs[36:52] {
				t.Errorf("%+v", spans)
			}
		})
	}
}

// TestTracesReplay: histories that were recorded without traces replay with them, and a replay makes no span anew.
func TestTracesReplay(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	tracer, err := trace.New(t.Context(), "test", sdktrace.WithSyncer(kept))
	if err != nil {
		t.Fatal(err)
	}
	of, err := tracer.Interceptors()
	if err != nil {
		t.Fatal(err)
	}
	var around []interceptor.WorkerInterceptor
	for _, i := range of {
		w, is := i.(interceptor.WorkerInterceptor)
		if !is {
			t.Fatalf("%T stands around no workflow", i)
		}
		around = append(around, w)
	}
	files, err := filepath.Glob("../workflows/testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: around})
		if err != nil {
			t.Fatal(err)
		}
		r.RegisterWorkflowWithOptions(workflows.Run, workflow.RegisterOptions{Name: workflows.RunName})
		r.RegisterWorkflowWithOptions(workflows.RunLocal, workflow.RegisterOptions{Name: workflows.LocalName})
		if err := r.ReplayWorkflowHistoryFromJSONFile(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if spans := kept.GetSpans(); len(spans) != 0 {
		t.Errorf("a replay has made %d spans, the first is %s", len(spans), spans[0].Name)
	}
}
