package process

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// elsewhere is a Temporal server in this process: the engines under test reach it by its address, and it outlives them.
func elsewhere(t *testing.T) (*victim.Temporal, client.Client) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop()) })
	headers, err := server.Headers(t.Context())
	must(t, err)
	o := server.ClientOptions()
	o.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.DialContext(t.Context(), o)
	must(t, err)
	t.Cleanup(c.Close)
	return &victim.Temporal{Address: server.Address(), Namespace: server.Namespace(), Headers: headers}, c
}

// workflowOf is the ID of the workflow of the stage's run.
func workflowOf(t *testing.T, s *victim.Stage, run galen.Run) string {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(s.Engine.Data, app.IdentityFile)) // the first engine of a journal names it
	must(t, err)
	return temporal.WorkflowID(strings.TrimSpace(string(id)), run.Key)
}

// The same engine on a Temporal server by address: a killed node is healed.
func TestHealsOnATemporalElsewhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there, c := elsewhere(t)
	s := stage(ctx, t, victim.StageOptions{Faster: 20})
	s.Temporal = there
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill))
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, 1)
	whole(ctx, t, s)
	replays(ctx, t, c, workflowOf(t, s, run), "killed")
}

// The engine dies in the middle of a replacement, and Temporal does not.
func TestReplacesOnATemporalElsewhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there, c := elsewhere(t)
	s := stage(ctx, t, victim.StageOptions{Faster: 6})
	s.Temporal = there
	must(t, start(ctx, s, &failpoint.Order{At: failpoint.Called, Of: cassandra.VerbReplace, Signal: failpoint.Kill}))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill, ring.LoseData))
	must(t, s.AwaitDeath(ctx))
	must(t, start(ctx, s, nil))
	run, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, 1)
	whole(ctx, t, s)
	replays(ctx, t, c, workflowOf(t, s, run), "replaced")
}

// A terminated workflow costs nothing but a person's look: its run is started again, held, with the reason, and goes on
// with a yes.
func TestATerminatedWorkflowIsHeld(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there, c := elsewhere(t)
	s := stage(ctx, t, victim.StageOptions{Faster: 20, Policy: map[string]any{"mode": "approve"}})
	s.Temporal = there
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill))
	run, err := s.AwaitRun(ctx, galen.RunAsking)
	must(t, err)
	must(t, c.TerminateWorkflow(ctx, workflowOf(t, s, run), "", "a test"))
	must(t, s.Engine.Kill()) // the next start compares the open runs with Temporal; a living engine does so each minute
	must(t, start(ctx, s, nil))
	run, err = s.AwaitRun(ctx, galen.RunHeld)
	must(t, err)
	if !strings.Contains(run.Why, "terminated") {
		t.Errorf("held because %q, want the reason", run.Why)
	}
	calls, err := s.Ring.Calls(ctx)
	must(t, err)
	if len(calls) > 0 {
		t.Errorf("calls without a yes: %+v", calls)
	}
	approve(ctx, t, s, run)
	run, err = s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, 1)
	whole(ctx, t, s)
	replays(ctx, t, c, workflowOf(t, s, run), "held")
}

// approve says yes to the newest plan, and again if another one came in between.
func approve(ctx context.Context, t *testing.T, s *victim.Stage, run galen.Run) {
	t.Helper()
	if !approvedUnlessDone(ctx, t, s, run) {
		t.Fatal("the run was verified before anybody said yes")
	}
}

// approvedUnlessDone is approve, of a run whose call was made: it may be proved done before the yes, which ends even one that is held.
func approvedUnlessDone(ctx context.Context, t *testing.T, s *victim.Stage, run galen.Run) bool {
	t.Helper()
	c, err := s.Engine.Client()
	must(t, err)
	for {
		detail, err := s.Engine.Run(ctx, run.ID)
		must(t, err)
		if detail.Run.Status == galen.RunVerified {
			return false
		}
		res, err := c.ApproveRunWithResponse(ctx, run.ID, api.Approve{Plan: detail.Run.Plan})
		must(t, err)
		switch res.StatusCode() {
		case http.StatusOK:
			return true
		case http.StatusConflict:
		default:
			t.Fatalf("approve: %s: %s", res.Status(), res.Body)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not approved: %s: %s; the run is %s: %s; the log ends with:\n%s", res.Status(), res.Body, detail.Run.Status, detail.Run.Why, engine.Tail(s.Engine.Log, 40))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
