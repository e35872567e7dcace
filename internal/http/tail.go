package http

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

const (
	// tailPause is how long at least two readings of what is new are apart: a storm of commits is read in pieces.
	tailPause = 20 * time.Millisecond
	// tailAgain is when the journal is asked again that could not be read, and how often it is asked what other engines have written.
	tailAgain = time.Second
	tailPage  = 1000
)

// tail wakes those who follow runs. While there is anybody, one goroutine reads what is appended to the journal, once for all of them, and
// wakes whose run it is about. What they are told they read themselves, so that nothing is kept for the slow.
type tail struct {
	records   Records
	committed func() <-chan struct{}
	shared    bool // other engines write, too, of which committed knows nothing
	after     func(time.Duration) <-chan time.Time
	log       *slog.Logger

	mu        sync.Mutex
	followers map[*follower]struct{}
	stop      context.CancelFunc // of the one who reads
}

// follower is somebody who waits for events of a run.
type follower struct {
	run string
	// woken has something when the run has new events; doubted, when tokens were made or revoked.
	woken, doubted chan struct{}
}

func newTail(o Options) *tail {
	t := &tail{records: o.Records, committed: o.Committed, shared: o.Shared, after: o.After, log: o.Logger}
	if t.committed == nil {
		t.committed, t.shared = func() <-chan struct{} { return nil }, true
	}
	return t
}

// await returns once there may be something to tell, or to find out.
func (f *follower) await(ctx context.Context) {
	select {
	case <-f.woken:
	case <-f.doubted:
	case <-ctx.Done():
	}
}

// join begins to wake; every event that is appended after it has returned does. Whoever joins must leave.
func (t *tail) join(ctx context.Context, run string) (f *follower, leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.followers) == 0 {
		from, err := t.head(ctx)
		if err != nil {
			return nil, nil, err
		}
		reading, stop := context.WithCancel(context.WithoutCancel(ctx))
		t.followers, t.stop = map[*follower]struct{}{}, stop
		go t.read(reading, from)
	}
	f = &follower{run: run, woken: make(chan struct{}, 1), doubted: make(chan struct{}, 1)}
	t.followers[f] = struct{}{}
	return f, func() { t.leave(f) }, nil
}

func (t *tail) leave(f *follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.followers, f)
	if len(t.followers) == 0 {
		t.stop()
	}
}

// head is the number of the newest event, 0 of an empty journal.
func (t *tail) head(ctx context.Context) (int64, error) {
	newest, err := t.records.Events(ctx, EventFilter{Newest: true, Limit: 1})
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	return newest[0].Seq, nil
}

// read goes on until the last follower has left.
func (t *tail) read(ctx context.Context, seq int64) {
	for ctx.Err() == nil {
		committed := t.committed() // asked first: what is committed while it is read is read next
		var again <-chan time.Time
		next, err := t.pass(ctx, seq)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("who follows runs is told of nothing new yet", "error", err.Error())
		}
		if err != nil || t.shared {
			again = t.after(tailAgain)
		}
		seq = next
		if !wait(ctx, t.after(tailPause)) {
			return
		}
		select {
		case <-ctx.Done():
		case <-committed:
		case <-again:
		}
	}
}

// wait is false if the context ended first.
func wait(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-until:
		return true
	}
}

// pass reads what is new after an event, and wakes whom it is about.
func (t *tail) pass(ctx context.Context, seq int64) (int64, error) {
	for {
		page, err := t.records.Events(ctx, EventFilter{After: seq, Limit: tailPage})
		if err != nil {
			return seq, err
		}
		t.wake(page)
		if len(page) > 0 {
			seq = page[len(page)-1].Seq
		}
		if len(page) < tailPage {
			return seq, nil
		}
	}
}

func (t *tail) wake(page []galen.Event) {
	tokens, runs := false, map[string]bool{}
	for _, e := range page {
		tokens = tokens || e.Kind == galen.EventToken
		runs[e.Run] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.followers {
		if runs[f.run] {
			nudge(f.woken)
		}
		if tokens {
			nudge(f.doubted)
		}
	}
}

// nudge is never late: one that was not taken yet is enough.
func nudge(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// The bounds of how many may wait for something to happen: all of one token, and all together.
const (
	streamsPerToken = 64
	streamsTotal    = 1024
	exportsPerToken = 2 // each has a page of the journal in memory while it is written
	exportsTotal    = 8
	streamsAgain    = 5 * time.Second
)

// crowd counts who waits for something to happen.
type crowd struct {
	mu    sync.Mutex
	of    map[string]int
	forms map[string]int
	total int
}

// enter is for a caller who waits in a form; whoever got in must leave.
func (c *crowd) enter(caller, form string) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of, c.forms = map[string]int{}, map[string]int{}
	}
	if c.of[caller] >= streamsPerToken || c.total >= streamsTotal {
		return nil, &tooManyError{after: streamsAgain, what: "streams and calls that wait for a change"}
	}
	if form == formExport && (c.forms[form] >= exportsTotal || c.of[exportsOf(caller)] >= exportsPerToken) {
		return nil, &tooManyError{after: streamsAgain, what: "exports of the journal"}
	}
	c.add(caller, form, 1)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.add(caller, form, -1)
	}, nil
}

func (c *crowd) add(caller, form string, n int) {
	c.total += n
	c.forms[form] += n
	of := []string{caller}
	if form == formExport {
		of = append(of, exportsOf(caller))
	}
	for _, name := range of {
		if c.of[name] += n; c.of[name] == 0 {
			delete(c.of, name)
		}
	}
}

// exportsOf is what the exports of a caller are counted as; nobody is called so.
func exportsOf(caller string) string { return formExport + " " + caller }

func (c *crowd) count(form string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(c.forms[form])
}
