package process

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/galenhq/galen/workflows"
)

// recorded is where the histories lie that package workflows replays. With -record they are written anew.
const recorded = "../../../workflows/testdata"

// record is asked for by `make record`.
func record() bool { return flag.Lookup("record").Value.String() == "true" }

// replays reads the histories of a run's workflows, oldest first, replays each, and records it if that is asked for.
func replays(ctx context.Context, t *testing.T, c client.Client, key, name string) {
	t.Helper()
	list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowId = %q", key)})
	must(t, err)
	all := list.GetExecutions()
	if len(all) == 0 {
		t.Fatalf("no workflow %s", key)
	}
	for i, e := range all { // newest first
		history := &historypb.History{}
		it := c.GetWorkflowHistory(ctx, key, e.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for it.HasNext() {
			event, err := it.Next()
			must(t, err)
			history.Events = append(history.Events, event)
		}
		r := worker.NewWorkflowReplayer()
		r.RegisterWorkflowWithOptions(workflows.Run, workflow.RegisterOptions{Name: workflows.RunName})
		r.RegisterWorkflowWithOptions(workflows.RunLocal, workflow.RegisterOptions{Name: workflows.LocalName})
		if err := r.ReplayWorkflowHistory(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), history); err != nil {
			t.Errorf("replay of %s, execution %d: %v", name, len(all)-i, err)
		}
		if record() {
			write(t, filepath.Join(recorded, fmt.Sprintf("%s-%d.json", name, len(all)-i)), history)
		}
	}
}

// write leaves out what names this machine.
func write(t *testing.T, file string, history *historypb.History) {
	t.Helper()
	text, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(history)
	must(t, err)
	for pattern, instead := range map[string]string{
		`"identity": *"[^"]*"`:        `"identity": "engine"`,
		`"name": *"[^":]*(:[-\w]+")`:  `"name": "host$1`, // a sticky queue: host:uuid
		`(?m)^( *"\w+"): +`:           `$1: `,            // protojson writes one space or two
		`(?m)^( *"taskId": "\d+",\n)`: ``,
	} {
		text = regexp.MustCompile(pattern).ReplaceAll(text, []byte(instead))
	}
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, append(text, '\n'), 0o644))
}
