package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also the driver named sqlite
)

// readers is how many connections read beside the one that writes.
const readers = 4

// sqliteFile is a journal in a SQLite file: one connection writes (WAL, synchronous FULL), a few read.
type sqliteFile struct {
	prepared    // the one that writes
	clock       func() time.Time
	writes      *sql.DB
	reads       *sqliteReaders // nil: only written
	onFull      string         // what to do about a full disk, empty: as an engine
	still       func() error   // of a file that is only read: whether it is as it was when that began
	checkpoints *checkpointer  // nil: the writer makes them itself
	pins        pins
}

func openSQLite(ctx context.Context, path string, opts Options) (*sqliteFile, error) {
	if err := writable(path); err != nil {
		return nil, err
	}
	f := &sqliteFile{clock: opts.clock}
	if err := f.open(ctx, path, opts); err != nil {
		return nil, errors.Join(f.advise(err), f.close())
	}
	return f, nil
}

func (f *sqliteFile) open(ctx context.Context, path string, opts Options) error {
	sync := "FULL"
	if opts.NoSync {
		sync = "OFF"
	}
	// After a page was split a commit walks over the whole cache: a large one costs more than it saves.
	if err := f.openWriter(ctx, path, "", "journal_mode(WAL)", "synchronous("+sync+")", "journal_size_limit(67108864)", "wal_autocheckpoint("+checkpointPages+")", "cache_size(-4000)"); err != nil {
		return err
	}
	var err error
	if f.checkpoints, err = newCheckpointer(ctx, path, opts.Logger); err != nil {
		return err
	}
	f.pins = pin()
	f.reads, err = newSQLiteReaders(source(path, "", "query_only(1)", "cache_size(-8000)"), opts.clock)
	return err
}

// openToFill opens a file that is nobody's but this process's, by a lock of its own, and that is synced when it is whole. Without
// a write-ahead log the file is all there is, so that whoever has it can be read without a write.
func (f *sqliteFile) openToFill(ctx context.Context, path string) error {
	f.onFull = fullForACopy
	return f.openWriter(ctx, path, "nolock=1", "journal_mode(DELETE)", "synchronous(OFF)", "cache_size(-16000)")
}

// openWriter opens the one connection that writes, and brings the tables up to date.
func (f *sqliteFile) openWriter(ctx context.Context, path, query string, pragmas ...string) error {
	var err error
	f.writes, err = sql.Open("sqlite", source(path, query, append(pragmas, "temp_store(MEMORY)")...))
	if err != nil {
		return err
	}
	f.writes.SetMaxOpenConns(1)
	if err := migrate(ctx, f.writes, goose.DialectSQLite3, "sqlite"); err != nil {
		return err
	}
	f.conn, err = f.writes.Conn(ctx)
	return err
}

func (f *sqliteFile) close() error {
	f.pins.free()
	errs := []error{f.checkpoints.close(), f.hangUp(), f.reads.close()}
	if f.writes != nil {
		errs = append(errs, f.writes.Close()) // last: it folds the write-ahead log into the file
	}
	return errors.Join(errs...)
}

func (f *sqliteFile) begin(ctx context.Context) (session, time.Time, error) {
	_, err := f.exec(ctx, "BEGIN IMMEDIATE")
	return f, f.clock(), err
}

func (f *sqliteFile) view(ctx context.Context) (view, error) {
	return f.reads.view(ctx)
}

func (f *sqliteFile) query(ctx context.Context, text string, args ...any) (cursor, error) {
	stmt, err := f.stmt(ctx, text) //nolint:sqlclosecheck // kept prepared until the writer ends
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...) //nolint:rowserrcheck // the caller asks the cursor, see each
}

// exec does one statement. That SQLite has ended the transaction by itself after a fault is no error of ROLLBACK.
func (f *sqliteFile) exec(ctx context.Context, text string, args ...any) (int64, error) {
	stmt, err := f.stmt(ctx, text) //nolint:sqlclosecheck // kept prepared until the writer ends
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil && text == "ROLLBACK" {
		if _, none := f.exec(ctx, "BEGIN"); none == nil { // nothing was open any more
			return f.exec(ctx, text)
		}
	}
	if err != nil {
		return 0, err
	}
	f.checkpoints.did(text)
	return result.RowsAffected()
}

// sqliteView reads once, in a file that no engine of this process has open.
type sqliteView struct{ tx *sql.Tx }

func (v sqliteView) query(ctx context.Context, text string, args ...any) (cursor, error) {
	return v.tx.QueryContext(ctx, text, args...) //nolint:rowserrcheck // the caller asks the cursor, see each
}

func (v sqliteView) end() error {
	if err := v.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) { // done already: the context ended it
		return err
	}
	return nil
}

// writable creates the file for its owner alone, or says why it cannot be written.
func writable(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: create the data directory %s, or name another: %w", ErrReadOnly, dir, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: make %s and the files in it writable for the user that galen runs as: %w", ErrReadOnly, dir, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("create the journal %s: %w", path, err)
	}
	probe, err := os.CreateTemp(dir, ".journal-writable-*") // the write-ahead log is created beside the file
	if err != nil {
		return fmt.Errorf("%w: make the directory %s writable for the user that galen runs as: %w", ErrReadOnly, dir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return fmt.Errorf("%w: try the directory %s: %w", ErrReadOnly, dir, err)
	}
	return nil
}

// source is the name under which the driver opens a file, with the pragmas of each connection.
func source(path, query string, pragmas ...string) string {
	values := []string{"_pragma=busy_timeout(5000)"}
	for _, p := range pragmas {
		values = append(values, "_pragma="+url.QueryEscape(p))
	}
	if query != "" {
		values = append(values, query)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return name.String() + "?" + strings.Join(values, "&")
}

// The primary result codes of SQLite that a person can do something about.
const (
	codeError    = 1
	codePerm     = 3
	codeBusy     = 5
	codeReadOnly = 8
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

func (f *sqliteFile) advise(err error) error {
	var fault *sqlite.Error
	if f.onFull != "" && errors.As(err, &fault) && fault.Code()&0xff == codeFull {
		return fmt.Errorf("%s: %w", f.onFull, err)
	}
	return adviseSQLite(err)
}

func adviseSQLite(err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Code() & 0xff {
	case codePerm, codeReadOnly, codeCantOpen:
		return fmt.Errorf("%w: make the data directory and the files in it writable for the user that galen runs as: %w", ErrReadOnly, err)
	case codeFull:
		return fmt.Errorf("%w: free space on it; nothing was written, and galen goes on by itself then: %w", ErrFull, err)
	case codeBusy:
		return fmt.Errorf("%w: another process writes it: stop the second galen, or whatever holds the file open for writing: %w", ErrAway, err)
	case codeIO:
		return fmt.Errorf("the disk of the journal fails: look at the system log: %w", err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("the journal's file is damaged: keep a copy, look with galen journal verify, restore a backup: %w", err)
	default:
		return err
	}
}
