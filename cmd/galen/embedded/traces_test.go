package embedded

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestTheServerTracesNothingOfItself: whoever asks for traces of runs gets none of the server's, and it starts whatever the collector speaks.
func TestTheServerTracesNothingOfItself(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for name, value := range map[string]string{
				tracesVariable: "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String(), "OTEL_BSP_SCHEDULE_DELAY": "20",
			} {
				t.Setenv(name, value)
			}
			s := startServer(t, t.TempDir(), discard())
			c := dialServer(t, s)
			defer c.Close()
			mustStart(t, c, "w", "run-1")
			if err := l.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server calls the collector: %v", err)
			}
			if got := os.Getenv(tracesVariable); got != "otlp" {
				t.Errorf("%s is %q for the rest of the process", tracesVariable, got)
			}
		})
	}
}
