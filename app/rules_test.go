package app

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"
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

// TestAlertRules: the rule file is well-formed, rests on metrics that the engine has, and tells a dead engine within a minute.
func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("../deploy/prometheus/galen.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	metrics := galenhttp.MetricNames(galenhttp.Measures{Beat: time.Now(), Findings: []galen.Finding{{Code: galen.CodeStorm}}})
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
			if r.Alert == "" || r.Expr == "" || r.Labels["severity"] != "page" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
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
	for _, want := range []string{"GalenDead", "GalenBlind", "GalenRunHeld", "GalenRunAsks", "GalenStorm", "GalenQuarantine", "GalenHoldOverdue"} {
		if !alerts[want] {
			t.Errorf("no alert %s", want)
		}
	}
}
