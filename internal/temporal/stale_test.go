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
		case "stubborn":
			return open(id, pending("refused", enumspb.PENDING_ACTIVITY_STATE_STARTED, "dead.1")), nil
		}
	}
	return nil, serviceerror.NewNotFound("absent")
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
