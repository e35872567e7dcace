package temporal

import (
	"fmt"
	"slices"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// TestEnginesShareANamespace: what two engines call by the same key is not the same workflow, and neither takes the
// other's tasks.
func TestEnginesShareANamespace(t *testing.T) {
	var ids, queues []string
	f := &frontend{}
	f.answer = named(func(m proto.Message) (proto.Message, error) {
		switch r := m.(type) {
		case *workflowservice.StartWorkflowExecutionRequest:
			ids, queues = append(ids, r.GetWorkflowId()), append(queues, r.GetTaskQueue().GetName())
			return &workflowservice.StartWorkflowExecutionResponse{RunId: "x", Started: true}, nil
		case *workflowservice.SignalWorkflowExecutionRequest:
			ids = append(ids, r.GetWorkflowExecution().GetWorkflowId())
			return &workflowservice.SignalWorkflowExecutionResponse{}, nil
		case *workflowservice.DescribeWorkflowExecutionRequest:
			ids = append(ids, r.GetExecution().GetWorkflowId())
			return &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: r.GetExecution().GetWorkflowId()}},
				PendingActivities:     []*workflowpb.PendingActivityInfo{pending("a", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1")},
			}, nil
		case *workflowservice.ResetStickyTaskQueueRequest:
			ids = append(ids, r.GetExecution().GetWorkflowId())
			return &workflowservice.ResetStickyTaskQueueResponse{}, nil
		case *workflowservice.RespondActivityTaskFailedByIdRequest:
			ids = append(ids, r.GetWorkflowId())
			return &workflowservice.RespondActivityTaskFailedByIdResponse{}, nil
		}
		return nil, fmt.Errorf("unexpected %T", m)
	})
	address := f.serve(t, nil)
	for _, engine := range []string{"eu", "us", ""} {
		ids, queues = nil, nil
		c, err := Dial(t.Context(), Options{Address: address, Journal: engine, Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, started := c.StartRun(t.Context(), Start{Key: "k", Run: "r"})
		_, described := c.Describe(t.Context(), "k")
		_, failed := c.FailStale(t.Context(), []string{"k"}, nil)
		for _, err := range []error{started, described, failed, c.Wake(t.Context(), "k"), c.Reach(t.Context())} {
			if err != nil {
				t.Error(err)
			}
		}
		want, queue := WorkflowID(engine, "k"), "galen-"+engine
		if engine == "" {
			queue = "galen"
		}
		slices.Sort(ids)
		if got := slices.Compact(ids); !slices.Equal(got, []string{want}) || !slices.Equal(queues, []string{queue}) || c.Queue("") != queue {
			t.Errorf("engine %q: workflows %v in %v, want %s in %s", engine, got, queues, want, queue)
		}
	}
}
