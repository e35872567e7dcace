package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// batchLimit bounds how many requests share one transaction, so that the first does not wait for ever.
const batchLimit = 256

// writer owns the one connection that writes. What waits while a transaction is being synced is committed together by the
// next one (group commit): under load the cost of an fsync is shared, alone nothing waits.
type writer struct {
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	now    func() time.Time
	newID  func(time.Time) string
	signal func()
	// direct: no goroutine and no group, each caller commits by itself under the lock.
	direct   bool
	mu       sync.Mutex
	requests chan *request
	stop     chan struct{}
	stopOnce sync.Once
	done     chan struct{}
	closing  error // of the connection; read after done
}

// request is one piece of work that is committed whole or not at all.
type request struct {
	do      func(context.Context, *tx) error
	taken   atomic.Bool // by the writer, or by a caller who gave up before it began
	reply   chan error
	outcome error
	nudges  bool
}

func newWriter(conn *sql.Conn, now func() time.Time, newID func(time.Time) string, signal func()) *writer {
	return &writer{
		conn: conn, stmts: map[string]*sql.Stmt{}, now: now, newID: newID, signal: signal,
		requests: make(chan *request, batchLimit), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run hands do to the writer and waits for the commit.
func (w *writer) run(ctx context.Context, do func(context.Context, *tx) error) error {
	r := &request{do: do, reply: make(chan error, 1)}
	select {
	case <-w.stop:
		return ErrClosed
	default:
	}
	if w.direct {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.commit(ctx, []*request{r})
		return r.outcome
	}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("wait for the writer: %w", context.Cause(ctx))
	case <-w.stop:
		return ErrClosed
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return fmt.Errorf("wait for the writer: %w", context.Cause(ctx))
		}
		return fmt.Errorf("wait for the commit, which may still happen: look before you repeat: %w", context.Cause(ctx))
	case <-w.done:
		select {
		case err := <-r.reply:
			return err
		default:
			return ErrClosed
		}
	}
}

func (w *writer) loop(ctx context.Context) {
	defer close(w.done)
	for {
		select {
		case first := <-w.requests:
			w.commit(ctx, w.gather(first))
		case <-w.stop:
			for len(w.requests) > 0 {
				w.commit(ctx, w.gather(<-w.requests))
			}
			w.closing = w.release()
			return
		}
	}
}

// view reads on the connection that writes, between two transactions.
func (w *writer) view(ctx context.Context, do func(context.Context, querier) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.stop:
		return ErrClosed
	default:
		return do(ctx, &tx{writer: w})
	}
}

func (w *writer) close() error {
	w.stopOnce.Do(func() {
		close(w.stop)
		if w.direct {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.closing = w.release()
			close(w.done)
		}
	})
	<-w.done
	return w.closing
}

func (w *writer) release() error {
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// gather takes whoever else is waiting, without waiting for more.
func (w *writer) gather(first *request) []*request {
	var batch []*request
	next := first
	for {
		if next.taken.CompareAndSwap(false, true) {
			batch = append(batch, next)
		}
		if len(batch) >= batchLimit {
			return batch
		}
		select {
		case next = <-w.requests:
		default:
			return batch
		}
	}
}

// commit runs a batch in one transaction. A fault of the store in a batch ends the transaction; then each request is tried
// alone, so that one that does not fit on the disk costs no other.
func (w *writer) commit(ctx context.Context, batch []*request) {
	if err := w.try(ctx, batch); err != nil {
		for _, r := range batch {
			r.outcome, r.nudges = err, false
			if len(batch) > 1 {
				if err := w.try(ctx, []*request{r}); err != nil {
					r.outcome = err
				}
			}
		}
	}
	nudge := false
	for _, r := range batch {
		nudge = nudge || r.outcome == nil && r.nudges
		r.reply <- r.outcome
	}
	if nudge {
		w.signal()
	}
}

// try runs the batch; an error means that nothing of it was committed. A refusal of one request is its outcome, not an
// error.
func (w *writer) try(ctx context.Context, batch []*request) error {
	if len(batch) == 0 {
		return nil
	}
	t := &tx{writer: w, now: w.now()}
	if err := t.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	accepted := 0
	for _, r := range batch {
		err := w.one(ctx, t, r, len(batch) > 1)
		if err != nil {
			return errors.Join(err, w.rollback(ctx, t))
		}
		if r.outcome == nil {
			accepted++
		}
	}
	if accepted == 0 {
		return w.rollback(ctx, t)
	}
	if err := t.exec(ctx, "COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), w.rollback(ctx, t))
	}
	return nil
}

// one runs a request of a batch, behind a savepoint when others share the transaction.
func (w *writer) one(ctx context.Context, t *tx, r *request, shared bool) error {
	if shared {
		if err := t.exec(ctx, "SAVEPOINT request"); err != nil {
			return err
		}
	}
	t.begin()
	r.outcome = r.do(ctx, t)
	if r.outcome == nil {
		r.outcome = t.complete()
	}
	r.nudges = t.nudges
	switch {
	case r.outcome != nil && storeFault(r.outcome):
		return r.outcome
	case !shared:
		return nil
	case r.outcome != nil:
		t.headKnown = false
		if err := t.exec(ctx, "ROLLBACK TO request"); err != nil {
			return err
		}
	}
	return t.exec(ctx, "RELEASE request")
}

// rollback ends the transaction; that SQLite has ended it by itself after a fault is no error.
func (w *writer) rollback(ctx context.Context, t *tx) error {
	err := t.exec(ctx, "ROLLBACK")
	if err == nil {
		return nil
	}
	if open := t.exec(ctx, "BEGIN"); open == nil { // nothing was open any more
		return t.exec(ctx, "ROLLBACK")
	}
	return fmt.Errorf("roll back: %w", err)
}
