package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond of the times in /proc: USER_HZ, the same on every Linux.
const ticksPerSecond = 100

const (
	storageFlag = "-Dcassandra.storagedir="
	intentFlag  = "-Dgalen.intent="
)

// replaceFlags are the options that make a node replace another one. Only the first is ever written by us.
func replaceFlags() []string {
	return []string{"-Dcassandra.replace_address_first_boot=", "-Dcassandra.replace_address="}
}

// found is one live process of the folder.
type found struct {
	pid     int
	state   byte // R, S, D, T, ...
	ticks   uint64
	started time.Time
	args    []string
}

func (f found) intent() string { return value(f.args, intentFlag) }

func (f found) replace() string { return replaceIn(f.args) }

func replaceIn(args []string) string {
	for _, flag := range replaceFlags() {
		if v := value(args, flag); v != "" {
			return v
		}
	}
	return ""
}

// value is the text after a flag in the last argument that has it, as the JVM reads it.
func value(args []string, flag string) string {
	for _, a := range slices.Backward(args) {
		if v, ok := strings.CutPrefix(a, flag); ok {
			return v
		}
	}
	return ""
}

// ours tells whether a command line is that of this folder's node, or of its start command on the way to it.
func (h *Host) ours(args []string) bool {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, storageFlag); ok && filepath.Clean(v) == h.setup.Folder {
			return true
		}
		if i < 3 && a == h.setup.Start && value(args, intentFlag) != "" {
			return true
		}
	}
	return false
}

// one is the process of the folder: the one of the pid file if it is alive, else any other. nil: none is alive.
func (h *Host) one() (*found, error) {
	if b, err := os.ReadFile(h.setup.PIDFile); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 1 {
			if f, err := h.process(pid); err != nil || f != nil {
				return f, err
			}
		}
	}
	all, err := h.all()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// all are the live processes of the folder, by pid. There should be one at most.
func (h *Host) all() ([]found, error) {
	entries, err := os.ReadDir(h.proc)
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	var out []found
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, err := h.process(pid)
		if err != nil {
			return nil, err
		}
		if f != nil {
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b found) int { return a.pid - b.pid })
	return out, nil
}

// process is the process of that id if it is alive and of this folder, else nil.
func (h *Host) process(pid int) (*found, error) {
	dir := filepath.Join(h.proc, strconv.Itoa(pid))
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if vanished(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the command line of process %d: %w", pid, err)
	}
	args := strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
	if !h.ours(args) {
		return nil, nil
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if vanished(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	state, ticks, err := parseStat(stat)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' || state == 'x' {
		return nil, nil
	}
	boot, err := h.boot()
	if err != nil {
		return nil, err
	}
	return &found{pid: pid, state: state, ticks: ticks, started: h.started.of(pid, ticks, boot), args: args}, nil
}

func vanished(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// parseStat reads state (field 3) and start time (field 22) of /proc/<pid>/stat. The command name before them is in
// parentheses and may itself hold any character.
func parseStat(b []byte) (state byte, ticks uint64, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, fmt.Errorf("stat %q: no command name", b)
	}
	fields := strings.Fields(string(b[i+1:]))
	if len(fields) < 20 || len(fields[0]) != 1 {
		return 0, 0, fmt.Errorf("stat with %d fields after the name: want 20 or more", len(fields))
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 63)
	if err != nil {
		return 0, 0, fmt.Errorf("stat: start time: %w", err)
	}
	return fields[0][0], ticks, nil
}

// boot is when the machine was started, to the second.
func (h *Host) boot() (time.Time, error) {
	b, err := os.ReadFile(filepath.Join(h.proc, "stat"))
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time of the boot: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			s, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("time of the boot: %w", err)
			}
			return time.Unix(s, 0).UTC(), nil
		}
	}
	return time.Time{}, errors.New("time of the boot: no btime in the process table")
}
