package process

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
)

const healNode = "cassandra/heal-node"

// TestUpgradedInTheMiddle: an engine dies in the middle of a step, and another release starts on its data, with another
// version of the runbook or without it. The run is held there, no call is made and no effect guessed; it goes on in the
// release that has its version, or ends by a cancel.
func TestUpgradedInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		at      failpoint.Point
		version int
		why     string
		cancel  bool
	}{
		{at: failpoint.Started, version: 7, why: "version 3, this engine has version 7"},
		{at: failpoint.Committed, version: 7, why: "version 3, this engine has version 7"},
		{at: failpoint.Called, version: 0, why: `does not know the runbook "cassandra/heal-node"`},
		{at: failpoint.Called, version: 7, why: "version 3, this engine has version 7", cancel: true},
	} {
		end := "goes on in its own release"
		if c.cancel {
			end = "cancelled"
		}
		t.Run(fmt.Sprintf("%s/version %d/%s", c.at, c.version, end), func(t *testing.T) {
			t.Parallel() // the reconciler of a cancelled run comes each minute
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			s := stage(ctx, t, victim.StageOptions{Faster: 20})
			of := cassandra.VerbStart
			if c.at == failpoint.Started {
				of = ""
			}
			must(t, start(ctx, s, &failpoint.Order{At: c.at, Of: of, Signal: failpoint.Kill}))
			must(t, s.AwaitHealth(ctx))
			must(t, s.Break(ctx, "n3", ring.Kill))
			must(t, s.AwaitDeath(ctx))

			s.Versions = map[string]int{healNode: c.version}
			must(t, start(ctx, s, nil))
			run, err := s.AwaitRun(ctx, galen.RunHeld)
			must(t, err)
			if !strings.Contains(run.Why, c.why) {
				t.Errorf("held because %q, want %q", run.Why, c.why)
			}
			if c.cancel {
				must(t, cancelRun(ctx, s, run))
				run = endsCancelled(ctx, t, s)
			} else {
				before := callsOf(ctx, t, s)
				s.Versions = nil
				restarted(ctx, t, s)
				if !approvedUnlessDone(ctx, t, s, run) && c.at != failpoint.Called {
					t.Error("the run was verified without a call, and before anybody said yes")
				}
				run, err = s.AwaitRun(ctx, galen.RunVerified)
				must(t, err)
				if c.at == failpoint.Called && callsOf(ctx, t, s) != before {
					t.Errorf("%d calls, want %d: the one that was made", callsOf(ctx, t, s), before)
				}
			}
			must(t, s.Engine.Kill())
			onceEach(ctx, t, s, 1)
			whole(ctx, t, s)
		})
	}
}

// endsCancelled waits until the run is cancelled, whatever held it in between.
func endsCancelled(ctx context.Context, t *testing.T, s *victim.Stage) galen.Run {
	t.Helper()
	for {
		runs, err := s.Engine.Runs(ctx)
		must(t, err)
		if run := runs[len(runs)-1]; !run.Status.Open() {
			if run.Status != galen.RunCancelled || !strings.Contains(run.Why, "no effect of it is open") {
				t.Fatalf("%s: %s", run.Status, run.Why)
			}
			return run
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not cancelled: %+v", runs)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func callsOf(ctx context.Context, t *testing.T, s *victim.Stage) int {
	t.Helper()
	calls, err := s.Ring.Calls(ctx)
	must(t, err)
	return len(calls)
}

// restarted ends the engine as an upgrade does, in good order, and starts the next one.
func restarted(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	must(t, syscall.Kill(s.Engine.PID(), syscall.SIGTERM))
	must(t, s.AwaitDeath(ctx))
	must(t, start(ctx, s, nil))
}

// TestRollingUpgrade: while a node is replaced, the engine is stopped in good order and another release started, three
// times, at another moment each: first one with another version of another runbook, then this one, then one without that
// runbook. The run goes on under each, is never held, and nothing is done twice.
func TestRollingUpgrade(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: 6})
	must(t, start(ctx, s, &failpoint.Order{}))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill, ring.LoseData))
	releases := []map[string]int{{"cassandra/restart-node": 7}, nil, {"cassandra/restart-node": 0}}
	for i, verb := range []string{cassandra.VerbFence, cassandra.VerbReplace, cassandra.VerbRepair} {
		must(t, s.AwaitPassage(ctx, func(p failpoint.Passage) bool { return p == failpoint.Passage{At: failpoint.Recorded, Of: verb} }))
		must(t, syscall.Kill(s.Engine.PID(), syscall.SIGTERM))
		must(t, s.AwaitDeath(ctx))
		s.Versions = releases[i]
		must(t, start(ctx, s, &failpoint.Order{}))
	}
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	held, err := copied(t, s).Events(ctx, journal.EventFilter{Run: run.ID, Kind: galen.EventHeld})
	must(t, err)
	if len(held) > 0 {
		t.Errorf("held: %s", held[0].Body)
	}
	started, err := copied(t, s).Events(ctx, journal.EventFilter{Kind: galen.EventEngine})
	must(t, err)
	for _, want := range []string{"cassandra/restart-node@1", "cassandra/restart-node@7"} {
		if !strings.Contains(bodies(started), want) {
			t.Errorf("no engine said that it serves %s: %s", want, bodies(started))
		}
	}
	onceEach(ctx, t, s, 1)
	whole(ctx, t, s)
}

func bodies(events []galen.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body))
	}
	return strings.Join(all, "\n")
}
