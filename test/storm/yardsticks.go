package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/galenhq/galen/test/engine"
)

// The yardsticks: each of these makes a process of this program an HTTP server at that address, whose handler does nothing, or the least
// that is durable.
const (
	emptyEnv = "GALEN_STORM_EMPTY"
	leastEnv = "GALEN_STORM_LEAST"
)

// leastFile is where the least handler keeps what it takes, in its folder.
const leastFile = "least"

// Empty is an HTTP server of this program whose handler does nothing.
func Empty(ctx context.Context, dir string) (*Peer, error) {
	return yardstick(ctx, "empty net/http handler", dir, emptyEnv)
}

// Least is an HTTP server of this program that appends each body, unread, to a file in the folder, and answers when the file is synced, once
// for all that wait. No program that stores alerts before it answers, and has an HTTP server such as this one, does less.
func Least(ctx context.Context, dir string) (*Peer, error) {
	return yardstick(ctx, "a handler that appends the body to a file, synced once for all that wait", dir, leastEnv)
}

func yardstick(ctx context.Context, name, dir, env string) (*Peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	address, err := free()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env+"="+address)
	return startPeer(ctx, name, dir, cmd, Target{URL: "http://" + address + "/"})
}

func serveEmpty(address string) error {
	return serveYardstick(address, func(http.ResponseWriter, *http.Request) {})
}

func serveLeast(address string) (err error) {
	at, err := filepath.Abs(leastFile)
	if err != nil {
		return fmt.Errorf("find the file: %w", err)
	}
	file, err := os.OpenFile(at, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	l := &least{file: file, next: &batch{done: make(chan struct{})}, more: make(chan struct{}, 1)}
	go l.write()
	return serveYardstick(address, l.take)
}

func serveYardstick(address string, handle http.HandlerFunc) error {
	engine.EndWithParent()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := &http.Server{Handler: handle, ReadHeaderTimeout: time.Minute}
	return s.Serve(l)
}

// least appends bodies to a file by groups.
type least struct {
	file *os.File
	more chan struct{}

	mu   sync.Mutex
	next *batch
}

// batch are bodies that are written together; err is theirs once done is closed.
type batch struct {
	text []byte
	done chan struct{}
	err  error
}

func (l *least) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	mine := l.next
	mine.text = append(mine.text, body...)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default: // it is known that there is more
	}
	<-mine.done
	if mine.err != nil {
		http.Error(w, mine.err.Error(), http.StatusInternalServerError)
	}
}

func (l *least) write() {
	for range l.more {
		l.mu.Lock()
		now := l.next
		l.next = &batch{done: make(chan struct{})}
		l.mu.Unlock()
		if len(now.text) > 0 {
			if _, now.err = l.file.Write(now.text); now.err == nil {
				now.err = l.file.Sync()
			}
		}
		close(now.done)
	}
}
