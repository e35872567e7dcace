// Command demo is what `make demo` runs: a real Cassandra ring of three nodes, the built engine beside it, a client that
// never stops, a node killed, a node killed with the loss of its data, the engine killed in the middle of the
// replacement, and the proof that nothing was lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/galenhq/galen/test/lab"
)

// limit of the whole demo after the jars are there.
const limit = 8 * time.Minute

// errLeft: not all that was started could be ended.
var errLeft = errors.New("something may be left running")

func main() {
	lab.MaybeGuardian()
	keep := flag.Bool("keep", os.Getenv("KEEP") != "" && os.Getenv("KEEP") != "0", "leave everything running at the end and print the addresses (also KEEP=1)")
	galen := flag.String("galen", filepath.Join("bin", "galen"), "the engine to show")
	stopHome := flag.String("stop", "", "end what an earlier demo left running in this folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := error(nil)
	if *stopHome != "" {
		err = lab.Reap(ctx, *stopHome, true)
	} else {
		err = run(ctx, *galen, *keep)
	}
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled) && !errors.Is(err, errLeft):
		fmt.Fprintln(os.Stderr, "\nstopped; nothing is left running")
		os.Exit(130)
	case *stopHome != "":
		fmt.Fprintf(os.Stderr, "end what is left in %s: %v\n", *stopHome, err)
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "\nthe demo FAILED: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, galen string, keep bool) (err error) {
	say := newTeller(os.Stdout, time.Now)
	binary, err := filepath.Abs(galen)
	if err != nil {
		return fmt.Errorf("find the engine: %w", err)
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("the engine is not built: %w; run make demo", err)
	}
	say.head("1  A real ring: three Cassandra %s nodes in three racks on 127.0.0.1 to 127.0.0.3", lab.Version)
	lib, err := lab.Fetch(ctx, "", say.line)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ring, err := lab.Start(ctx, lab.Options{
		Lib: lib, Name: "demo", Net: "127.0.0", Nodes: 3, Spares: 1, Phi: 5, Batch: true, Keep: keep, Progress: say.line,
	})
	if err != nil {
		return err
	}
	say.line("phi_convict_threshold is 5 in each node's own cassandra.yaml: peers call a node DOWN after 12 s instead of 19")
	say.line("commitlog_sync is batch: without it a kill -9 costs a node rows that it had acknowledged")
	say.line("the client's table has speculative_retry 50ms, so that a read outlives the node that it asks first; off for the check of the rows")
	s := &story{say: say, ring: ring, binary: binary, home: filepath.Join(ring.Home, "engine")}
	defer func() {
		if ended := s.end(keep && err == nil); ended != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w; files in %s", errLeft, ended, ring.Home))
		}
	}()
	return s.tell(ctx)
}
