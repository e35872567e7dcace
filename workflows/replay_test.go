package workflows

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The histories in testdata were recorded from real runs by `make record`: a node that was killed; one that was replaced
// while the engine died; a run whose workflow was terminated (1), then held, approved and verified (2). A change of the
// workflow that an open run would not survive fails here.
func TestReplaysRecordedHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d histories (%v), want at least 4", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := replay(file, Run); err != nil {
				t.Errorf("an open run with this history would not go on: %v", err)
			}
		})
	}
}

// A workflow that does something else than it did is noticed.
func TestReplayNoticesAChange(t *testing.T) {
	eager := func(workflow.Context, string, Carried) error { return nil }
	if err := replay("testdata/killed-1.json", eager); err == nil {
		t.Error("a workflow that ends at once has replayed the history of a whole run")
	}
	failing := func(ctx workflow.Context, run string, from Carried) error {
		return errors.Join(Run(ctx, run, from), errors.New("changed"))
	}
	if err := replay("testdata/killed-1.json", failing); err == nil {
		t.Error("a workflow that fails at its end has replayed the history of one that was completed")
	}
}

func replay(file string, run func(workflow.Context, string, Carried) error) error {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: RunName})
	return r.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file)
}
