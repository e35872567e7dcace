package embedded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/internal/temporal"
)

// TestMain becomes the process that resume_test.go kills, if the environment says so.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(runChild(dir))
	}
	os.Exit(m.Run())
}

// TestExamine: whoever only looks at a server sees the namespace and who polls, makes nothing, and is refused without the token.
func TestExamine(t *testing.T) {
	s := startServer(t, t.TempDir(), discard())
	o := temporal.Options{Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Logger: discard(), Journal: "j"}
	got, err := temporal.Examine(t.Context(), o, []string{"a/b"})
	if err != nil || got.Missing || got.Retention < 24*time.Hour || len(got.Polled) != 1 || !got.Polled["a/b"].IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	c, err := temporal.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := c.NewWorker(temporal.WorkerOptions{Needs: "a/b"})
	w.RegisterActivity(func(context.Context) error { return nil })
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for deadline := time.Now().Add(20 * time.Second); got.Polled["a/b"].IsZero(); {
		if got, err = temporal.Examine(t.Context(), o, []string{"a/b"}); err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody polls: %+v %v", got, err)
		}
	}
	o.Namespace = "elsewhere"
	for range 2 { // the first has made nothing
		if got, err = temporal.Examine(t.Context(), o, nil); err != nil || !got.Missing {
			t.Errorf("%+v %v", got, err)
		}
	}
	o.Headers = nil
	if got, err = temporal.Examine(t.Context(), o, nil); err == nil && !got.Missing && got.Retention > 0 {
		t.Errorf("told to a stranger: %+v", got)
	}
}

func TestRefusesWhoHasNoToken(t *testing.T) {
	s := startServer(t, t.TempDir(), discard())
	strangers := map[string]client.Options{
		"no token":    {HostPort: s.Address(), Namespace: s.Namespace()},
		"wrong token": {HostPort: s.Address(), Namespace: s.Namespace(), HeadersProvider: bearer("Bearer 00")},
	}
	for name, options := range strangers {
		t.Run(name, func(t *testing.T) {
			stranger, err := client.NewLazyClient(options)
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			calls := map[string]func(context.Context) error{
				"start": func(ctx context.Context) error {
					_, err := stranger.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "galen"}, "Run", "r1")
					return err
				},
				"poll": func(ctx context.Context) error {
					_, err := stranger.WorkflowService().PollActivityTaskQueue(ctx,
						&workflowservice.PollActivityTaskQueueRequest{Namespace: s.Namespace()})
					return err
				},
				"list": func(ctx context.Context) error {
					_, err := stranger.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{})
					return err
				},
			}
			for name, call := range calls {
				var denied *serviceerror.PermissionDenied
				if err := call(deadline(t, 10*time.Second)); !errors.As(err, &denied) {
					t.Errorf("%s: got %v, want permission denied", name, err)
				}
			}
		})
	}
}

// The ports between the server's roles ask for no token, so they must not answer a stranger at all.
func TestEveryPortIsClosedToStrangers(t *testing.T) {
	s := startServer(t, t.TempDir(), discard())
	listeners := ownListeners(t)
	if len(listeners) < 4 {
		t.Fatalf("found the listeners %v, want frontend, internal-frontend, history and matching", listeners)
	}
	for _, address := range listeners {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			t.Errorf("listens on %s, want loopback only", address)
			continue
		}
		stranger, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: s.Namespace()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stranger.ListWorkflow(deadline(t, 500*time.Millisecond), &workflowservice.ListWorkflowExecutionsRequest{})
		var denied *serviceerror.PermissionDenied
		switch {
		case address == s.Address() && errors.As(err, &denied):
		case address != s.Address() && err != nil && !isAnswer(err): // no TLS, no conversation
		default:
			t.Errorf("%s answered a stranger: %v", address, err)
		}
		stranger.Close()
	}
}

// isAnswer tells an error that the server thought about from one of the connection.
func isAnswer(err error) bool {
	var late *serviceerror.DeadlineExceeded
	var broken *serviceerror.Unavailable
	return !errors.As(err, &late) && !errors.As(err, &broken) && !errors.Is(err, context.DeadlineExceeded)
}

func TestSecondServerOnOneDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	startServer(t, dir, discard())
	_, err := Start(t.Context(), Options{Dir: dir, Logger: discard()})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
}

func TestUnusableOptionsSayWhatToDo(t *testing.T) {
	cases := map[string]struct {
		options Options
		want    string
	}{
		"no directory":      {Options{Logger: discard()}, "Dir and Logger must be given"},
		"missing directory": {Options{Dir: filepath.Join(t.TempDir(), "none"), Logger: discard()}, "does the directory exist"},
		"short retention":   {Options{Dir: t.TempDir(), Retention: time.Minute, Logger: discard()}, "at least 1h"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// A workflow that waits outlives its server, a directory that was moved, and odd characters in its path; a changed
// retention arrives.
func TestOpenWorkflowOutlivesTheServer(t *testing.T) {
	root := t.TempDir()
	first, second := filepath.Join(root, "first"), filepath.Join(root, "a b%20c?d#e")
	if err := os.Mkdir(first, 0o700); err != nil {
		t.Fatal(err)
	}
	var log syncBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))

	s, err := Start(t.Context(), Options{Dir: first, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	c, stop := dialWithWorker(t, s, waitForWake)
	mustStart(t, c, "cassandra/orders/down", "run-1")
	if started, err := c.StartRun(t.Context(), temporal.Start{Key: "cassandra/orders/down", Run: "run-2"}); err != nil || started {
		t.Fatalf("a second start gave %v, %v; want not started, no error", started, err)
	}
	awaitPhase(t, c, "cassandra/orders/down", temporal.Open)
	stop()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(first, second); err != nil {
		t.Fatal(err)
	}

	s, err = Start(t.Context(), Options{Dir: second, Logger: logger, Retention: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer stopServer(t, s)
	c, stop = dialWithWorker(t, s, waitForWake)
	defer stop()
	if err := c.Wake(t.Context(), "cassandra/orders/down"); err != nil {
		t.Fatal(err)
	}
	if e := awaitPhase(t, c, "cassandra/orders/down", temporal.Closed); e.Status != "completed" {
		t.Errorf("status %q, want completed", e.Status)
	}
	if err := c.Wake(t.Context(), "cassandra/orders/down"); !errors.Is(err, temporal.ErrNotFound) {
		t.Errorf("waking a closed workflow gave %v, want ErrNotFound", err)
	}
	if e, err := c.Describe(t.Context(), "never/started"); err != nil || e.Phase != temporal.Absent {
		t.Errorf("an ID that never was gave %v, %v; want absent", e, err)
	}
	mustStart(t, c, "cassandra/orders/down", "run-3") // a closed one does not hinder
	checkRetention(t, s, 48*time.Hour)
	checkListed(t, s, 2)
	if text := log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", text)
	}
}

// TestGarbageIsCollectedSeldom: unless the environment says how often.
func TestGarbageIsCollectedSeldom(t *testing.T) {
	const usual = 100
	for said, want := range map[string]int{"": garbage, "150": usual} { // the runtime has read what is said at its start
		before := debug.SetGCPercent(usual)
		t.Setenv("GOGC", said)
		startServer(t, t.TempDir(), discard())
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("with GOGC=%q it is %d, want %d", said, got, want)
		}
	}
}

// A namespace that is missing is made, and is usable when Dial returns.
func TestDialMakesTheNamespace(t *testing.T) {
	s := startServer(t, t.TempDir(), discard())
	c, err := temporal.Dial(deadline(t, 30*time.Second), temporal.Options{
		Address: s.Address(), Namespace: "other", Headers: s.Headers, Logger: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustStart(t, c, "w", "run-1")
}

func waitForWake(ctx workflow.Context, _ string) error {
	workflow.GetSignalChannel(ctx, temporal.WakeSignal).Receive(ctx, nil)
	return nil
}

func checkRetention(t *testing.T, s *Server, want time.Duration) {
	t.Helper()
	c, err := client.Dial(s.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace()})
	if err != nil {
		t.Fatal(err)
	}
	if got := ns.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); got != want {
		t.Errorf("retention is %s, want %s", got, want)
	}
}

// checkListed waits for visibility, which follows the executions within milliseconds.
func checkListed(t *testing.T, s *Server, want int64) {
	t.Helper()
	c, err := client.Dial(s.ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got int64
	poll(t, 10*time.Second, func() bool {
		count, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: "WorkflowType = 'Run'",
		})
		if err != nil {
			t.Fatal(err)
		}
		got = count.GetCount()
		return got == want
	}, func() string { return "listed " + time.Duration(got).String() })
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
