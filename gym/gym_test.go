package gym

import (
	"flag"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/runbooks"
)

// Of a longer run: go test ./gym -run TestIncidents -incidents 1000 -first-seed 1.
var (
	incidents = flag.Int("incidents", 40, "how many incidents TestIncidents plays")
	firstSeed = flag.Uint64("first-seed", 1, "seed of its first one")
)

func TestIncidents(t *testing.T) {
	train(t, Options{Seed: *firstSeed, N: *incidents})
}

// Seeds that once broke an invariant, and what was wrong.
func TestSeedsThatFailed(t *testing.T) {
	for seed, was := range map[uint64]string{
		37: "I-16: the only spare stood in another data centre, and took the place",
	} {
		p, err := Play(t.Context(), Draw(seed), Engine{})
		if err != nil || len(p.Violations) > 0 {
			t.Errorf("seed %d (%s): %v, %v\n%s", seed, was, err, p.Violations, p.Story)
		}
	}
}

// Equal seeds are equal to the last line: a failure can be played again.
func TestEqualSeeds(t *testing.T) {
	for _, seed := range []uint64{3, 6, 8, 11, 12} {
		var stories [2]string
		for i := range stories {
			p, err := Play(t.Context(), Draw(seed), Engine{})
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

// The journal in a file leads to the same story as the one in memory.
func TestEqualJournals(t *testing.T) {
	for _, seed := range []uint64{1, 7} {
		memory, err := Play(t.Context(), Draw(seed), Engine{})
		if err != nil {
			t.Fatal(err)
		}
		file, err := Play(t.Context(), Draw(seed), Engine{SQLite: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if memory.Story != file.Story {
			t.Errorf("seed %d: in memory\n%s\nin a file\n%s", seed, memory.Story, file.Story)
		}
	}
}

// An SRE's own runbook: this one restarts whatever is down, at once.
func TestRun(t *testing.T) {
	rb := runbooks.CassandraHealNode()
	rb.Decide = func(s galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan {
		return runbooks.CassandraHealNode().Decide(s)
	}
	if r := Run(t, galen.ListRunbook(rb)); r.Scores[rb.Name].Verified == 0 {
		t.Error("it healed nothing")
	}
}
