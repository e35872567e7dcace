// Command record plays transitions on a real ring of the lab and records what Galen's live driver sees of them, in the
// visible form of [ring.Sight]. The simulated ring replays the recordings (TestReality in activities/cassandra/ring).
// One ring, about ten minutes: make record-ring.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

func main() {
	lab.MaybeGuardian()
	to := flag.String("to", filepath.FromSlash("activities/cassandra/ring/testdata"), "folder of the recordings")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *to)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "record: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, to string) (err error) {
	say := func(line string) { fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), line) }
	lib, err := lab.Fetch(ctx, "", say)
	if err != nil {
		return err
	}
	started, err := lab.Start(ctx, lab.Options{Lib: lib, Spares: 2, Phi: 5, Limit: 25 * time.Minute, Progress: say})
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, started.Close(ending))
	}()
	rows, err := client.Open(ctx, client.Options{Hosts: addresses(started)})
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := rows.Seed(ctx, 200); err != nil {
		return fmt.Errorf("seed rows: %w", err)
	}
	loaded, unload := context.WithCancel(ctx)
	defer unload()
	go rows.Run(loaded) // without writes there are no hints to see
	s, err := newStage(started)
	if err != nil {
		return err
	}
	defer s.close()
	for _, of := range scenes() {
		say(of.name + ": " + of.about)
		if err := s.play(ctx, of); err != nil {
			return fmt.Errorf("scene %s: %w", of.name, err)
		}
		if err := write(filepath.Join(to, of.name+".json"), s.recording(of)); err != nil {
			return err
		}
	}
	return nil
}

func addresses(r *lab.Ring) []string {
	var out []string
	for _, n := range r.Nodes() {
		out = append(out, n.Address)
	}
	return out
}

func write(path string, r ring.Recording) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
