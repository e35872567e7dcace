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
