package journal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func testReaders(t *testing.T) *sqliteReaders {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	f, err := openSQLite(t.Context(), path, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	return f.reads
}

func countEvents(ctx context.Context, v view) error {
	return each(ctx, v, func(rows cursor) error { var n int64; return rows.Scan(&n) }, "SELECT seq FROM events")
}

// TestReadersAreWaitedFor: as many read at once as there are, the next one waits for as long as its context lasts, and who ends lets it in.
func TestReadersAreWaitedFor(t *testing.T) {
	s := testReaders(t)
	var all []view
	for range readers {
		v, err := s.view(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := countEvents(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.view(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one too many: %v", err)
	}
	for _, v := range all {
		for range 2 { // the second is no harm
			if err := v.end(); err != nil {
				t.Error(err)
			}
		}
	}
	v, err := s.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.end(); err != nil {
		t.Error(err)
	}
	if n := s.db.Stats().OpenConnections; n != readers {
		t.Errorf("%d connections are open, want %d", n, readers)
	}
}

// TestAReaderOutlivesWhoGivesUp: a reading whose context ends leaves a connection that reads on, in a view of its own.
func TestAReaderOutlivesWhoGivesUp(t *testing.T) {
	s := testReaders(t)
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		v, err := s.view(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			cancel()
		}
		err = countEvents(ctx, v)
		cancel()
		if gaveUp := errors.Is(err, context.Canceled); gaveUp != (i%2 == 0) {
			t.Errorf("reading %d: %v", i, err)
		}
		if err := v.end(); err != nil {
			t.Error(err)
		}
	}
	if n := s.db.Stats().OpenConnections; n != 1 {
		t.Errorf("%d connections are open, want the one", n)
	}
}

// TestAViewEndsAfterItsReaders: nothing is left open.
func TestAViewEndsAfterItsReaders(t *testing.T) {
	s := testReaders(t)
	v, err := s.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if err := v.end(); err != nil {
		t.Error(err)
	}
	if n := s.db.Stats().OpenConnections; n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if _, err := s.view(t.Context()); err == nil {
		t.Error("a view of what is closed")
	}
}

// TestReadersSurviveWhoeverReads: whoever gives up before, during or after the beginning, and whoever panics, takes no slot along.
func TestReadersSurviveWhoeverReads(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*k)*time.Microsecond)
				if _, err := s.Holds(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for range 2 * readers {
		func() {
			defer func() { _ = recover() }()
			_ = s.read(t.Context(), "panic", func(context.Context, querier) error { panic("a reader") })
		}()
	}
	if taken := len(s.backend.(*sqliteFile).reads.slots); taken != 0 {
		t.Errorf("%d slots are taken", taken)
	}
	if _, err := s.Holds(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOneStatementTwiceAtOnce: within the rows of a statement it can be asked again.
func TestOneStatementTwiceAtOnce(t *testing.T) {
	s := testReaders(t)
	v, err := s.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const text = "SELECT name FROM sqlite_master WHERE type = ? ORDER BY name"
	names := func(within func() error) (out []string) {
		err := each(t.Context(), v, func(rows cursor) error {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			out = append(out, name)
			return within()
		}, text, "table")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var inner [][]string
	outer := names(func() error { inner = append(inner, names(func() error { return nil })); return nil })
	if len(outer) < 5 || len(inner) != len(outer) || !slices.Equal(inner[0], outer) || !slices.Equal(inner[len(inner)-1], outer) {
		t.Errorf("%d tables, and within them %v", len(outer), inner)
	}
	if err := v.end(); err != nil {
		t.Error(err)
	}
}
