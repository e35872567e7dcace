package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/lab"
)

// realRing is a ring of three real nodes that carry the JMX exporter, and the built engine beside them. It looks by itself once an
// hour: what it finds before that, an alert has told.
func realRing(ctx context.Context, t *testing.T, alertmanager string) (*lab.Ring, *engine.Engine) {
	t.Helper()
	path := func(parts ...string) string {
		p, err := filepath.Abs(filepath.Join(append([]string{repository}, parts...)...))
		must(t, err)
		if _, err := os.Stat(p); err != nil {
			t.Fatalf("%v: run make build, and build/setup jmx", err)
		}
		return p
	}
	jar, config := path(".cache", "jmx", "jmx_prometheus_javaagent-1.0.1.jar"), path("deploy", "prometheus", "jmx.yml")
	ring, err := lab.Start(ctx, lab.Options{Name: "demo", Progress: func(s string) { t.Log(s) }, JVM: func(address string) []string {
		return []string{"-javaagent:" + jar + "=" + address + ":9404:" + config}
	}})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		must(t, ring.Close(ctx))
	})
	home := t.TempDir()
	var nodes []object
	for _, n := range ring.Nodes() {
		nodes = append(nodes, object{"instance": n.Instance, "address": n.Address, "jolokia": n.JolokiaURL, "cql": n.CQLAddress, "folder": n.Folder, "start": n.StartCommand, "pid_file": n.PidFile})
	}
	e := &engine.Engine{Binary: path("bin", "galen"), Data: filepath.Join(home, "data"), Log: filepath.Join(home, "galen.log"), Listen: ring.Net + ".250:7170", Guard: ring.Guard}
	e.Config = write(t, "galen.yaml", object{
		"data": e.Data, "listen": e.Listen, "alertmanager": object{"url": "http://" + alertmanager},
		"policies":  object{"default": object{"mode": "act", "look_every": "1h", "look_soon": "500ms", "down_for": "0s", "restart_after": "2s", "hold_for": "6s"}},
		"resources": []object{{"resource": "cassandra/demo", "labels": object{"cluster": "demo"}, "setup": object{"nodes": nodes}}},
		"alerts":    []object{{"alertname": "CassandraNodeDown", "code": "node-down", "member_label": "instance"}},
	})
	_, _, err = e.Start(ctx)
	must(t, err)
	t.Cleanup(func() {
		must(t, e.Kill())
		if t.Failed() {
			t.Logf("the engine's log ends with:\n%s", engine.Tail(e.Log, 30))
		}
	})
	return ring, e
}

// scrapes starts a Prometheus that scrapes real nodes and the engine, with all rules that are shipped.
func scrapes(ctx context.Context, t *testing.T, ring *lab.Ring, e *engine.Engine, alertmanager string) server {
	t.Helper()
	rules, err := filepath.Abs(filepath.Join(repository, "deploy", "prometheus", "*.rules.yml"))
	must(t, err)
	var nodes []string
	for _, n := range ring.Nodes() {
		nodes = append(nodes, n.Address+":9404")
	}
	config := write(t, "prometheus.yml", object{
		"global":     object{"scrape_interval": "4s", "scrape_timeout": "4s", "evaluation_interval": "1s"}, // a busy machine is no dead node
		"rule_files": []string{rules},
		"scrape_configs": []object{
			{"job_name": "cassandra", "static_configs": []object{{"targets": nodes, "labels": object{"cluster": "demo"}}}},
			{"job_name": "galen", "authorization": object{"credentials_file": filepath.Join(e.Data, "token")}, "static_configs": []object{{"targets": []string{e.Listen}}}},
		},
		"alerting": object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{alertmanager}}}}}},
	})
	address := freeAddress(t)
	return startServer(ctx, t, address, "prometheus", "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
}

// panels are the queries of each dashboard that is shipped, by dashboard and title.
func panels(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "deploy", "grafana", "*.json"))
	must(t, err)
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		must(t, json.Unmarshal(text, &board))
		for _, p := range board.Panels {
			for _, q := range p.Targets {
				out[board.Title+": "+p.Title+" "+q.RefID] = q.Expr
			}
		}
	}
	if len(files) < 2 || len(out) < 40 {
		t.Fatalf("%d dashboards, %d queries", len(files), len(out))
	}
	return out
}

// TestDashboardsAndAKilledRealNode: every query of the dashboards gives a series from a running engine and real nodes, so do the metrics
// of the rules; then a real node is killed, Prometheus' rule fires, Alertmanager tells Galen, and Galen heals it.
func TestDashboardsAndAKilledRealNode(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	amAddress := freeAddress(t)
	ring, e := realRing(ctx, t, amAddress)
	alertmanager(ctx, t, amAddress, object{
		"url":         e.Server() + "/v1/alerts/alertmanager",
		"http_config": object{"authorization": object{"credentials_file": filepath.Join(e.Data, "token")}},
	})
	prom := scrapes(ctx, t, ring, e, amAddress)
	path, holds := upNodes(3)
	prom.await(ctx, t, "Prometheus sees three real nodes", path, holds)
	for name, query := range panels(t) {
		prom.gives(ctx, t, name, query)
	}
	rules, err := os.ReadFile(filepath.Join(repository, "deploy", "prometheus", "cassandra.rules.yml"))
	must(t, err)
	names := regexp.MustCompile(`\bcassandra_[a-z_]+`).FindAllString(string(rules), -1)
	if len(names) < 4 {
		t.Errorf("the rules on Cassandra rest on %q only", names)
	}
	for _, name := range names {
		prom.gives(ctx, t, "the rules on Cassandra", name)
	}
	prom.gives(ctx, t, "the dead man", `ALERTS{alertname="GalenDeadMan",alertstate="firing"}`)

	must(t, ring.Nodes()[2].Kill())
	killed := time.Now()
	run := verified(ctx, t, e)
	if !run.FromAlert() || run.Finding == nil || run.Created.Before(killed) {
		t.Errorf("the run of %s was asked for by %q, finding %v: want an alert since the kill, which a look confirmed", run.Created, run.Asked, run.Finding)
	}
	prom.await(ctx, t, "Prometheus sees three real nodes again", path, holds)
	t.Logf("verified %s after the kill, of which the rule waits 20 s to 30 s; the run took %s", run.Ended.Sub(killed).Round(time.Second), run.Ended.Sub(run.Created).Round(time.Millisecond))
	prom.gives(ctx, t, "a healed trouble", `galen_trouble_seconds_count == 1`)
}

// gives waits until a query has a series; one that Prometheus cannot read is a fault at once.
func (s server) gives(ctx context.Context, t *testing.T, name, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	await(ctx, t, fmt.Sprintf("%s: a series of %s", name, query), func() (bool, string) {
		got := s.get(ctx, "/api/v1/query?query="+url.QueryEscape(query))
		if strings.HasPrefix(got, "400 ") {
			t.Fatalf("%s: %s: %s", name, query, got)
		}
		return strings.HasPrefix(got, "200 ") && !strings.Contains(got, `"result":[]`), got
	})
}

// verified waits for a run that ends well.
func verified(ctx context.Context, t *testing.T, e *engine.Engine) (run galen.Run) {
	t.Helper()
	client, err := e.Client()
	must(t, err)
	await(ctx, t, "a run is verified", func() (bool, string) {
		res, err := client.ListRunsWithResponse(ctx, &api.ListRunsParams{})
		if err != nil || res.JSON200 == nil {
			return false, fmt.Sprint(err)
		}
		i := slices.IndexFunc(res.JSON200.Runs, func(r galen.Run) bool { return r.Status == galen.RunVerified })
		if i >= 0 {
			run = res.JSON200.Runs[i]
		}
		return i >= 0, fmt.Sprintf("%+v", res.JSON200.Runs)
	})
	return run
}
