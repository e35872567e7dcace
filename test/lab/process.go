package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// storageDir marks the command line of a node: what follows is the node's folder.
const storageDir = "-Dcassandra.storagedir="

// process names one process for good: its id together with its start time in clock ticks since boot, because ids are used again.
type process struct {
	pid   int
	start uint64
}

// lookUp returns the process that has this id now; false if there is none, or only a dead one that nobody has waited for.
func lookUp(pid int) (process, bool) {
	fields := statFields("/proc/" + strconv.Itoa(pid) + "/stat")
	if len(fields) < 20 {
		return process{}, false
	}
	// While the other threads of a dead main thread still exit, the process holds its ports and locks.
	if dead := fields[0] == "Z" || fields[0] == "X"; dead && (fields[17] == "0" || fields[17] == "1") {
		return process{}, false
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	return process{pid, start}, err == nil
}

// statFields are the fields of a stat file of /proc from the third on, the state; none if it can't be read.
func statFields(file string) []string {
	stat, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	// The second field is a name in parentheses that may itself hold blanks and parentheses.
	_, after, _ := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), " ")
	return strings.Fields(after)
}

// stopped says whether each of the process's threads is stopped; a thread that has just ended doesn't count.
func (p process) stopped() bool {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(p.pid) + "/task/*/stat")
	if err != nil || len(threads) == 0 {
		return false
	}
	return !slices.ContainsFunc(threads, func(file string) bool {
		fields := statFields(file)
		return len(fields) > 0 && fields[0] != "T"
	})
}

// kill sends SIGKILL, but only to the process that p names: the handle is opened before the start time is compared again.
func (p process) kill() error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return nil //nolint:nilerr // no such process: killed already
	}
	if now, alive := lookUp(p.pid); !alive || now != p {
		return handle.Release()
	}
	if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	return nil
}

func commandLine(pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// nodeFolder returns the folder of the node that a command line runs, or is about to run: bin/start becomes java in its place.
func nodeFolder(args []string) string {
	for i, a := range args {
		if folder, ok := strings.CutPrefix(a, storageDir); ok {
			return filepath.Clean(folder)
		}
		if folder, ok := strings.CutSuffix(a, "/bin/start"); ok && i < 2 {
			return filepath.Clean(folder)
		}
	}
	return ""
}

// nodesBelow lists the processes of all nodes whose folder lies directly in home, whoever started them.
func nodesBelow(home string) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if folder := nodeFolder(commandLine(pid)); folder == "" || filepath.Dir(folder) != home {
			continue
		}
		if p, alive := lookUp(pid); alive {
			out = append(out, p)
		}
	}
	return out, nil
}

const (
	markerFile  = ".galen-lab" // only a folder with this file is ever removed
	guardedFile = "guarded"    // "pid start" per line: what else dies with the ring
)

// Reap kills every process of the ring in home: first what was registered with Ring.Guard, as that may start nodes, then all nodes,
// whoever started them. With remove it removes home afterwards. It is what the guardian does, and what ends a ring that was left
// running by Ring.Leave.
func Reap(ctx context.Context, home string, remove bool) error {
	for clean := 0; clean < 2; { // twice: a node may have been in the middle of its start
		killed, err := reapOnce(home)
		if err != nil {
			return err
		}
		clean++
		if killed > 0 {
			clean = 0
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("kill the ring in %s, %d processes are left: %w", home, killed, err)
		}
	}
	if !remove {
		return nil
	}
	if _, err := os.Stat(filepath.Join(home, markerFile)); err != nil {
		return fmt.Errorf("remove the ring's folder %s: %w; it is not a folder of the lab", home, err)
	}
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("remove the ring's folder: %w", err)
	}
	return nil
}

// reapOnce kills what it finds and says how many processes that were.
func reapOnce(home string) (int, error) {
	found, err := guarded(home)
	if err != nil {
		return 0, err
	}
	nodes, err := nodesBelow(home)
	if err != nil {
		return 0, err
	}
	var faults []error
	found = append(found, nodes...)
	for _, p := range found {
		faults = append(faults, p.kill())
	}
	return len(found), errors.Join(faults...)
}

// guarded reads the registered processes that are still alive.
func guarded(home string) ([]process, error) {
	text, err := os.ReadFile(filepath.Join(home, guardedFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the guarded processes: %w", err)
	}
	var out []process
	for line := range strings.Lines(string(text)) {
		var p process
		if _, err := fmt.Sscanf(line, "%d %d", &p.pid, &p.start); err != nil {
			continue // a line that was being written when its writer was killed
		}
		if now, alive := lookUp(p.pid); alive && now == p {
			out = append(out, p)
		}
	}
	return out, nil
}
