package trace

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// readable is an exporter to which all texts are UTF-8. What a node or a driver says may be none, and protobuf would refuse a whole batch
// of spans for one byte.
type readable struct{ sdktrace.SpanExporter }

// ExportSpans implements [sdktrace.SpanExporter].
func (r readable) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	out := make([]sdktrace.ReadOnlySpan, 0, len(spans))
	for _, s := range spans {
		out = append(out, readableSpan{s})
	}
	return r.SpanExporter.ExportSpans(ctx, out)
}

type readableSpan struct{ sdktrace.ReadOnlySpan }

func utf8Of(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Name implements [sdktrace.ReadOnlySpan].
func (s readableSpan) Name() string { return utf8Of(s.ReadOnlySpan.Name()) }

// Status implements [sdktrace.ReadOnlySpan].
func (s readableSpan) Status() sdktrace.Status {
	out := s.ReadOnlySpan.Status()
	out.Description = utf8Of(out.Description)
	return out
}

// Attributes implements [sdktrace.ReadOnlySpan].
func (s readableSpan) Attributes() []attribute.KeyValue {
	return readableValues(s.ReadOnlySpan.Attributes())
}

// Events implements [sdktrace.ReadOnlySpan].
func (s readableSpan) Events() []sdktrace.Event {
	var out []sdktrace.Event
	for _, e := range s.ReadOnlySpan.Events() {
		e.Name, e.Attributes = utf8Of(e.Name), readableValues(e.Attributes)
		out = append(out, e)
	}
	return out
}

func readableValues(all []attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(all))
	for _, one := range all {
		if one.Value.Type() == attribute.STRING {
			one.Value = attribute.StringValue(utf8Of(one.Value.AsString()))
		}
		out = append(out, one)
	}
	return out
}
