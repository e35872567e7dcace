package embedded

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/internal/temporal"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func startServer(t *testing.T, dir string, logger *slog.Logger) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopServer(t, s) })
	return s
}

func stopServer(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func dialServer(t *testing.T, s *Server) *temporal.Client {
	t.Helper()
	c, err := temporal.Dial(t.Context(), temporal.Options{
		Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Logger: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialWithWorker(t *testing.T, s *Server, run any) (c *temporal.Client, stop func()) {
	t.Helper()
	c = dialServer(t, s)
	w := c.NewWorker(temporal.WorkerOptions{})
	w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: temporal.Workflow})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return c, func() {
		w.Stop()
		c.Close()
	}
}

func mustStart(t *testing.T, c *temporal.Client, workflowID, runID string) {
	t.Helper()
	started, err := c.StartRun(t.Context(), temporal.Start{Key: workflowID, Run: runID})
	if err != nil || !started {
		t.Fatalf("starting %s gave %v, %v; want started", workflowID, started, err)
	}
}

func awaitPhase(t *testing.T, c *temporal.Client, workflowID string, want temporal.Phase) temporal.Execution {
	t.Helper()
	var last temporal.Execution
	poll(t, 20*time.Second, func() bool {
		e, err := c.Describe(t.Context(), workflowID)
		if err != nil {
			t.Fatal(err)
		}
		last = e
		return e.Phase == want
	}, func() string { return fmt.Sprintf("%s is %+v, want %s", workflowID, last, want) })
	return last
}

// poll asks every 10 ms until done, at most for limit.
func poll(t *testing.T, limit time.Duration, done func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !done() {
		select {
		case <-end:
			t.Fatalf("after %s: %s", limit, otherwise())
		case <-tick.C:
		}
	}
}

// ownListeners are the TCP addresses that this process listens on, from the kernel's tables.
func ownListeners(t *testing.T) []string {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			own[strings.Trim(link, "socket:[]")] = true
		}
	}
	var found []string
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		found = append(found, listeners(t, table, own)...)
	}
	return found
}

func listeners(t *testing.T, table string, own map[string]bool) []string {
	t.Helper()
	f, err := os.Open(table)
	if os.IsNotExist(err) {
		return nil // no IPv6 here
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const listening = "0A"
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening || !own[fields[9]] {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		if host == "0100007F" {
			host = "127.0.0.1"
		}
		found = append(found, net.JoinHostPort(host, strconv.FormatUint(number, 10)))
	}
	return found
}
