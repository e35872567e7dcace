package temporal

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/galenhq/galen/gym"
)

// Of a longer run: go test ./temporal -args -incidents 1000 -first-seed 1.
var (
	incidents = flag.Int("incidents", 20, "how many incidents TestGymOnTemporal plays")
	firstSeed = flag.Uint64("first-seed", 1, "seed of its first one")
)

// cast is the engine whose workflows are played, and what went wrong with them.
type cast struct {
	mu     sync.Mutex
	played []*played
	faults []error
}

func (c *cast) engine() gym.Engine {
	return gym.Engine{Workflows: func(run string) gym.Workflow {
		c.mu.Lock()
		defer c.mu.Unlock()
		p := newPlayed(run, c.fault)
		c.played = append(c.played, p)
		return p
	}}
}

func (c *cast) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, err)
}

// TestGymOnTemporal: the same incidents, judged by the same checker, with the workflow as Temporal runs it.
func TestGymOnTemporal(t *testing.T) {
	var c cast
	report, err := gym.Train(t.Context(), gym.Options{
		Engine: c.engine(), Seed: *firstSeed, N: *incidents, Workers: runtime.NumCPU(),
		Again: func(seed uint64) string {
			return fmt.Sprintf("cd test && go test -run '^TestGymOnTemporal$' ./temporal -args -incidents 1 -first-seed %d", seed)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failures)+len(report.Faults) > 0 {
		t.Errorf("%d of %d incidents broke an invariant, in %d a runbook was at fault:\n%s", len(report.Failures), report.N, len(report.Faults), report.Told())
	}
	if err := report.Sorts[gym.Single].Healed(); err != nil {
		t.Error(err)
	}
	for _, err := range c.faults {
		t.Error(err)
	}
	histories, orders := 0, 0
	for _, p := range c.played {
		histories += p.histories
		orders += p.given
		if p.last.cmd.Do != "finish" {
			t.Errorf("the workflow of run %s was left behind at %q", p.run, p.last.cmd.Do)
		}
	}
	if len(c.played) == 0 || orders < 3*len(c.played) {
		t.Errorf("%d workflows gave %d orders", len(c.played), orders)
	}
	t.Logf("%d workflows in %d histories gave %d orders\n%s", len(c.played), histories, orders, report)
}

// TestEqualSeeds: a failure can be played again.
func TestEqualSeeds(t *testing.T) {
	for _, seed := range []uint64{3, 6, 11} {
		var stories [2]string
		for i := range stories {
			var c cast
			p, err := gym.Play(t.Context(), gym.Draw(seed), c.engine())
			if err != nil {
				t.Fatal(err)
			}
			stories[i] = p.Story
		}
		if stories[0] != stories[1] {
			t.Errorf("seed %d has two stories:\n%s\n%s", seed, stories[0], stories[1])
		}
	}
}
