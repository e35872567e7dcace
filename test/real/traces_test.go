package real

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galenhq/galen/test/lab"
)

// traces are what was done to one node, by its own log and its folder; nothing of it comes from the engine.
type traces struct {
	// boots is how often a JVM was started, by intent; those of nobody's intent under "".
	boots map[string]int
	// started are the intents of the host plane's start markers.
	started []string
	// fences are the folders into which a fence moved start command and configuration.
	fences []string
	// touched: the host plane left something in the folder.
	touched bool
}

// all is the number of boots.
func (s traces) all() int {
	n := 0
	for _, k := range s.boots {
		n += k
	}
	return n
}

// tracesOf reads the traces of a node.
func tracesOf(t *testing.T, n *lab.Node) traces {
	t.Helper()
	out := traces{boots: map[string]int{}}
	text, err := os.ReadFile(filepath.Join(n.Folder, "log", "system.log"))
	if err != nil && !os.IsNotExist(err) { // a spare has none
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, args, found := strings.Cut(line, "JVM Arguments: ["); found {
			_, intent, _ := strings.Cut(args, "-Dgalen.intent=")
			intent, _, _ = strings.Cut(intent, ",")
			out.boots[strings.TrimRight(intent, "]\n")]++
		}
	}
	markers, err := filepath.Glob(filepath.Join(n.Folder, "galen", "*.started"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range markers {
		out.started = append(out.started, strings.TrimSuffix(filepath.Base(m), ".started"))
	}
	if out.fences, err = filepath.Glob(filepath.Join(n.Folder, "fenced-*")); err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(n.Folder, "galen"))
	out.touched = err == nil
	return out
}
