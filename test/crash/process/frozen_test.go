package process

import (
	"context"
	"fmt"
	"slices"
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

// TestFrozenEngineDoesNotSend: an engine that is stopped between the commit of an intent and its call, and goes on when the
// 2 s are over, drops the call and says so; one that goes on in time makes it.
func TestFrozenEngineDoesNotSend(t *testing.T) {
	for _, c := range []struct {
		frozen time.Duration
		want   string
	}{
		{100 * time.Millisecond, galen.SentYes},
		{2500 * time.Millisecond, galen.SentNot},
	} {
		t.Run(fmt.Sprintf("for %s", c.frozen), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := stage(ctx, t, victim.StageOptions{Faster: 20})
			must(t, start(ctx, s, &failpoint.Order{At: failpoint.Committed, Of: cassandra.VerbStart, Signal: failpoint.Stop}))
			must(t, s.AwaitHealth(ctx))
			must(t, s.Break(ctx, "n3", ring.Kill))
			must(t, s.AwaitStop(ctx))
			thaw(ctx, t, s, c.frozen)
			_, err := s.AwaitRun(ctx, galen.RunVerified)
			must(t, err)
			must(t, s.Engine.Kill())
			first := firstStart(ctx, t, s)
			if first.Sent != c.want {
				t.Errorf("the first start was sent: %q (%s), want %q", first.Sent, first.Reply, c.want)
			}
			calls, err := s.Ring.Calls(ctx)
			must(t, err)
			arrived := slices.ContainsFunc(calls, func(call ring.Call) bool { return call.Intent == first.ID })
			if arrived != (c.want == galen.SentYes) || len(calls) != 1 {
				t.Errorf("arrived %v, of %d calls", arrived, len(calls))
			}
			if c.want == galen.SentNot && (!strings.Contains(first.Reply, "after the commit") || first.Effect.Status != galen.EffectAbsent) {
				t.Errorf("the journal says %q, and the effect is %s", first.Reply, first.Effect.Status)
			}
			onceEach(ctx, t, s, 1)
			whole(ctx, t, s)
		})
	}
}

// thaw lets a stopped engine go on after a time.
func thaw(ctx context.Context, t *testing.T, s *victim.Stage, after time.Duration) {
	t.Helper()
	select {
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	case <-time.After(after): // the time itself is what is tested
	}
	must(t, syscall.Kill(s.Engine.PID(), syscall.SIGCONT))
}

func firstStart(ctx context.Context, t *testing.T, s *victim.Stage) galen.Intent {
	t.Helper()
	store := copied(t, s)
	runs, err := store.Runs(ctx, journal.RunFilter{})
	must(t, err)
	if len(runs) != 1 {
		t.Fatalf("%d runs, want 1", len(runs))
	}
	led, err := store.Ledger(ctx, runs[0].ID)
	must(t, err)
	i := slices.IndexFunc(led.Past, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbStart })
	if i < 0 {
		t.Fatal("no start was intended")
	}
	return led.Past[i]
}
