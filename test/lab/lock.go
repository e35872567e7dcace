package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// errTaken says that another process holds a lock.
var errTaken = errors.New("taken by another process")

// tryLock takes an exclusive lock on a file that is made when missing. The lock ends when every copy of the file, inherited ones
// included, is closed.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errTaken
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
}

func waitLock(ctx context.Context, path string, progress func(string)) (*os.File, error) {
	for told := false; ; told = true {
		f, err := tryLock(path)
		if !errors.Is(err, errTaken) {
			return f, err
		}
		if !told {
			progress("waiting for another process that fetches the same files")
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

// sleep waits for d, or less when ctx ends, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// takeNet takes a loopback /24 for one ring: want, such as "127.0.0", or the first free one when want is empty. A network is
// free when nobody holds its lock file and nothing listens on a node's ports. The lock is held until the returned file, and
// the guardian's copy of it, are closed.
func takeNet(want string, nodes int) (network string, lock *os.File, err error) {
	folder := filepath.Join(os.TempDir(), "galen-lab-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder of network locks: %w", err)
	}
	if want != "" {
		lock, err := takeOne(folder, want, nodes)
		if err != nil {
			return "", nil, fmt.Errorf("take network %s.0/24: %w; stop the other ring or demo first", want, err)
		}
		return want, lock, nil
	}
	for a := 64; a < 128; a++ {
		for b := range 256 {
			network := fmt.Sprintf("127.%d.%d", a, b)
			if lock, err = takeOne(folder, network, nodes); err == nil {
				return network, lock, nil
			}
		}
	}
	return "", nil, fmt.Errorf("no free network from 127.64.0.0/24 on: %w", err)
}

func takeOne(folder, network string, nodes int) (*os.File, error) {
	lock, err := tryLock(filepath.Join(folder, "net-"+network+".lock"))
	if err != nil {
		return nil, err
	}
	for n := 1; n <= nodes; n++ {
		for _, port := range []string{portInternode, portCQL, portJolokia} {
			l, err := net.Listen("tcp", net.JoinHostPort(address(network, n), port))
			if err != nil {
				return nil, errors.Join(fmt.Errorf("a node's port is in use: %w", err), lock.Close())
			}
			if err := l.Close(); err != nil {
				return nil, errors.Join(fmt.Errorf("free a probed port: %w", err), lock.Close())
			}
		}
	}
	return lock, nil
}
