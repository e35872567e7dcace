package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/galenhq/galen/internal/journal"
)

// dirLock is the one lock on a data directory: it covers the journal and the embedded Temporal.
type dirLock struct{ file *os.File }

// errLocked: another engine has the data directory.
var errLocked = errors.New("another galen works on this data directory; stop it first, or give this one a directory of its own")

// lockDir makes the directory if need be, proves that it can be written and locks it. The kernel drops the lock with
// the process, however it ends.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w; make it, or set data to another one", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be written: %w; give it to the user that galen runs as", dir, err)
	}
	if err := journal.GiveToOwner(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		closeErr := f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, errLocked)
		}
		return nil, errors.Join(fmt.Errorf("lock data directory %s: %w", dir, err), closeErr)
	}
	return &dirLock{file: f}, nil
}

func (l *dirLock) release() error { return l.file.Close() }
