package temporal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func pending(id string, state enumspb.PendingActivityState, begun time.Time) *workflowpb.PendingActivityInfo {
	return &workflowpb.PendingActivityInfo{ActivityId: id, State: state, LastStartedTime: timestamppb.New(begun)}
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
	case *workflowservice.DescribeWorkflowExecutionRequest:
		begun := start.Add(-time.Minute)
		switch id := r.GetExecution().GetWorkflowId(); id {
		case "busy":
			return open(id,
				pending("begun", enumspb.PENDING_ACTIVITY_STATE_STARTED, begun),
				pending("waits", enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, begun),
				pending("cancelled", enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED, begun),
				pending("meanwhile", enumspb.PENDING_ACTIVITY_STATE_STARTED, begun),
				pending("own", enumspb.PENDING_ACTIVITY_STATE_STARTED, start)), nil
		case "closed":
			d := open(id, pending("never", enumspb.PENDING_ACTIVITY_STATE_STARTED, begun))
			d.WorkflowExecutionInfo.CloseTime = timestamppb.New(begun)
			return d, nil
		case "stubborn":
			return open(id, pending("refused", enumspb.PENDING_ACTIVITY_STATE_STARTED, begun)), nil
		}
	}
	return nil, serviceerror.NewNotFound("absent")
}

func TestFailStale(t *testing.T) {
	cases := map[string]struct {
		ids    []string
		before time.Time
		want   []string
		count  int
		err    string
	}{
		"all that were begun":        {ids: []string{"absent", "closed", "busy"}, want: []string{"begun", "cancelled", "meanwhile", "own"}, count: 3},
		"spares the new process's":   {ids: []string{"busy"}, before: start, want: []string{"begun", "cancelled", "meanwhile"}, count: 2},
		"one fault stops no other":   {ids: []string{"stubborn", "busy"}, before: start, want: []string{"refused", "begun", "cancelled", "meanwhile"}, count: 2, err: "workflow stubborn: activity refused"},
		"nothing open needs nothing": {},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, f := dial(t, leftovers)
			count, err := client.FailStale(t.Context(), c.ids, c.before)
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
					!slices.Contains([]string{"run-of-busy", "run-of-stubborn"}, r.GetRunId()) {
					t.Errorf("sent %v", r)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
