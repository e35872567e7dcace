package alerting

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedAlertmanager: what the docs tell Alertmanager, a real one takes.
func TestDocumentedAlertmanager(t *testing.T) {
	for file, rest := range map[string]string{"operations.md": "", "configuration.md": "route: {receiver: galen}\n"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(repository, "docs", file))
			must(t, err)
			_, example, found := strings.Cut(string(text), "# alertmanager.yml\n")
			example, _, ended := strings.Cut(example, "```")
			if !found || !ended {
				t.Fatal("no example of an alertmanager.yml")
			}
			indent := example[:len(example)-len(strings.TrimLeft(example, " "))]
			example = rest + strings.ReplaceAll("\n"+example, "\n"+indent, "\n")
			config := filepath.Join(t.TempDir(), "alertmanager.yml")
			must(t, os.WriteFile(config, []byte(example), 0o600))
			address := freeAddress(t)
			startServer(t.Context(), t, address, "alertmanager", "--config.file="+config, "--storage.path="+t.TempDir(), "--web.listen-address="+address, "--cluster.listen-address=")
		})
	}
}
