package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Examined is how a server stands to an engine.
type Examined struct {
	// Missing: the namespace is not there.
	Missing bool
	// Retention of closed workflows, 0 if it may not be asked for.
	Retention time.Duration
	// Polled is when each of the queues was asked for work last, by the server's clock; the zero time: by nobody.
	Polled map[string]time.Time
}

// Examine looks at a server and changes nothing: unlike [Dial] it makes no namespace. needs are as in [Client.Queue].
func Examine(ctx context.Context, o Options, needs []string) (Examined, error) {
	out := Examined{Polled: map[string]time.Time{}}
	o = o.withDefaults()
	so, err := o.sdk()
	if err != nil {
		return out, fmt.Errorf("look at Temporal at %s: %w", o.Address, err)
	}
	c, err := client.DialContext(ctx, so)
	if err != nil {
		return out, fmt.Errorf("look at Temporal at %s: %w", o.Address, err)
	}
	defer c.Close()
	answer, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace})
	var missing *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case errors.As(err, &missing):
		out.Missing = true
		return out, nil
	case err != nil && !errors.As(err, &denied):
		return out, fmt.Errorf("look at the namespace %s: %w", o.Namespace, err)
	}
	out.Retention = answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	of := &Client{sdk: c, journal: o.Journal}
	for _, need := range needs {
		polled, err := of.polled(ctx, need)
		if err != nil {
			return out, err
		}
		out.Polled[need] = polled
	}
	return out, nil
}

// polled is when somebody asked for work last, by the server's clock.
func (c *Client) polled(ctx context.Context, needs string) (time.Time, error) {
	var newest time.Time
	answer, err := c.sdk.DescribeTaskQueue(ctx, c.Queue(needs), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
	if err != nil {
		return newest, fmt.Errorf("ask who polls %s: %w", c.Queue(needs), err)
	}
	for _, p := range answer.GetPollers() {
		if at := p.GetLastAccessTime().AsTime(); at.After(newest) {
			newest = at
		}
	}
	return newest, nil
}
