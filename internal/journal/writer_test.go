package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
)

func openTest(t *testing.T) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := Open(t.Context(), path, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		report, err := Verify(context.Background(), path)
		if err != nil || !report.OK() {
			t.Errorf("verify: %v, faults: %+v", err, report.Faults)
		}
	})
	return s
}

// blocked holds the writer inside a request until the returned function is called, so that requests pile up behind it.
func blocked(t *testing.T, s *Store) (release func()) {
	t.Helper()
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		left <- s.writer.run(context.Background(), func(context.Context, *tx) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	return func() {
		close(leave)
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
}

// waitQueued waits until so many requests wait for the writer.
func waitQueued(t *testing.T, s *Store, n int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(s.writer.requests) < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests wait, want %d", len(s.writer.requests), n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestGroupCommitIsolatesFailures(t *testing.T) {
	s := openTest(t)
	release := blocked(t, s)
	const n = 20
	errs := make([]error, n)
	transactions := map[*tx]int{}
	refusal := errors.New("no")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = s.write(t.Context(), "test", func(ctx context.Context, tx *tx) error {
				transactions[tx]++ // the writer alone runs this
				if err := tx.event(ctx, galen.Event{Kind: "test", By: fmt.Sprint(i)}, map[string]any{}); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return refusal
				case 2:
					tx.cite("row/x", 1)
				}
				return nil
			})
		})
	}
	waitQueued(t, s, n)
	release()
	wg.Wait()
	if len(transactions) != 1 {
		t.Errorf("%d transactions for %d requests that waited together", len(transactions), n)
	}
	for i, err := range errs {
		switch {
		case i%4 == 1 && !errors.Is(err, refusal):
			t.Errorf("request %d: %v", i, err)
		case i%4 == 2 && (err == nil || !strings.Contains(err.Error(), "without an event")):
			t.Errorf("request %d changed a row without an event: %v", i, err)
		case i%4 != 1 && i%4 != 2 && err != nil:
			t.Errorf("request %d: %v", i, err)
		}
	}
	events, err := s.Events(t.Context(), EventFilter{})
	if err != nil || len(events) != n/2 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// A request that the store itself cannot take costs no other request of its batch.
// TestSureRequestsHaveNoSavepoint: one that fails all the same takes nobody with it, and leaves nothing behind.
func TestSureRequestsHaveNoSavepoint(t *testing.T) {
	s := openTest(t)
	release := blocked(t, s)
	const n = 20
	errs := make([]error, n)
	refusal := errors.New("no")
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = s.writeSure(t.Context(), "test", 1, func(ctx context.Context, tx *tx) error {
				if err := tx.event(ctx, galen.Event{Kind: "test", By: fmt.Sprint(i)}, map[string]any{}); err != nil {
					return err
				}
				if i == n/2 {
					return refusal
				}
				return nil
			})
		})
	}
	waitQueued(t, s, n)
	release()
	wg.Wait()
	for i, err := range errs {
		if (i == n/2) != errors.Is(err, refusal) || i != n/2 && err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	events, err := s.Events(t.Context(), EventFilter{Kind: "test"})
	if err != nil || len(events) != n-1 {
		t.Errorf("%d events, want %d; %v", len(events), n-1, err)
	}
}

// TestAloneNothingWaits: only after a crowd is a moment waited for the next one.
func TestAloneNothingWaits(t *testing.T) {
	w := newWriter(nil, nil, nil)
	if got := w.gather(&request{}); len(got) != 1 || w.sized != 1 {
		t.Errorf("%d, sized %d", len(got), w.sized)
	}
	w.sized = crowd
	for range crowd - 1 {
		w.requests <- &request{}
	}
	if got := w.gather(&request{}); len(got) != crowd {
		t.Errorf("%d of a crowd of %d", len(got), crowd)
	}
	if got := w.gather(&request{}); len(got) != 1 || w.sized != 1 {
		t.Errorf("%d, sized %d after the crowd has gone", len(got), w.sized)
	}
}

func TestDiskFull(t *testing.T) {
	s := openTest(t)
	uptime := time.Duration(0)
	s.full.mono = func() time.Duration { return uptime }
	pages := func(extra int) {
		t.Helper()
		err := s.write(t.Context(), "test", func(ctx context.Context, tx *tx) error {
			var n int
			if _, err := first(ctx, tx, []any{&n}, "PRAGMA page_count"); err != nil {
				return err
			}
			_, err := first(ctx, tx, []any{&n}, fmt.Sprintf("PRAGMA max_page_count = %d", n+extra))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(10)
	release := blocked(t, s)
	var wg sync.WaitGroup
	var big, small error
	wg.Go(func() {
		small = s.SaveFolded(t.Context(), galen.Resource{Kind: "a", Name: "b"}, []byte("small"), "", nil)
	})
	wg.Go(func() {
		big = s.SaveFolded(t.Context(), galen.Resource{Kind: "a", Name: "c"}, make([]byte, 1<<20), "", nil)
	})
	waitQueued(t, s, 2)
	release()
	wg.Wait()
	if !errors.Is(big, ErrFull) || !strings.Contains(big.Error(), "free space") {
		t.Errorf("the one that does not fit: %v", big)
	}
	if small != nil {
		t.Errorf("the one that fits: %v", small)
	}
	if err := s.CanWrite(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("what is small fits: %v", err)
	}
	pages(1000)
	for _, after := range []time.Duration{fullFor, 2 * fullFor} { // the second time there is nothing to tell
		uptime = after
		if err := s.CanWrite(t.Context()); err != nil {
			t.Errorf("with space again: %v", err)
		}
	}
	if told, err := s.Events(t.Context(), EventFilter{Kind: galen.EventEngine}); err != nil || len(told) != 1 || !strings.Contains(string(told[0].Body), "its disk was full") {
		t.Errorf("%v, %v", told, err)
	}
	if err := s.SaveFolded(t.Context(), galen.Resource{Kind: "a", Name: "c"}, make([]byte, 1<<20), "", nil); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestWhoGivesUpBeforeItsTurnWritesNothing(t *testing.T) {
	s := openTest(t)
	release := blocked(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Append(ctx, galen.Event{Kind: "test"}) }()
	waitQueued(t, s, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "may still happen") {
		t.Errorf("got %v", err)
	}
	release()
	if err := s.Append(t.Context(), galen.Event{Kind: "second"}); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), EventFilter{})
	if err != nil || len(events) != 1 || events[0].Kind != "second" {
		t.Errorf("%v, events: %+v", err, events)
	}
}

func TestClosed(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	release := blocked(t, s)
	result := make(chan error, 1)
	go func() { result <- s.Append(context.Background(), galen.Event{Kind: "test"}) }()
	waitQueued(t, s, 1)
	release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("what was accepted before Close: %v", err)
	}
	if err := s.Append(t.Context(), galen.Event{Kind: "test"}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is not a database. ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	s, err := Open(t.Context(), newer, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		now  func() time.Time
		want string
	}{
		"no clock":           {filepath.Join(dir, "x.db"), nil, "Options.Now"},
		"no directory":       {filepath.Join(file, "journal.db"), time.Now, "create the data directory"},
		"a directory":        {dir, time.Now, "writable for the user"},
		"no database":        {file, time.Now, "is damaged"},
		"of a newer version": {newer, time.Now, "start the galen that wrote it"},
	} {
		_, err := Open(t.Context(), c.path, Options{Now: c.now})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(file, "journal.db"), Options{Now: time.Now}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("not ErrReadOnly: %v", err)
	}
}

// A path is a path, whatever characters it has.
func TestOpenStrangePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c=d&%20#é", "journal.db")
	s, err := Open(t.Context(), path, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Append(t.Context(), galen.Event{Kind: "test"}), s.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if report, err := Verify(t.Context(), path); err != nil || report.Events != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// The hash made byte by byte is galen.HashJSON of the event without its hash, whatever is in it.
func TestSumIsTheHashOfTheEvent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringN(0, 20, -1)
		body, err := (&tx{}).eventBody(map[string]any{"text": text.Draw(rt, "text"), "n": rapid.Float64Range(-1e30, 1e30).Draw(rt, "n")})
		if err != nil {
			rt.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "empty") {
			body = nil
		}
		row := eventRow{
			seq: rapid.Int64Min(1).Draw(rt, "seq"), at: rapid.Int64Range(1, 1<<62).Draw(rt, "at"), run: valid(text.Draw(rt, "run")),
			kind: valid(text.Draw(rt, "kind")), by: valid(text.Draw(rt, "by")), prev: valid(text.Draw(rt, "prev")), body: body,
		}
		if rapid.Bool().Draw(rt, "on a resource") {
			row.resource = "cassandra/orders-eu"
		}
		e, err := row.event()
		if err != nil {
			rt.Fatal(err)
		}
		if got, want := row.sum(), galen.HashJSON(e); got != want {
			rt.Fatalf("sum %s, want %s of %+v", got, want, e)
		}
	})
}

func TestIDsGrow(t *testing.T) {
	var m idMaker
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	last := ""
	for i := range 10000 {
		id := m.next(now.Add(time.Duration(i%7-3) * time.Millisecond)) // the clock goes back and forth
		if id <= last || len(id) != 36 || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

// TestASilentStoreCostsOneDeadline: a server that answers no more in the middle of a transaction keeps the writer only for so
// long.
func TestASilentStoreCostsOneDeadline(t *testing.T) {
	s := openTest(t)
	s.writer.limit = 20 * time.Millisecond
	err := s.write(t.Context(), "wait for the server", func(ctx context.Context, _ *tx) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server without an answer: %v", err)
	}
	s.writer.limit = time.Minute
	if _, _, err := s.OpenRun(t.Context(), galen.Run{Key: "next", Resource: galen.Resource{Kind: "k", Name: "n"}, Runbook: "x", Version: 1}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// TestAWitnessThatCannotBeWritten costs no write, and none is done twice.
func TestAWitnessThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	var told strings.Builder
	s, err := Open(t.Context(), path, Options{Now: time.Now, Witness: filepath.Join(dir, "witness"), Logger: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writer.witness.close(); err != nil {
		t.Fatal(err)
	}
	release := blocked(t, s)
	var all sync.WaitGroup
	for i := range 3 { // one batch
		all.Go(func() {
			if _, opened, err := s.OpenRun(t.Context(), galen.Run{Key: fmt.Sprint("k", i), Resource: galen.Resource{Kind: "k", Name: "n"}, Runbook: "x", Version: 1}); err != nil || !opened {
				t.Errorf("opened %t, %v", opened, err)
			}
		})
	}
	waitQueued(t, s, 3)
	release()
	all.Wait()
	events, err := s.Events(t.Context(), EventFilter{Kind: galen.EventOpened})
	if err != nil || len(events) != 3 {
		t.Errorf("%d runs were opened, want 3: %v", len(events), err)
	}
	_ = s.Close() // the file of the witness is closed already
	if !strings.Contains(told.String(), "witness is behind") {
		t.Errorf("nobody was told: %q", told.String())
	}
}

func TestJump(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(clock, from, to int) clocks {
		s := time.Second
		return clocks{now: noon.Add(time.Duration(clock) * s), from: time.Duration(from) * s, to: time.Duration(to) * s}
	}
	for _, c := range []struct {
		name           string
		earlier, later clocks
		want           time.Duration
	}{
		{"both go on", at(0, 0, 0), at(60, 60, 60), 0},
		{"set ahead", at(0, 0, 0), at(3660, 60, 60), time.Hour},
		{"set back", at(0, 0, 0), at(-3540, 60, 60), -time.Hour},
		{"stopped after the clock was read", at(0, 0, 0), at(60, 60, 360), 0},
		{"stopped before the clock was read", at(0, 0, 0), at(360, 60, 360), 0},
		{"the earlier one took long", at(30, 0, 30), at(90, 90, 90), 0},
		{"set while it was stopped", at(0, 0, 0), at(3960, 60, 360), time.Hour},
	} {
		if got := c.later.jump(c.earlier); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
