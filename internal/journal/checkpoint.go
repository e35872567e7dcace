package journal

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"

	"modernc.org/libc"
)

const (
	// checkpointAfter is how many statements of the writer make a checkpoint due.
	checkpointAfter = 4000
	// checkpointPages is how long the write-ahead log may be before the writer makes one itself, at the end of a commit. In a storm the log
	// grows so long now and then, since it begins anew only once all of it is folded in; the checkpointer has left it little to do by then.
	checkpointPages = "12000"
)

// checkpointer folds the write-ahead log into the file (a passive checkpoint), on a connection and a goroutine of its own: the only writer
// goes on meanwhile.
type checkpointer struct {
	db    *sql.DB
	wrote int // statements since the last one; only touched by the writer
	due   chan struct{}
	stop  context.CancelFunc
	ended sync.WaitGroup
	log   *slog.Logger
}

func newCheckpointer(ctx context.Context, path string, log *slog.Logger) (*checkpointer, error) {
	db, err := sql.Open("sqlite", source(path, "", "synchronous(FULL)"))
	if err != nil {
		return nil, fmt.Errorf("open a connection for checkpoints: %w", err)
	}
	db.SetMaxOpenConns(1)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &checkpointer{db: db, due: make(chan struct{}, 1), log: log}
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.ended.Go(func() { c.run(ctx) })
	return c, nil
}

func (c *checkpointer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.due:
		}
		if _, err := c.db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil && ctx.Err() == nil {
			c.log.Error("a checkpoint of the journal failed: what was committed stays in its write-ahead log, which grows", "error", adviseSQLite(err).Error())
		}
	}
}

// did counts a statement of the writer.
func (c *checkpointer) did(text string) {
	if c == nil {
		return
	}
	if c.wrote++; text != "COMMIT" || c.wrote < checkpointAfter {
		return
	}
	c.wrote = 0
	select {
	case c.due <- struct{}{}:
	default:
	}
}

func (c *checkpointer) close() error {
	if c == nil {
		return nil
	}
	c.stop()
	c.ended.Wait()
	return c.db.Close()
}

// pins keep a few pages of memory mapped. An insert with triggers opens a journal of its statement in some 20 small blocks of one size, which
// hardly anything else has: freed, their pages would go back to the kernel and come again with each insert.
type pins []uintptr

const (
	pinSize  = 1100 // bytes: of the same class of sizes as such a block
	pinSpan  = 64   // blocks: two pages and more
	pinEvery = 16   // so many blocks one is kept
)

func pin() (out pins) {
	tls := libc.NewTLS()
	defer tls.Close()
	var all []uintptr
	for range pinSpan {
		if p := libc.Xmalloc(tls, pinSize); p != 0 {
			all = append(all, p)
		}
	}
	for i, p := range all {
		if i%pinEvery == 0 {
			out = append(out, p)
		} else {
			libc.Xfree(tls, p)
		}
	}
	return out
}

func (p pins) free() {
	tls := libc.NewTLS()
	defer tls.Close()
	for _, block := range p {
		libc.Xfree(tls, block)
	}
}
