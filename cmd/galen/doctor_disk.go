package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is too little, and too slow.
const (
	leastFree = 256 << 20 // the journal of a small ring writes as much in a day of incidents
	lowFree   = 1 << 30
	slowSync  = 50 * time.Millisecond
	lameSync  = 500 * time.Millisecond // a step has 2 s from its commit to its call
	syncs     = 5
)

// disk examines the data directory.
func (d *doctor) disk(ctx context.Context) []symptom {
	dir := d.cfg.Data
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []symptom{d.notYet(dir)}
	case err != nil:
		return []symptom{{"disk", dir, isBad, err.Error(), "run galen doctor as the user that the engine runs as"}}
	case !st.IsDir():
		return []symptom{{"disk", dir, isBad, "it is no directory", "set data to another one"}}
	}
	out := d.owned(dir, st)
	out = append(out, d.space(dir)...)
	return append(out, d.syncs(ctx, dir))
}

// notYet is what it means that the data directory is not there: some file systems let nobody make one.
func (d *doctor) notYet(dir string) symptom {
	within := filepath.Dir(dir)
	for _, err := os.Lstat(within); errors.Is(err, fs.ErrNotExist) && within != filepath.Dir(within); _, err = os.Lstat(within) {
		within = filepath.Dir(within)
	}
	if _, err := os.Lstat(dir); err == nil {
		return symptom{"disk", dir, isBad, "the data directory cannot be made: it is a link to what is not there", "make what it leads to, or set data to another one"}
	}
	switch err := d.on.make(within); {
	case errors.Is(err, unix.EACCES):
		return symptom{"disk", dir, isWarn, "the data directory is not there yet, and this user may not make it: " + err.Error(), "make it, for the user that the engine runs as alone, unless what starts the engine does; run galen doctor as that user"}
	case err != nil:
		return symptom{"disk", dir, isBad, "the data directory is not there and cannot be made: " + err.Error(), "set data to another one, or look at the file system of " + within}
	}
	return symptom{"disk", dir, isWarn, "the data directory is not there yet", "galen serve makes it, if the user that it runs as may"}
}

// owned: nobody else may read what is in the directory.
func (d *doctor) owned(dir string, st fs.FileInfo) []symptom {
	var out []symptom
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		out = append(out, symptom{"disk", dir, isWarn, fmt.Sprintf("others may look into the data directory (mode %04o)", mode), "chmod 700 " + dir})
	}
	if sys, is := st.Sys().(*syscall.Stat_t); is && int(sys.Uid) != os.Geteuid() {
		out = append(out, symptom{"disk", dir, isWarn, fmt.Sprintf("it belongs to uid %d, and this is uid %d: what follows is seen with other rights than the engine's", sys.Uid, os.Geteuid()), "run galen doctor as the user that the engine runs as"})
	}
	return out
}

func (d *doctor) space(dir string) []symptom {
	free, err := d.on.free(dir)
	if err != nil {
		return []symptom{{"disk", dir, isBad, "its free space cannot be told: " + err.Error(), "look at the file system"}}
	}
	size := d.journalSize()
	is, do := isOK, ""
	switch {
	case free < leastFree:
		is, do = isBad, "make room: without it nothing can be recorded, and so nothing is done"
	case free < lowFree || free < size:
		is, do = isWarn, "make room: a backup, an upgrade of temporal.db and a day of incidents need it"
	}
	return []symptom{{"disk", dir, is, fmt.Sprintf("%s free, the journal takes %s", bytesOf(free), bytesOf(size)), do}}
}

// journalSize is what the journal's files take; 0 in PostgreSQL.
func (d *doctor) journalSize() (size uint64) {
	if d.place.Path == "" {
		return 0
	}
	for _, ending := range []string{"", "-wal"} {
		if st, err := os.Stat(d.place.Path + ending); err == nil {
			size += uint64(max(st.Size(), 0))
		}
	}
	return size
}

func bytesOf(n uint64) string {
	const mib = 1 << 20
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/mib)
}

// syncs writes a file of one page and waits for the disk, a few times.
func (d *doctor) syncs(ctx context.Context, dir string) symptom {
	took, err := d.syncTime(ctx, dir)
	is, what, do := isOK, fmt.Sprintf("can be written; the slowest of %d writes was on disk after %s", syncs, took.Round(10*time.Microsecond)), ""
	switch {
	case err != nil:
		is, what, do = isBad, "it cannot be written: "+err.Error(), "give the directory to the user that the engine runs as, and look whether the disk is full or read-only"
	case took > lameSync:
		is, do = isBad, "put the data directory on a local disk that is not busy: a step must follow its record within 2 s"
	case took > slowSync:
		is, do = isWarn, "put the data directory on a faster disk: each step and each alert waits for it"
	}
	return symptom{"disk", dir, is, what, do}
}

func (d *doctor) syncTime(ctx context.Context, dir string) (worst time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".galen-doctor-*")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(filepath.Clean(f.Name()))) }()
	for range syncs {
		if ctx.Err() != nil {
			return doctorLimit, nil
		}
		began := d.now()
		if _, err := f.WriteAt(make([]byte, 4096), 0); err != nil {
			return worst, err
		}
		if err := d.on.sync(f); err != nil {
			return worst, err
		}
		worst = max(worst, d.now().Sub(began))
	}
	return worst, nil
}
