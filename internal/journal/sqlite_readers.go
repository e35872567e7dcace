package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"
)

// sqliteReaders are the connections that read beside the one that writes. The one that read last reads next, for its pages and statements
// are at hand.
type sqliteReaders struct {
	db    *sql.DB
	clock func() time.Time
	slots chan struct{} // as many as may read at once

	mu     sync.Mutex
	free   []*sqliteReader
	closed bool
}

// newSQLiteReaders opens none before it is needed. source is the name for the driver.
func newSQLiteReaders(source string, clock func() time.Time) (*sqliteReaders, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &sqliteReaders{db: db, clock: clock, slots: make(chan struct{}, readers)}, nil
}

// view waits until few enough read.
func (s *sqliteReaders) view(ctx context.Context) (view, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for one of %d readers: %w", readers, ctx.Err())
	case s.slots <- struct{}{}:
	}
	v := &readerView{of: s, reader: s.take(), open: map[string]bool{}}
	begun := false
	defer func() { // whatever happens, the slot is not lost
		if !begun {
			v.reader.drop()
			s.give(v.reader)
		}
	}()
	if err := v.reader.begin(ctx, s.db); err != nil {
		return nil, err
	}
	begun = true
	return v, nil
}

func (s *sqliteReaders) take() *sqliteReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		return &sqliteReader{}
	}
	r := s.free[last]
	s.free = s.free[:last]
	return r
}

// give lets the next one read; after all were closed it closes the reader, whatever that says.
func (s *sqliteReaders) give(r *sqliteReader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { <-s.slots }()
	if s.closed {
		_ = r.hangUp()
		return
	}
	s.free = append(s.free, r)
}

// close closes those that nobody reads by; the others are closed when they are given back.
func (s *sqliteReaders) close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, r := range s.free {
		errs = append(errs, r.hangUp())
	}
	s.free, s.closed = nil, true
	return errors.Join(append(errs, s.db.Close())...)
}

// sqliteReader is one of them; it is used by one at a time.
type sqliteReader struct{ prepared }

func (r *sqliteReader) begin(ctx context.Context, db *sql.DB) (err error) {
	if r.conn == nil {
		if r.conn, err = db.Conn(ctx); err != nil {
			return err
		}
	}
	return r.exec(ctx, "BEGIN")
}

func (r *sqliteReader) exec(ctx context.Context, text string) error {
	stmt, err := r.stmt(ctx, text) //nolint:sqlclosecheck // kept prepared until the reader ends
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx)
	return err
}

// drop closes a connection of which nobody knows in what state it is, whatever that says: the pool does not get it back.
func (r *sqliteReader) drop() {
	if r.conn == nil {
		return
	}
	_ = r.forget()
	_ = r.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = r.hangUp()
}

// endWithin bounds the end of a view, which is ended even if its reader has gone.
const endWithin = 5 * time.Second

// readerView reads in a transaction of a reader.
type readerView struct {
	of     *sqliteReaders
	reader *sqliteReader   // nil: ended
	open   map[string]bool // the statements whose rows are being read
}

func (v *readerView) query(ctx context.Context, text string, args ...any) (cursor, error) {
	if v.open[text] { // within its own rows: a statement has one cursor
		return v.reader.conn.QueryContext(ctx, text, args...) //nolint:rowserrcheck // the caller asks the cursor, see each
	}
	stmt, err := v.reader.stmt(ctx, text) //nolint:sqlclosecheck // kept prepared until the reader ends
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...) //nolint:rowserrcheck // the caller asks the cursor, see each
	if err != nil {
		return nil, err
	}
	v.open[text] = true
	return &openRows{Rows: rows, of: v, text: text}, nil
}

// openRows are those of a prepared statement.
type openRows struct {
	*sql.Rows
	of   *readerView
	text string
}

// Close lets the statement be used again.
func (r *openRows) Close() error {
	delete(r.of.open, r.text)
	return r.Rows.Close()
}

func (v *readerView) now(context.Context) (time.Time, error) { return v.of.clock(), nil }

func (v *readerView) end() error {
	r := v.reader
	if r == nil {
		return nil
	}
	v.reader = nil
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	defer v.of.give(r)
	err := r.exec(ctx, "ROLLBACK")
	if err != nil {
		r.drop()
	}
	return err
}
