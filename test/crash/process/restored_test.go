package process

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

// TestAnOldJournalIsRearmed: the journal becomes an old one, restored from a backup or set back with its whole machine, after the
// hosts have seen later intents. The engine observes only; the snapshot, which nothing in the data directory betrays, as soon as
// a host refuses. When a person has re-armed it, the hosts obey again, and the node is healed.
func TestAnOldJournalIsRearmed(t *testing.T) {
	for name, old := range map[string]struct {
		// keep makes the copy, back puts it in the journal's place.
		keep, back func(ctx context.Context, t *testing.T, s *victim.Stage, copy string)
		why        string
	}{
		"restored": {
			keep: func(ctx context.Context, t *testing.T, s *victim.Stage, copy string) {
				_, err := journal.Move(ctx, s.Journal, journal.Place{Path: copy}, nil)
				must(t, err)
			},
			back: func(ctx context.Context, t *testing.T, s *victim.Stage, copy string) {
				for _, end := range []string{"", "-wal", "-shm"} {
					must(t, os.RemoveAll(s.Journal.Path+end))
				}
				_, err := journal.Restore(ctx, journal.Place{Path: copy}, s.Journal, journal.Restored{Why: "restored by a test", Now: time.Now}, nil)
				must(t, err)
			},
			why: "restored by a test",
		},
		"set back": {
			keep: func(ctx context.Context, t *testing.T, s *victim.Stage, copy string) {
				must(t, s.Engine.Kill())
				copyAll(t, s.Engine.Data, copy)
				must(t, start(ctx, s, nil))
			},
			back: func(_ context.Context, t *testing.T, s *victim.Stage, copy string) {
				must(t, os.RemoveAll(s.Engine.Data))
				copyAll(t, copy, s.Engine.Data)
			},
			why: "which this journal does not know",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			s := stage(ctx, t, victim.StageOptions{Faster: 20, Policy: map[string]any{"cooldown": "0s"}})
			must(t, start(ctx, s, nil))
			must(t, s.AwaitHealth(ctx))
			heals(ctx, t, s)
			copy := filepath.Join(t.TempDir(), "copy")
			old.keep(ctx, t, s, copy)
			heals(ctx, t, s) // the host sees an intent that the copy does not know
			must(t, s.Engine.Kill())
			old.back(ctx, t, s, copy)
			before, err := ringd.Accepted(s.Ring.Log)
			must(t, err)

			must(t, start(ctx, s, nil))
			must(t, s.Break(ctx, "n3", ring.Kill))
			observesOnly(ctx, t, s, old.why)
			after, err := ringd.Accepted(s.Ring.Log)
			must(t, err)
			if len(after) != len(before) {
				t.Fatalf("the ring accepted %+v of an engine that observes only", after[len(before):])
			}
			c, err := s.Engine.Client()
			must(t, err)
			res, err := c.RearmWithResponse(ctx, api.Rearm{Why: "looked at it"})
			must(t, err)
			if res.StatusCode() != http.StatusNoContent {
				t.Fatalf("re-arm: %s: %s", res.Status(), res.Body)
			}
			_, err = s.AwaitRun(ctx, galen.RunVerified)
			must(t, err)
			must(t, s.Engine.Kill())
			calls, err := ringd.Accepted(s.Ring.Log)
			must(t, err)
			if twice := ring.Doubled(calls); len(twice) > 0 || len(calls) == len(before) {
				t.Errorf("%d calls after %d, twice: %v", len(calls), len(before), twice)
			}
			whole(ctx, t, s)
		})
	}
}

// copyAll copies a directory with the modes of its files, on which the engine insists.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.CopyFS(to, os.DirFS(from)))
	must(t, filepath.WalkDir(to, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}))
}

// heals lets a node die and waits until it is healed.
func heals(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	runs, err := s.Engine.Runs(ctx)
	must(t, err)
	var before galen.Run
	if len(runs) > 0 {
		before = runs[len(runs)-1]
	}
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill))
	if before.ID == "" {
		_, err := s.AwaitRun(ctx, galen.RunVerified)
		must(t, err)
		return
	}
	awaitNext(ctx, t, s, before, func(s galen.RunStatus) bool { return s == galen.RunVerified })
}

// observesOnly waits until the newest run says why it does not act.
func observesOnly(ctx context.Context, t *testing.T, s *victim.Stage, why string) {
	t.Helper()
	var last galen.Run
	for {
		runs, err := s.Engine.Runs(ctx)
		must(t, err)
		if last = runs[len(runs)-1]; last.Status.Open() && strings.Contains(last.Why, "observe only") && strings.Contains(last.Why, why) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("run %s is %s: %s", last.ID, last.Status, last.Why)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
