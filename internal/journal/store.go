package journal

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named sqlite
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many connections read beside the one that writes.
const readers = 4

// Store is an open journal. All methods may be called at once; every call ends by its context's deadline.
type Store struct {
	path  string
	clock func() time.Time
	newID func(time.Time) string
	log   *slog.Logger

	writeDB *sql.DB
	reads   *sql.DB
	writer  *writer
	nudge   chan struct{}
}

// Open opens the journal in the file at path, creates it when it is not there and brings its tables up to date. One process
// writes a journal at a time: the lock on the data directory sees to that.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		return nil, errors.New("open the journal: Options.Now is required")
	}
	if err := writable(path); err != nil {
		return nil, err
	}
	s := newStore(path, opts)
	if err := s.open(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("open the journal %s: %w", path, advise(err)), s.closeDBs())
	}
	return s, nil
}

// OpenMemory opens an empty journal that lives in memory and ends with Close, for simulations: nothing waits for a disk, and
// whoever calls is served on its own goroutine, one after the other.
func OpenMemory(ctx context.Context, opts Options) (*Store, error) {
	if opts.Now == nil {
		return nil, errors.New("open a journal in memory: Options.Now is required")
	}
	s := newStore("in memory", opts)
	if err := s.openMemory(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open a journal in memory: %w", err), s.closeDBs())
	}
	return s, nil
}

func newStore(path string, opts Options) *Store {
	s := &Store{path: path, clock: opts.Now, newID: opts.NewID, log: opts.Logger, nudge: make(chan struct{}, 1)}
	if s.newID == nil {
		s.newID = new(idMaker).next
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// openMemory makes the one connection that writes and reads.
func (s *Store) openMemory(ctx context.Context) error {
	var err error
	if s.writeDB, err = sql.Open("sqlite", "file::memory:"); err != nil {
		return err
	}
	s.writeDB.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writeDB); err != nil {
		return err
	}
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	s.writer = newWriter(conn, s.now, s.newID, s.signal)
	s.writer.direct = true
	return nil
}

func (s *Store) open(ctx context.Context, opts Options) error {
	sync := "FULL"
	if opts.NoSync {
		sync = "OFF"
	}
	var err error
	s.writeDB, err = sql.Open("sqlite", source(s.path, "", "journal_mode(WAL)", "synchronous("+sync+")", "cache_size(-16000)",
		"journal_size_limit(67108864)", "temp_store(MEMORY)"))
	if err != nil {
		return err
	}
	s.writeDB.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writeDB); err != nil {
		return err
	}
	s.reads, err = sql.Open("sqlite", source(s.path, "", "query_only(1)", "cache_size(-8000)"))
	if err != nil {
		return err
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	s.writer = newWriter(conn, s.now, s.newID, s.signal)
	go s.writer.loop(context.WithoutCancel(ctx))
	return nil
}

// Close writes what was accepted, and lets go of the file.
func (s *Store) Close() error {
	return errors.Join(s.writer.close(), s.closeDBs())
}

func (s *Store) closeDBs() error {
	var errs []error
	for _, db := range []*sql.DB{s.reads, s.writeDB} { // the writer last: it folds the write-ahead log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Store) now() time.Time { return s.clock().UTC().Round(0) }

// signal nudges whoever empties the outbox; a nudge that nobody took yet is enough.
func (s *Store) signal() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// write runs one request of the writer: all of it is committed and on disk when it returns nil, nothing otherwise. do may
// run more than once, so it sets what it returns afresh.
func (s *Store) write(ctx context.Context, what string, do func(context.Context, *tx) error) error {
	if err := s.writer.run(ctx, do); err != nil {
		return fmt.Errorf("%s: %w", what, advise(err))
	}
	return nil
}

// read runs do on one consistent view of the journal.
func (s *Store) read(ctx context.Context, what string, do func(context.Context, querier) error) error {
	if s.writer.direct {
		if err := s.writer.view(ctx, do); err != nil {
			return fmt.Errorf("%s: %w", what, advise(err))
		}
		return nil
	}
	view, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, advise(err))
	}
	err = do(ctx, view)
	if end := view.Rollback(); end != nil && !errors.Is(end, sql.ErrTxDone) { // done already: the context ended it
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, advise(err))
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

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	known := int64(0)
	for _, source := range provider.ListSources() {
		known = max(known, source.Version)
	}
	has, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the tables: %w", err)
	}
	if has > known {
		return fmt.Errorf("its tables have version %d, this galen knows up to %d: start the galen that wrote it, or a newer one", has, known)
	}
	if has == known {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables from version %d to %d: %w", has, known, err)
	}
	return nil
}
