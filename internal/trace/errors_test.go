package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
)

// TestErrorsAreTold: in the form of the log, the same one once a minute, and of many different ones some.
func TestErrorsAreTold(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	var off *Tracer
	before := otel.GetErrorHandler()
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	if off.TellErrors(log, time.Now); otel.GetErrorHandler() != before {
		t.Error("somebody tells of the errors of no traces")
	}
	tr, _ := on(t)
	tr.TellErrors(log, time.Now)
	otel.Handle(errors.New("nobody answers"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["component"] != "traces" || line["error"] != "nobody answers" {
		t.Errorf("%v: %s", err, &out)
	}

	out.Reset()
	now := time.Now()
	l := &teller{log: log, now: func() time.Time { return now }, told: map[string]time.Time{}}
	for i := range 130 { // seconds
		l.Handle(errors.New("nobody answers"))
		l.Handle(nil)
		now = now.Add(time.Second)
		if told := strings.Count(out.String(), "\n"); told != 1+i/60 {
			t.Fatalf("told %d times after %d s", told, i)
		}
	}
	if !strings.Contains(out.String(), `"untold":59`) {
		t.Errorf("%s", &out)
	}
	for i := range 1000 {
		l.Handle(fmt.Errorf("the socket %d is closed", i))
	}
	if told := strings.Count(out.String(), "\n"); told != 3+tellMost-1 || len(l.told) > tellMost {
		t.Errorf("%d lines, %d kept", told, len(l.told))
	}
}

// TestErrorsAreCut: a collector may answer with a long page that differs each time, and cut within a character.
func TestErrorsAreCut(t *testing.T) {
	var out bytes.Buffer
	l := &teller{log: slog.New(slog.NewJSONHandler(&out, nil)), now: time.Now, told: map[string]time.Time{}}
	for i := range 2 * tellMost {
		l.Handle(fmt.Errorf("400 Bad Request: %s\xff%s%d", strings.Repeat("x", 100), strings.Repeat("\u00e9", 400_000), i))
	}
	var line struct{ Error string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil { // one line alone
		t.Fatalf("%v: %d bytes", err, out.Len())
	}
	if n := len(line.Error); n > valueLimit || n < valueLimit-4 || strings.ContainsRune(line.Error, '\uFFFD') || !strings.HasPrefix(line.Error, "400 Bad Request: x") {
		t.Errorf("%d bytes: %.600s", n, line.Error)
	}
}
