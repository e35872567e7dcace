package failpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/galenhq/galen"
)

// Trace reads what a process has passed so far. A file that is not there yet holds nothing.
func Trace(file string) ([]Passage, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("trace of failpoints: %w", err)
	}
	var out []Passage
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		p, err := galen.Decode[Passage](line)
		if err != nil {
			return out, fmt.Errorf("trace of failpoints, line %d: %w", len(out)+1, err)
		}
		out = append(out, p)
	}
	return out, nil
}
