package jolokia

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzAnswer feeds the reader of bodies directly: a server between would cost most of the executions.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"unknown-attribute-bulk.json", "snapshots-cut-bulk.json", "boot-n1-404.json"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`[{"status":200,"value":null}]`))
	f.Add([]byte(`[{"status":200,"value":{"A":{"error_type":"x"}}}]`))
	f.Add([]byte(`[{"status":"200","value":{"A":{"error_type":1}}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		answers, err := parse("read", []Request{ReadOf(StorageService, "A")}, b)
		if err != nil {
			if KindOf(err) == "" {
				t.Fatalf("an error without a kind: %v", err)
			}
			return
		}
		var v map[string]any
		for _, err := range []error{answers[0].Attr("A", &v), answers[0].Into(&v), answers[0].Err()} {
			if err != nil && KindOf(err) == "" {
				t.Fatalf("an error without a kind: %v", err)
			}
		}
	})
}
