package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// machine is what doctor asks of the machine beneath; a test breaks one at a time.
type machine struct {
	free   func(dir string) (uint64, error) // bytes that its owner can still write there
	sync   func(*os.File) error             // back when the file is on disk
	make   func(in string) error            // a directory in another one, and takes it away again
	adrift func() bool                      // the kernel says that nothing keeps its clock in time
	// limit of each examination, which may hang on it.
	limit time.Duration
}

func thisMachine() machine {
	return machine{free: freeOn, sync: (*os.File).Sync, make: makeIn, adrift: adrift, limit: doctorLimit}
}

func freeOn(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(max(fs.Bsize, 0)), nil
}

// makeIn makes one of its own: an engine that starts meanwhile may have made the one that is to be.
func makeIn(dir string) error {
	made, err := os.MkdirTemp(dir, ".galen-doctor-*")
	if err != nil {
		return err
	}
	return os.Remove(made)
}

// adrift is false where the kernel does not tell, as in some containers.
func adrift() bool {
	var state unix.Timex
	is, err := unix.Adjtimex(&state)
	return err == nil && is == unix.TIME_ERROR
}
