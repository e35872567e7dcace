package trace

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
)

// bytesCodec takes messages as they come: what a span says stands in them as it is.
type bytesCodec struct{}

func (bytesCodec) Marshal(any) ([]byte, error) { return nil, nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// collector is a receiver of OTLP, by HTTP or gRPC.
type collector struct {
	mu  sync.Mutex
	got map[string][]string // by what was called
}

func (c *collector) take(call string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got == nil {
		c.got = map[string][]string{}
	}
	c.got[call] = append(c.got[call], string(body))
}

func (c *collector) http(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.take(r.URL.Path, body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (c *collector) grpc(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(bytesCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		call, _ := grpc.MethodFromServerStream(stream)
		var body []byte
		if err := stream.RecvMsg(&body); err != nil {
			return err
		}
		c.take(call, body)
		return stream.SendMsg(nil)
	}))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestCollectors: spans arrive at a collector by HTTP and by gRPC, also beside one that says what is no text.
func TestCollectors(t *testing.T) {
	for protocol, call := range map[string]string{"http/protobuf": "/v1/traces", "grpc": "/opentelemetry.proto.collector.trace.v1.TraceService/Export"} {
		t.Run(protocol, func(t *testing.T) {
			c := &collector{}
			at := map[string]func(*testing.T) string{"http/protobuf": c.http, "grpc": c.grpc}[protocol](t)
			of := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": at, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_RESOURCE_ATTRIBUTES": "team=sre"}
			for name, value := range of {
				t.Setenv(name, value) // the exporters read it themselves
			}
			tr, err := FromEnv(t.Context(), env(of), "v-test")
			if err != nil {
				t.Fatal(err)
			}
			ctx := tr.Join(t.Context(), parent)
			_, end := tr.Within(ctx, "a good span")
			end(nil)
			_, end = tr.Within(ctx, "a span of a node", "galen.why", "a \xff b")
			end(errors.New("a node said \xff\xfe" + strings.Repeat("ä", valueLimit)))
			if err := tr.Stop(); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			got := strings.Join(c.got[call], "")
			for _, want := range []string{"a good span", "a span of a node", "a \uFFFD b", "a node said ", "service.name", "v-test", "sre"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q came: %q", want, c.got)
				}
			}
		})
	}
}
