// Package trace tells OpenTelemetry what a run went through, from the call that asked for it to its end. It is off unless the
// environment names a collector; a nil [Tracer] is off, and then nothing is made, sent or stored.
package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

const (
	name = "galen"
	// parentHeader is W3C's; longest is more than its form needs.
	parentHeader = "traceparent"
	longest      = 64
	// valueLimit cuts what a span says, and what is said of spans.
	valueLimit = 512
	stopLimit  = 3 * time.Second
)

// Tracer makes spans. It is safe for concurrent use; nil makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   oteltrace.Tracer
	carrier  propagation.TraceContext
}

// FromEnv is what the standard OTEL_* variables say, nil when they name no collector. The libraries read the rest of them
// (headers, certificates, sampler, batches) themselves.
func FromEnv(ctx context.Context, env func(string) string, version string) (*Tracer, error) {
	on, err := wanted(env)
	if err != nil || !on {
		return nil, err
	}
	var exporter sdktrace.SpanExporter
	switch protocol := firstOf(env, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf":
		exporter, err = otlptracehttp.New(ctx)
	case "grpc":
		exporter, err = otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q: want http/protobuf or grpc", protocol)
	}
	if err != nil {
		return nil, fmt.Errorf("traces to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names: %w", err)
	}
	return New(ctx, version, sdktrace.WithBatcher(readable{exporter}))
}

// wanted tells whether the environment asks for traces.
func wanted(env func(string) string) (bool, error) {
	exporter := env("OTEL_TRACES_EXPORTER")
	switch {
	case env("OTEL_SDK_DISABLED") == "true" || exporter == "none":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%q: want otlp or none", exporter)
	}
	return exporter == "otlp" || firstOf(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != "", nil
}

func firstOf(env func(string) string, names ...string) string {
	for _, n := range names {
		if v := env(n); v != "" {
			return v
		}
	}
	return ""
}

// New sends spans where an option says.
func New(ctx context.Context, version string, to ...sdktrace.TracerProviderOption) (*Tracer, error) {
	of, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", name), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	limits := sdktrace.NewSpanLimits() // those of the environment
	if limits.AttributeValueLengthLimit < 0 {
		limits.AttributeValueLengthLimit = valueLimit
	}
	p := sdktrace.NewTracerProvider(append(to, sdktrace.WithIDGenerator(ids{}), sdktrace.WithResource(of), sdktrace.WithRawSpanLimits(limits))...)
	return &Tracer{provider: p, tracer: p.Tracer(name)}, nil
}

// Stop sends what was not sent yet, for a while.
func (t *Tracer) Stop() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// Within begins a span below the one of the context; without one there nothing begins, so that what nobody asked for makes no trace.
// Pairs are names and values in turn. The end may add pairs, too.
func (t *Tracer) Within(ctx context.Context, what string, pairs ...string) (context.Context, func(error, ...string)) {
	if t == nil || !oteltrace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(error, ...string) {}
	}
	return t.begin(ctx, what, oteltrace.SpanKindInternal, pairs)
}

func (t *Tracer) begin(ctx context.Context, what string, kind oteltrace.SpanKind, pairs []string) (context.Context, func(error, ...string)) {
	ctx, span := t.tracer.Start(ctx, what, oteltrace.WithSpanKind(kind), oteltrace.WithAttributes(attributes(pairs)...))
	return ctx, func(err error, more ...string) {
		span.SetAttributes(attributes(more)...)
		if err != nil {
			span.SetStatus(codes.Error, short(err.Error()))
		}
		span.End()
	}
}

func attributes(pairs []string) []attribute.KeyValue {
	var out []attribute.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, attribute.String(pairs[i], pairs[i+1]))
	}
	return out
}

// Note adds pairs to the span of the context, if there is one.
func (t *Tracer) Note(ctx context.Context, pairs ...string) {
	if t != nil {
		oteltrace.SpanFromContext(ctx).SetAttributes(attributes(pairs)...)
	}
}

// Carry is the context's span as text that can be stored, in the form of W3C's traceparent; "" when there is none.
func (t *Tracer) Carry(ctx context.Context) string {
	if t == nil {
		return ""
	}
	m := propagation.MapCarrier{}
	t.carrier.Inject(ctx, m)
	return m[parentHeader]
}

// Join goes on below a span that was carried; what is none changes nothing.
func (t *Tracer) Join(ctx context.Context, parent string) context.Context {
	if t == nil || len(parent) > longest {
		return ctx
	}
	return t.carrier.Extract(ctx, propagation.MapCarrier{parentHeader: parent})
}

// Link ties the span of the context to one that was carried, of another trace; what is none changes nothing.
func (t *Tracer) Link(ctx context.Context, to string) {
	if t == nil {
		return
	}
	if other := oteltrace.SpanContextFromContext(t.Join(context.Background(), to)); other.IsValid() {
		oteltrace.SpanFromContext(ctx).AddLink(oteltrace.Link{SpanContext: other})
	}
}

// Around makes a span of each call that changes something, below the one of its caller, with the status that the writer of the answer tells
// of (Status() int).
func (t *Tracer) Around(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		what := r.Pattern // ours, never what was asked for
		ctx, end := t.begin(t.Join(r.Context(), r.Header.Get(parentHeader)), what, oteltrace.SpanKindServer, []string{"http.request.method", r.Method, "http.route", what})
		err := errors.New("the answer was broken off")
		defer func() { end(err) }()
		next.ServeHTTP(w, r.WithContext(ctx))
		err = told(ctx, w)
	})
}

// told notes the status of an answer, and errs if the fault is ours. Who writes no status says that all is well.
func told(ctx context.Context, w http.ResponseWriter) error {
	s, knows := w.(interface{ Status() int })
	if !knows {
		return nil
	}
	status := cmp.Or(s.Status(), http.StatusOK)
	oteltrace.SpanFromContext(ctx).SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		return errors.New(http.StatusText(status))
	}
	return nil
}

// short cuts a text, of which no part of a character is left.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), valueLimit)], "")
}
