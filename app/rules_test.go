package app

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

// rules is a Prometheus rule file, as far as we use it.
type rules struct {
	Groups []struct {
		Name     string `yaml:"name"`
		Interval string `yaml:"interval"`
		Rules    []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// ruleFile reads the rules that are shipped.
func ruleFile(t *testing.T) (file rules) {
	t.Helper()
	text, err := os.ReadFile("../deploy/prometheus/galen.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file
}

// expr is what an alert rests on.
func (f rules) expr(t *testing.T, alert string) string {
	t.Helper()
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert == alert {
				return r.Expr
			}
		}
	}
	t.Fatalf("no alert %s", alert)
	return ""
}

// TestAlertRules: the rule file is well-formed, rests on metrics that the engine has, and tells a dead engine within a minute.
func TestAlertRules(t *testing.T) {
	file := ruleFile(t)
	metrics := everyMetric()
	names := regexp.MustCompile(`galen_[a-z_]+`)
	span := func(text string) time.Duration {
		t.Helper()
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Error(err)
		}
		return d
	}
	const scrape, tells = 10 * time.Second, time.Minute
	alerts := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			severity := "page"
			switch r.Alert {
			case "GalenDeadMan": // which is well while it fires
				severity = "dead-man"
			case "GalenAlertsMatchNothing": // what is not for Galen may come for ever
				severity = "ticket"
			}
			if r.Alert == "" || r.Expr == "" || r.Labels["severity"] != severity || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("%s: a rule names its alert, expression, severity, summary and action: %+v", g.Name, r)
			}
			for _, name := range names.FindAllString(r.Expr, -1) {
				if !slices.Contains(metrics, name) {
					t.Errorf("%s: no metric %s; there are %s", r.Alert, name, strings.Join(metrics, ", "))
				}
			}
			if r.Alert == "GalenDead" {
				if worst := scrape + 2*span(g.Interval) + span(r.For); worst > tells {
					t.Errorf("a dead engine is told after %s", worst)
				}
			}
		}
	}
	for _, want := range []string{"GalenDead", "GalenDoesNotWork", "GalenDeadMan", "GalenInboxWaits", "GalenOutboxWaits", "GalenLookOld", "GalenHeldLong", "GalenAsksLong", "GalenBlind", "GalenRunHeld", "GalenRunAsks", "GalenRunHeldAgain", "GalenRunAsksAgain", "GalenMoreRunsHeld", "GalenMoreRunsAsk", "GalenStorm", "GalenStolenRing", "GalenFlood", "GalenDataGone", "GalenDetectorFault", "GalenRepairOwed", "GalenObservesOnly", "GalenQuarantine", "GalenSenderUnknown", "GalenHoldOverdue", "GalenTokenExpires"} {
		if !alerts[want] {
			t.Errorf("no alert %s", want)
		}
	}
}

// TestOperationsListTheAlerts: each alert has its row in the table of docs/operations.md, by the metric and the labels it rests on, and each row its alert.
func TestOperationsListTheAlerts(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rests := regexp.MustCompile(`galen_[a-z_]+(\{[^}]*\})?`)
	rows := []string{"up"} // the scrape fails
	_, rest, _ := strings.Cut(string(text), "## At three in the morning\n")
	part, _, _ := strings.Cut(rest, "\n## ")
	for _, line := range strings.Split(part, "\n") {
		if cell, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " |"); found && strings.HasPrefix(line, "| `") && rests.MatchString(cell) {
			rows = append(rows, rests.FindString(cell))
		}
	}
	var rules []string
	for _, g := range ruleFile(t).Groups {
		for _, r := range g.Rules {
			on := rests.FindString(r.Expr)
			if on == "" {
				on = "up"
			}
			rules = append(rules, on)
		}
	}
	slices.Sort(rows)
	slices.Sort(rules)
	if diff := cmp.Diff(rules, rows); diff != "" {
		t.Errorf("alerts and rows of docs/operations.md (-alerts +rows):\n%s", diff)
	}
}

// TestAFloodPages: the rule fires from the finding on at which the journal is told of a flood, not one earlier.
func TestAFloodPages(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.admission = watch.NewAdmission(e.runs, e.flood, time.Now, e.o.Logger)
	c := served(t, e)
	var least int
	if _, err := fmt.Sscanf(ruleFile(t).expr(t, "GalenFlood"), "galen_findings_waiting >= %d", &least); err != nil {
		t.Fatal(err)
	}
	if e.gauge(t, c, "galen_findings_waiting") != 0 {
		t.Error("findings wait before there are any")
	}
	told := func() int {
		floods, err := e.journal.Events(t.Context(), journal.EventFilter{Kind: galen.EventFlood})
		if err != nil {
			t.Fatal(err)
		}
		return len(floods)
	}
	for i := 0; told() == 0; i++ {
		if i == 1000 {
			t.Fatal("a thousand findings at once are no flood")
		}
		if waiting := e.gauge(t, c, "galen_findings_waiting"); waiting >= least {
			t.Fatalf("%d wait: a page before the journal was told", waiting)
		}
		f := galen.Finding{Resource: demoDB(), Code: "odd", Domain: fmt.Sprint("d", i), Urgency: galen.Low, Targets: []galen.Target{{ID: "db-1"}}}
		if _, err := e.admission.Open(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if waiting := e.gauge(t, c, "galen_findings_waiting"); waiting < least {
		t.Errorf("the journal was told, and nobody is paged: %d wait, the rule wants %d", waiting, least)
	}
}

// TestObserveOnlyPages: while the journal is in doubt, and not before or after.
func TestObserveOnlyPages(t *testing.T) {
	e := engineWithoutTemporal(t)
	c := served(t, e)
	if expr := ruleFile(t).expr(t, "GalenObservesOnly"); expr != "galen_armed == 0" {
		t.Fatal(expr)
	}
	for _, step := range []struct {
		does  func() error
		armed int
	}{
		{func() error { return nil }, 1},
		{func() error { return e.journal.Disarm(t.Context(), "the clock jumped") }, 0},
		{func() error { _, err := e.journal.Rearm(t.Context(), "ann", "looked at it"); return err }, 1},
	} {
		if err := step.does(); err != nil {
			t.Fatal(err)
		}
		if armed := e.gauge(t, c, "galen_armed"); armed != step.armed {
			t.Errorf("galen_armed %d, want %d", armed, step.armed)
		}
	}
}

// gauge scrapes one number that has no labels.
func (e *Engine) gauge(t *testing.T, c *api.ClientWithResponses, name string) int {
	t.Helper()
	got, err := c.GetMetricsWithResponse(t.Context())
	want(t, "metrics", err, got.HTTPResponse, got.Body, 200, "\n"+name+" ")
	n, err := strconv.Atoi(regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindStringSubmatch(string(got.Body))[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTheUnitHasItsFolder: the user of the documented unit may not make the documented data directory, so systemd does.
func TestTheUnitHasItsFolder(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	data := regexp.MustCompile(`(?m)^data: /var/lib/(\S+)`).FindStringSubmatch(read("configuration.md"))
	_, unit, _ := strings.Cut(read("operations.md"), "[Service]\n")
	unit, _, _ = strings.Cut(unit, "```")
	if data == nil || !strings.Contains(unit, "User=") || !strings.Contains(unit, "\nStateDirectory="+data[1]+"\nStateDirectoryMode=0700\n") {
		t.Errorf("data %q, unit:\n%s", data, unit)
	}
}
