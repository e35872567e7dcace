package alerting

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/crash/victim"
)

// receiver is a collector of OTLP over HTTP that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	bad   []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.take(req); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.bad = append(r.bad, err.Error())
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf") // an empty answer: all was taken
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(req *http.Request) error {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			return err
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	var in collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &in)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		return fmt.Errorf("%s: %w", req.URL.Path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range in.GetResourceSpans() {
		for _, s := range of.GetScopeSpans() {
			r.spans = append(r.spans, s.GetSpans()...)
		}
	}
	return nil
}

// of is what was received of one trace.
func (r *receiver) of(trace string) (spans []*tracepb.Span, bad []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			spans = append(spans, s)
		}
	}
	return spans, slices.Clone(r.bad)
}

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerID = "00f067aa0ba902b7"
)

// TestATraceFromThePostToVerified: whoever posts an alert with a traceparent finds the whole healing below their span.
func TestATraceFromThePostToVerified(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	to := newReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	s := stage(ctx, t, victim.StageOptions{Policy: sightless()})
	must(t, s.Break(ctx, "n3", ring.Kill))
	post(ctx, t, s)
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	want := []string{
		"POST /v1/alerts/alertmanager", "match alert", "StartWorkflow:RunLocal", "RunWorkflow:RunLocal", "StartActivity:Decide", "RunActivity:Decide", "look",
		"gate", "call start", "RunActivity:Close", "end verified",
	}
	var spans []*tracepb.Span
	await(ctx, t, "the whole trace has arrived", func() (bool, string) {
		var bad []string
		spans, bad = to.of(traceID)
		missing := slices.DeleteFunc(slices.Clone(want), func(name string) bool {
			return slices.ContainsFunc(spans, func(s *tracepb.Span) bool { return s.GetName() == name })
		})
		return len(missing) == 0, fmt.Sprintf("%d spans, missing %q, bad %q", len(spans), missing, bad)
	})
	linked(t, spans, "end verified", want[:4], run.ID)
	linked(t, spans, "call start", []string{"POST /v1/alerts/alertmanager", "RunWorkflow:RunLocal", "RunActivity:Decide", "gate"}, run.ID)
}

// post sends the alert that Alertmanager would.
func post(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	body, err := json.Marshal(object{"version": "4", "alerts": []object{{
		"status": "firing", "fingerprint": "f1", "startsAt": time.Now(),
		"labels": object{"alertname": "CassandraNodeDown", "cluster": "demo", "instance": "127.0.0.3:9404"},
	}}})
	must(t, err)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Engine.Server()+"/v1/alerts/alertmanager", bytes.NewReader(body))
	must(t, err)
	token, err := os.ReadFile(filepath.Join(s.Engine.Data, "token"))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Traceparent", "00-"+traceID+"-"+callerID+"-01")
	res, err := http.DefaultClient.Do(r)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode/100 != 2 {
		t.Fatal(res.Status)
	}
}

// linked: from a span upwards one comes by all of those to the caller's own, and the span says of which run it is.
func linked(t *testing.T, spans []*tracepb.Span, from string, through []string, run string) {
	t.Helper()
	byID := map[string]*tracepb.Span{}
	var at *tracepb.Span
	for _, s := range spans {
		byID[hex.EncodeToString(s.GetSpanId())] = s
		if s.GetName() == from {
			at = s
		}
	}
	if !strings.Contains(fmt.Sprint(at.GetAttributes()), run) {
		t.Errorf("%s does not say that it is of run %s: %v", from, run, at.GetAttributes())
	}
	var path []string
	parent := ""
	for ; at != nil; at = byID[parent] {
		path = append(path, at.GetName())
		parent = hex.EncodeToString(at.GetParentSpanId())
	}
	if parent != callerID {
		t.Errorf("%q ends below %s, want the caller's span %s", path, parent, callerID)
	}
	for _, name := range through {
		if !slices.Contains(path, name) {
			t.Errorf("%q does not come by %s", path, name)
		}
	}
	t.Logf("%s", strings.Join(path, " < "))
}
