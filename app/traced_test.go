package app

import (
	"log/slog"
	"path/filepath"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/internal/trace"
	"github.com/galenhq/galen/workflows"
)

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
