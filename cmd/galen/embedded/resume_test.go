package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/internal/temporal"
)

// The environment of the child process, and what it prints.
const (
	childDir     = "GALEN_EMBEDDED_CHILD"
	childServing = "serving"
	childHangs   = "hangs"
	childResumed = "resumed"

	// The activities of the engine: decide may run again, act never does.
	decideRun, actRun = "decide", "act"
	// idleRun starts nothing.
	idleRun = "idle"
)

// A killed engine goes on soon after its next start (2 s on a quiet machine, 10 s at most), whether the activity it was in may be tried again or not.
func TestResumesAfterKill(t *testing.T) {
	for _, kind := range []string{decideRun, actRun} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			killed := spawn(t, dir, kind)
			killed.await(t, childHangs)
			killed.kill(t)

			begun := time.Now()
			next := spawn(t, dir, kind)
			next.await(t, childServing)
			serving := time.Since(begun)
			next.await(t, childResumed)
			resumed := time.Since(begun)
			t.Logf("serving %s after exec, resumed %s after exec", serving.Round(time.Millisecond), resumed.Round(time.Millisecond))
			if limit := 10 * time.Second; resumed > limit {
				t.Errorf("resumed after %s, want at most %s (the goal is 2 s on a quiet machine)", resumed, limit)
			}
			next.kill(t)
		})
	}
}

type process struct {
	cmd   *exec.Cmd
	lines chan string
}

func spawn(t testing.TB, dir, kind string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], kind), lines: make(chan string, 16)}
	p.cmd.Env = append(os.Environ(), childDir+"="+dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.kill(t)
		}
	})
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

func (p *process) await(t testing.TB, want string) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		select {
		case line, open := <-p.lines:
			if line == want {
				return
			}
			if !open {
				t.Fatalf("the child ended before it said %q", want)
			}
		case <-limit:
			t.Fatalf("the child did not say %q within 2 minutes", want)
		}
	}
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for range p.lines { // until its end of the pipe is closed
	}
	if err := p.cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child ended with %v, want killed", err)
	}
}

// runChild is an engine in small: it starts the server, clears what its predecessor left, and works until it is killed.
func runChild(dir string) int {
	if err := serveChild(context.Background(), dir, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serveChild(ctx context.Context, dir, kind string) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := Start(ctx, Options{Dir: dir, Logger: logger})
	if err != nil {
		return err
	}
	c, err := temporal.Dial(ctx, temporal.Options{Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Logger: logger})
	if err != nil {
		return err
	}
	fmt.Println(childServing)
	const id = "cassandra/orders/down"
	stale, err := c.FailStale(ctx, []string{"never/started", id}, nil)
	if err != nil {
		return err
	}
	w := c.NewWorker(temporal.WorkerOptions{})
	w.RegisterWorkflowWithOptions(hangingRun, workflow.RegisterOptions{Name: temporal.Workflow})
	w.RegisterActivityWithOptions(hang, activity.RegisterOptions{Name: "Hang"})
	w.RegisterActivityWithOptions(resumed, activity.RegisterOptions{Name: "Resumed"})
	if err := w.Start(); err != nil {
		return err
	}
	if stale == 0 && kind != idleRun {
		if _, err := c.StartRun(ctx, temporal.Start{Key: id, Run: kind}); err != nil {
			return err
		}
	}
	select {} // until killed
}

// hangingRun has the engine's activity options, but that what is never tried again may be silent for long: on a busy machine its time would be
// over before FailStale ends it. Its first activity hangs in the first process.
func hangingRun(ctx workflow.Context, kind string) error {
	options := workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 3 * time.Second}
	if kind == actRun {
		options.RetryPolicy = &sdktemporal.RetryPolicy{MaximumAttempts: 1}
		options.StartToCloseTimeout, options.HeartbeatTimeout = 10*time.Minute, 10*time.Minute
	}
	ctx = workflow.WithActivityOptions(ctx, options)
	err := workflow.ExecuteActivity(ctx, "Hang").Get(ctx, nil)
	if kind == actRun {
		var failure *sdktemporal.ApplicationError
		if !errors.As(err, &failure) || failure.Type() != temporal.StaleType {
			return fmt.Errorf("act ended with %w, want the failure of FailStale", err)
		}
	} else if err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, "Resumed").Get(ctx, nil)
}

// hang says so and beats for ever at its first attempt, and is done at the second.
func hang(ctx context.Context) error {
	if activity.GetInfo(ctx).Attempt > 1 {
		return nil
	}
	fmt.Println(childHangs)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			activity.RecordHeartbeat(ctx)
		}
	}
}

func resumed(context.Context) error {
	fmt.Println(childResumed)
	return nil
}
