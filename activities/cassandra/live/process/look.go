package process

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// Look tells what the host knows of the instance. at is the start of the look. What could not be read is in Error;
// the rest is still told.
func (h *Host) Look(at time.Time) cassandra.Instance {
	out := cassandra.Instance{Name: h.setup.Name, Address: h.setup.Address, At: at, Process: cassandra.Absent, Data: cassandra.DataUnknown}
	errs := []error{h.lookProcess(&out), h.lookData(&out), h.lookMarkers(&out), h.lookConfig(&out), h.lookHints(&out)}
	h.lookStart(&out)
	if err := errors.Join(errs...); err != nil {
		out.Error = err.Error()
	}
	return out
}

func (h *Host) lookProcess(out *cassandra.Instance) error {
	p, err := h.one()
	if err != nil || p == nil {
		return err
	}
	out.Process = cassandra.Running
	if p.state == 'T' || p.state == 't' {
		out.Process = cassandra.Stopped
	}
	out.PID, out.Started, out.Intent, out.ReplaceFlag = p.pid, p.started, p.intent(), p.replace()
	return nil
}

// lookData tells whether there are data. Only a folder that could be read all the way down proves that they are gone;
// that it is the right folder, and not an empty mount point, is proved by its device.
func (h *Host) lookData(out *cassandra.Instance) error {
	if _, err := os.ReadDir(h.setup.Folder); err != nil {
		return err
	}
	if err := lookDisk(out, h.path("data"), h.setup.Folder); err != nil {
		return err
	}
	has, err := h.hasSystemLocal()
	switch {
	case err != nil:
		return err
	case has:
		out.Data = cassandra.DataPresent
	default:
		out.Data = cassandra.DataGone
	}
	return nil
}

// lookDisk tells the device of the first path that exists, and what is free there: data/ may have a file system of its own.
func lookDisk(out *cassandra.Instance, paths ...string) error {
	var st syscall.Stat_t
	var fs syscall.Statfs_t
	var err error
	for _, p := range paths {
		if err = syscall.Stat(p, &st); err == nil {
			err = syscall.Statfs(p, &fs)
		}
		if err == nil {
			out.Device, out.DiskFree = st.Dev, new(int64(fs.Bavail)*fs.Bsize)
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return err
}

// hasSystemLocal looks for data/system/local-*/*-Data.db, which every node that ever started has.
func (h *Host) hasSystemLocal() (bool, error) {
	system := h.path("data", "system")
	tables, err := os.ReadDir(system)
	if err != nil {
		return false, ignoreAbsent(err)
	}
	for _, t := range tables {
		if !strings.HasPrefix(t.Name(), "local-") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(system, t.Name()))
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), "-Data.db") }) {
			return true, nil
		}
	}
	return false, nil
}

// lookHints counts the hint files by the host ID that begins their names: <host ID>-<time>-<version>.hints.
func (h *Host) lookHints(out *cassandra.Instance) error {
	entries, err := os.ReadDir(h.path("hints"))
	if err != nil {
		return ignoreAbsent(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".hints") && len(name) > hostIDLength {
			if out.Hints == nil {
				out.Hints = map[string]int{}
			}
			out.Hints[name[:hostIDLength]]++
		}
	}
	return nil
}

// hostIDLength of a UUID's text.
const hostIDLength = 36

func (h *Host) lookMarkers(out *cassandra.Instance) error {
	entries, err := os.ReadDir(h.path("galen"))
	if err != nil {
		return ignoreAbsent(err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".started")
		if !ok {
			continue
		}
		if intent, err := url.PathUnescape(name); err == nil {
			out.Attempts = append(out.Attempts, intent)
		}
	}
	slices.Sort(out.Attempts)
	prepared, err := h.preparation()
	if err != nil {
		return err
	}
	if prepared.Complete {
		out.Prepared = prepared.Intent
	} else {
		out.Preparing = prepared.Intent
	}
	out.Fenced, err = h.fencedBy()
	return err
}

// fencedBy is the intent of a fence that is complete: the marker is there, start command and configuration are not.
func (h *Host) fencedBy() (string, error) {
	b, err := os.ReadFile(h.marker("fenced"))
	if err != nil {
		return "", ignoreAbsent(err)
	}
	for _, p := range []string{h.setup.Start, h.path("conf")} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return strings.TrimSpace(string(b)), nil
}

// lookStart tells whether the start command is there and may be executed: who stops a node learns of it too late otherwise. It comes
// after the markers: that of a fenced instance was taken away.
func (h *Host) lookStart(out *cassandra.Instance) {
	if out.Fenced != "" {
		return
	}
	st, err := os.Stat(h.setup.Start)
	switch {
	case errors.Is(err, os.ErrNotExist):
		out.CannotStart = "its start command " + h.setup.Start + " is missing"
	case err != nil:
		out.CannotStart = "its start command cannot be looked at: " + err.Error()
	case !st.Mode().IsRegular() || syscall.Access(h.setup.Start, mayExecute) != nil:
		out.CannotStart = "its start command " + h.setup.Start + " is no file that may be executed"
	}
}

// mayExecute is X_OK of access(2).
const mayExecute = 1

// preparation is the marker of Prepare; the zero value: not prepared.
type preparation struct {
	Intent   string `json:"intent"`
	Complete bool   `json:"complete"`
}

func (h *Host) preparation() (preparation, error) {
	var p preparation
	b, err := os.ReadFile(h.marker("prepared"))
	if err != nil {
		return p, ignoreAbsent(err)
	}
	err = json.Unmarshal(b, &p)
	return p, err
}

func (h *Host) lookConfig(out *cassandra.Instance) error {
	c, replace, err := h.readConfig()
	out.Config = c
	if out.ReplaceFlag == "" {
		out.ReplaceFlag = replace
	}
	return err
}
