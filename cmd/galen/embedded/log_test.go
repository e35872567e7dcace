package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
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
	part.Warn("disk is slow")
	part.Error("disk is full")
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
