package workflows

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The histories in testdata were recorded from real runs by `make record`: a node that was killed; one that was replaced
// while the engine died; a run whose workflow was terminated (1), then held, approved and verified (2). The older ones are of a release that made
// no first decision in the workflow's own task, and stay. A change of the
// workflow that an open run would not survive fails here.
func TestReplaysRecordedHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d histories (%v), want at least 6", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := replay(file, Run); err != nil {
				t.Errorf("an open run with this history would not go on: %v", err)
			}
		})
	}
}

// TestReplaysAStaleClose: an older release ordered the close without telling when it had looked, and this one answers that it is too
// late. The run is not over by that, nor closed again: it is looked at, and what the journal says then ends it.
func TestReplaysAStaleClose(t *testing.T) {
	const looks, closes = 63, 69 // events of a Decide and of the Close that were scheduled
	for name, c := range map[string]struct {
		next int // what the history says was ordered after the answer; 0: nothing, it was over
		want bool
	}{
		"it is looked at again": {looks, true}, "it is over": {0, false}, "it is closed again": {closes, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := recorded(t, "testdata/older-killed-1.json")
			of(h[70], "activityTaskCompletedEventAttributes")["result"] = payload(`{"stale":true}`)
			if c.next > 0 {
				next := postponed(t, h[c.next-1:c.next+5], 75) // scheduled, started, completed, and the workflow's task on that
				of(next[2], "activityTaskCompletedEventAttributes")["result"] = payload(`{"at":"2026-11-23T17:34:13Z","ended":true}`)
				end := postponed(t, h[74:], 81)
				h = slices.Concat(h[:74], next, end)
			}
			text, err := json.Marshal(map[string]any{"events": h})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "history.json")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := replay(file, Run); (err == nil) != c.want {
				t.Errorf("replays: %v", err)
			}
		})
	}
}

// recorded are the events of a history, the first has the ID 1.
func recorded(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Events []map[string]any }
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h.Events
}

// of are the attributes of an event.
func of(event map[string]any, name string) map[string]any { return event[name].(map[string]any) }

func payload(text string) any {
	return map[string]any{"payloads": []any{map[string]any{"metadata": map[string]any{"encoding": []byte("json/plain")}, "data": []byte(text)}}}
}

// postponed are events as they would be if they had happened later, the first with the given ID.
func postponed(t *testing.T, events []map[string]any, from int) []map[string]any {
	t.Helper()
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(out[0]["eventId"].(string))
	if err != nil {
		t.Fatal(err)
	}
	later := func(attributes map[string]any) {
		for name, v := range attributes {
			id, is := v.(string)
			if n, err := strconv.Atoi(id); is && err == nil && (strings.HasSuffix(name, "EventId") || name == "eventId" || name == "activityId") {
				attributes[name] = strconv.Itoa(n - first + from)
			}
		}
	}
	for _, e := range out {
		later(e)
		for _, v := range e {
			if attributes, is := v.(map[string]any); is {
				later(attributes)
			}
		}
	}
	return out
}

// A workflow that does something else than it did is noticed.
func TestReplayNoticesAChange(t *testing.T) {
	eager := func(workflow.Context, string, Carried) error { return nil }
	if err := replay("testdata/older-killed-1.json", eager); err == nil {
		t.Error("a workflow that ends at once has replayed the history of a whole run")
	}
	failing := func(ctx workflow.Context, run string, from Carried) error {
		return errors.Join(Run(ctx, run, from), errors.New("changed"))
	}
	if err := replay("testdata/older-killed-1.json", failing); err == nil {
		t.Error("a workflow that fails at its end has replayed the history of one that was completed")
	}
}

func replay(file string, run func(workflow.Context, string, Carried) error) error {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: RunName})
	r.RegisterWorkflowWithOptions(RunLocal, workflow.RegisterOptions{Name: LocalName})
	return r.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file)
}
