package temporal

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/galenhq/galen/internal/certtest"
)

// frontend is a Temporal frontend on loopback that answers from a script. What it is asked is kept.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	answer func(request proto.Message) (proto.Message, error)

	mu    sync.Mutex
	asked []proto.Message
	meta  []metadata.MD
}

// serve listens until the test ends.
func (f *frontend) serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	var o []grpc.ServerOption
	if config != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(append(o, grpc.UnaryInterceptor(f.intercept))...)
	workflowservice.RegisterWorkflowServiceServer(server, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func (f *frontend) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	message := request.(proto.Message)
	md, _ := metadata.FromIncomingContext(ctx)
	f.mu.Lock()
	f.asked, f.meta = append(f.asked, message), append(f.meta, md)
	next := f.answer
	f.mu.Unlock()
	if _, ok := message.(*workflowservice.GetSystemInfoRequest); ok {
		return &workflowservice.GetSystemInfoResponse{}, nil
	}
	answer, err := next(message)
	if err != nil {
		return nil, serviceerror.ToStatus(err).Err()
	}
	return answer, nil
}

// requests are the calls of one type, in order.
func requests[T proto.Message](f *frontend) []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []T
	for _, m := range f.asked {
		if r, ok := m.(T); ok {
			out = append(out, r)
		}
	}
	return out
}

// named answers as a server that has the namespace and no workflow; other calls go to next.
func named(next func(proto.Message) (proto.Message, error)) func(proto.Message) (proto.Message, error) {
	return func(m proto.Message) (proto.Message, error) {
		switch r := m.(type) {
		case *workflowservice.DescribeNamespaceRequest:
			return &workflowservice.DescribeNamespaceResponse{}, nil
		case *workflowservice.DescribeWorkflowExecutionRequest:
			if r.GetExecution().GetWorkflowId() == probe {
				return nil, serviceerror.NewNotFound("workflow not found")
			}
		}
		return next(m)
	}
}

// dial connects to a frontend that answers so, with the namespace there.
func dial(t *testing.T, answer func(proto.Message) (proto.Message, error)) (*Client, *frontend) {
	t.Helper()
	f := &frontend{answer: named(answer)}
	c, err := Dial(t.Context(), Options{Address: f.serve(t, nil), Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, f
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// keyPair is a certificate that signs itself for 127.0.0.1 and the given name, and its key.
func keyPair(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	return certtest.SelfSigned(t, at(2000), at(2200), name, "127.0.0.1")
}
