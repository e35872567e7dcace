package trace

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

func env(of map[string]string) func(string) string {
	return func(name string) string { return of[name] }
}

func TestFromEnv(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		on   bool
		says string
	}{
		"nothing":           {},
		"an endpoint":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true, ""},
		"one of traces":     {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true, ""},
		"the default":       {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		"none":              {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, false, ""},
		"disabled":          {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, false, ""},
		"another exporter":  {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, "want otlp or none"},
		"a form of its own": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, false, "want http/protobuf or grpc"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FromEnv(t.Context(), env(c.env), "test")
			if (got != nil) != c.on || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v %v", got, err)
			}
			if err := got.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOff: a nil tracer does what the engine does without traces.
func TestOff(t *testing.T) {
	var off *Tracer
	ctx, end := off.Within(t.Context(), "x")
	end(errors.New("x"))
	if ctx != t.Context() || off.Carry(ctx) != "" || off.Join(ctx, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") != ctx {
		t.Error("something is made")
	}
	if i, err := off.Interceptors(); i != nil || err != nil {
		t.Error(i, err)
	}
	next := http.NewServeMux()
	off.Link(t.Context(), parent)
	if off.Around(next) != http.Handler(next) {
		t.Error("something stands before each call")
	}
}

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func on(t *testing.T) (*Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	tr, err := New(t.Context(), "test", sdktrace.WithSyncer(kept))
	if err != nil {
		t.Fatal(err)
	}
	return tr, kept
}

// TestSpans: a span is below whoever asked, what is long is cut, and nothing begins where nobody asked.
func TestSpans(t *testing.T) {
	tr, kept := on(t)
	_, end := tr.Within(t.Context(), "alone")
	end(nil)
	ctx, end := tr.Within(tr.Join(t.Context(), parent), "below", "why", strings.Repeat("x", 10_000))
	carried := tr.Carry(ctx)
	_, inner := tr.Within(tr.Join(context.Background(), carried), "carried")
	inner(errors.New(strings.Repeat("e", 10_000)))
	end(nil, "answer", "sent")
	spans := kept.GetSpans()
	if len(spans) != 2 || spans[0].Name != "carried" || spans[1].Name != "below" {
		t.Fatalf("%+v", spans)
	}
	if spans[0].Parent.SpanID() != spans[1].SpanContext.SpanID() || spans[1].Parent.SpanID().String() != "00f067aa0ba902b7" || spans[1].SpanContext.TraceID().String() != parent[3:35] {
		t.Errorf("not below each other: %+v", spans)
	}
	if len(spans[1].Attributes[0].Value.AsString()) != valueLimit || len(spans[0].Status.Description) != valueLimit || len(spans[1].Attributes) != 2 {
		t.Errorf("not cut: %+v", spans[1].Attributes)
	}
	for _, odd := range []string{"", "x", parent + "-more-of-it-than-any-traceparent-has", strings.Replace(parent, "4bf", "???", 1), "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"} {
		if got := tr.Carry(tr.Join(t.Context(), odd)); got != "" {
			t.Errorf("%q is taken for the span %s", odd, got)
		}
	}
}

// TestLink: a span is tied to one of another trace, and to nothing that is none.
func TestLink(t *testing.T) {
	tr, kept := on(t)
	ctx, end := tr.Within(tr.Join(t.Context(), strings.Replace(parent, "4bf", "aaa", 1)), "call")
	for _, to := range []string{parent, "", "x"} {
		tr.Link(ctx, to)
	}
	tr.Link(t.Context(), parent) // without a span
	end(nil)
	if spans := kept.GetSpans(); len(spans) != 1 || len(spans[0].Links) != 1 || spans[0].Links[0].SpanContext.TraceID().String() != parent[3:35] {
		t.Errorf("%+v", spans)
	}
}

// TestTheSpanOfAWorkflow: it is the same one at each replay, and only the start of a workflow begins a trace.
func TestTheSpanOfAWorkflow(t *testing.T) {
	tr, kept := on(t)
	for _, name := range []string{"RunWorkflow:Run", "StartActivity:Act", "RunActivity:Act"} {
		if span := start(t.Context(), tr.tracer, name); span.SpanContext().IsValid() {
			t.Errorf("%s begins a trace", name)
		}
	}
	begun := start(t.Context(), tr.tracer, "StartWorkflow:Run")
	ctx := oteltrace.ContextWithSpan(t.Context(), begun)
	first, again := start(ctx, tr.tracer, "RunWorkflow:Run"), start(ctx, tr.tracer, "RunWorkflow:Run")
	other := start(oteltrace.ContextWithSpan(t.Context(), first), tr.tracer, "RunWorkflow:Run")
	act, act2 := start(ctx, tr.tracer, "StartActivity:Act"), start(ctx, tr.tracer, "StartActivity:Act")
	for _, s := range []oteltrace.Span{begun, first, again, other, act, act2} {
		s.End()
	}
	ids := map[string]bool{}
	for _, s := range kept.GetSpans() {
		if s.SpanContext.TraceID() != begun.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name)
		}
		ids[s.SpanContext.SpanID().String()] = true
	}
	if len(ids) != 5 || first.SpanContext().SpanID() != again.SpanContext().SpanID() {
		t.Errorf("%d IDs of 6 spans, want 5: the workflow's span is the same at each replay", len(ids))
	}
}

// TestAround: a call that changes something has a span by the name of its route, whatever is asked for; a look has none.
func TestAround(t *testing.T) {
	tr, kept := on(t)
	mux := http.NewServeMux()
	mux.Handle("/things/{id}", tr.Around(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && tr.Carry(r.Context()) == "" {
			t.Error("no span in the call")
		}
	})))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := httptest.NewRequest(method, "/things/%22%3B-evil", nil)
		r.Header.Set("Traceparent", parent)
		mux.ServeHTTP(httptest.NewRecorder(), r)
	}
	if spans := kept.GetSpans(); len(spans) != 1 || spans[0].Name != "/things/{id}" || spans[0].Parent.TraceID().String() != parent[3:35] {
		t.Errorf("%+v", spans)
	}
}

// status is a writer that tells what was written, as the API's does.
type status struct {
	*httptest.ResponseRecorder
	said int
}

func (s *status) WriteHeader(code int) {
	s.said = code
	s.ResponseRecorder.WriteHeader(code)
}

func (s *status) Status() int { return s.said }

// TestTheStatusOfACall: its span has it, and is an error where the fault is ours.
func TestTheStatusOfACall(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		status int64
		bad    bool
	}{
		"nothing is said": {func(http.ResponseWriter) {}, 200, false},
		"created":         {func(w http.ResponseWriter) { w.WriteHeader(201) }, 201, false},
		"the caller's":    {func(w http.ResponseWriter) { w.WriteHeader(404) }, 404, false},
		"ours":            {func(w http.ResponseWriter) { w.WriteHeader(503) }, 503, true},
		"a panic":         {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			tr, kept := on(t)
			h := tr.Around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w) }))
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(&status{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest(http.MethodPost, "/", nil))
			}()
			span := kept.GetSpans()[0]
			var got int64
			for _, a := range span.Attributes {
				if a.Key == "http.response.status_code" {
					got = a.Value.AsInt64()
				}
			}
			if got != c.status || (span.Status.Code == codes.Error) != c.bad {
				t.Errorf("status %d, %+v", got, span.Status)
			}
		})
	}
}

// FuzzJoin: no header brings more than a well-formed span.
func FuzzJoin(f *testing.F) {
	f.Add(parent)
	f.Add("00-00000000000000000000000000000000-0000000000000000-00")
	f.Add("ff-x")
	tr, err := New(context.Background(), "test")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if got := tr.Carry(tr.Join(t.Context(), header)); got != "" && (len(got) != len(parent) || strings.Trim(got, "0123456789abcdef-") != "") {
			t.Errorf("%q became %q", header, got)
		}
	})
}
