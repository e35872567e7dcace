package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/api"
)

// moody is an engine whose answer a test changes while somebody watches it.
type moody struct {
	mu     sync.Mutex
	status int // 0: it answers
	calls  int
	runs   int
}

func (m *moody) set(status, runs int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status, m.runs = status, runs
}

func (m *moody) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	w.Header().Set("Content-Type", "application/json")
	if m.status != 0 {
		w.WriteHeader(m.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"detail": "not now"})
		return
	}
	switch r.URL.Path {
	case "/v1/runbooks":
		_ = json.NewEncoder(w).Encode(api.RunbookList{Runbooks: []api.Runbook{}})
	case "/v1/findings":
		_, _ = io.WriteString(w, `{"findings":[]}`)
	default:
		_ = json.NewEncoder(w).Encode(api.Status{Health: api.Health{Ok: true, Version: "0.1.0", Started: noon()}, OpenRuns: m.runs, Resources: []api.Resource{}})
	}
}

// tape is what a terminal or a pipe got so far.
type tape struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tape) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// watching is a watch under way.
type watching struct {
	*testing.T
	out, errs *tape
	code      chan int
	stop      context.CancelFunc
}

func watchOn(t *testing.T, server string, on *terminal, args string) watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := watching{T: t, out: &tape{}, errs: &tape{}, code: make(chan int, 1), stop: cancel}
	c := &cli{out: w.out, errs: w.errs, now: noon, terminal: func() *terminal { return on }, env: func(name string) string { return map[string]string{envServer: server}[name] }}
	go func() { w.code <- c.run(ctx, strings.Fields(args)) }()
	t.Cleanup(cancel)
	return w
}

func (w watching) until(what string, holds func() bool) {
	w.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(end) {
			w.Fatalf("waited until %s; it shows\n%s%s", what, w.out, w.errs)
		}
		select {
		case code := <-w.code:
			w.Fatalf("ended with %d before %s; it shows\n%s%s", code, what, w.out, w.errs)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ended is the exit code.
func (w watching) ended() int {
	w.Helper()
	select {
	case code := <-w.code:
		return code
	case <-time.After(20 * time.Second):
		w.Fatal("the watch does not end")
		return 0
	}
}

// A watch in a pipe prints anew, tells once that the engine is away and once that it is back, and ends with success.
func TestWatchInAPipe(t *testing.T) {
	m := &moody{}
	s := httptest.NewServer(m)
	defer s.Close()
	w := watchOn(t, s.URL, nil, "status --watch --every 500ms")
	w.until("two frames", func() bool { return strings.Count(w.out.String(), "galen works") == 2 })
	m.set(http.StatusServiceUnavailable, 0)
	w.until("the engine is away", func() bool {
		return contains(w.out.String(), "the engine does not answer: read the status: not now; asked again every 500ms")
	})
	before := m.asked()
	w.until("it is asked twice more", func() bool { return m.asked() >= before+2 })
	m.set(0, 7)
	w.until("it is back", func() bool { return contains(w.out.String(), "7 runs open") })
	w.stop()
	if code := w.ended(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(w.out.String(), "does not answer"); n != 1 || !contains(w.out.String(), "-- 2026-11-23T12:00:00Z the engine answers again\n-- 2026-11-23T12:00:00Z\ngalen works") || contains(w.out.String(), "\x1b") {
		t.Errorf("told %d times that it is away:\n%s", n, w.out)
	}
}

// On a terminal one frame is in the place of the other, no longer than the window, and what was seen last stays while the engine is away.
func TestWatchOnATerminal(t *testing.T) {
	m := &moody{}
	s := httptest.NewServer(m)
	defer s.Close()
	w := watchOn(t, s.URL, &terminal{columns: 80, rows: 6}, "status -w --every 500ms")
	w.until("two frames", func() bool { return strings.Count(w.out.String(), home) >= 2 })
	m.set(http.StatusBadGateway, 0)
	w.until("the engine is away", func() bool { return contains(w.out.String(), "the engine does not answer") })
	frames := strings.Split(w.out.String(), home)
	last := frames[len(frames)-1]
	if !contains(last, "works") || !contains(last, "does not answer") || strings.Count(last, "\n") > 6 || !contains(last, restDown) || !contains(last, wrapOn) || strings.Count(w.out.String(), wrapOff) != len(frames)-1 {
		t.Errorf("the newest frame is %q", last)
	}
	w.stop()
	if code := w.ended(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// Programs get whole documents, and the rest beside them.
func TestWatchForPrograms(t *testing.T) {
	m := &moody{}
	s := httptest.NewServer(m)
	defer s.Close()
	w := watchOn(t, s.URL, &terminal{columns: 80, rows: 24}, "status -w --every 500ms -o json")
	w.until("a document", func() bool { return contains(w.out.String(), "}\n") })
	m.set(http.StatusBadGateway, 0)
	w.until("the engine is away", func() bool { return contains(w.errs.String(), "the engine does not answer") })
	m.set(0, 7)
	w.until("it is back", func() bool { return contains(w.out.String(), `"open_runs": 7`) })
	w.stop()
	if code := w.ended(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	n := 0
	for d := json.NewDecoder(strings.NewReader(w.out.String())); ; n++ {
		var status api.Status
		if err := d.Decode(&status); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("document %d: %v:\n%s", n, err, w.out)
		}
	}
	if n < 2 {
		t.Errorf("%d documents", n)
	}
}

// Who cannot be asked at the start is an error, and so is a wrong question; a hurry is refused.
func TestWatchRefuses(t *testing.T) {
	c := cannedAPI()
	c.answers["GET /v1/runs"] = http.StatusUnauthorized
	server := c.start(t)
	for args, code := range map[string]int{
		"status --watch --server 127.0.0.1:1": exitError,
		"runs list --watch":                   exitError,
		"findings --watch --every 10ms":       exitUsage,
		"runs list --watch --every soon":      exitUsage,
	} {
		if got := galenCLI(t, server, strings.Fields(args)...); got.code != code {
			t.Errorf("galen %s: %+v, want exit code %d", args, got, code)
		}
	}
}

// Ctrl-C ends a real process with success.
func TestWatchEndsAtCtrlC(t *testing.T) {
	s := httptest.NewServer(&moody{})
	defer s.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "findings", "--watch", "--server", s.URL)
	out := &tape{}
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, append(os.Environ(), envMain+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := watching{T: t, out: out, errs: &tape{}, code: make(chan int, 1)}
	go func() { _ = cmd.Wait(); w.code <- cmd.ProcessState.ExitCode() }()
	w.until("it shows a frame", func() bool { return contains(out.String(), "no findings") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := w.ended(); code != exitOK {
		t.Errorf("exit code %d; it shows\n%s", code, out)
	}
}

// TestAFrameEndsInTime: an engine that hangs gives no answer, which whoever looks at the frame of before must learn.
func TestAFrameEndsInTime(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	c := &cli{server: hang.URL, now: time.Now, env: func(string) string { return "" }}
	_, err := c.frame(t.Context(), 50*time.Millisecond, func(ctx context.Context) error {
		client, err := c.clientWith(nil)
		if err != nil {
			return err
		}
		res, err := client.GetStatusWithResponse(ctx)
		return c.fault("read the status", res, err, err == nil)
	})
	if !errors.As(err, new(unanswered)) || !strings.Contains(err.Error(), "gave no answer in time") {
		t.Errorf("%v", err)
	}
	hang.CloseClientConnections()
}
