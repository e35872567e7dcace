package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

// resumeLimit is the issue's; the goal on a quiet machine is 2 s.
const resumeLimit = 10 * time.Second

// lives is how many cases run at the same time: they mostly wait for the settle times of verbs.
const lives = 6

// crashCase is one engine that dies once.
type crashCase struct {
	die     victim.Die
	trouble []ring.Trouble
	faster  float64
}

func cases() []crashCase {
	killed := []ring.Trouble{ring.Kill}
	emptied := []ring.Trouble{ring.Kill, ring.LoseData}
	var out []crashCase
	for _, p := range []victim.Point{victim.AfterIntent, victim.AfterDecide, victim.AfterCall, victim.Waiting} {
		out = append(out, crashCase{victim.Die{Point: p, Verb: cassandra.VerbStart}, killed, 20})
		for _, verb := range []string{cassandra.VerbFence, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbRepair, cassandra.VerbClearReplace} {
			out = append(out, crashCase{victim.Die{Point: p, Verb: verb}, emptied, 20})
		}
	}
	// A slower ring, so that looks fall into these moments.
	return append(out,
		crashCase{victim.Die{Point: victim.Joining, Verb: cassandra.VerbReplace}, emptied, 6},
		crashCase{victim.Die{Point: victim.Streaming, Verb: cassandra.VerbReplace}, emptied, 4},
	)
}

// TestDiesAtEachPoint kills the engine at each point of each step and starts it again at once.
func TestDiesAtEachPoint(t *testing.T) {
	all := cases()
	resumed := make([]time.Duration, len(all))
	slots := make(chan struct{}, lives)
	var wg sync.WaitGroup
	for i, c := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(fmt.Sprintf("%s/%s", c.die.Verb, c.die.Point), func(t *testing.T) { resumed[i] = c.run(t) })
		})
	}
	wg.Wait()
	slices.Sort(resumed)
	t.Logf("%d deaths, %d at a time; first decision after exec: p50 %s, max %s", len(all), lives,
		resumed[len(resumed)/2].Round(time.Millisecond), resumed[len(resumed)-1].Round(time.Millisecond))
}

func (c crashCase) run(t *testing.T) time.Duration {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: c.faster})
	must(t, start(ctx, s, &c.die))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", c.trouble...))
	must(t, s.AwaitDeath(ctx))
	c.diedThere(ctx, t, s)
	must(t, start(ctx, s, nil))
	resumed, err := s.AwaitResume(ctx)
	must(t, err)
	if resumed > resumeLimit {
		t.Errorf("resumed %s after exec, want at most %s", resumed, resumeLimit)
	}
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, run)
	whole(ctx, t, s)
	t.Logf("resumed %s after exec", resumed.Round(time.Millisecond))
	return resumed
}

// diedThere proves by the journal and the ring's log that the engine died at the point and nowhere else.
func (c crashCase) diedThere(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	store := copied(t, s)
	runs, err := store.Runs(ctx, journal.RunFilter{})
	must(t, err)
	if len(runs) != 1 {
		t.Fatalf("%d runs, want 1", len(runs))
	}
	led, err := store.Ledger(ctx, runs[0].ID)
	must(t, err)
	i := slices.IndexFunc(led.Past, func(in galen.Intent) bool { return in.Step.Verb == c.die.Verb })
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	called := slices.ContainsFunc(calls, func(call ring.Call) bool { return call.Verb == c.die.Verb })
	intended := i >= 0
	told := intended && led.Past[i].Sent == galen.SentYes
	settled := intended && led.Past[i].Effect.Settled()
	want := map[victim.Point][3]bool{
		victim.AfterDecide: {false, false, false}, victim.AfterIntent: {true, false, false}, victim.AfterCall: {true, true, false},
		victim.Waiting: {true, true, true}, victim.Joining: {true, true, true}, victim.Streaming: {true, true, true},
	}[c.die.Point]
	if got := [3]bool{intended, called, told}; got != want || settled {
		t.Fatalf("died with intended, called, told %v, want %v; settled: %v, want false", got, want, settled)
	}
}

func start(ctx context.Context, s *victim.Stage, die *victim.Die) error {
	_, err := s.Start(ctx, die)
	return err
}

// stage is set for one test; its engine, if one lives, and its ring end with the test.
func stage(ctx context.Context, t *testing.T, o victim.StageOptions) *victim.Stage {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := victim.SetStage(ctx, o)
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(s.End(), s.Ring.Close())) })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copied is the journal as a dead engine left it. It is a copy: whoever opens a journal tidies it up, and that is the
// next engine's work.
func copied(t *testing.T, s *victim.Stage) *journal.Store {
	t.Helper()
	dir := t.TempDir()
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(s.Engine.Data, app.JournalFile+end))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, app.JournalFile+end), b, 0o600))
	}
	store, err := journal.Open(t.Context(), filepath.Join(dir, app.JournalFile), journal.Options{Now: time.Now})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

// onceEach: by the ring's own log each intent, and each step whatever its intent, had its effect once at most; by the
// journal every effect is settled and there is one run.
func onceEach(ctx context.Context, t *testing.T, s *victim.Stage, run galen.Run) {
	t.Helper()
	store := copied(t, s)
	led, err := store.Ledger(ctx, run.ID)
	must(t, err)
	steps := map[string]string{}
	for _, in := range led.Past {
		steps[in.ID] = in.Step.Hash()
		if !in.Effect.Settled() {
			t.Errorf("the run is %s, and the effect of %s is %s", run.Status, in.Step, in.Effect.Status)
		}
	}
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	if twice := ring.Doubled(calls); len(twice) > 0 {
		t.Errorf("intents with more than one effect: %v", twice)
	}
	count := map[string]int{}
	for _, call := range calls {
		step, known := steps[call.Intent]
		if !known {
			t.Errorf("the ring accepted %s of intent %s, which the journal does not know", call.Verb, call.Intent)
		}
		if count[step]++; count[step] == 2 {
			t.Errorf("%s had its effect twice: %+v", call.Verb, calls)
		}
	}
	if len(calls) == 0 {
		t.Error("the ring accepted no call")
	}
	runs, err := store.Runs(ctx, journal.RunFilter{})
	must(t, err)
	if len(runs) != 1 {
		t.Errorf("%d runs, want 1", len(runs))
	}
	arrived, err := s.Ring.Calls(ctx)
	must(t, err)
	tried := map[string]bool{}
	for _, call := range arrived {
		if tried[call.Intent] {
			t.Errorf("the call of intent %s was made twice", call.Intent)
		}
		tried[call.Intent] = true
	}
	harms, err := s.Ring.Harms(ctx)
	must(t, err)
	for _, h := range harms {
		t.Errorf("harm: %s", h.What)
	}
}

// whole: the journal has no gap and no fault.
func whole(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	report, err := journal.Verify(ctx, filepath.Join(s.Engine.Data, app.JournalFile))
	must(t, err)
	if !report.OK() || report.Events == 0 {
		t.Errorf("%d events, faults: %v", report.Events, report.Faults)
	}
}
