package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// In a storm everybody whose commit has just ended comes again at once, but not at the same instant: without a short wait the first of
// them would have a disk sync for itself, and all others the next one. Who writes alone never waits.
const (
	crowd      = 8                    // so many in a transaction are one
	crowdLimit = 2 * time.Millisecond // the longest wait for as many as the last one had
)

// batchLimit is the weight at which no further request comes into a transaction, so that the first does not wait for ever.
const batchLimit = 256

// writer is the one that writes. What waits while a transaction is being synced is committed together by the
// next one (group commit): under load the cost of an fsync is shared, alone nothing waits.
type writer struct {
	backend backend
	newID   func(time.Time) string
	signal  func()
	// limit of the work of one transaction between its begin and its commit, 0: none.
	limit time.Duration
	// direct: no goroutine and no group, each caller commits by itself.
	direct bool
	// What the writer needs to see a journal in doubt; all but engine only touched by the goroutine that writes.
	engine  string
	mono    func() time.Duration
	last    clocks
	witness *witness
	wrote   end
	log     *slog.Logger
	bell    bell // rung after each commit

	sized    int // how many shared the transaction before; only touched by the goroutine that writes
	requests chan *request
	stop     chan struct{}
	stopOnce sync.Once
	done     chan struct{}
}

// request is one piece of work that is committed whole or not at all.
type request struct {
	do      func(context.Context, *tx) error
	taken   atomic.Bool // by the writer, or by a caller who gave up before it began
	reply   chan error
	outcome error
	nudges  bool
	weight  int // how many requests of the usual size it stands for; 0: one
	// sure: nothing that the journal holds can refuse it, only a fault can. It needs no savepoint to go back to, which costs more than most
	// statements; when it fails all the same, the batch does, and each of it is tried alone.
	sure bool
}

func newWriter(b backend, newID func(time.Time) string, signal func()) *writer {
	return &writer{
		backend: b, newID: newID, signal: signal,
		requests: make(chan *request, batchLimit), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run hands do to the writer and waits for the commit.
func (w *writer) run(ctx context.Context, do func(context.Context, *tx) error) error {
	return w.hand(ctx, &request{do: do, reply: make(chan error, 1)})
}

func (w *writer) hand(ctx context.Context, r *request) error {
	select {
	case <-w.stop:
		return ErrClosed
	default:
	}
	if w.direct {
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
			return
		}
	}
}

func (w *writer) close() {
	w.stopOnce.Do(func() {
		close(w.stop)
		if w.direct {
			close(w.done)
		}
	})
	<-w.done
}

// gather takes whoever else is waiting. It waits for more only in a crowd, see [crowd].
func (w *writer) gather(first *request) []*request {
	var batch []*request
	weight := 0
	take := func(next *request) {
		if next.taken.CompareAndSwap(false, true) { // else its caller has given up
			batch, weight = append(batch, next), weight+max(1, next.weight)
		}
	}
	take(first)
	var limit <-chan time.Time
	if w.sized >= crowd {
		t := time.NewTimer(crowdLimit)
		defer t.Stop()
		limit = t.C
	}
	for weight < batchLimit {
		select {
		case next := <-w.requests:
			take(next)
			continue
		default:
		}
		if limit == nil || len(batch) >= w.sized {
			break
		}
		select {
		case next := <-w.requests:
			take(next)
		case <-limit:
			limit = nil
		case <-w.stop:
			limit = nil
		}
	}
	w.sized = len(batch)
	return batch
}

// commit runs a batch in one transaction. A fault of the store in a batch ends the transaction; then each request is tried
// alone, so that one that does not fit on the disk costs no other.
func (w *writer) commit(ctx context.Context, batch []*request) {
	if err := w.try(ctx, batch); err != nil {
		for _, r := range batch {
			r.outcome, r.nudges = err, false
			if len(batch) > 1 && !errors.Is(err, ErrUnknown) { // it may have happened: repeated, it could happen twice
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
	at := clocks{from: w.passed()}
	session, now, err := w.backend.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", ofStore(err))
	}
	at.now, at.to = now, w.passed()
	t := &tx{session: session, newID: w.newID, now: now}
	work, done := w.bounded(ctx)
	changed, err := w.all(work, t, batch, at)
	done()
	if err != nil || !changed {
		return errors.Join(err, t.exec(ctx, "ROLLBACK"))
	}
	err = t.exec(ctx, "COMMIT")
	w.bell.ring() // also after an error: it may have happened
	if err != nil {
		return errors.Join(err, t.exec(ctx, "ROLLBACK"))
	}
	if !w.direct { // whose callers may be here at once; its store has no other writer, and no past
		w.remember(t, at)
	}
	return nil
}

// remember keeps, beside the store, what a later transaction is compared with.
func (w *writer) remember(t *tx, at clocks) {
	w.last = at
	if !t.headKnown {
		return
	}
	w.wrote = end{t.headSeq, t.headHash}
	if err := w.witness.write(t.headSeq, t.headHash); err != nil { // it is committed all the same; the next one tries again
		w.log.Error("the journal's witness is behind: an older copy of the journal might be taken for this one", "error", err)
	}
}

// bounded: a server that is gone without a word must not keep the only writer for as long as TCP hopes.
func (w *writer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, w.limit)
}

// passed by the monotonic clock, which nobody sets; 0 without one.
func (w *writer) passed() time.Duration {
	if w.mono == nil {
		return 0
	}
	return w.mono()
}

// all runs a batch in a transaction, and tells whether there is something to commit.
func (w *writer) all(ctx context.Context, t *tx, batch []*request, at clocks) (changed bool, err error) {
	changed, err = w.examine(ctx, t, at)
	if err != nil {
		return false, err
	}
	shared := changed || len(batch) > 1 // what is refused takes nothing else with it, and leaves nothing behind
	for _, r := range batch {
		if err := w.one(ctx, t, r, shared); err != nil {
			return false, err
		}
		changed = changed || r.outcome == nil
	}
	return changed, nil
}

// one runs a request of a batch, behind a savepoint when others share the transaction.
func (w *writer) one(ctx context.Context, t *tx, r *request, shared bool) error {
	if shared && r.sure {
		return w.sure(ctx, t, r)
	}
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

// sure runs a request that shares a transaction, and has nothing to go back to.
func (*writer) sure(ctx context.Context, t *tx, r *request) error {
	t.begin()
	r.outcome = r.do(ctx, t)
	if r.outcome == nil {
		r.outcome = t.complete()
	}
	r.nudges = t.nudges
	return r.outcome
}
