package process

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// TestTheDeadManHearsNothing: the watcher outside is told while the engine works, and no more once it has lost a part that it needs, or is
// dead itself.
func TestTheDeadManHearsNothing(t *testing.T) {
	for _, c := range []struct {
		name, says string // in the log
		lose       func(t *testing.T, s *victim.Stage, there *embedded.Server)
	}{
		{"Temporal is gone", "its runs do not go on", func(t *testing.T, _ *victim.Stage, there *embedded.Server) { must(t, there.Stop()) }},
		{"the engine is dead", "", func(t *testing.T, s *victim.Stage, there *embedded.Server) {
			must(t, s.Engine.Kill())
			t.Cleanup(func() { must(t, there.Stop()) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // the engine examines itself each ten seconds
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			heard := make(chan time.Time, 1000)
			watcher := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard <- time.Now() }))
			t.Cleanup(watcher.Close)
			file := filepath.Join(t.TempDir(), "dead-man.url")
			must(t, os.WriteFile(file, []byte(watcher.URL), 0o600))
			there, err := embedded.Start(ctx, embedded.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
			must(t, err)
			headers, err := there.Headers(ctx)
			must(t, err)
			s := stage(ctx, t, victim.StageOptions{Faster: 20, Config: map[string]any{"dead_man": map[string]any{"url_file": file, "every": "1s"}}})
			s.Temporal = &victim.Temporal{Address: there.Address(), Namespace: there.Namespace(), Headers: headers}
			must(t, start(ctx, s, nil))
			must(t, s.AwaitHealth(ctx))
			for range 3 { // before it, the engine is whole and tells so again and again
				hears(ctx, t, s, heard)
			}
			c.lose(t, s, there)
			for silent := false; !silent; { // five times as long as it is told while it works
				select {
				case <-heard:
				case <-time.After(5 * time.Second):
					silent = true
				case <-ctx.Done():
					t.Fatalf("the watcher is still told; the log ends with:\n%s", engine.Tail(s.Engine.Log, 20))
				}
			}
			if log := engine.Tail(s.Engine.Log, 200); !strings.Contains(log, c.says) {
				t.Errorf("%q is missing in the log, which ends with:\n%s", c.says, log)
			}
		})
	}
}

func hears(ctx context.Context, t *testing.T, s *victim.Stage, heard <-chan time.Time) {
	t.Helper()
	select {
	case <-heard:
	case <-ctx.Done():
		t.Fatalf("the watcher was not told; the log ends with:\n%s", engine.Tail(s.Engine.Log, 20))
	}
}
