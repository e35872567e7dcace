package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Traces are what was done to one node, by its own log and its folder; nothing of it comes from the engine.
type Traces struct {
	// Boots is how often a JVM was started, by intent; those of nobody's intent under "".
	Boots map[string]int
	// Started are the intents of the host plane's start markers.
	Started []string
	// Fences are the folders into which a fence moved start command and configuration.
	Fences []string
	// Touched: the host plane left something in the folder.
	Touched bool
}

// All is the number of boots.
func (t Traces) All() int {
	n := 0
	for _, k := range t.Boots {
		n += k
	}
	return n
}

// Traces reads the traces of the node. A spare that never ran has no boots.
func (n *Node) Traces() (Traces, error) {
	out := Traces{Boots: map[string]int{}}
	text, err := os.ReadFile(filepath.Join(n.Folder, "log", "system.log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("read the log of %s: %w", n.Instance, err)
	}
	for line := range strings.Lines(string(text)) {
		if _, args, found := strings.Cut(line, "JVM Arguments: ["); found {
			_, intent, _ := strings.Cut(args, "-Dgalen.intent=")
			intent, _, _ = strings.Cut(intent, ",")
			out.Boots[strings.TrimRight(intent, "]\n")]++
		}
	}
	markers, err := filepath.Glob(filepath.Join(n.Folder, "galen", "*.started"))
	if err != nil {
		return out, fmt.Errorf("list the start markers of %s: %w", n.Instance, err)
	}
	for _, m := range markers {
		out.Started = append(out.Started, strings.TrimSuffix(filepath.Base(m), ".started"))
	}
	if out.Fences, err = filepath.Glob(filepath.Join(n.Folder, "fenced-*")); err != nil {
		return out, fmt.Errorf("list the fences of %s: %w", n.Instance, err)
	}
	_, err = os.Stat(filepath.Join(n.Folder, "galen"))
	out.Touched = err == nil
	return out, nil
}
