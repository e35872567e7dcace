// Command figures is what `make figures` runs: it measures what the engine promises about time and size, with real
// processes over the simulated ring, and prints one line for each figure with its goal. It fails where a goal is missed;
// a busy machine measures itself, so there -slack 10 allows ten times the goal.
//
// The figures:
//
//   - reaction: from the end of the watch's look that first shows a node down to the moment when the engine's driver is
//     asked for the first call, over many kills of one node each. In between lie the finding, the run, its workflow, a
//     look and a decision, the gate with another look, and two commits to disk.
//   - ready: from exec to the line that says so, on the data directory of a killed engine; first on an empty one.
//   - resume: from exec to the first decision of a run that a killed engine left at each point of its steps.
//   - idle: memory and processor of an engine that watches a healthy ring under the safe policy.
//   - quorum: the first and each next answer on rings of 1,000 and 5,000 nodes, and all sets of up to three nodes.
//   - may: can-i from a saved ring of 1,000 nodes with 16 tokens each and 10 keyspaces, alike and varied, apart from parsing the file; and over
//     the API on a live ring of three.
//   - size: of the journal: what it keeps of a quiet ring, and what one incident adds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
	"github.com/galenhq/galen/test/storm"
)

func main() {
	storm.MaybeServe()
	victim.MaybeServe()
	ringd.MaybeServe()
	kills := flag.Int("kills", 20, "how many nodes to kill for the reaction")
	idle := flag.Duration("idle", 30*time.Second, "how long to watch an idle engine")
	only := flag.String("only", "", "measure only this one: reaction, ready, resume, idle, quorum, may or size; with -bench: react or accept, without the table")
	slack := flag.Float64("slack", 1, "how many times its goal a figure may be, on a busy machine")
	bench := flag.Bool("bench", false, "take the figures of make bench instead")
	table := flag.String("table", "docs/benchmarks.md", "where -bench writes its table")
	flag.Parse()
	cache, err := filepath.Abs(".cache")
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
	b := &board{cache: cache, slack: *slack, rounds: 2, long: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("load of the machine: %s\n", load())
	measures := []measure{
		{"reaction", func(ctx context.Context) error { return reaction(ctx, *kills, *slack) }},
		{"ready", func(ctx context.Context) error { return ready(ctx, *slack) }},
		{"resume", func(ctx context.Context) error { return resume(ctx, *slack) }},
		{"idle", func(ctx context.Context) error { return resting(ctx, *idle, *slack) }},
		{"quorum", func(ctx context.Context) error { return quorum(ctx, *slack) }},
		{"may", func(ctx context.Context) error { return may(ctx, *slack) }},
		{"size", size},
	}
	if *bench {
		measures = []measure{{"react", b.react}, {"accept", b.accept}}
	}
	errs := taken(ctx, measures, *only)
	if *bench && *only == "" {
		errs = append(errs, b.save(*table))
	}
	fmt.Printf("load of the machine: %s\n", load())
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// measure takes one figure or a few, and fails where a goal is missed.
type measure struct {
	name string
	take func(context.Context) error
}

// taken takes the measure of that name, all if it is empty, until the context ends.
func taken(ctx context.Context, all []measure, only string) (errs []error) {
	known := false
	for _, m := range all {
		if only != "" && only != m.name {
			continue
		}
		known = true
		if ctx.Err() == nil {
			errs = append(errs, m.take(ctx))
		}
	}
	if !known {
		errs = append(errs, fmt.Errorf("no figure is called %q: -help names them", only))
	}
	return errs
}

// onStage sets a stage in a folder of its own and clears it away.
func onStage(ctx context.Context, o victim.StageOptions, play func(context.Context, *victim.Stage) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if o.Dir, err = os.MkdirTemp("", "galen-figures-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	s, err := victim.SetStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.End(), s.Ring.Close()) }()
	return play(ctx, s)
}

// spread prints a row of times and returns an error if its middle is beyond the goal, as far as the slack allows. Without a
// goal it only prints.
func spread(what string, all []time.Duration, goal time.Duration, slack float64) error {
	if len(all) == 0 {
		return fmt.Errorf("%s: nothing was measured", what)
	}
	slices.Sort(all)
	p50, p90 := all[len(all)/2], all[len(all)*9/10]
	fmt.Printf("%-44s n %3d  min %6.1f  p50 %6.1f  p90 %6.1f  max %6.1f ms   goal p50 %d ms\n", what, len(all),
		ms(all[0]), ms(p50), ms(p90), ms(all[len(all)-1]), goal.Milliseconds())
	if goal > 0 && float64(p50) > float64(goal)*slack {
		return fmt.Errorf("%s: p50 is %s, its goal %s (-slack %g)", what, p50, goal, slack)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
