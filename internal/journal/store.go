package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Store is an open journal. All methods may be called at once; every call ends by its context's deadline.
type Store struct {
	backend backend
	writer  *writer
	nudge   chan struct{}
	log     *slog.Logger
	vitals  minutes
	full    fullness
	// earlierAlerts: some were stored under the IDs of an earlier release.
	earlierAlerts bool

	closing sync.Once
	closed  error
}

// Open opens the journal in the SQLite file at path, creates it when it is not there and brings its tables up to date. One
// process writes such a journal at a time: the lock on the data directory sees to that.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		return nil, errors.New("open the journal: Options.Now is required")
	}
	file, err := openSQLite(ctx, path, opts)
	if err != nil {
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	s := newStore(file, opts)
	if err := s.start(ctx, opts); err != nil {
		return nil, fmt.Errorf("open the journal %s: %w", path, err)
	}
	if opts.Engine != "" {
		if err := s.own(ctx, opts.Engine); err != nil {
			return nil, errors.Join(fmt.Errorf("open the journal %s: %w", path, err), s.Close())
		}
		s.writer.engine = opts.Engine
	}
	return s, nil
}

// start starts the writer, and compares the journal with its witness.
func (s *Store) start(ctx context.Context, opts Options) error {
	var seq int64
	var hash string
	if opts.Witness != "" {
		var err error
		if s.writer.witness, seq, hash, err = openWitness(opts.Witness); err != nil {
			return errors.Join(err, s.backend.close())
		}
	}
	s.writer.mono = opts.Mono
	go s.writer.loop(context.WithoutCancel(ctx))
	var err error
	if s.earlierAlerts, err = s.hasEarlierAlerts(ctx); err == nil && opts.Witness != "" {
		err = s.compare(ctx, seq, hash)
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// OpenMemory opens an empty journal that lives in memory and ends with Close, for simulations: nothing waits for a disk, and
// whoever calls is served on its own goroutine, one after the other.
func OpenMemory(_ context.Context, opts Options) (*Store, error) {
	if opts.Now == nil {
		return nil, errors.New("open a journal in memory: Options.Now is required")
	}
	s := newStore(newMemory(opts.clock), opts)
	s.writer.direct = true
	return s, nil
}

func newStore(b backend, opts Options) *Store {
	s := &Store{backend: b, log: opts.Logger, nudge: make(chan struct{}, 1), full: fullness{mono: opts.Mono}}
	newID := opts.NewID
	if newID == nil {
		newID = new(idMaker).next
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.writer = newWriter(b, newID, s.signal)
	s.writer.log = s.log
	return s
}

// clock is Options.Now as the journal keeps times.
func (o Options) clock() time.Time { return o.Now().UTC().Round(0) }

// Close writes what was accepted, and lets go of the store.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.writer.close()
		s.closed = errors.Join(s.backend.close(), s.writer.witness.close())
	})
	return s.closed
}

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
		return fmt.Errorf("%s: %w", what, s.full.note(s.backend.advise(err)))
	}
	return nil
}

// writeSure is write for what nothing in the journal can refuse, see [request].
func (s *Store) writeSure(ctx context.Context, what string, weight int, do func(context.Context, *tx) error) error {
	if err := s.writer.hand(ctx, &request{do: do, reply: make(chan error, 1), sure: true, weight: weight}); err != nil {
		return fmt.Errorf("%s: %w", what, s.full.note(s.backend.advise(err)))
	}
	return nil
}

// read runs do on one consistent view of the journal.
func (s *Store) read(ctx context.Context, what string, do func(context.Context, querier) error) error {
	return s.readView(ctx, what, func(ctx context.Context, v view) error { return do(ctx, v) })
}

// readNow is read with the store's time.
func (s *Store) readNow(ctx context.Context, what string, do func(context.Context, querier, time.Time) error) error {
	return s.readView(ctx, what, func(ctx context.Context, v view) error {
		now, err := v.now(ctx)
		if err != nil {
			return err
		}
		return do(ctx, v, now)
	})
}

func (s *Store) readView(ctx context.Context, what string, do func(context.Context, view) error) error {
	err := s.viewed(ctx, do)
	if err != nil {
		return fmt.Errorf("%s: %w", what, s.backend.advise(err))
	}
	return nil
}

// viewed ends the view whatever happens: there are few.
func (s *Store) viewed(ctx context.Context, do func(context.Context, view) error) (err error) {
	v, err := s.backend.view(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	return do(ctx, v)
}
