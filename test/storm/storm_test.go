package storm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// full plays the storms in their full size, as `make storm` does.
var full = flag.Bool("full", false, "storms of full size; about ten minutes")

// limit of each story, on a slow machine; a full one has more.
const limit = 4 * time.Minute

func staged(t *testing.T, o Options) (context.Context, *Stage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(size(10, 1))*limit)
	t.Cleanup(cancel)
	o.Dir = t.TempDir()
	s, err := Set(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.End(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitSeen(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, s
}

// size is the full number of something, or less of it in the small form that make test plays.
func size(whole, small int) int {
	if *full {
		return whole
	}
	return small
}

// backlogWithin is promised on a machine that has nothing else to do; only the full form holds the engine to it.
const backlogWithin = 10 * time.Second

// TestPostsAboutFewProblems: many posts about few problems are an incident for each problem, and none waits long. With a PostgreSQL beside
// the engine on two processors that holds in the small size only, see docs/testing.md.
func TestPostsAboutFewProblems(t *testing.T) {
	t.Run("journal in a file", func(t *testing.T) { postsAboutFewProblems(t, nil, size(10_000, 1000), size(200, 40)) })
	t.Run("journal in PostgreSQL", func(t *testing.T) { postsAboutFewProblems(t, inPostgres(t), 1000, 40) })
}

// inPostgres says that the journal is in a PostgreSQL of its own, which keeps what it has said yes to.
func inPostgres(t *testing.T) map[string]any {
	t.Helper()
	file := filepath.Join(t.TempDir(), "journal.url")
	if err := os.WriteFile(file, []byte(pgtest.Start(t, "-c", "fsync=on").URL("storm")), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"journal": map[string]any{"url_file": file}}
}

func postsAboutFewProblems(t *testing.T, config map[string]any, posts, problems int) {
	ctx, s := staged(t, Options{Resources: problems, Config: config})
	for i := range problems {
		s.Patients.Break(i, "db-2")
	}
	began := time.Now()
	got := Load{Target: s.Webhook(), Connections: 50, Posts: posts, Body: func(i int) []byte {
		return Webhook(Alert(i%problems, "db-2", fmt.Sprintf("f%d", i), began))
	}}.Run(ctx)
	if got.OK != posts {
		t.Fatalf("%d of %d posts got a 2xx: %v", got.OK, posts, got.First)
	}
	last := time.Now()
	if err := s.AwaitQuiet(ctx); err != nil {
		t.Fatal(err)
	}
	quiet := time.Since(last)
	t.Logf("%.0f posts/s, p99 %s; inbox and outbox empty %s after the last one", got.PerSecond(), got.Percentile(99), quiet)
	if *full && quiet > backlogWithin {
		t.Errorf("the backlog was there for %s", quiet)
	}
	runs, err := s.AwaitRuns(ctx, problems)
	if err != nil {
		t.Fatal(err)
	}
	calls, repeats := s.Patients.Calls()
	if len(runs) != problems || len(calls) != problems || repeats != 0 {
		t.Errorf("%d runs and %d calls, %d of them repeated, for %d problems", len(runs), len(calls), repeats, problems)
	}
	for _, run := range runs {
		if run.Status != galen.RunVerified {
			t.Errorf("run %s on %s is %s: %s", run.ID, run.Resource, run.Status, run.Why)
		}
	}
}

// TestCopiesAreOneRun: copies of one alert with another start each are one run.
func TestCopiesAreOneRun(t *testing.T) {
	const copies = 1000
	ctx, s := staged(t, Options{Resources: 1})
	s.Patients.Break(0, "db-2")
	began := time.Now()
	got := Load{Target: s.Webhook(), Connections: 50, Posts: copies, Body: func(i int) []byte {
		return Webhook(Alert(0, "db-2", "one", began.Add(-time.Duration(i)*time.Second)))
	}}.Run(ctx)
	if got.OK != copies {
		t.Fatalf("%d of %d posts got a 2xx: %v", got.OK, copies, got.First)
	}
	if err := s.AwaitQuiet(ctx); err != nil {
		t.Fatal(err)
	}
	runs, err := s.AwaitRuns(ctx, 1)
	if calls, _ := s.Patients.Calls(); err != nil || len(runs) != 1 || len(calls) != 1 || runs[0].Status != galen.RunVerified {
		t.Errorf("%d runs, %d calls, %v", len(runs), len(calls), err)
	}
}

// TestSlowActionsDropNothing: while each call takes a second, every alert is dealt with, and says how.
func TestSlowActionsDropNothing(t *testing.T) {
	alerts, problems := size(2000, 400), size(200, 20)
	ctx, s := staged(t, Options{Resources: problems, CallFor: time.Second})
	for i := range problems {
		s.Patients.Break(i, "db-2")
	}
	began := time.Now()
	got := Load{Target: s.Webhook(), Connections: 50, Posts: alerts, Body: func(i int) []byte {
		return Webhook(Alert(i%problems, "db-2", fmt.Sprint("f", i), began))
	}}.Run(ctx)
	if got.OK != alerts {
		t.Fatalf("%d of %d posts got a 2xx: %v", got.OK, alerts, got.First)
	}
	if err := s.AwaitQuiet(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AwaitRuns(ctx, problems); err != nil {
		t.Fatal(err)
	}
	accounted(ctx, t, s, got.OK, func(i int) string { return fmt.Sprint("f", i) })
	calls, repeats := s.Patients.Calls()
	healed := map[string]bool{}
	for _, c := range calls {
		healed[c.Resource] = true
	}
	if len(healed) != problems || repeats != 0 {
		t.Errorf("calls to %d of %d resources, %d of them repeated", len(healed), problems, repeats)
	}
}

// accounted kills the engine and finds each accepted alert in the journal, with what became of it.
func accounted(ctx context.Context, t *testing.T, s *Stage, n int, fingerprint func(i int) string) {
	t.Helper()
	if err := s.Engine.Kill(); err != nil {
		t.Fatal(err)
	}
	s.started = false
	all, err := s.Alerts(ctx)
	if err != nil {
		t.Fatal(err)
	}
	became := map[string]string{}
	for _, a := range all {
		became[a.Fingerprint] = a.State + " " + a.Run + a.Why
		if a.State == journal.AlertPending || a.Why == "" || a.State == journal.AlertMatched && a.Run == "" {
			t.Errorf("alert %s is %s, run %q: %q", a.Fingerprint, a.State, a.Run, a.Why)
		}
	}
	lost := 0
	for i := range n {
		if became[fingerprint(i)] == "" {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d alerts that got a 2xx are not in the journal", lost, n)
	}
}

// TestKilledInStorms: the engine is killed in the middle of a storm, over and over, with something new to heal each time. Each alert that got
// a 2xx is in the journal at the end, with a run or a reason, every problem was healed, and no call was repeated.
func TestKilledInStorms(t *testing.T) {
	kills, problems := size(100, 5), size(200, 20)
	ctx, s := staged(t, Options{Resources: problems})
	for i := range problems - kills {
		s.Patients.Break(i, "db-2")
	}
	var mu sync.Mutex
	var accepted []string
	next := 0
	began := time.Now()
	for kill := range kills {
		first, broken := next, problems-kills+kill+1
		s.Patients.Break(broken-1, "db-2")
		storm, end := context.WithCancel(ctx)
		ended := make(chan Result, 1)
		l := Load{Target: s.Webhook(), Connections: 20, Posts: 1 << 20, Body: func(i int) []byte {
			return Webhook(Alert((first+i)%broken, "db-2", fmt.Sprint("k", first+i), began))
		}, Accepted: func(i int) {
			mu.Lock()
			defer mu.Unlock()
			accepted, next = append(accepted, fmt.Sprint("k", first+i)), max(next, first+i+1)
		}}
		go func() { ended <- l.Run(storm) }()
		want := first + 50 + 37*(kill%7)
		err := s.poll(ctx, "the storm is under way", func() (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return next >= want, nil
		})
		if err := errors.Join(err, s.Engine.Kill()); err != nil {
			t.Fatal(err)
		}
		end()
		<-ended
		if err := s.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d alerts got a 2xx", kills, len(accepted))
	settled := func(runs int) {
		t.Helper()
		err := s.AwaitQuiet(ctx)
		for i := range problems { // the newest one may have been killed with its alert; then Galen sees it by itself
			err = errors.Join(err, s.poll(ctx, Name(i)+" is healed", func() (bool, error) { return !s.Patients.Down(i, "db-2"), nil }))
		}
		if err == nil {
			_, err = s.AwaitRuns(ctx, runs)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	settled(problems)
	for i := range problems { // what goes down again after all that is healed again
		s.Patients.Break(i, "db-2")
		if err := s.Webhook().Post(ctx, http.DefaultClient, Webhook(Alert(i, "db-2", fmt.Sprint("last", i), time.Now()))); err != nil {
			t.Fatal(err)
		}
	}
	settled(2 * problems)
	if _, repeats := s.Patients.Calls(); repeats != 0 {
		t.Errorf("%d calls were repeated", repeats)
	}
	accounted(ctx, t, s, len(accepted), func(i int) string { return accepted[i] })
}
