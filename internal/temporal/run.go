package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"
)

const (
	// workflowTaskTimeout is short because a killed process leaves a task behind that nobody else gets earlier; the
	// server's 10 s would be added to each resume.
	workflowTaskTimeout = 2 * time.Second
	// maxKey keeps clear, with an engine's identity before it, of the 255 characters that SQL visibility stores.
	maxKey = 200
)

// Start is a workflow to be started.
type Start struct {
	// Key that at most one open workflow has, and the run that it is of.
	Key, Run string
	// Needs says which workers have what it needs, see [Client.Queue].
	Needs string
	// Local: it decides first in its own task, for which the worker must answer to the server all the while.
	Local bool
}

// StartRun starts the workflow of a run, for the workers that have what it needs. started is false, without an error, if a workflow with this key is open: then
// nothing was changed, and it may be of another run. A closed one with this key does not hinder.
func (c *Client) StartRun(ctx context.Context, s Start) (started bool, err error) {
	if s.Key == "" || s.Run == "" || len(s.Key) > maxKey {
		return false, fmt.Errorf("start run %q as workflow %q: both must be given, the workflow's key in at most %d bytes", s.Run, s.Key, maxKey)
	}
	kind := Workflow
	if s.Local {
		kind = LocalWorkflow
	}
	_, err = c.sdk.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       c.workflowID(s.Key),
		TaskQueue:                                c.Queue(s.Needs),
		WorkflowTaskTimeout:                      workflowTaskTimeout,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		// Our own worker takes the first task with the answer, if it has room, instead of through the queue.
		EnableEagerStart: true,
	}, kind, s.Run)
	var open *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &open) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("start run %s as workflow %s: %w", s.Run, s.Key, err)
	}
	return true, nil
}

// Wake sends the signal without content. ErrNotFound: no workflow with this key is open.
func (c *Client) Wake(ctx context.Context, key string) error {
	err := c.sdk.SignalWorkflow(ctx, c.workflowID(key), "", WakeSignal, nil)
	var absent *serviceerror.NotFound
	if errors.As(err, &absent) {
		return fmt.Errorf("wake workflow %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("wake workflow %s: %w", key, err)
	}
	return nil
}

// Reach tells whether the server answers in our namespace. It asks about a workflow that nothing starts, so that the
// answer costs next to nothing.
func (c *Client) Reach(ctx context.Context) error {
	_, err := c.describe(ctx, probe)
	if err != nil {
		return fmt.Errorf("the Temporal server does not answer: %w", err)
	}
	return nil
}

// Phase is whether a workflow goes on.
type Phase string

// The phases.
const (
	Absent Phase = "absent" // never started here, or past its retention
	Open   Phase = "open"
	Closed Phase = "closed"
)

// Execution is what Temporal knows of a workflow: its newest execution.
type Execution struct {
	Phase Phase
	// Status in Temporal's words, lower case: running, completed, failed, canceled, terminated, timedout; "" if absent.
	Status string
	// RunID is Temporal's ID of this execution, not the journal's run; "" if absent.
	RunID string
	// Needs says whose work it is, see [Client.Queue]; "" if absent, or in the engine's own queue.
	Needs string
	// Attempts is how often the workflow's task that is out has been given out by now, each time for the time before it failed; 0: none is out.
	Attempts int
}

// Describe looks a workflow up, for the reconciler: an open run whose workflow is not open has lost it.
func (c *Client) Describe(ctx context.Context, key string) (Execution, error) {
	return c.describe(ctx, c.workflowID(key))
}

func (c *Client) describe(ctx context.Context, workflowID string) (Execution, error) {
	answer, err := c.sdk.DescribeWorkflowExecution(ctx, workflowID, "")
	var absent *serviceerror.NotFound
	if errors.As(err, &absent) {
		return Execution{Phase: Absent}, nil
	}
	if err != nil {
		return Execution{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	info := answer.GetWorkflowExecutionInfo()
	e := Execution{
		Phase: Open, Status: strings.ToLower(info.GetStatus().String()), RunID: info.GetExecution().GetRunId(),
	}
	e.Needs, _ = strings.CutPrefix(strings.TrimPrefix(answer.GetExecutionConfig().GetTaskQueue().GetName(), c.Queue("")), "/")
	e.Attempts = int(answer.GetPendingWorkflowTask().GetAttempt())
	if info.GetCloseTime() != nil {
		e.Phase = Closed
	}
	return e, nil
}

// Terminate ends one execution of a workflow at once, wherever it is, see [Execution.RunID]: a newer one with the same key goes on.
// One that is not open needs no end.
func (c *Client) Terminate(ctx context.Context, key, runID, why string) error {
	if runID == "" {
		return fmt.Errorf("terminate workflow %s: which of its executions?", key)
	}
	err := c.sdk.TerminateWorkflow(ctx, c.workflowID(key), runID, why)
	if err != nil && !gone(err) {
		return fmt.Errorf("terminate workflow %s: %w", key, err)
	}
	return nil
}

// pollFor is longer than a worker waits for one task: whoever did not ask for that long asks no more.
const pollFor = 90 * time.Second

// Served tells whether any engine, of whatever release, takes work that needs this.
func (c *Client) Served(ctx context.Context, needs string, now time.Time) (bool, error) {
	answer, err := c.sdk.DescribeTaskQueue(ctx, c.Queue(needs), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return false, fmt.Errorf("ask who polls %s: %w", c.Queue(needs), err)
	}
	return slices.ContainsFunc(answer.GetPollers(), func(p *taskqueuepb.PollerInfo) bool {
		return now.Sub(p.GetLastAccessTime().AsTime()) < pollFor
	}), nil
}
