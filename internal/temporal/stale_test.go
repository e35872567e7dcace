package temporal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func pending(id string, state enumspb.PendingActivityState, process string) *workflowpb.PendingActivityInfo {
	return &workflowpb.PendingActivityInfo{ActivityId: id, State: state, LastWorkerIdentity: process}
}

// leftovers answers as a server after a kill.
func leftovers(m proto.Message) (proto.Message, error) {
	open := func(id string, activities ...*workflowpb.PendingActivityInfo) *workflowservice.DescribeWorkflowExecutionResponse {
		return &workflowservice.DescribeWorkflowExecutionResponse{
			WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run-of-" + id}},
			PendingActivities:     activities,
		}
	}
	switch r := m.(type) {
	case *workflowservice.ResetStickyTaskQueueRequest:
		return &workflowservice.ResetStickyTaskQueueResponse{}, nil
	case *workflowservice.RespondActivityTaskFailedByIdRequest:
		switch r.GetActivityId() {
		case "meanwhile":
			return nil, serviceerror.NewNotFound("done meanwhile")
		case "refused":
			return nil, serviceerror.NewInvalidArgument("refused")
		}
		return &workflowservice.RespondActivityTaskFailedByIdResponse{}, nil
	case *workflowservice.GetWorkflowExecutionHistoryRequest:
		return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{
			{EventId: 1}, {EventId: 2, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{}}, {EventId: 3, Attributes: scheduled()},
			{EventId: 4, Attributes: taken("dead.1")},
		}}}, nil
	case *workflowservice.DescribeWorkflowExecutionRequest:
		switch id := r.GetExecution().GetWorkflowId(); id {
		case "busy":
			return open(id,
				pending("begun", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1"),
				pending("waits", enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, "dead.1"),
				pending("cancelled", enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED, "dead.1"),
				pending("meanwhile", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1"),
				pending("other", enumspb.PENDING_ACTIVITY_STATE_STARTED, "alive.1")), nil
		case "closed":
			d := open(id, pending("never", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1"))
			d.WorkflowExecutionInfo.CloseTime = timestamppb.New(start)
			return d, nil
		case "woken": // while it was at something
			d := open(id, pending("begun too", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1"))
			d.PendingWorkflowTask = &workflowpb.PendingWorkflowTaskInfo{State: enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED}
			return d, nil
		case "stubborn":
			return open(id, pending("refused", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1")), nil
		}
	}
	return nil, serviceerror.NewNotFound("absent")
}

func scheduled() *historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes {
	return &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{}}
}

func taken(by string) *historypb.HistoryEvent_WorkflowTaskStartedEventAttributes {
	return &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{Identity: by}}
}

// firstTask answers as a server whose worker was killed in the first task of a workflow; more: something happened since.
func firstTask(process string, refuses error, more ...*historypb.HistoryEvent) func(proto.Message) (proto.Message, error) {
	return func(m proto.Message) (proto.Message, error) {
		switch r := m.(type) {
		case *workflowservice.ResetStickyTaskQueueRequest:
			return &workflowservice.ResetStickyTaskQueueResponse{}, nil
		case *workflowservice.DescribeWorkflowExecutionRequest:
			return &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: r.GetExecution().GetWorkflowId(), RunId: "x"}},
				PendingWorkflowTask:   &workflowpb.PendingWorkflowTaskInfo{State: enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED},
			}, nil
		case *workflowservice.GetWorkflowExecutionHistoryRequest:
			events := append([]*historypb.HistoryEvent{
				{EventId: 1, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
					WorkflowType: &commonpb.WorkflowType{Name: LocalWorkflow}, TaskQueue: &taskqueuepb.TaskQueue{Name: "galen/cassandra/heal-node@3"},
					Input:               &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: []byte(`"r-17"`)}}},
					Header:              &commonpb.Header{Fields: map[string]*commonpb.Payload{"trace": {Data: []byte("t")}}},
					WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout),
				}}},
				{EventId: 2, Attributes: scheduled()},
				{EventId: 3, Attributes: taken(process)},
			}, more...)
			return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: events}}, nil
		case *workflowservice.StartWorkflowExecutionRequest:
			return &workflowservice.StartWorkflowExecutionResponse{RunId: "y"}, refuses
		}
		return nil, serviceerror.NewNotFound("absent")
	}
}

// TestAFirstTaskOfADeadProcessIsStartedAnew as it was started, in its place; nothing else is.
func TestAFirstTaskOfADeadProcessIsStartedAnew(t *testing.T) {
	others := func(string) bool { return false }
	later := &historypb.HistoryEvent{EventId: 4, Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{}}
	answered := []*historypb.HistoryEvent{
		{EventId: 4, Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{}}},
		{EventId: 5, Attributes: scheduled()}, {EventId: 6, Attributes: taken("dead.2")},
	}
	for name, c := range map[string]struct {
		server      func(proto.Message) (proto.Message, error)
		alive       func(string) bool
		asked, anew int
		err         string
	}{
		"a dead one's":                {firstTask("dead.1", nil), nil, 1, 1, ""},
		"others live":                 {firstTask("dead.1", nil), others, 0, 0, ""},
		"it was answered for once":    {firstTask("dead.1", nil, answered...), nil, 1, 1, ""},
		"nobody has it":               {firstTask("dead.1", nil, answered[:2]...), nil, 0, 0, ""},
		"something happened since":    {firstTask("dead.1", nil, later), nil, 0, 0, ""},
		"a server that knows no such": {firstTask("dead.1", serviceerror.NewInvalidArgument("policy")), nil, 1, 0, ""},
		"trouble":                     {firstTask("dead.1", serviceerror.NewPermissionDenied("no", "")), nil, 1, 0, "workflow cassandra/orders/down: start it anew"},
	} {
		t.Run(name, func(t *testing.T) {
			client, f := dial(t, c.server)
			n, err := client.FailStale(t.Context(), []string{"cassandra/orders/down"}, c.alive)
			if n != c.anew || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%d started anew, %v; want %d, %q", n, err, c.anew, c.err)
			}
			asked := requests[*workflowservice.StartWorkflowExecutionRequest](f)
			if len(asked) != c.asked {
				t.Fatalf("asked for %d starts, want %d", len(asked), c.asked)
			}
			for _, r := range asked {
				was := r.GetInput().GetPayloads()
				got := []any{
					r.GetWorkflowId(), r.GetWorkflowType().GetName(), r.GetTaskQueue().GetName(), string(was[0].GetData()), len(was),
					string(r.GetHeader().GetFields()["trace"].GetData()), r.GetWorkflowTaskTimeout().AsDuration(), r.GetWorkflowIdConflictPolicy(),
				}
				want := []any{
					"cassandra/orders/down", LocalWorkflow, "galen/cassandra/heal-node@3", `"r-17"`, 1, "t", workflowTaskTimeout,
					enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestFailStale(t *testing.T) {
	lives := func(process string) bool { return process == "alive.1" }
	cases := map[string]struct {
		ids   []string
		alive func(string) bool
		want  []string
		count int
		err   string
	}{
		"all that were begun":        {ids: []string{"absent", "closed", "busy"}, want: []string{"begun", "cancelled", "meanwhile", "other"}, count: 3},
		"spares a living process's":  {ids: []string{"busy"}, alive: lives, want: []string{"begun", "cancelled", "meanwhile"}, count: 2},
		"one fault stops no other":   {ids: []string{"stubborn", "busy"}, alive: lives, want: []string{"refused", "begun", "cancelled", "meanwhile"}, count: 2, err: "workflow stubborn: activity refused"},
		"one that was woken":         {ids: []string{"woken"}, want: []string{"begun too"}, count: 1},
		"nothing open needs nothing": {},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, f := dial(t, leftovers)
			count, err := client.FailStale(t.Context(), c.ids, c.alive)
			if count != c.count {
				t.Errorf("failed %d, want %d", count, c.count)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got the error %v, want %q", err, c.err)
			}
			var got []string
			for _, r := range requests[*workflowservice.RespondActivityTaskFailedByIdRequest](f) {
				got = append(got, r.GetActivityId())
				info := r.GetFailure().GetApplicationFailureInfo()
				if info.GetNonRetryable() || info.GetType() != StaleType || info.GetNextRetryDelay().AsDuration() > 10*time.Millisecond ||
					!slices.Contains([]string{"run-of-busy", "run-of-stubborn", "run-of-woken"}, r.GetRunId()) {
					t.Errorf("sent %v", r)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
