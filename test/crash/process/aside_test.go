package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/pgtest"
	"github.com/galenhq/galen/test/crash/victim"
)

// TestWhoseConfigurationCountsDoesTheWork: two engines share a journal, and the one that started later has another configuration: one that acts,
// where the first only observes. The first stands aside, and says so; the run that waited there, and what is found since, is the other one's.
func TestWhoseConfigurationCountsDoesTheWork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	there, _ := elsewhere(t)
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen")
	first := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Policy: map[string]any{"mode": "observe"}})
	second := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Ring: first.Ring})
	first.Temporal, second.Temporal = there, there

	must(t, start(ctx, first, nil))
	must(t, first.AwaitHealth(ctx))
	must(t, first.Break(ctx, "n3", ring.Kill))
	waits, err := first.AwaitRun(ctx, galen.RunWaiting)
	must(t, err)
	calls, err := first.Ring.Calls(ctx)
	must(t, err)
	if len(calls) > 0 {
		t.Fatalf("an engine that only observes has called: %v", calls)
	}
	must(t, start(ctx, second, nil))
	began := time.Now()
	run, err := second.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	if run.ID != waits.ID {
		t.Errorf("another run was verified: %s, not %s", run.ID, waits.ID)
	}
	t.Logf("verified %s after the second engine had started", time.Since(began).Round(100*time.Millisecond))
	must(t, second.Break(ctx, "n1", ring.Kill))
	awaitNext(ctx, t, second, run, func(s galen.RunStatus) bool { return s == galen.RunVerified })

	aside, works := glance(ctx, t, first), glance(ctx, t, second)
	if aside.Health.Ok || !strings.Contains(*aside.Health.Why, "stands aside: another engine, which started later, has another configuration (another policy for cassandra/demo)") {
		t.Errorf("the first: %+v", aside.Health)
	}
	if !works.Health.Ok {
		t.Errorf("the second: %s", *works.Health.Why)
	}
	must(t, first.Engine.Kill())
	must(t, second.Engine.Kill())
	onceEach(ctx, t, second, 2)
	whole(ctx, t, second)
}

func glance(ctx context.Context, t *testing.T, s *victim.Stage) api.Status {
	t.Helper()
	client, err := s.Engine.Client()
	must(t, err)
	got, err := client.GetStatusWithResponse(ctx)
	must(t, err)
	if got.JSON200 == nil {
		t.Fatalf("%s %s", got.Status(), got.Body)
	}
	return *got.JSON200
}

// TestAnEngineThatCannotStartPutsNobodyAside: its configuration counts once it works, and not before.
func TestAnEngineThatCannotStartPutsNobodyAside(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	there, _ := elsewhere(t)
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen")
	first := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url})
	second := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Ring: first.Ring, Policy: map[string]any{"mode": "observe"},
		Config: map[string]any{"dead_man": map[string]any{"url_file": "/nowhere/url", "every": "1s"}}})
	first.Temporal, second.Temporal = there, there
	must(t, start(ctx, first, nil))
	must(t, first.AwaitHealth(ctx))
	if err := start(ctx, second, nil); err == nil || !strings.Contains(err.Error(), "/nowhere/url") {
		t.Fatalf("the second engine: %v", err)
	}
	must(t, first.Break(ctx, "n3", ring.Kill))
	_, err := first.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	if s := glance(ctx, t, first); !s.Health.Ok {
		t.Errorf("the first: %s", *s.Health.Why)
	}
}
