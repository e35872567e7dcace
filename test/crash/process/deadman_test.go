package process

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// TestTheDeadManHearsNothing: the watcher outside is told while the engine works, and no more once it has lost a part that it needs. The
// engine lives on.
func TestTheDeadManHearsNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	heard := make(chan struct{}, 1000)
	watcher := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard <- struct{}{} }))
	t.Cleanup(watcher.Close)
	file := filepath.Join(t.TempDir(), "dead-man.url")
	must(t, os.WriteFile(file, []byte(watcher.URL), 0o600))
	there, err := embedded.Start(ctx, embedded.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	lose := sync.OnceFunc(func() { must(t, there.Stop()) })
	t.Cleanup(lose)
	headers, err := there.Headers(ctx)
	must(t, err)
	s := stage(ctx, t, victim.StageOptions{Faster: 20, Config: map[string]any{"dead_man": map[string]any{"url_file": file, "every": "1s"}}})
	s.Temporal = &victim.Temporal{Address: there.Address(), Namespace: there.Namespace(), Headers: headers}
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	for range 3 {
		select {
		case <-heard:
		case <-ctx.Done():
			t.Fatalf("the watcher was not told; the log ends with:\n%s", engine.Tail(s.Engine.Log, 20))
		}
	}
	lose()
	for !strings.Contains(engine.Tail(s.Engine.Log, 500), "its runs do not go on") { // it finds out each ten seconds
		select {
		case <-ctx.Done():
			t.Fatalf("the engine did not find out; the log ends with:\n%s", engine.Tail(s.Engine.Log, 20))
		case <-time.After(100 * time.Millisecond):
		}
	}
	for silent := false; !silent; { // what was under way may still arrive, then nothing for five times as long as it is told while it works
		select {
		case <-heard:
		case <-time.After(5 * time.Second):
			silent = true
		case <-ctx.Done():
			t.Fatalf("the watcher is still told; the log ends with:\n%s", engine.Tail(s.Engine.Log, 20))
		}
	}
}
