package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

func alertBody(fingerprint, instance, status string) string {
	return fmt.Sprintf(`{"status":%q,"labels":{"alertname":"DatabaseDown","cluster":"demo","instance":%q},"startsAt":"2026-11-23T12:00:00Z","fingerprint":%q}`,
		status, instance, fingerprint)
}

func post(t *testing.T, c *api.ClientWithResponses, alerts ...string) (int, api.Accepted) {
	t.Helper()
	body := `{"version":"4","alerts":[` + strings.Join(alerts, ",") + `]}`
	got, err := c.PostAlertmanagerWithBodyWithResponse(t.Context(), "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, api.Accepted{}
	}
	accepted := api.Accepted{}
	if got.JSON202 != nil {
		accepted = *got.JSON202
	}
	return got.StatusCode(), accepted
}

// matched waits until nothing is pending.
func (e *Engine) matched(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		pending, err := e.journal.PendingAlerts(t.Context(), 0, 10)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d alerts pending, %v", len(pending), err)
		}
		if len(pending) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestThousandAlertsOneRun: a thousand calls with the same alert, then a thousand different alerts for the same member.
func TestThousandAlertsOneRun(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	c := served(t, e)
	began := time.Now()
	var stored, duplicates int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				status, got := post(t, c, alertBody("same", "db-1", "firing"))
				if status != 202 {
					t.Errorf("status %d", status)
				}
				mu.Lock()
				stored, duplicates = stored+got.Stored, duplicates+got.Duplicates
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if stored != 1 || duplicates != 999 {
		t.Errorf("%d stored, %d duplicates", stored, duplicates)
	}
	t.Logf("1,000 calls in %s", time.Since(began))
	began = time.Now()
	alerts := make([]string, 1000)
	for i := range alerts {
		alerts[i] = alertBody(fmt.Sprint("storm-", i), "db-1:9100", "firing")
	}
	if status, got := post(t, c, alerts...); status != 202 || got.Stored != 1000 {
		t.Errorf("%d %+v", status, got)
	}
	t.Logf("1,000 alerts of one call in %s", time.Since(began))
	e.matched(t)
	runs, err := e.journal.Runs(t.Context(), journal.RunFilter{})
	if err != nil || len(runs) != 1 || !runs[0].FromAlert() || runs[0].Runbook != "fake/heal" {
		t.Fatalf("%d runs: %+v %v", len(runs), runs, err)
	}
	if status, _ := post(t, c, alertBody("same", "db-1", "resolved"), alertBody("u", "db-77", "firing")); status != 202 {
		t.Errorf("status %d", status)
	}
	e.matched(t)
	again, err := e.journal.Runs(t.Context(), journal.RunFilter{})
	if err != nil || len(again) != 1 || !again[0].Status.Open() || again[0].Stop != "" {
		t.Errorf("after resolved and unknown: %+v %v", again, err)
	}
	ofDemo, err := e.journal.Alerts(t.Context(), journal.AlertFilter{Resource: runs[0].Resource, Limit: 10_000})
	all, err2 := e.journal.Alerts(t.Context(), journal.AlertFilter{Limit: 10_000})
	if err != nil || err2 != nil || len(ofDemo) != len(all)-1 { // all but the one that nobody knows, what is over included
		t.Errorf("%d of %d alerts are matched to %s: %v %v", len(ofDemo), len(all), runs[0].Resource, err, err2)
	}
	report, err := journal.Verify(t.Context(), filepath.Join(e.o.Config.Data, JournalFile))
	if err != nil || !report.OK() {
		t.Errorf("the journal does not verify: %+v %v", report, err)
	}
}

// TestStoredAlertsOutliveTheEngine: what was answered with 2xx is matched by the next engine.
func TestStoredAlertsOutliveTheEngine(t *testing.T) {
	e := engineWithoutTemporal(t)
	c := served(t, e) // nothing was looked at: the alert must wait
	if status, _ := post(t, c, alertBody("a", "db-2", "firing")); status != 202 {
		t.Fatalf("status %d", status)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	next := engineWithoutTemporal(t)
	if err := next.journal.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := journal.Open(t.Context(), filepath.Join(e.o.Config.Data, JournalFile), journal.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	next.journal, next.stops[0] = store, store.Close
	next.runs.Inbox = store
	next.world = watch.NewWorld(next.opened.kinds, store, next.o.Logger)
	next.lookOnce(t)
	served(t, next)
	next.matched(t)
	if runs, err := store.Runs(t.Context(), journal.RunFilter{}); err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

// TestAnAlertNamesItsToken: the event of an alert has the name of the token that brought it as its author.
func TestAnAlertNamesItsToken(t *testing.T) {
	e := engineWithoutTemporal(t)
	if status, _ := post(t, served(t, e), alertBody("f1", "db-1", "firing")); status != 202 {
		t.Fatalf("status %d", status)
	}
	events, err := e.journal.Events(t.Context(), journal.EventFilter{Kind: galen.EventAlert, Limit: 10})
	if err != nil || len(events) != 1 || events[0].By != galen.Operator {
		t.Fatalf("%v %+v, want one by %s", err, events, galen.Operator)
	}
}

// TestACallThatCannotBeReadIsFound: its sender drops its alerts, so one a day of each sender is listed, with how it begins.
func TestACallThatCannotBeReadIsFound(t *testing.T) {
	e := engineWithoutTemporal(t)
	c := served(t, e)
	for _, body := range []string{"\x1f\x8b gzip", `{"version":"3"}`, "null"} {
		got, err := c.PostAlertmanagerWithBodyWithResponse(t.Context(), "application/json", strings.NewReader(body))
		if err != nil || got.StatusCode() != 400 {
			t.Fatalf("%q: %v, %s", body, err, got.Body)
		}
	}
	refused, err := e.journal.Alerts(t.Context(), journal.AlertFilter{State: journal.AlertRefused, Limit: 10})
	if err != nil || len(refused) != 1 || refused[0].By != galen.Operator || refused[0].Duplicates != 2 || !strings.Contains(refused[0].Why, "could not be read") {
		t.Fatalf("%v %+v", err, refused)
	}
	if one, err := e.journal.Alert(t.Context(), refused[0].ID); err != nil || string(one.Body) != "\x1f\x8b gzip" {
		t.Errorf("%v, its body is %q", err, one.Body)
	}
	metrics, err := c.GetMetricsWithResponse(t.Context())
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_alerts_total{outcome="refused"} 3`)
}

// TestACallThatIsTooLargeIsFound: its sender drops its alerts, so it is counted, and listed with what to do.
func TestACallThatIsTooLargeIsFound(t *testing.T) {
	e := engineWithoutTemporal(t)
	c := served(t, e)
	for range 2 {
		if status, _ := post(t, c, alertBody(strings.Repeat("f", 1<<20), "db-1", "firing")); status != 413 {
			t.Fatalf("status %d", status)
		}
	}
	refused, err := e.journal.Alerts(t.Context(), journal.AlertFilter{State: journal.AlertRefused, Limit: 10})
	if err != nil || len(refused) != 1 || refused[0].By != galen.Operator || refused[0].Duplicates != 1 || !strings.Contains(refused[0].Why, "group by more labels") {
		t.Errorf("%v %+v", err, refused)
	}
	metrics, err := c.GetMetricsWithResponse(t.Context())
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_alerts_total{outcome="refused"} 2`)
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_tls_handshakes_failed_total{reason="no-certificate"} 0`)
}
