package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

// write a file of the test, in JSON, which is YAML too.
func write(t *testing.T, name string, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	must(t, err)
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, text, 0o600))
	return path
}

type object = map[string]any

// alertmanager sends to the engine what is for Galen.
func alertmanager(ctx context.Context, t *testing.T, address string, webhook object) server {
	t.Helper()
	config := write(t, "alertmanager.yml", object{
		"route": object{
			"receiver": "people", "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h",
			"routes": []object{{"matchers": []string{`heal="galen"`}, "receiver": "galen", "group_by": []string{"cluster", "alertname"}}},
		},
		"receivers": []object{{"name": "people"}, {"name": "galen", "webhook_configs": []object{webhook}}},
	})
	return startServer(ctx, t, address, "alertmanager", "--config.file="+config, "--storage.path="+t.TempDir(),
		"--web.listen-address="+address, "--cluster.listen-address=")
}

// prometheus scrapes each node of the ring every second, and has the rules that are shipped.
func prometheus(ctx context.Context, t *testing.T, ringURL, alertmanager string) server {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join(repository, "deploy", "prometheus", "cassandra.rules.yml"))
	must(t, err)
	var targets []object
	for i := 1; i <= 3; i++ {
		targets = append(targets, object{"targets": []string{strings.TrimPrefix(ringURL, "http://")}, "labels": object{
			"__metrics_path__": fmt.Sprintf("/metrics/n%d", i), "instance": fmt.Sprintf("127.0.0.%d:9404", i), "cluster": "demo",
		}})
	}
	config := write(t, "prometheus.yml", object{
		"global":         object{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{rules},
		"scrape_configs": []object{{"job_name": "cassandra", "static_configs": targets}},
		"alerting":       object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{alertmanager}}}}}},
	})
	address := freeAddress(t)
	return startServer(ctx, t, address, "prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
}

// upNodes asks Prometheus how many nodes it sees up.
func upNodes(n int) (path string, holds func(string) bool) {
	return "/api/v1/query?query=" + url.QueryEscape(`count(up{job="cassandra"}==1)`), func(body string) bool { return strings.Contains(body, fmt.Sprintf(`,"%d"]`, n)) }
}

// sightless is a policy by which the watch looks once an hour: what is found before that, an alert has told.
func sightless() map[string]any { return map[string]any{"look_every": "1h"} }

// TestAKilledNodeIsHealedByAnAlert: a node is killed, Prometheus does not reach it, its rule fires, Alertmanager tells Galen, which
// looks itself and starts the node again; then Prometheus sees it, and Alertmanager tells that, too.
func TestAKilledNodeIsHealedByAnAlert(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Policy: sightless()})
	am := alertmanager(ctx, t, freeAddress(t), object{
		"url":         s.Engine.Server() + "/v1/alerts/alertmanager",
		"http_config": object{"authorization": object{"credentials_file": filepath.Join(s.Engine.Data, "token")}},
	})
	prom := prometheus(ctx, t, s.Ring.URL, am.address)
	path, holds := upNodes(3)
	prom.await(ctx, t, "Prometheus sees three nodes", path, holds)

	must(t, s.Break(ctx, "n3", ring.Kill))
	killed := time.Now()
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	if !run.FromAlert() || run.Finding == nil {
		t.Errorf("the run was asked for by %q, finding %v: want an alert that a look confirmed", run.Asked, run.Finding)
	}
	t.Logf("healed %s after the kill, of which the rule waits 20 s to 30 s; the run took %s", time.Since(killed).Round(time.Second), run.Ended.Sub(run.Created).Round(time.Millisecond))
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	if len(calls) != 1 {
		t.Errorf("%d calls, want one start: %+v", len(calls), calls)
	}
	prom.await(ctx, t, "Prometheus sees three nodes again", path, holds)

	client, err := s.Engine.Client()
	must(t, err)
	var list []api.Alert
	await(ctx, t, "the alert and its end are matched", func() (bool, string) {
		res, err := client.ListAlertsWithResponse(ctx, &api.ListAlertsParams{})
		if err != nil || res.JSON200 == nil {
			return false, fmt.Sprint(err)
		}
		list = res.JSON200.Alerts
		return len(list) == 2 && list[0].State == api.Matched && list[0].Status == "resolved", fmt.Sprintf("%+v", list)
	})
	if fired := list[1]; fired.State != api.Matched || fired.Run == nil || *fired.Run != run.ID || fired.Labels["instance"] != "127.0.0.3:9404" {
		t.Errorf("what fired: %+v", fired)
	}
	counted(ctx, t, client)
}

// counted: the story of one healed node is in the metrics of the healer.
func counted(ctx context.Context, t *testing.T, client *api.ClientWithResponses) {
	t.Helper()
	res, err := client.GetMetricsWithResponse(ctx)
	must(t, err)
	for _, line := range []string{
		`galen_runs_opened_total{asked="alert"} 1`, `galen_runs_ended_total{runbook="cassandra/heal-node",status="verified"} 1`,
		`galen_run_seconds_count{asked="alert",stage="confirmed"} 1`, `galen_run_seconds_count{asked="alert",stage="called"} 1`,
		`galen_run_seconds_count{asked="alert",stage="verified"} 1`, `galen_trouble_seconds_count 1`,
		`galen_steps_total{answer="sent",kind="cassandra",verb="start"} 1`, `galen_guard_answers_total{answer="allow",guard="I-17 hold"} 1`,
		`galen_alerts_total{outcome="stored"} 2`, `galen_alerts_pending 0`,
	} {
		if !strings.Contains(string(res.Body), "\n"+line+"\n") {
			t.Errorf("no %s in the metrics", line)
		}
	}
	if t.Failed() {
		t.Logf("%s", res.Body)
	}
}

// stage is a ring of three with an engine that has seen it well once.
func stage(ctx context.Context, t *testing.T, o victim.StageOptions) *victim.Stage {
	t.Helper()
	o.Dir, o.Faster = t.TempDir(), 20
	s, err := victim.SetStage(ctx, o)
	must(t, err)
	t.Cleanup(func() {
		must(t, s.End())
		must(t, s.Ring.Close())
	})
	_, err = s.Start(ctx, nil)
	must(t, err)
	must(t, s.AwaitHealth(ctx))
	return s
}
