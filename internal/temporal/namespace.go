package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// namespaceWait bounds how long a new namespace may take to reach the server's caches, which are refreshed every 2
	// to 10 s; namespacePoll is how often we look.
	namespaceWait = 20 * time.Second
	namespacePoll = 200 * time.Millisecond

	// probe is a workflow ID that nothing starts: see usable.
	probe = "galen-namespace-probe"
)

// ensureNamespace makes a missing namespace where that is permitted, and tells its ID, "" if it may not be asked for. A
// server that does not let us ask is believed to have it: the first call tells.
func ensureNamespace(ctx context.Context, s workflowservice.WorkflowServiceClient, name string, retention time.Duration) (id string, err error) {
	id, err = namespaceID(ctx, s, name)
	var missing *serviceerror.NamespaceNotFound
	switch {
	case err == nil:
		return id, usable(ctx, s, name)
	case !errors.As(err, &missing):
		return "", err
	}
	if err := makeNamespace(ctx, s, name, retention); err != nil {
		return "", err
	}
	if err := usable(ctx, s, name); err != nil {
		return "", err
	}
	return namespaceID(ctx, s, name)
}

func namespaceID(ctx context.Context, s workflowservice.WorkflowServiceClient, name string) (string, error) {
	answer, err := s.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: name})
	var denied *serviceerror.PermissionDenied
	if err != nil && !errors.As(err, &denied) {
		return "", fmt.Errorf("read namespace %s: %w", name, err)
	}
	return answer.GetNamespaceInfo().GetId(), nil
}

func makeNamespace(ctx context.Context, s workflowservice.WorkflowServiceClient, name string, retention time.Duration) error {
	_, err := s.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        name,
		Description:                      "runs of Galen",
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("namespace %s is missing and could not be made; make it, with a retention of at least %s, or name another: %w",
			name, retention, err)
	}
	return nil
}

// usable waits until the server knows the namespace in the calls that matter. A question about a workflow that can not
// exist is the cheapest of them: "no such workflow" means that the namespace is there.
func usable(ctx context.Context, s workflowservice.WorkflowServiceClient, name string) error {
	ctx, cancel := context.WithTimeout(ctx, namespaceWait)
	defer cancel()
	tick := time.NewTicker(namespacePoll)
	defer tick.Stop()
	for {
		_, err := s.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: name,
			Execution: &commonpb.WorkflowExecution{WorkflowId: probe},
		})
		var absent *serviceerror.NotFound
		if err == nil || errors.As(err, &absent) {
			return nil
		}
		var missing *serviceerror.NamespaceNotFound
		if !errors.As(err, &missing) {
			return fmt.Errorf("use namespace %s: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("namespace %s is not usable after %s: %w", name, namespaceWait, err)
		case <-tick.C:
		}
	}
}
