package process

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
	"github.com/galenhq/galen/test/crash/victim"
)

// TestTwoReleasesAtOnce: a release and the next one, with another version of a runbook, share a PostgreSQL and a Temporal, as in the
// middle of a rolling upgrade. Whichever of them starts while a run is under way, the run is worked on by the release that
// has its version and by no other, to its end, and is never held. A kill switch keeps each run open until both are there.
func TestTwoReleasesAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	there, c := elsewhere(t)
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen") // the engine refuses a server without
	old := stage(ctx, t, victim.StageOptions{Faster: 6, Journal: url})
	next := stage(ctx, t, victim.StageOptions{Faster: 6, Journal: url, Ring: old.Ring})
	old.Temporal, next.Temporal = there, there
	old.Versions = map[string]int{healNode: 2}

	// The old release begins to replace a node, and the next one comes.
	must(t, start(ctx, old, &failpoint.Order{}))
	must(t, old.AwaitHealth(ctx))
	must(t, old.Break(ctx, "n3", ring.Kill, ring.LoseData))
	must(t, old.AwaitPassage(ctx, func(p failpoint.Passage) bool {
		return p == failpoint.Passage{At: failpoint.Recorded, Of: cassandra.VerbFence}
	}))
	release := hold(ctx, t, old)
	must(t, start(ctx, next, nil))
	mid, err := next.Engine.Runs(ctx)
	must(t, err)
	release()
	first, err := next.AwaitRun(ctx, galen.RunVerified)
	must(t, err)

	must(t, c.GetWorkflow(ctx, workflowOf(t, old, first), "").Get(ctx, nil)) // its last task is nobody's to do later

	// The old one goes; the next one watches, and has begun with another node when the old one is started once more.
	must(t, syscall.Kill(old.Engine.PID(), syscall.SIGTERM))
	must(t, old.AwaitDeath(ctx))
	release = hold(ctx, t, next)
	must(t, next.Break(ctx, "n1", ring.Kill))
	awaitNext(ctx, t, next, first, func(galen.RunStatus) bool { return true })
	must(t, start(ctx, old, nil))
	release()
	second := awaitNext(ctx, t, next, first, func(s galen.RunStatus) bool { return s == galen.RunVerified })
	must(t, old.Engine.Kill())
	must(t, next.Engine.Kill())

	if len(mid) != 1 || !mid[0].Status.Open() || first.ID != mid[0].ID || first.Version != 2 || second.Version == 2 {
		t.Errorf("%+v when the next release started, then %+v and %+v", mid, first, second)
	}
	workers := [2]string{onlyWorker(ctx, t, c, workflowOf(t, old, first)), onlyWorker(ctx, t, c, workflowOf(t, old, second))}
	if workers[0] == workers[1] {
		t.Errorf("both runs were worked on by %s", workers[0])
	}
	onceEach(ctx, t, next, 2)
	whole(ctx, t, next)
	for _, kind := range []galen.EventKind{galen.EventDisarmed, galen.EventHeld} {
		found, err := copied(t, next).Events(ctx, journal.EventFilter{Kind: kind})
		must(t, err)
		if len(found) > 0 {
			t.Errorf("%s: %s", kind, bodies(found))
		}
	}
}

// hold sets the kill switch, and returns how it is released.
func hold(ctx context.Context, t *testing.T, s *victim.Stage) (release func()) {
	t.Helper()
	c, err := s.Engine.Client()
	must(t, err)
	set, err := c.SetHoldWithResponse(ctx, api.HoldRequest{Why: "a test", Until: time.Now().Add(time.Hour)})
	must(t, err)
	if set.JSON201 == nil {
		t.Fatalf("set a hold: %s: %s", set.Status(), set.Body)
	}
	return func() {
		t.Helper()
		released, err := c.ReleaseHoldWithResponse(ctx, set.JSON201.ID)
		must(t, err)
		if released.StatusCode() >= 300 {
			t.Fatalf("release the hold: %s: %s", released.Status(), released.Body)
		}
	}
}

// onlyWorker is the engine that did all of a workflow's tasks and activities.
func onlyWorker(ctx context.Context, t *testing.T, c client.Client, workflow string) string {
	t.Helper()
	by := map[string]int{}
	events := c.GetWorkflowHistory(ctx, workflow, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		must(t, err)
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			by[a.GetIdentity()]++
		}
		if w := e.GetWorkflowTaskStartedEventAttributes(); w != nil {
			by[w.GetIdentity()]++
		}
	}
	if len(by) != 1 {
		t.Errorf("workflow %s was worked on by %v, want one engine", workflow, by)
	}
	for engine := range by {
		return engine
	}
	return fmt.Sprintf("nobody: %s", workflow)
}
