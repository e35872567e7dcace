// Package engine runs a built galen as a child process and asks it through its API: for the demo, the crash matrix and
// the tests on real rings.
package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Engine is a galen as a child process. Fill the exported fields, then Start it as often as it was killed.
type Engine struct {
	Binary string
	// Config is the file for galen serve, Data the data directory that it names, Log takes stderr.
	Config, Data, Log string
	Listen            string // host:port
	Env               []string
	// Guard is told each pid, so that nothing outlives who started it; may be nil.
	Guard func(pid int) error

	cmd *exec.Cmd
}

// Server is the API's address.
func (e *Engine) Server() string { return "http://" + e.Listen }

// PID of the running process.
func (e *Engine) PID() int { return e.cmd.Process.Pid }

// Start runs galen serve and returns when it says that it is ready; what it printed until then is returned.
func (e *Engine) Start(ctx context.Context) (said string, took time.Duration, err error) {
	logFile, err := os.OpenFile(e.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, fmt.Errorf("engine log: %w", err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	e.cmd = exec.Command(e.Binary, "serve", "--config", e.Config)
	e.cmd.Stderr = logFile
	e.cmd.Env = append(os.Environ(), e.Env...)
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C comes to it from us, once
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return "", 0, fmt.Errorf("engine output: %w", err)
	}
	began := time.Now()
	if err := e.cmd.Start(); err != nil {
		return "", 0, fmt.Errorf("start the engine: %w", err)
	}
	if e.Guard != nil {
		if err := e.Guard(e.cmd.Process.Pid); err != nil {
			return "", 0, errors.Join(err, e.Kill())
		}
	}
	said, err = e.untilReady(ctx, linesOf(out))
	return said, time.Since(began), err
}

// linesOf reads the lines of a pipe to its end; the channel is closed then.
func linesOf(out io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// untilReady collects what the engine prints until it is ready; what comes after is read and dropped.
func (e *Engine) untilReady(ctx context.Context, lines <-chan string) (string, error) {
	var text strings.Builder
	for {
		select {
		case <-ctx.Done():
			go drain(lines)
			return text.String(), ctx.Err()
		case line, more := <-lines:
			if !more {
				return text.String(), fmt.Errorf("the engine ended at its start; its log ends with:\n%s", Tail(e.Log, 10))
			}
			text.WriteString(line + "\n")
			if strings.HasPrefix(line, "ready") {
				go drain(lines)
				return text.String(), nil
			}
		}
	}
}

// drain keeps a pipe empty, so that who writes into it never waits.
func drain(lines <-chan string) {
	for range lines {
	}
}

// Dead tells whether the process has ended; [Engine.Kill] reaps it.
func (e *Engine) Dead() (bool, error) { return e.is("Z") }

// Stopped tells whether the process is stopped until it gets a SIGCONT.
func (e *Engine) Stopped() (bool, error) { return e.is("T") }

// is compares the state of the process, a letter of proc(5).
func (e *Engine) is(state string) (bool, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.PID()))
	if err != nil {
		return false, fmt.Errorf("look at the engine's process: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
	return strings.HasPrefix(rest, state), nil
}

// Kill is kill -9; it returns when the process is gone.
func (e *Engine) Kill() error {
	if err := e.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the engine: %w", err)
	}
	_ = e.cmd.Wait() // "signal: killed" is what we wanted
	return nil
}

// Galen runs a command of the CLI against this engine and returns what it printed.
func (e *Engine) Galen(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.Binary, args...)
	cmd.Env = append(os.Environ(), "GALEN_TOKEN_FILE="+filepath.Join(e.Data, "token"), "GALEN_SERVER="+e.Server())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("galen %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Client is the generated client with the engine's token.
func (e *Engine) Client() (*api.ClientWithResponses, error) {
	token, err := os.ReadFile(filepath.Join(e.Data, "token"))
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	return api.NewClientWithResponses(e.Server(), api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return nil
	}))
}

// Runs lists the runs, oldest first.
func (e *Engine) Runs(ctx context.Context) ([]galen.Run, error) {
	c, err := e.Client()
	if err != nil {
		return nil, err
	}
	res, err := c.ListRunsWithResponse(ctx, &api.ListRunsParams{})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("list runs: %s", res.Status())
	}
	out := make([]galen.Run, 0, len(res.JSON200.Runs))
	for i := len(res.JSON200.Runs) - 1; i >= 0; i-- {
		out = append(out, res.JSON200.Runs[i])
	}
	return out, nil
}

// Run is one run with its intents.
func (e *Engine) Run(ctx context.Context, id string) (*api.RunDetail, error) {
	c, err := e.Client()
	if err != nil {
		return nil, err
	}
	res, err := c.GetRunWithResponse(ctx, id, nil)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("read run %s: %s", id, res.Status())
	}
	return res.JSON200, nil
}

// Members are a resource's members as the engine sees them.
func (e *Engine) Members(ctx context.Context, resource galen.Resource) ([]galen.Member, error) {
	c, err := e.Client()
	if err != nil {
		return nil, err
	}
	res, err := c.GetResourceWithResponse(ctx, resource.Kind, resource.Name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resource, err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("read %s: %s", resource, res.Status())
	}
	return res.JSON200.Members, nil
}

// Tail is the end of a file, for error messages.
func Tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
