package ring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// recordings are the transitions of a real ring, by name; see testdata/README.md.
func recordings(t *testing.T) map[string]ring.Recording {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	out := map[string]ring.Recording{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		r, err := galen.Decode[ring.Recording](b)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		out[strings.TrimSuffix(filepath.Base(p), ".json")] = r
	}
	return out
}

func TestRecordingsAreWhole(t *testing.T) {
	for name, r := range recordings(t) {
		if len(r.Moments) < 3 || r.About == "" || r.Moments[0].Sees["n1 mode"] != "answered NORMAL" {
			t.Errorf("%s: want a sentence, a first look at a working n1, and what happened: %+v", name, r)
		}
	}
}
