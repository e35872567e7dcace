package process

import (
	"context"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/internal/watch"
	"github.com/galenhq/galen/test/crash/victim"
)

// takeover is the issue's: so long after an engine's death the others may go on with what it did.
const takeover = watch.LeaseFor + 10*time.Second

// TestTwoEngines: two whole engines share a PostgreSQL and a Temporal. The one that watches hangs in a call when the other
// starts, which must leave it alone; then it is killed. The other one goes on with the run and takes over the watch. The
// first one comes back, and each takes its part. Nothing is done twice, and nobody thinks the journal in doubt.
func TestTwoEngines(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	there, c := elsewhere(t)
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen") // the engine refuses a server without
	first := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url})
	second := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Ring: first.Ring})
	first.Temporal, second.Temporal = there, there

	must(t, start(ctx, first, nil))
	must(t, first.AwaitHealth(ctx))
	must(t, first.Ring.Strike(ctx, ring.Fault{Verb: cassandra.VerbStart, Kind: ring.HungAfter}))
	must(t, first.Break(ctx, "n3", ring.Kill))
	run := hangs(ctx, t, first)
	must(t, start(ctx, second, nil))
	t.Logf("the second engine started while %d calls hung in the first", underWay(ctx, t, c, workflowOf(t, first, run)))

	died := time.Now()
	must(t, first.Engine.Kill())
	run, err := second.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	t.Logf("the run was verified %s after its engine had died", time.Since(died).Round(100*time.Millisecond))
	must(t, second.Break(ctx, "n1", ring.Kill))
	awaitNext(ctx, t, second, run, func(galen.RunStatus) bool { return true })
	if late := time.Since(died); late > takeover {
		t.Errorf("nobody watched for %s, want at most %s", late, takeover)
	}
	must(t, start(ctx, first, nil))
	next := awaitNext(ctx, t, second, run, func(s galen.RunStatus) bool { return s == galen.RunVerified })
	t.Logf("the next one was verified %s after the death", time.Since(died).Round(100*time.Millisecond))
	must(t, first.Engine.Kill())
	must(t, second.Engine.Kill())

	onceEach(ctx, t, second, 2)
	whole(ctx, t, second)
	for _, kind := range []galen.EventKind{galen.EventDisarmed, galen.EventHeld} {
		found, err := copied(t, second).Events(ctx, journal.EventFilter{Kind: kind})
		must(t, err)
		if len(found) > 0 {
			t.Errorf("%s: %s", kind, bodies(found))
		}
	}
	for _, r := range []galen.Run{run, next} {
		if taken := takenFrom(ctx, t, c, workflowOf(t, first, r)); len(taken) > 0 {
			t.Errorf("run %s: an engine that started has ended what a living one was at: %v", r.ID, taken)
		}
	}
}

// hangs returns the run whose call hangs in its engine.
func hangs(ctx context.Context, t *testing.T, s *victim.Stage) galen.Run {
	t.Helper()
	for {
		calls, err := s.Ring.Calls(ctx)
		must(t, err)
		if len(calls) > 0 {
			runs, err := s.Engine.Runs(ctx)
			must(t, err)
			return runs[0]
		}
		select {
		case <-ctx.Done():
			t.Fatal("no call was made")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// underWay counts the activities of a workflow that an engine is at.
func underWay(ctx context.Context, t *testing.T, c client.Client, workflow string) int {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(ctx, workflow, "")
	must(t, err)
	n := 0
	for _, a := range d.GetPendingActivities() {
		if a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			n++
		}
	}
	return n
}

// awaitNext waits until the run after a run stands so.
func awaitNext(ctx context.Context, t *testing.T, s *victim.Stage, before galen.Run, stands func(galen.RunStatus) bool) galen.Run {
	t.Helper()
	for {
		runs, err := s.Engine.Runs(ctx)
		must(t, err)
		newest := runs[len(runs)-1]
		switch next := newest.ID != before.ID; {
		case next && stands(newest.Status):
			return newest
		case next && (newest.Status == galen.RunHeld || !newest.Status.Open()):
			t.Fatalf("run %s is %s: %s", newest.ID, newest.Status, newest.Why)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("run %s is %s (%s)", newest.ID, newest.Status, newest.Why)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// takenFrom lists the activities of a workflow that an engine took for a dead one's at its start. Those of the engine that was
// killed are not among them: they ran out of time long before it came back.
func takenFrom(ctx context.Context, t *testing.T, c client.Client, workflow string) (out []string) {
	t.Helper()
	events := c.GetWorkflowHistory(ctx, workflow, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		must(t, err)
		failure := e.GetActivityTaskFailedEventAttributes().GetFailure()
		if failure.GetApplicationFailureInfo().GetType() == temporal.StaleType {
			out = append(out, failure.GetMessage())
		}
	}
	return out
}

// TestEnginesOfOneJournalShareATemporal: an engine that would not see the workflows of the living one is refused; else it
// would take them for lost. What it is configured to counts for nobody: it has not worked.
func TestEnginesOfOneJournalShareATemporal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen")
	first := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url})
	second := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Ring: first.Ring, Policy: map[string]any{"mode": "observe"}})
	must(t, start(ctx, first, nil)) // each with its embedded Temporal
	err := start(ctx, second, nil)
	if err == nil || !strings.Contains(err.Error(), "must work with the same Temporal") {
		t.Errorf("the second engine: %v", err)
	}
	client, err := first.Engine.Client()
	must(t, err)
	kind := api.OfKind(galen.EventPolicy)
	told, err := client.ListEventsWithResponse(ctx, &api.ListEventsParams{Kind: &kind})
	must(t, err)
	if body := string(told.Body); !strings.Contains(body, `"act"`) || strings.Contains(body, `"observe"`) {
		t.Errorf("the policies that were told: %s", body)
	}
}
