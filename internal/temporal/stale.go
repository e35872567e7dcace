package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// StaleType is the type of the failure that FailStale gives an activity.
const StaleType = "engine-killed"

// staleIdentity is who does it, in the histories.
const staleIdentity = "galen-start"

// FailStale ends the activities that dead processes had begun, and tells how many: otherwise their workflows learn it from a
// heartbeat timeout. The failure is retryable and asks for no pause, so an activity with attempts left goes on at once. A workflow of
// which a dead process had begun the first task, in which it may decide, is started anew if no other engine lives.
// Workflows that are closed or absent are passed over.
//
// Call it before the worker starts. alive tells by [Options.Identity] which processes may still be at work: what they have
// begun is spared. nil: no other engine works on these workflows, whatever was begun is a dead one's.
func (c *Client) FailStale(ctx context.Context, keys []string, alive func(process string) bool) (int, error) {
	failed := 0
	var errs []error
	for _, key := range keys {
		n, err := c.failStale(ctx, c.workflowID(key), alive)
		failed += n
		if err != nil {
			errs = append(errs, fmt.Errorf("fail what the last process left of workflow %s: %w", key, err))
		}
	}
	return failed, errors.Join(errs...)
}

func (c *Client) failStale(ctx context.Context, workflowID string, alive func(process string) bool) (int, error) {
	answer, err := c.sdk.DescribeWorkflowExecution(ctx, workflowID, "")
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	execution := answer.GetWorkflowExecutionInfo().GetExecution()
	if answer.GetWorkflowExecutionInfo().GetCloseTime() != nil {
		return 0, nil
	}
	if err := c.unstick(ctx, execution); err != nil {
		return 0, err
	}
	if alive == nil && answer.GetPendingWorkflowTask().GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED {
		if n, err := c.startAnew(ctx, execution); n > 0 || err != nil {
			return n, err
		}
	}
	return c.failActivities(ctx, execution, answer.GetPendingActivities(), alive)
}

func (c *Client) failActivities(ctx context.Context, of *commonpb.WorkflowExecution, pending []*workflowpb.PendingActivityInfo, alive func(process string) bool) (int, error) {
	failed := 0
	for _, a := range pending {
		if !begun(a) || alive != nil && alive(a.GetLastWorkerIdentity()) {
			continue
		}
		_, err := c.sdk.WorkflowService().RespondActivityTaskFailedById(ctx, &workflowservice.RespondActivityTaskFailedByIdRequest{
			Namespace:  c.namespace,
			WorkflowId: of.GetWorkflowId(),
			RunId:      of.GetRunId(),
			ActivityId: a.GetActivityId(),
			Identity:   staleIdentity,
			Failure: &failurepb.Failure{
				Message: "the engine that did this was killed",
				Source:  "galen",
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
					Type:           StaleType,
					NextRetryDelay: durationpb.New(time.Millisecond),
				}},
			},
		})
		if gone(err) {
			continue
		}
		if err != nil {
			return failed, fmt.Errorf("activity %s: %w", a.GetActivityId(), err)
		}
		failed++
	}
	return failed, nil
}

// unstick makes the next workflow task go to any worker. The dead process's own queue would hold it until the sticky
// timeout.
func (c *Client) unstick(ctx context.Context, execution *commonpb.WorkflowExecution) error {
	_, err := c.sdk.WorkflowService().ResetStickyTaskQueue(ctx, &workflowservice.ResetStickyTaskQueueRequest{
		Namespace: c.namespace,
		Execution: execution,
	})
	if err != nil && !gone(err) {
		return fmt.Errorf("reset its sticky queue: %w", err)
	}
	return nil
}

// startAnew starts a workflow again whose first task a dead process had begun, in the place of what it has begun, which the server does as
// one: the local activity in that task may be repeated, and all else is in the journal. A later task waits for its timeout, 2 s; so does a
// first one while other engines live, for they may get it meanwhile.
func (c *Client) startAnew(ctx context.Context, execution *commonpb.WorkflowExecution) (int, error) {
	const most = 100 // events: a first task may have been answered for once or twice a second for a minute
	answer, err := c.sdk.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: c.namespace, Execution: execution, MaximumPageSize: most,
	})
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read its history: %w", err)
	}
	events := answer.GetHistory().GetEvents()
	if len(events) == 0 || len(answer.GetNextPageToken()) > 0 || slices.ContainsFunc(events[1:], happened) {
		return 0, nil
	}
	if events[len(events)-1].GetWorkflowTaskStartedEventAttributes() == nil {
		return 0, nil
	}
	was := events[0].GetWorkflowExecutionStartedEventAttributes()
	_, err = c.sdk.WorkflowService().StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: c.namespace, WorkflowId: execution.GetWorkflowId(), RequestId: execution.GetRunId(), Identity: staleIdentity,
		WorkflowType: was.GetWorkflowType(), TaskQueue: was.GetTaskQueue(), Input: was.GetInput(), Header: was.GetHeader(),
		WorkflowTaskTimeout:      was.GetWorkflowTaskTimeout(),
		WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		WorkflowIdReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
	var old *serviceerror.InvalidArgument
	if errors.As(err, &old) { // a server from before 1.24 does not know how: the task's timeout comes all the same
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("start it anew: %w", err)
	}
	return 1, nil
}

// happened tells whether an event is more than that a task was given out, or answered for.
func happened(e *historypb.HistoryEvent) bool {
	return e.GetWorkflowTaskScheduledEventAttributes() == nil && e.GetWorkflowTaskStartedEventAttributes() == nil &&
		e.GetWorkflowTaskCompletedEventAttributes() == nil && e.GetWorkflowTaskTimedOutEventAttributes() == nil
}

// begun tells whether a process has an attempt of the activity. One that only waits for a worker needs nothing.
func begun(a *workflowpb.PendingActivityInfo) bool {
	switch a.GetState() {
	case enumspb.PENDING_ACTIVITY_STATE_STARTED, enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
		enumspb.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED:
		return true
	default:
		return false
	}
}

// gone tells an answer that means "no longer there" from a fault.
func gone(err error) bool {
	var absent *serviceerror.NotFound
	return errors.As(err, &absent)
}
