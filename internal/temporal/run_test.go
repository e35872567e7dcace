package temporal

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestStartRunAsksForExactlyOneWorkflow(t *testing.T) {
	c, f := dial(t, func(proto.Message) (proto.Message, error) {
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "x", Started: true}, nil
	})
	started, err := c.StartRun(t.Context(), Start{Key: "cassandra/orders/down", Run: "r-17", Needs: "cassandra/heal-node@3"})
	if err != nil || !started {
		t.Fatalf("got %v, %v; want started", started, err)
	}
	asked := requests[*workflowservice.StartWorkflowExecutionRequest](f)
	if len(asked) != 1 {
		t.Fatalf("asked %d times, want once", len(asked))
	}
	r := asked[0]
	got := map[string]any{
		"namespace": r.GetNamespace(), "id": r.GetWorkflowId(), "type": r.GetWorkflowType().GetName(), "queue": r.GetTaskQueue().GetName(),
		"task timeout": r.GetWorkflowTaskTimeout().AsDuration(), "conflict": r.GetWorkflowIdConflictPolicy(), "reuse": r.GetWorkflowIdReusePolicy(),
		"input": string(r.GetInput().GetPayloads()[0].GetData()), "inputs": len(r.GetInput().GetPayloads()), "retry": r.GetRetryPolicy() != nil,
	}
	want := map[string]any{
		"namespace": "galen", "id": "cassandra/orders/down", "type": "Run", "queue": "galen/cassandra/heal-node@3",
		"task timeout": 2 * time.Second, "conflict": enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, "reuse": enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		"input": `"r-17"`, "inputs": 1, "retry": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStartIsOfItsType(t *testing.T) {
	c, f := dial(t, func(proto.Message) (proto.Message, error) {
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "x", Started: true}, nil
	})
	for _, local := range []bool{false, true} {
		if _, err := c.StartRun(t.Context(), Start{Key: "k", Run: "r", Local: local}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range requests[*workflowservice.StartWorkflowExecutionRequest](f) {
		got = append(got, r.GetWorkflowType().GetName())
	}
	if diff := cmp.Diff([]string{"Run", "RunLocal"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStartRunAnswers(t *testing.T) {
	cases := map[string]struct {
		id, run string
		answer  error
		want    string
	}{
		"already open": {id: "w", run: "r", answer: serviceerror.NewWorkflowExecutionAlreadyStarted("open", "req", "other")},
		"refused":      {id: "w", run: "r", answer: serviceerror.NewInvalidArgument("bad"), want: "start run r as workflow w"},
		"no run":       {id: "w", want: "both must be given"},
		"no workflow":  {run: "r", want: "both must be given"},
		"long":         {id: strings.Repeat("w", maxKey+1), run: "r", want: "at most 200 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, _ := dial(t, func(proto.Message) (proto.Message, error) { return nil, c.answer })
			started, err := client.StartRun(t.Context(), Start{Key: c.id, Run: c.run})
			if started {
				t.Error("started")
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWake(t *testing.T) {
	c, f := dial(t, func(m proto.Message) (proto.Message, error) {
		switch m.(*workflowservice.SignalWorkflowExecutionRequest).GetWorkflowExecution().GetWorkflowId() {
		case "gone":
			return nil, serviceerror.NewNotFound("closed")
		case "broken":
			return nil, serviceerror.NewInvalidArgument("x")
		}
		return &workflowservice.SignalWorkflowExecutionResponse{}, nil
	})
	if err := c.Wake(t.Context(), "w"); err != nil {
		t.Error(err)
	}
	if err := c.Wake(t.Context(), "gone"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v, want ErrNotFound with the ID", err)
	}
	if err := c.Wake(t.Context(), "broken"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want another error", err)
	}
	r := requests[*workflowservice.SignalWorkflowExecutionRequest](f)[0]
	if r.GetSignalName() != "wake" || len(r.GetInput().GetPayloads()[0].GetData()) != 0 {
		t.Errorf("signal %s with %v, want wake without content", r.GetSignalName(), r.GetInput())
	}
}

func TestDescribe(t *testing.T) {
	closed := timestamppb.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	cases := map[string]struct {
		status enumspb.WorkflowExecutionStatus
		closed *timestamppb.Timestamp
		err    error
		want   Execution
	}{
		"running":    {status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, want: Execution{Open, "running", "x", "fake/heal@1", 3}},
		"paused":     {status: enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, want: Execution{Open, "paused", "x", "fake/heal@1", 3}},
		"terminated": {status: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, closed: closed, want: Execution{Closed, "terminated", "x", "fake/heal@1", 3}},
		"timed out":  {status: enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, closed: closed, want: Execution{Closed, "timedout", "x", "fake/heal@1", 3}},
		"absent":     {err: serviceerror.NewNotFound("none"), want: Execution{Phase: Absent}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, _ := dial(t, func(proto.Message) (proto.Message, error) {
				return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
					Execution: &commonpb.WorkflowExecution{WorkflowId: "w", RunId: "x"}, Status: c.status, CloseTime: c.closed,
				}, ExecutionConfig: &workflowpb.WorkflowExecutionConfig{TaskQueue: &taskqueuepb.TaskQueue{Name: "galen/fake/heal@1"}},
					PendingWorkflowTask: &workflowpb.PendingWorkflowTaskInfo{Attempt: 3}}, c.err
			})
			got, err := client.Describe(t.Context(), "w")
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	client, _ := dial(t, func(proto.Message) (proto.Message, error) { return nil, serviceerror.NewInvalidArgument("x") })
	if _, err := client.Describe(t.Context(), "w"); err == nil {
		t.Error("an error of the server was swallowed")
	}
}

// A workflow that is gone already needs no end; any other trouble is told.
func TestTerminate(t *testing.T) {
	c, f := dial(t, func(m proto.Message) (proto.Message, error) {
		switch m.(*workflowservice.TerminateWorkflowExecutionRequest).GetWorkflowExecution().GetWorkflowId() {
		case "gone":
			return nil, serviceerror.NewNotFound("closed")
		case "broken":
			return nil, serviceerror.NewInvalidArgument("x")
		}
		return &workflowservice.TerminateWorkflowExecutionResponse{}, nil
	})
	if err := errors.Join(c.Terminate(t.Context(), "w", "x", "because"), c.Terminate(t.Context(), "gone", "x", "because")); err != nil {
		t.Error(err)
	}
	if err := c.Terminate(t.Context(), "broken", "x", "because"); err == nil {
		t.Error("an error of the server was swallowed")
	}
	asked := requests[*workflowservice.TerminateWorkflowExecutionRequest](f)
	if in := asked[0]; in.GetReason() != "because" || in.GetWorkflowExecution().GetRunId() != "x" {
		t.Errorf("terminated %v", in)
	}
	if err := c.Terminate(t.Context(), "w", "", "because"); err == nil || len(requests[*workflowservice.TerminateWorkflowExecutionRequest](f)) != len(asked) {
		t.Errorf("whichever execution is the newest was terminated: %v", err)
	}
}

func TestServed(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		polled []time.Duration // ago
		want   bool
	}{
		"by nobody":               {},
		"by one who waits":        {[]time.Duration{50 * time.Second}, true},
		"by one who has gone":     {[]time.Duration{2 * time.Minute}, false},
		"by one of two, at least": {[]time.Duration{4 * time.Minute, time.Second}, true},
	} {
		t.Run(name, func(t *testing.T) {
			client, f := dial(t, func(proto.Message) (proto.Message, error) {
				answer := &workflowservice.DescribeTaskQueueResponse{}
				for _, ago := range c.polled {
					answer.Pollers = append(answer.Pollers, &taskqueuepb.PollerInfo{LastAccessTime: timestamppb.New(now.Add(-ago))})
				}
				return answer, nil
			})
			got, err := client.Served(t.Context(), "fake/heal@1", now)
			if err != nil || got != c.want {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
			if queue := requests[*workflowservice.DescribeTaskQueueRequest](f)[0].GetTaskQueue().GetName(); queue != "galen/fake/heal@1" {
				t.Errorf("asked of %s", queue)
			}
		})
	}
	client, _ := dial(t, func(proto.Message) (proto.Message, error) { return nil, serviceerror.NewInvalidArgument("x") })
	if _, err := client.Served(t.Context(), "fake/heal@1", now); err == nil {
		t.Error("an error of the server was swallowed")
	}
}

// reverse is a codec that a test can read.
type reverse struct{}

func (reverse) Encode(in []*commonpb.Payload) ([]*commonpb.Payload, error) { return flip(in), nil }
func (reverse) Decode(in []*commonpb.Payload) ([]*commonpb.Payload, error) { return flip(in), nil }

func flip(in []*commonpb.Payload) []*commonpb.Payload {
	out := make([]*commonpb.Payload, len(in))
	for i, p := range in {
		data := make([]byte, len(p.GetData()))
		for j, b := range p.GetData() {
			data[len(data)-1-j] = b
		}
		out[i] = &commonpb.Payload{Metadata: p.GetMetadata(), Data: data}
	}
	return out
}

func TestCodecHidesPayloadsAndFailures(t *testing.T) {
	f := &frontend{answer: named(func(proto.Message) (proto.Message, error) {
		return &workflowservice.StartWorkflowExecutionResponse{RunId: "x"}, nil
	})}
	codecs := []converter.PayloadCodec{reverse{}}
	c, err := Dial(t.Context(), Options{Address: f.serve(t, nil), Logger: discard(), Codecs: codecs})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.StartRun(t.Context(), Start{Key: "w", Run: "abc"}); err != nil {
		t.Fatal(err)
	}
	stored := requests[*workflowservice.StartWorkflowExecutionRequest](f)[0].GetInput().GetPayloads()[0].GetData()
	if got := string(stored); got != `"cba"` {
		t.Errorf("stored %s, want it encoded", got)
	}
	failure := failureConverter(codecs).ErrorToFailure(errors.New("secret"))
	if strings.Contains(failure.GetMessage(), "secret") {
		t.Errorf("the failure says %q", failure.GetMessage())
	}
	if err := failureConverter(codecs).FailureToError(failure); !strings.Contains(err.Error(), "secret") {
		t.Errorf("decoded to %v", err)
	}
}

func TestReachTellsWhetherTheServerAnswers(t *testing.T) {
	cases := map[string]struct {
		answer error
		want   string // in the error, "" for none
	}{
		"no such workflow":    {answer: serviceerror.NewNotFound("no workflow")},
		"a workflow":          {},
		"namespace is gone":   {answer: serviceerror.NewNamespaceNotFound("galen"), want: "Namespace galen"},
		"not permitted":       {answer: serviceerror.NewPermissionDenied("no", ""), want: "does not answer"},
		"not even a word":     {answer: serviceerror.NewInvalidArgument("x"), want: "does not answer"},
		"down until deadline": {answer: serviceerror.NewUnavailable("down"), want: "does not answer"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			c, f := dial(t, nil)
			f.mu.Lock()
			f.answer = func(proto.Message) (proto.Message, error) {
				return &workflowservice.DescribeWorkflowExecutionResponse{}, k.answer
			}
			f.mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err := c.Reach(ctx)
			if (err == nil) != (k.want == "") || err != nil && !strings.Contains(err.Error(), k.want) {
				t.Errorf("got %v, want %q", err, k.want)
			}
		})
	}
}
