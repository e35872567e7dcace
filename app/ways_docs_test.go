package app

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/config"
)

// TestDocumentedConfiguration: the example is valid, and every field of a policy is explained.
func TestDocumentedConfiguration(t *testing.T) {
	b, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no example")
	}
	if _, err := config.Parse([]byte(example)); err != nil {
		t.Errorf("the example: %v", err)
	}
	policy, err := json.Marshal(galen.SafePolicy())
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(policy, &fields); err != nil {
		t.Fatal(err)
	}
	for field := range fields {
		if !strings.Contains(string(b), "`"+field+"`") {
			t.Errorf("the field %s of a policy is not explained", field)
		}
	}
}
