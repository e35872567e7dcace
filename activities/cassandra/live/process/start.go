package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start starts the node once for an order, in a session of its own, so that it outlives us; options are further JVM
// options. It refuses while any process of the folder is alive, on a fenced folder, and when the intent's marker is
// there: then a start was attempted and only a look tells what became of it. It does not wait for the node.
func (h *Host) Start(ctx context.Context, o Order, options ...string) (pid int, err error) {
	err = h.locked(ctx, o, func() error {
		pid, err = h.start(o.Intent, options)
		return err
	})
	return pid, err
}

func (h *Host) start(intent string, options []string) (int, error) {
	name, err := fileName(intent)
	if err != nil {
		return 0, err
	}
	if err := h.mayStart(); err != nil {
		return 0, err
	}
	if err := h.disk.create(h.marker(name + ".started")); err != nil {
		if errors.Is(err, os.ErrExist) {
			return 0, fmt.Errorf("%w (%s): look at the process instead of starting again", ErrAttempted, intent)
		}
		return 0, err
	}
	if err := os.MkdirAll(h.path("log"), 0o755); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(h.path("log", "out.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	if err := h.disk.may("exec", h.setup.Start); err != nil {
		return 0, err
	}
	cmd := exec.Command(h.setup.Start, append([]string{intentFlag + intent}, options...)...) // no context: it must outlive us
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.setup.Folder, environment(), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the node: %w", err)
	}
	pid := cmd.Process.Pid
	go func() { _ = cmd.Wait() }() // reaps it; its end is seen by a look, not here
	if err := h.disk.write(h.setup.PIDFile, []byte(strconv.Itoa(pid)+"\n")); err != nil {
		return pid, fmt.Errorf("process %d runs, its pid file could not be written: %w", pid, err)
	}
	return pid, nil
}

// mayStart refuses on a fence, begun ones included, and while a process is alive.
func (h *Host) mayStart() error {
	if _, err := os.Lstat(h.marker("fenced")); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(ErrFenced, err)
	}
	if fences, err := filepath.Glob(h.path("fenced-*")); err != nil || len(fences) > 0 {
		return errors.Join(ErrFenced, err)
	}
	return h.notRunning()
}

func (h *Host) notRunning() error {
	alive, err := h.all()
	if err != nil {
		return err
	}
	if len(alive) > 0 {
		return fmt.Errorf("%w: pid %d, intent %q", ErrRunning, alive[0].pid, alive[0].intent())
	}
	return nil
}

// environment is what a node may see of ours: no secret of the engine is among it.
func environment() []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "TZ", "JAVA_HOME"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// Terminate sends SIGTERM and does not wait: the end is seen by a look.
func (h *Host) Terminate(ctx context.Context, o Order) error {
	return h.locked(ctx, o, func() error { return h.signalAll(syscall.SIGTERM) })
}

// Kill kills one process of the folder, named by pid and start, also when it is stopped by a signal, and waits for its
// end. Any other process, and a later one with the same pid, is ErrOther.
func (h *Host) Kill(ctx context.Context, o Order, pid int, started time.Time) error {
	return h.locked(ctx, o, func() error {
		handle, err := os.FindProcess(pid) // from here on the handle, not the number, names the process
		if err != nil {
			return fmt.Errorf("process %d: %w", pid, err)
		}
		defer func() { _ = handle.Release() }()
		p, err := h.process(pid)
		switch {
		case err != nil:
			return err
		case p == nil:
			return h.mayBeGone(pid)
		case p.started.Sub(started).Abs() > sameStart:
			return fmt.Errorf("%w: process %d was started %s, not %s", ErrOther, pid, p.started, started)
		}
		if err := send(handle, syscall.SIGKILL); err != nil {
			return err
		}
		return h.gone(ctx, pid)
	})
}

// mayBeGone is an error if pid is a process, but not one of this folder.
func (h *Host) mayBeGone(pid int) error {
	cmdline, err := os.ReadFile(filepath.Join(h.proc, strconv.Itoa(pid), "cmdline"))
	if vanished(err) || (err == nil && len(cmdline) == 0) { // no such process, or a zombie
		return nil
	}
	return errors.Join(fmt.Errorf("%w: process %d is none of this folder's", ErrOther, pid), err)
}

// sameStart is how far two readings of one process's start may lie apart: the boot time that they are counted from is
// told in seconds and follows corrections of the clock.
const sameStart = 3 * time.Second

// killAll kills every process of the folder and waits until none is left.
func (h *Host) killAll(ctx context.Context) error {
	if err := h.signalAll(syscall.SIGKILL); err != nil {
		return err
	}
	return h.gone(ctx)
}

func (h *Host) signalAll(sig syscall.Signal) error {
	alive, err := h.all()
	if err != nil {
		return err
	}
	for _, p := range alive {
		handle, err := os.FindProcess(p.pid)
		if err != nil {
			return fmt.Errorf("process %d: %w", p.pid, err)
		}
		again, err := h.process(p.pid)
		if err == nil && again != nil && again.ticks == p.ticks {
			err = send(handle, sig)
		}
		if err = errors.Join(err, handle.Release()); err != nil {
			return err
		}
	}
	return nil
}

func send(p *os.Process, sig syscall.Signal) error {
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to process %d: %w", sig, p.Pid, err)
	}
	return nil
}

// gone waits until no process of the folder is alive, or none of the given ones.
func (h *Host) gone(ctx context.Context, pids ...int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		alive, err := h.all()
		if err != nil {
			return err
		}
		left := []string{}
		for _, p := range alive {
			if len(pids) == 0 || p.pid == pids[0] {
				left = append(left, strconv.Itoa(p.pid))
			}
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s still runs: %w", ErrRunning, strings.Join(left, ", "), ctx.Err())
		case <-tick.C:
		}
	}
}
