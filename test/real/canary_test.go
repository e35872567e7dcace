package real

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/lab"
)

// canary is in every hostile text; where it is heard, a label has got through.
const canary = "KanarienVogel"

// hostile texts, by what they aim at; each is a label's value once. touched is a file that each shell command among them would make.
func hostile(touched string) map[string]string {
	return map[string]string{
		"shell":       "$(touch " + touched + ") `touch " + touched + "`; touch " + touched + " | touch " + touched + " && " + canary,
		"newline":     canary + "\ntouch " + touched + "\n",
		"option":      "--" + canary + "=1 -Dcom.sun.management.jmxremote.port=1 -XX:OnError=touch",
		"cql":         "'; DROP KEYSPACE system_auth; -- " + canary,
		"sql":         "\"'); DELETE FROM events; --" + canary,
		"jmx":         "org.apache.cassandra.db:type=StorageService,*/decommission!/" + canary,
		"jolokia":     `{"type":"exec","mbean":"` + canary + `","operation":"stopDaemon"}`,
		"template":    "{{ .Env.PATH }} {{ printf \"" + canary + "\" }} ${jndi:ldap://127.0.0.1/" + canary + "} %n%s%x",
		"path":        "../../../../../../tmp/" + canary,
		"html":        "<script>alert('" + canary + "')</script><img src=x onerror=alert(1)>",
		"escape":      "\x1b[2J\x1b]0;" + canary + "\a\x1b[31m\u009b31m\u007f\b\r",
		"backwards":   "\u202e" + canary + "\u2066\u200f",
		"regexp":      canary + ".*|.+",
		"yaml":        "!!python/object:" + canary + " &a *a\n- x: {",
		"url":         "http://127.0.0.1:1/" + canary + "?a=b#c%00",
		"zero":        canary + "\x00",
		"instance":    "127.0.0.1;" + canary,
		"exposition":  canary + "\"} 1\ngalen_up{x=\"",
		"label name":  canary,
		"other names": "\ufeff" + canary,
	}
}

// listeners write down what an engine says to the outside.
type listeners struct {
	relays                        []*lab.Relay // JMX and CQL of each node
	alertmanager, traces, watcher *recorder
}

// recorder takes whatever it is told, as an Alertmanager that has no silences, a collector of traces or a watcher would, and writes it down.
type recorder struct {
	mu    sync.Mutex
	heard bytes.Buffer
	puts  int
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	fmt.Fprintln(&rec.heard, r.Method, r.URL.String(), r.Header, string(body), err)
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodPost {
		rec.puts++
		_, _ = io.WriteString(w, `{"silenceID":"1"}`)
		return
	}
	_, _ = io.WriteString(w, "[]")
}

// listen serves until the test ends, and tells the URL.
func (rec *recorder) listen(t *testing.T) string {
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	return server.URL
}

func (rec *recorder) said() (text string, puts int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.heard.String(), rec.puts
}

// hostileLabelsReachNoCommand heals a node because of an alert that is true and full of hostile labels, among alerts that are hostile and
// false, and listens at every adapter: what the nodes are sent over JMX and CQL, what the host starts and what it finds in its files,
// what Alertmanager, the collector of traces, the dead man's watcher and Temporal are told, what people read.
func hostileLabelsReachNoCommand(t *testing.T, binary string, ring *lab.Ring, hurt int) {
	setup := setupOf(ring, 0, nil)
	var relays []*lab.Relay
	for i := range ring.Nodes() {
		relay, err := ring.Relay(i + 1)
		if err != nil {
			t.Fatal(err)
		}
		relay.Record()
		relays = append(relays, relay)
		setup.Nodes[i].Jolokia, setup.Nodes[i].CQL = relay.JolokiaURL, relay.CQLAddress
	}
	at := listeners{relays: relays, alertmanager: &recorder{}, traces: &recorder{}, watcher: &recorder{}}
	ping := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(ping, []byte(at.watcher.listen(t)+"/ping"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", at.traces.listen(t))
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "200") // ms
	p := newPhysicianOf(t, binary, ring, setup, map[string]any{"look_every": "1h"}, map[string]any{
		"alertmanager": map[string]any{"url": at.alertmanager.listen(t)},
		"dead_man":     map[string]any{"url_file": ping, "every": "1s"},
		"alerts":       []any{map[string]any{"matchers": []string{`alertname=~"Down.*"`}, "code": cassandra.CodeNodeDown, "member_label": "instance"}},
	})
	touched := filepath.Join(ring.Home, "touched") // short: names of labels have a limit
	id, since := p.hostID(hurt), time.Now()
	kill(t, ring.Node(hurt))
	sent := p.sends(hostile(touched), ring.Name, ring.Node(hurt).Address)
	run := p.healed(id, since, 2*time.Minute)
	if !run.Run.FromAlert() {
		t.Errorf("the run was asked for by %q, want an alert", run.Run.Asked)
	}
	p.deafTo(at, ring.Node(hurt), touched)
	p.keepsOf(run.Run.ID)
	p.shows(sent, id)
	p.verifyJournal()
}

// sends alerts, and waits until the engine has dealt with all of them: one that is true, and of each text four that are not.
func (p physician) sends(texts map[string]string, cluster, address string) int {
	p.Helper()
	type object = map[string]any
	full := object{"alertname": "Down", "cluster": cluster, "instance": address + ":9404"}
	notes := object{}
	var alerts []object
	add := func(labels object) {
		alerts = append(alerts, object{
			"status": "firing", "labels": labels, "annotations": notes, "startsAt": time.Now().UTC(), "fingerprint": fmt.Sprintf("%s-%d", canary, len(alerts)),
		})
	}
	for i, aim := range slices.Sorted(maps.Keys(texts)) {
		text := texts[aim]
		full["hostile_"+strconv.Itoa(i)], full[text] = text, "a name"
		notes["summary "+strconv.Itoa(i)], notes[text] = text, text
		add(object{"alertname": "Down", "cluster": cluster, "instance": text})
		add(object{"alertname": "Down" + text, "cluster": cluster, "instance": address + text})
		add(object{"alertname": "Down", "cluster": text, "instance": address})
		add(object{"alertname": text, "cluster": cluster, "instance": address})
	}
	tooMany := maps.Clone(full)
	for i := range 65 {
		tooMany[canary+strconv.Itoa(i)] = texts["escape"]
	}
	add(tooMany)
	add(full)
	body, err := json.Marshal(object{"version": "4", "alerts": alerts})
	if err != nil {
		p.Fatal(err)
	}
	c, err := p.engine.Client()
	if err != nil {
		p.Fatal(err)
	}
	res, err := c.PostAlertmanagerWithBodyWithResponse(p.Context(), "application/json", bytes.NewReader(body))
	if err != nil || res.StatusCode() != http.StatusAccepted {
		p.Fatalf("%v, %+v", err, res)
	}
	p.until("all alerts are dealt with", time.Minute, func() (bool, error) {
		dealt := 0
		for _, state := range []api.AlertState{api.Matched, api.Unmatched, api.Refused} {
			res, err := c.ListAlertsWithResponse(p.Context(), &api.ListAlertsParams{State: &state})
			if err != nil || res.JSON200 == nil {
				return false, fmt.Errorf("%w, %v", err, res)
			}
			dealt += len(res.JSON200.Alerts)
		}
		return dealt == len(alerts), fmt.Errorf("%d of %d", dealt, len(alerts))
	})
	return len(alerts)
}

// deafTo checks that no adapter has heard of the canary, and that each has heard something.
func (p physician) deafTo(at listeners, hurt *lab.Node, touched string) {
	p.Helper()
	silent := func(where string, text []byte, sign string) {
		p.Helper()
		if !bytes.Contains(text, []byte(sign)) {
			p.Errorf("%s: nothing was recorded: %d bytes without %q", where, len(text), sign)
		}
		if i := bytes.Index(text, []byte(canary)); i >= 0 {
			p.Errorf("%s has heard a label: %q", where, text[max(0, i-200):min(len(text), i+200)])
		}
	}
	for i, relay := range at.relays {
		silent(fmt.Sprintf("JMX and CQL of node %d", i+1), relay.Heard(), "StorageService")
		silent(fmt.Sprintf("JMX and CQL of node %d", i+1), relay.Heard(), "CQL_VERSION")
	}
	said, puts := at.alertmanager.said()
	silent("Alertmanager", []byte(said), "/api/v2/silences")
	said, _ = at.watcher.said()
	silent("the dead man's watcher", []byte(said), "POST /ping")
	p.until("traces of the run are sent", 10*time.Second, func() (bool, error) {
		said, _ = at.traces.said()
		return strings.Contains(said, "gate"), nil
	})
	silent("the collector of traces", []byte(said), "POST /v1/traces")
	if puts == 0 {
		p.Error("no silence was asked for")
	}
	pid, err := os.ReadFile(hurt.PidFile)
	if err != nil {
		p.Fatal(err)
	}
	for file, sign := range map[string]string{"cmdline": "cassandra", "environ": "PATH="} {
		text, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), file))
		if err != nil {
			p.Error(err)
		}
		silent("the started process: "+file, text, sign)
	}
	var files []byte
	err = filepath.WalkDir(hurt.Folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(path, "/data/") {
			return err
		}
		text, err := os.ReadFile(path)
		files = append(append(files, path...), text...)
		return err
	})
	if err != nil {
		p.Error(err)
	}
	silent("the host's files", files, "cluster_name")
	if _, err := os.Stat(touched); err == nil {
		p.Errorf("a command of a label was executed: %s is there", touched)
	}
}

// keepsOf checks what Temporal keeps: the run, and nothing of a label.
func (p physician) keepsOf(run string) {
	p.Helper()
	var kept []byte
	journal := filepath.Join(p.engine.Data, "galen.db")
	err := filepath.WalkDir(p.engine.Data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path, journal) {
			return err
		}
		text, err := os.ReadFile(path)
		kept = append(kept, text...)
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	if !bytes.Contains(kept, []byte(run)) || bytes.Contains(kept, []byte(canary)) {
		p.Errorf("the data directory but for the journal: run %s is in it: %t, the canary: %t", run, bytes.Contains(kept, []byte(run)), bytes.Contains(kept, []byte(canary)))
	}
}

// shows checks that people read every hostile text escaped, in each form, and that machines can parse what they get.
func (p physician) shows(alerts int, hurt string) {
	p.Helper()
	log, err := os.ReadFile(p.engine.Log)
	if err != nil {
		p.Fatal(err)
	}
	p.harmless("the log", string(log))
	metrics, err := p.engine.Galen(p.Context(), "metrics")
	if err != nil || strings.Contains(metrics, canary) {
		p.Errorf("metrics: %v, with a label: %t", err, strings.Contains(metrics, canary))
	}
	for _, form := range []string{"table", "json", "yaml"} {
		for _, command := range [][]string{
			{"alerts", "list", "--limit", "500"}, {"alerts", "list", "--state", "refused"}, {"runs", "list"}, {"findings"}, {"status"}, {"journal", "list", "--limit", "500"},
		} {
			p.prints(append(command, "-o", form))
		}
		p.prints([]string{"alerts", "show", strconv.Itoa(alerts), "-o", form}) // the one with every text
	}
	for n := 1; n < alerts; n += 5 {
		p.prints([]string{"alerts", "show", strconv.Itoa(n)})
	}
	runs, err := p.engine.Runs(p.Context())
	if err != nil || len(runs) == 0 {
		p.Fatalf("%d runs, %v", len(runs), err)
	}
	for _, run := range runs {
		p.prints([]string{"runs", "show", run.ID})
		if text, err := json.Marshal(run); err != nil || bytes.Contains(text, []byte(canary)) {
			p.Errorf("run %s holds a label: %v\n%s", run.ID, err, text)
		}
		if slices.ContainsFunc(run.InScope(), func(t galen.Target) bool { return t.ID != hurt }) {
			p.Errorf("run %s is about %v", run.ID, run.InScope())
		}
	}
}

// prints runs a command of the CLI.
func (p physician) prints(command []string) {
	p.Helper()
	out, err := p.engine.Galen(p.Context(), command...)
	if err != nil {
		p.Error(err)
	}
	p.harmless("galen "+strings.Join(command, " "), out)
}

// harmless checks that a terminal which shows a text does nothing else.
func (p physician) harmless(what, text string) {
	p.Helper()
	for i, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar) {
			p.Errorf("%s prints %U as it is: %q", what, r, text[max(0, i-60):min(len(text), i+60)])
			return
		}
	}
}
