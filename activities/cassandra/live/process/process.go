// Package process is the host plane of a Cassandra ring whose nodes are local processes: it looks at a node's folder
// and process, starts, stops, kills and fences it, and prepares an empty folder for a replacement.
//
// The contract of a folder:
//
//	bin/start                          executable; its arguments are extra JVM options; it execs java in the foreground
//	conf/cassandra.yaml                start configuration, with conf/cassandra-rackdc.properties
//	conf/jvm-extra.options             one JVM option per line, read by bin/start
//	data commitlog hints saved_caches  below -Dcassandra.storagedir=<folder>, which is how its process is recognised
//	pid, log/                          written at a start
//	galen/                             our markers: <intent>.started, fenced, prepared, original/, fences, lock
//	fenced-<intent>/                   where a fence puts bin/start and conf
//
// Every change takes the folder's lock, is refused if a later intent came before it ([Order]), is durable before the next
// one, and can be repeated under the same intent.
package process

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What a change was refused for. The text of the error tells what to do.
var (
	ErrRunning     = errors.New("a process of this folder is alive")
	ErrFenced      = errors.New("the folder is fenced")
	ErrAttempted   = errors.New("a start was already attempted for this intent")
	ErrHasData     = errors.New("the folder holds data")
	ErrPrepared    = errors.New("the folder is prepared by another intent")
	ErrNotPrepared = errors.New("the folder is not prepared by that intent")
	ErrOther       = errors.New("the process is not the one that was meant")
)

// Setup is the configuration of one instance.
type Setup struct {
	Name    string // of the instance
	Address string // that the node listens on
	Folder  string // absolute
	Start   string // "" is bin/start; must lie below the folder
	PIDFile string // "" is pid
}

// Host is one instance. It is safe for concurrent use, by several processes too.
type Host struct {
	setup   Setup
	proc    string // where the process table is
	disk    disk
	started startTimes
	now     func() time.Time
}

// New checks the setup; it does not touch the folder, which may be gone. now is the clock.
func New(s Setup, now func() time.Time) (*Host, error) {
	if !filepath.IsAbs(s.Folder) || filepath.Clean(s.Folder) == "/" {
		return nil, fmt.Errorf("instance %s: folder %q: want an absolute path", s.Name, s.Folder)
	}
	s.Folder = filepath.Clean(s.Folder)
	if s.Start == "" {
		s.Start = filepath.Join(s.Folder, "bin", "start")
	}
	if s.PIDFile == "" {
		s.PIDFile = filepath.Join(s.Folder, "pid")
	}
	s.Start = filepath.Clean(s.Start)
	if !strings.HasPrefix(s.Start, s.Folder+"/") {
		return nil, fmt.Errorf("instance %s: start command %q must lie below its folder %s, so that a fence can move it away", s.Name, s.Start, s.Folder)
	}
	return &Host{setup: s, proc: "/proc", started: startTimes{known: map[string]time.Time{}}, now: now}, nil
}

func (h *Host) path(parts ...string) string {
	return filepath.Join(append([]string{h.setup.Folder}, parts...)...)
}

func (h *Host) marker(name string) string { return h.path("galen", name) }

// fileName makes an intent's ID safe as part of a file name.
func fileName(intent string) (string, error) {
	if intent == "" || len(intent) > 120 || strings.ContainsFunc(intent, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("intent %q: want 1 to 120 printable ASCII characters without spaces", intent)
	}
	return url.PathEscape(intent), nil
}

// locked runs the change of an order that nothing has overtaken, while it alone, on this machine, holds the folder. The
// kernel drops the lock of a dead engine.
func (h *Host) locked(ctx context.Context, o Order, change func() error) error {
	if _, err := os.Stat(h.setup.Folder); err != nil {
		return fmt.Errorf("instance %s: %w", h.setup.Name, err)
	}
	if err := os.MkdirAll(h.path("galen"), 0o755); err != nil {
		return fmt.Errorf("instance %s: %w", h.setup.Name, err)
	}
	f, err := os.OpenFile(h.marker("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("instance %s: %w", h.setup.Name, err)
	}
	defer f.Close()
	err = lock(ctx, f)
	if err == nil {
		err = inTime(ctx, h.now())
	}
	if err == nil {
		err = h.admit(o)
	}
	if err == nil {
		err = change()
	}
	if err != nil {
		return fmt.Errorf("instance %s: %w", h.setup.Name, err)
	}
	return nil
}

// inTime: a caller that was stopped since it began, in front of the lock or within a drain, must change nothing when it goes on:
// whoever settled its intent has counted on that. The wall clock is asked too, for the other one stands still in suspend.
func inTime(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("too late to change anything: %w", err)
	}
	if end, has := ctx.Deadline(); has && (!now.Before(end) || !now.Round(0).Before(end.Round(0))) {
		return fmt.Errorf("too late to change anything: %w", context.DeadlineExceeded)
	}
	return nil
}

// lock waits for its turn until the context ends.
func lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock the folder: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another change holds the folder: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// disk makes durable changes. before, in tests, stops the change in front of any one of them, as a crash would.
type disk struct {
	before func(what string) error
}

func (d disk) may(what, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(what + " " + filepath.Base(path))
}

// write replaces a file as a whole.
func (d disk) write(path string, b []byte) error {
	if err := d.may("write", path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), ignoreAbsent(os.Remove(f.Name())))
	}
	return syncDir(filepath.Dir(path))
}

// create makes a file that must not exist yet.
func (d disk) create(path string) error {
	if err := d.may("create", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
}

// move renames a file or folder that may have been moved already.
func (d disk) move(from, to string) error {
	if err := d.may("move", from); err != nil {
		return err
	}
	if err := ignoreAbsent(os.Rename(from, to)); err != nil {
		return err
	}
	if err := ignoreAbsent(syncDir(filepath.Dir(from))); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// remove takes a file or folder away, if it is there.
func (d disk) remove(path string) error {
	if err := d.may("remove", path); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return ignoreAbsent(syncDir(filepath.Dir(path)))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// startTimes remembers the first reading of each process's start, because the boot time it is counted from moves with
// corrections of the clock.
type startTimes struct {
	mu    sync.Mutex
	known map[string]time.Time
}

func (s *startTimes) of(pid int, ticks uint64, boot time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%d/%d", pid, ticks)
	if _, found := s.known[key]; !found {
		clear(s.known) // an instance has one process at a time
		s.known[key] = boot.Add(time.Duration(ticks) * time.Second / ticksPerSecond)
	}
	return s.known[key]
}
