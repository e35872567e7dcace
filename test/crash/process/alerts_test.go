package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/ringd"
)

// alert is a message of Alertmanager with one alert about a node.
func alert(address string) string {
	return fmt.Sprintf(`{"version":"4","status":"firing","receiver":"galen","groupKey":"{}","alerts":[{"status":"firing",
		"labels":{"alertname":"CassandraDown","cluster":"demo","instance":"%s:9042"},"annotations":{"summary":"down"},
		"startsAt":"2026-01-02T03:04:05Z","fingerprint":"f-%s"}]}`, address, address)
}

// post sends what Alertmanager would send, with the engine's token, and returns the status and the answer.
func post(ctx context.Context, e *engine.Engine, body io.Reader) (status int, text string, err error) {
	c, err := e.Client()
	if err != nil {
		return 0, "", err
	}
	res, err := c.PostAlertmanagerWithBodyWithResponse(ctx, "application/json", body)
	if err != nil {
		return 0, "", err
	}
	return res.StatusCode(), string(res.Body), nil
}

// The same alert 1,000 times, before, while and after the node is healed: one run, one start.
func TestTheSameAlertAThousandTimes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: 20})
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill))
	const senders, each = 10, 100
	var wg sync.WaitGroup
	began := time.Now()
	for range senders {
		wg.Go(func() {
			for range each {
				status, text, err := post(ctx, s.Engine, strings.NewReader(alert("127.0.0.3")))
				if err != nil || status != http.StatusAccepted {
					t.Errorf("an alert was answered with %d %s (%v)", status, text, err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	_, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	for range each {
		status, text, err := post(ctx, s.Engine, strings.NewReader(alert("127.0.0.3")))
		if err != nil || status != http.StatusAccepted || !strings.Contains(text, `"duplicates":1`) {
			t.Fatalf("a late duplicate was answered with %d %s (%v)", status, text, err)
		}
	}
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, 1)
	whole(ctx, t, s)
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	if len(calls) != 1 {
		t.Errorf("%d calls, want one start: %+v", len(calls), calls)
	}
	events, err := copied(t, s).Events(ctx, journal.EventFilter{Kind: galen.EventAlert})
	must(t, err)
	if len(events) != 1 {
		t.Errorf("%d alerts in the journal, want 1", len(events))
	}
	t.Logf("%d alerts of %d senders taken in %s, %.0f/s", senders*each, senders, took.Round(time.Millisecond), senders*each/took.Seconds())
}

// An alert for a healthy node: reads only.
func TestAnAlertThatNothingConfirms(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: 20, Policy: map[string]any{"confirm_for": "1s"}})
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	status, text, err := post(ctx, s.Engine, strings.NewReader(alert("127.0.0.2")))
	must(t, err)
	if status != http.StatusAccepted {
		t.Fatalf("answered with %d %s", status, text)
	}
	run, err := s.AwaitRun(ctx, galen.RunNotConfirmed)
	must(t, err)
	if lived := run.Ended.Sub(run.Created); lived < time.Second {
		t.Errorf("gave up after %s, want it to look on for 1 s", lived)
	}
	calls, err := s.Ring.Calls(ctx)
	must(t, err)
	if len(calls) > 0 {
		t.Errorf("calls for an alert that nothing confirms: %+v", calls)
	}
	must(t, s.Engine.Kill())
	whole(ctx, t, s)
}
