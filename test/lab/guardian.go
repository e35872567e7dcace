package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// guardianEnv carries the charge of a guardian; a process that finds it is one.
const guardianEnv = "GALEN_LAB_GUARDIAN"

// charge is what a guardian has to know.
type charge struct {
	Home  string        // folder of the ring
	Keep  bool          // leave the files
	Limit time.Duration // reap after this time, although the pipe holds
}

const (
	ready = "ready\n" // said by a guardian when it is one
	leave = "leave\n" // said to it: go, and touch nothing
)

// MaybeGuardian turns this process into a guardian, and does not return, if it was started as one. Call it first in main or
// TestMain of every program that starts a ring.
func MaybeGuardian() {
	text, ok := os.LookupEnv(guardianEnv)
	if !ok {
		return
	}
	if err := watchOver(text); err != nil {
		fmt.Fprintln(os.Stderr, "guardian:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// watchOver waits until the pipe on standard input breaks, then reaps the ring.
func watchOver(text string) error {
	var c charge
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return fmt.Errorf("read the charge: %w", err)
	}
	// A terminal's signals are for the program in the foreground; its end is what breaks the pipe.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an error is the broken pipe
		said <- line
	}()
	if _, err := io.WriteString(os.Stdout, ready); err != nil {
		return fmt.Errorf("report ready: %w", err)
	}
	limit := time.NewTimer(c.Limit)
	defer limit.Stop()
	select {
	case line := <-said:
		if line == leave {
			return nil
		}
	case <-term:
	case <-limit.C:
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return Reap(ctx, c.Home, !c.Keep)
}

// guardian is the side of the process that is watched.
type guardian struct {
	charge charge
	pipe   *os.File      // its end is what the guardian waits for
	cmd    *exec.Cmd     //
	ended  chan struct{} // closed when the guardian is gone; then err is set
	err    error
}

// newGuardian starts a guardian for the ring in c.Home and returns when it watches. It inherits lock, if there is one, so that a
// network stays taken until the ring is gone.
func newGuardian(c charge, lock *os.File) (*guardian, error) {
	if _, nested := os.LookupEnv(guardianEnv); nested {
		return nil, errors.New("this program was started as a guardian but starts a ring: call lab.MaybeGuardian first in its main or TestMain")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the own program for the guardian: %w", err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the guardian's charge: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.Home, markerFile), nil, 0o600); err != nil {
		return nil, fmt.Errorf("mark the ring's folder: %w", err)
	}
	log, err := os.Create(filepath.Join(c.Home, "guardian.log"))
	if err != nil {
		return nil, fmt.Errorf("open the guardian's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the guardian has its own copy
	in, pipe, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the guardian's pipe: %w", err)
	}
	defer func() { _ = in.Close() }() // likewise
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), guardianEnv+"="+string(text))
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stderr = in, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
	g := &guardian{charge: c, pipe: pipe, cmd: cmd, ended: make(chan struct{})}
	if err := g.launch(); err != nil {
		return nil, errors.Join(err, pipe.Close())
	}
	return g, nil
}

func (g *guardian) launch() error {
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("listen to the guardian: %w", err)
	}
	if err := g.cmd.Start(); err != nil {
		return fmt.Errorf("start the guardian: %w", err)
	}
	greeting := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // an error shows as another greeting
		greeting <- line
		g.err = g.cmd.Wait()
		close(g.ended)
	}()
	var line string
	select {
	case line = <-greeting:
	case <-time.After(10 * time.Second):
	}
	if line != ready {
		return errors.Join(fmt.Errorf("the guardian said %q, not ready: call lab.MaybeGuardian first in main or TestMain", line), g.cmd.Process.Kill())
	}
	return nil
}

// guard has the process die with the ring.
func (g *guardian) guard(pid int) error {
	p, alive := lookUp(pid)
	if !alive {
		return fmt.Errorf("guard process %d: it is not alive", pid)
	}
	f, err := os.OpenFile(filepath.Join(g.charge.Home, guardedFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("guard process %d: %w", pid, err)
	}
	_, err = fmt.Fprintf(f, "%d %d\n", p.pid, p.start)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("guard process %d: %w", pid, err)
	}
	return nil
}

// leave sends the guardian away; the ring stays as it is.
func (g *guardian) leave(ctx context.Context) error {
	_, err := io.WriteString(g.pipe, leave)
	return errors.Join(err, g.pipe.Close(), g.wait(ctx))
}

// reap has the guardian end the ring; if somebody killed the guardian, it is done here.
func (g *guardian) reap(ctx context.Context) error {
	err := errors.Join(g.pipe.Close(), g.wait(ctx))
	if err == nil {
		return nil
	}
	if _, gone := os.Stat(g.charge.Home); errors.Is(gone, os.ErrNotExist) {
		return err
	}
	if again := Reap(ctx, g.charge.Home, !g.charge.Keep); again != nil {
		return errors.Join(err, again)
	}
	return nil
}

func (g *guardian) wait(ctx context.Context) error {
	select {
	case <-g.ended:
		if g.err != nil {
			return fmt.Errorf("the guardian ended: %w", g.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the guardian: %w", ctx.Err())
	}
}
