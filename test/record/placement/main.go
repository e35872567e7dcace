// Command placement lets Cassandra's own classes place the replicas of random rings, with nodes that join, leave, move and
// replace, and records what they say for the tests of activities/cassandra: make record-placement, a few seconds.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // the recorder that runs on Java
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/galenhq/galen/test/lab"
)

//go:embed Placement.java
var recorder []byte

func main() {
	to := flag.String("to", filepath.FromSlash("activities/cassandra/testdata/placement.jsonl.gz"), "the recording")
	rings := flag.Int("rings", 200, "how many rings")
	seed := flag.Int("seed", 1, "of the first ring")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := record(ctx, *to, *rings, *seed)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "placement: %v\n", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, to string, rings, seed int) error {
	lib, err := lab.Fetch(ctx, "", func(line string) { fmt.Println(line) })
	if err != nil {
		return err
	}
	lines, err := ask(ctx, lib, rings, seed)
	if err != nil {
		return err
	}
	packed, err := pack(lines)
	if err != nil {
		return fmt.Errorf("pack the recording: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("make the folder of the recording: %w", err)
	}
	if err := os.WriteFile(to, packed, 0o600); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	fmt.Printf("%s: %d rings, %d bytes\n", to, len(lines), len(packed))
	return nil
}

// ask runs the recorder, and returns one line of JSON for each ring.
func ask(ctx context.Context, lib string, rings, seed int) (lines [][]byte, err error) {
	temp, err := os.MkdirTemp("", "placement-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the recorder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	source := filepath.Join(temp, "Placement.java")
	if err := os.WriteFile(source, recorder, 0o600); err != nil {
		return nil, fmt.Errorf("write the recorder: %w", err)
	}
	cmd := exec.CommandContext(ctx, "java", "-cp", filepath.Join(lib, "*"), source, strconv.Itoa(rings), strconv.Itoa(seed))
	cmd.Dir = temp // Cassandra leaves a log there
	var said, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &faults
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("let Cassandra place replicas: %w\n%s", err, faults.String())
	}
	for line := range bytes.Lines(said.Bytes()) {
		if bytes.HasPrefix(line, []byte("{")) { // and no word of Cassandra's logger
			lines = append(lines, line)
		}
	}
	if len(lines) != rings {
		return nil, fmt.Errorf("let Cassandra place replicas: %d of %d rings came\n%s", len(lines), rings, faults.String())
	}
	return lines, nil
}

func pack(lines [][]byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(bytes.Join(lines, nil))
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}
