package trace

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// Interceptors make a span of each workflow and activity, and carry it from the client to the workers. What is replayed is not told as
// something new.
func (t *Tracer) Interceptors() ([]interceptor.ClientInterceptor, error) {
	if t == nil {
		return nil, nil
	}
	i, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: t.tracer, TextMapPropagator: t.carrier, DisableBaggage: true, AllowInvalidParentSpans: true, SpanStarter: start,
		// A wake-up says nothing, and there are many.
		DisableSignalTracing: true, DisableQueryTracing: true, DisableUpdateTracing: true,
	})
	if err != nil {
		return nil, fmt.Errorf("trace Temporal: %w", err)
	}
	return []interceptor.ClientInterceptor{i}, nil
}

// The names of the SDK's spans begin so.
const (
	startsWorkflow = "StartWorkflow:"
	runsWorkflow   = "RunWorkflow:"
)

// start begins a span of the SDK's. Only the start of a workflow begins a trace: what belongs to one that was started without has none. The
// SDK begins the span of the workflow itself anew at each replay, in whatever engine: it is the same one each time, made of the start that
// it is below, so that what comes after a replay, or after an engine was killed, is below it as what came before.
func start(ctx context.Context, t oteltrace.Tracer, name string, o ...oteltrace.SpanStartOption) oteltrace.Span {
	parent := oteltrace.SpanContextFromContext(ctx)
	switch {
	case !parent.IsValid() && !strings.HasPrefix(name, startsWorkflow):
		return oteltrace.SpanFromContext(ctx) // none
	case strings.HasPrefix(name, runsWorkflow):
		ctx = context.WithValue(ctx, fixed{}, parent)
	}
	_, span := t.Start(ctx, name, o...)
	return span
}

// fixed is the key of the parent from which a span's ID is made.
type fixed struct{}

// ids are of chance, but for spans that must be the same when they begin again.
type ids struct{}

var _ sdktrace.IDGenerator = ids{}

// NewIDs implements [sdktrace.IDGenerator].
func (g ids) NewIDs(ctx context.Context) (oteltrace.TraceID, oteltrace.SpanID) {
	var id oteltrace.TraceID
	_, _ = rand.Read(id[:]) // it never fails
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements [sdktrace.IDGenerator].
func (ids) NewSpanID(ctx context.Context, _ oteltrace.TraceID) (id oteltrace.SpanID) {
	if parent, is := ctx.Value(fixed{}).(oteltrace.SpanContext); is {
		trace, span := parent.TraceID(), parent.SpanID()
		sum := sha256.Sum256(append(trace[:], span[:]...))
		copy(id[:], sum[:])
		return id
	}
	_, _ = rand.Read(id[:]) // it never fails
	return id
}
