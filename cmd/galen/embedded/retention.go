package embedded

import (
	"context"
	"fmt"
	"time"

	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

func retentionProto(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

// applyRetention is the first call to the new server, so it also proves that the server answers. A changed option
// reaches a namespace that an earlier start made.
func (s *Server) applyRetention(ctx context.Context, want time.Duration) (err error) {
	c, err := client.DialContext(ctx, s.ClientOptions())
	if err != nil {
		return fmt.Errorf("reach the server at %s: %w", s.address, err)
	}
	defer c.Close()
	got, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", s.namespace, err)
	}
	if got.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() == want {
		return nil
	}
	if _, err := c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: s.namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: retentionProto(want)},
	}); err != nil {
		return fmt.Errorf("set the retention of namespace %s to %s: %w", s.namespace, want, err)
	}
	return nil
}
