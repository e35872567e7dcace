package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/log/tag"
)

// TestLogWithoutNoise: a warning about what we do not use is left out, and so is what a stopping server says of calls that
// it breaks off itself; all else is told.
func TestLogWithoutNoise(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)))
	part := l.With()
	part.Warn("HTTP API port has not been set. Nexus HTTP endpoints will not be available. And so on.")
	if out.Len() > 0 {
		t.Errorf("at the start: %s", &out)
	}
	part.Error("Operation failed with internal error.", tag.Error(serviceerror.NewUnavailable("CreateTaskQueue operation failed. Error: context canceled")))
	part.Error("broken off", tag.Error(fmt.Errorf("poll: %w", context.Canceled)))
	if out.Len() > 0 {
		t.Errorf("of a caller that went away: %s", &out)
	}
	part.Error("Queue reader unable to retrieve tasks", tag.Error(errors.New("shard status unknown")))
	if got := out.String(); !strings.Contains(got, "level=WARN") || strings.Contains(got, "level=ERROR") {
		t.Errorf("of a queue that is read again: %s", got)
	}
	part.Warn("disk is slow")
	part.Error("disk is full", tag.Error(errors.New("no space left on device")))
	if got := out.String(); !strings.Contains(got, "disk is slow") || !strings.Contains(got, "disk is full") {
		t.Errorf("at work: %s", got)
	}
	out.Reset()
	l.stopping.Store(true)
	part.Warn("Failed to poll for task.")
	part.Error("service failures")
	if out.Len() > 0 {
		t.Errorf("at the stop: %s", &out)
	}
}
