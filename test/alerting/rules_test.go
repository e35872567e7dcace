package alerting

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRules: the rules that are shipped are ones for Prometheus itself, and fire when their own tests say so.
func TestRules(t *testing.T) {
	shipped := filepath.Join(repository, "deploy", "prometheus")
	for kind, pattern := range map[string]string{"check": "*.rules.yml", "test": "tests/*.test.yml"} {
		files, err := filepath.Glob(filepath.Join(shipped, pattern))
		must(t, err)
		if len(files) < 2 {
			t.Fatalf("%s: %q", pattern, files)
		}
		out, err := exec.CommandContext(t.Context(), program(t, "promtool"), append([]string{kind, "rules"}, files...)...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s rules: %v\n%s", kind, err, out)
		}
	}
}
