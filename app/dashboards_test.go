package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDashboards: they rest on metrics that an engine has, and add nothing up that each engine tells alike. A counter is added up as a rate.
// What tells how it is now asks for now: else the last value of an engine that is dead stays.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob("../deploy/grafana/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	have := everyMetric()
	names, added := regexp.MustCompile(`\bgalen_[a-z_]+`), regexp.MustCompile(`\bsum( by \([^)]*\))? ?\(galen_`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				Type, Title string
				Targets     []struct {
					Expr    string
					Instant bool
				}
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatal(file, err)
		}
		for _, p := range board.Panels {
			for _, q := range p.Targets {
				for _, name := range names.FindAllString(q.Expr, -1) {
					if name = strings.TrimSuffix(name, "_bucket"); !slices.Contains(have, name) {
						t.Errorf("%s: %s: no metric %s", file, p.Title, name)
					}
				}
				if q.Instant != (p.Type == "stat") {
					t.Errorf("%s: %s: of one instant is %t, and it is a %s", file, p.Title, q.Instant, p.Type)
				}
				if added.MatchString(q.Expr) {
					t.Errorf("%s: %s: with two engines %s counts twice: take the max", file, p.Title, q.Expr)
				}
			}
		}
	}
}
