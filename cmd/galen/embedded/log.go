package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// logger hands the server's warnings and errors to slog. Its info level is about itself, some 200 lines a start.
type logger struct {
	out *slog.Logger
	// stopping: what the server says of the calls that it breaks off itself is no news, it goes to the debug level.
	stopping *atomic.Bool
}

func newLogger(out *slog.Logger) logger {
	return logger{out: out.With(slog.String("component", "temporal_server")), stopping: &atomic.Bool{}}
}

// noNexus begins a warning at each start about endpoints that the engine does not use.
const noNexus = "HTTP API port has not been set. Nexus HTTP endpoints will not be available."

func (l logger) Debug(string, ...tag.Tag) {}
func (l logger) Info(string, ...tag.Tag)  {}
func (l logger) Error(msg string, tags ...tag.Tag) {
	level := l.unlessStopping(slog.LevelError)
	switch {
	case endsWith(tags, context.Canceled.Error()):
		level = slog.LevelDebug // the caller went away in the middle of the call, as a worker does that stops while it polls; it knows that itself
	case endsWith(tags, "shard status unknown"):
		level = min(level, slog.LevelWarn) // a queue was read while its shard was being taken up, as at a start on a busy machine; it is read again
	}
	l.write(level, msg, tags)
}
func (l logger) DPanic(msg string, tags ...tag.Tag) { l.write(slog.LevelError, msg, tags) }
func (l logger) With(tags ...tag.Tag) log.Logger {
	return logger{l.out.With(attrs(tags)...), l.stopping}
}

// Warn tells all but [noNexus].
func (l logger) Warn(msg string, tags ...tag.Tag) {
	if !strings.HasPrefix(msg, noNexus) {
		l.write(l.unlessStopping(slog.LevelWarn), msg, tags)
	}
}

// endsWith tells how the error of a message ends. A tag keeps only its text.
func endsWith(tags []tag.Tag, text string) bool {
	return slices.ContainsFunc(tags, func(t tag.Tag) bool { return t.Key() == "error" && strings.HasSuffix(fmt.Sprint(t.Value()), text) })
}

func (l logger) unlessStopping(level slog.Level) slog.Level {
	if l.stopping.Load() {
		return slog.LevelDebug
	}
	return level
}

// Panic is called where the server can not go on in this goroutine.
func (l logger) Panic(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal must not return, since the server goes on with a nil otherwise, and it comes from goroutines of the server that
// nobody can recover. Every durable thing is in SQLite, so ending here is as good as a kill.
func (l logger) Fatal(msg string, tags ...tag.Tag) {
	l.write(slog.LevelError, msg+" (the embedded Temporal server can not go on; start the engine again)", tags)
	os.Exit(1)
}

func (l logger) write(level slog.Level, msg string, tags []tag.Tag) {
	l.out.Log(context.Background(), level, "temporal server", append(attrs(tags), slog.String("text", msg))...)
}

func attrs(tags []tag.Tag) []any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = slog.Any(strings.ReplaceAll(t.Key(), "-", "_"), t.Value())
	}
	return out
}
