package embedded

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrInUse means that another server, in this process or another, has the directory.
var ErrInUse = errors.New("another embedded Temporal server uses this directory; stop it, or give another directory")

// fileLock is an flock on a file of its own. It is not on the database: closing any descriptor of that file would drop
// the locks that SQLite holds on it in this process.
type fileLock struct{ file *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file (does the directory exist, and may this user write to it?): %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(ErrInUse, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return &fileLock{file: f}, nil
}

func (l *fileLock) release() error { return l.file.Close() }
