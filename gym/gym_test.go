package gym

import (
	"flag"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

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

type healing = galen.Situation[cassandra.Ring, runbooks.HealNodeParams]

// TestRunFailsForABrokenRunbook: whatever is wrong with a runbook, its run in the gym must not look like a good one.
func TestRunFailsForABrokenRunbook(t *testing.T) {
	calls := 0 // of the one that cannot make up its mind
	var mu sync.Mutex
	for name, broken := range map[string]struct {
		decide func(healing) galen.Plan
		says   string
	}{
		"panics":        {func(healing) galen.Plan { panic("boom") }, "runbook cassandra/heal-node panicked: boom"},
		"plans nothing": {func(healing) galen.Plan { return galen.Plan{} }, "at fault: runbook cassandra/heal-node: "},
		"changes its mind": {func(healing) galen.Plan {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return galen.Plan{Wait: galen.Duration(calls) * galen.Duration(time.Minute), Why: "who knows"}
		}, "two different plans"},
		"stops the others": {func(s healing) galen.Plan {
			for _, n := range s.State.Nodes {
				if s.Finding != nil && !s.Finding.Has(n.Target().ID) {
					return galen.Plan{Steps: []galen.Step{cassandra.Stop(n)}, Why: "stop the others"}
				}
			}
			return galen.Plan{Wait: s.Policy.LookSoon, Why: "no finding"}
		}, "so that nothing is proved"},
		"escalates": {func(healing) galen.Plan {
			return galen.Plan{End: galen.EndEscalate, Why: "n7 is not for me, since 3m2s"}
		}, "n7 is not for me"},
	} {
		t.Run(name, func(t *testing.T) {
			rb := runbooks.CassandraHealNode()
			rb.Decide = broken.decide
			o, err := runOptions(galen.ListRunbook(rb), func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			o.N, o.Workers, o.Again = 6, 2, func(seed uint64) string { return replayTest("TestMine/it heals", "/my/books", seed) }
			report, err := Train(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(complaints(report, galen.ListRunbook(rb), o), "\n")
			if !strings.Contains(got, broken.says) {
				t.Errorf("it says %q, want %q in it", got, broken.says)
			}
			if again := `cd '/my/books' && GALEN_GYM_SEED=1 go test -v -run '^TestMine$/^it heals$' .`; len(report.Faults) > 0 && !strings.Contains(got, again) {
				t.Errorf("it says %q, want the command %q in it", got, again)
			}
			if n := o.Enough + o.Workers - 1; len(report.Faults) > 0 && report.N > n {
				t.Errorf("%d incidents were played, want %d at most: after %d failures the rest says the same", report.N, n, o.Enough)
			}
		})
	}
}

// TestRunWantsSinglesHealed: a runbook that heals little is no good one, unless its author says so.
func TestRunWantsSinglesHealed(t *testing.T) {
	rb := runbooks.CassandraHealNode()
	listed := runbooks.CassandraHealNode().Decide
	rb.Decide = func(s healing) galen.Plan { // starts what is dead, and gives up where data are lost
		p := listed(s)
		if len(p.Steps) > 0 && p.Steps[0].Verb != cassandra.VerbStart && p.Steps[0].Verb != cassandra.VerbKill {
			return galen.Plan{End: galen.EndEscalate, Why: "a start is not enough"}
		}
		return p
	}
	for _, c := range []struct {
		options []RunOption
		says    string
	}{
		{nil, "incidents with a single trouble"}, {[]RunOption{Heals(0.2)}, ""}, {[]RunOption{Heals(0)}, ""},
	} {
		o, err := runOptions(galen.ListRunbook(rb), func(string) string { return "" }, c.options...)
		if err != nil {
			t.Fatal(err)
		}
		o.N = 12
		report, err := Train(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(complaints(report, galen.ListRunbook(rb), o), "\n"); !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%d options: it says %q, want %q; singles %v", len(c.options), got, c.says, report.Scores[rb.Name].Singles)
		}
	}
}

// TestRunRefuses what it could not play, before it plays.
func TestRunRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		share float64
		says  string
	}{
		"My Start": {1, "want kind/verb-noun"}, "start-node": {1, "want kind/verb-noun"}, "cassandra/Start": {1, "want kind/verb-noun"}, "cassandra/start node": {1, "want kind/verb-noun"},
		"": {1, "want kind/verb-noun"}, "kafka/start-broker": {1, "plays cassandra only"}, "cassandra/a-b": {95, "share from 0 to 1"}, "cassandra/a-c": {-0.1, "share from 0 to 1"},
		"cassandra/a-d": {math.NaN(), "share from 0 to 1"}, "cassandra/start-node": {1, ""},
	} {
		rb := galen.ListRunbook(runbooks.CassandraHealNode())
		rb.Name = name
		_, err := runOptions(rb, func(string) string { return "" }, Heals(c.share))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q, %v: %v, want %q", name, c.share, err, c.says)
		}
	}
}

// TestRunIsTold: one seed or another number of incidents, by the environment.
func TestRunIsTold(t *testing.T) {
	for _, c := range []struct {
		seed, n string
		want    Options
		fails   string
	}{
		{"", "", Options{Seed: 1, N: runIncidents}, ""},
		{"", "7", Options{Seed: 1, N: 7}, ""},
		{"4711", "7", Options{Seed: 4711, N: 1, Stories: true}, ""},
		{"x", "", Options{}, "GALEN_GYM_SEED=x"}, {"-1", "", Options{}, "GALEN_GYM_SEED=-1"},
		{"", "0", Options{}, "GALEN_GYM_INCIDENTS=0"}, {"", "many", Options{}, "GALEN_GYM_INCIDENTS=many"},
	} {
		o, err := runOptions(galen.ListRunbook(runbooks.CassandraHealNode()), func(name string) string {
			return map[string]string{SeedVariable: c.seed, IncidentsVariable: c.n}[name]
		})
		switch {
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%q, %q: %v, want an error with %q", c.seed, c.n, err, c.fails)
		case c.fails == "" && (err != nil || o.Seed != c.want.Seed || o.N != c.want.N || o.Stories != c.want.Stories):
			t.Errorf("%q, %q: seed %d, %d incidents, stories %t, %v; want %+v", c.seed, c.n, o.Seed, o.N, o.Stories, err, c.want)
		}
	}
}
