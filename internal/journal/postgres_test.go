package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// soundPG fails the test when the journal does not verify.
func soundPG(t *testing.T, url string) {
	t.Helper()
	report, err := journal.VerifyPostgres(context.Background(), url)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, faults: %+v", err, report.Faults)
	}
}

func openPG(t *testing.T, url string, opts journal.Options) *journal.Store {
	t.Helper()
	opts.NoSync = true
	s, err := journal.OpenPostgres(t.Context(), url, opts)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestPostgres(t *testing.T) {
	c := pgtest.Start(t)
	var n atomic.Int64
	next := func() string { return fmt.Sprintf("t%d", n.Add(1)) }
	t.Run("contract", func(t *testing.T) {
		Contract(t, func(t *testing.T, clock *clock) store {
			url := c.URL(next())
			t.Cleanup(func() { soundPG(t, url) })
			return openPG(t, url, journal.Options{Now: clock.read})
		})
	})
	t.Run("two engines race", func(t *testing.T) {
		url := c.URL(next())
		testTwoEngines(t, openPG(t, url, journal.Options{}), openPG(t, url, journal.Options{}))
		soundPG(t, url)
	})
	t.Run("a token that one engine revokes counts at no other", func(t *testing.T) {
		url := c.URL(next())
		one, two := openPG(t, url, journal.Options{}), openPG(t, url, journal.Options{})
		_, err := one.CreateToken(t.Context(), galen.Token{
			Name: "ci", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, By: "ann", Expires: time.Now().Add(time.Hour),
		}, "hash")
		must(t, err)
		got, now, err := two.Token(t.Context(), "hash")
		must(t, err)
		equal(t, "counts at the other", got.Counts(now), true)
		must(t, one.RevokeToken(t.Context(), "ci", "ann"))
		got, now, err = two.Token(t.Context(), "hash")
		must(t, err)
		equal(t, "counts after it was revoked", got.Counts(now), false)
		seen, err := journal.Peek(t.Context(), journal.Place{URL: url}, time.Now)
		must(t, err)
		equal(t, "tokens of who only looks", len(seen.Tokens), 1)
		equal(t, "armed", seen.Epoch.Armed, true)
		if seen.Events == 0 || time.Since(seen.Newest).Abs() > time.Minute || seen.Now.Before(seen.Asked.Add(-time.Second)) || seen.Now.After(seen.Got.Add(time.Second)) {
			t.Errorf("seen %+v", seen)
		}
	})
	t.Run("the triggers forbid", func(t *testing.T) {
		url := c.URL("forbid")
		s := openPG(t, url, journal.Options{})
		must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
		c.SQL("ALTER TABLE forbid.events DISABLE TRIGGER events_no_update")
		report, err := journal.VerifyPostgres(t.Context(), url)
		must(t, err)
		if report.OK() {
			t.Error("a switched-off trigger is not seen")
		}
		c.SQL("UPDATE forbid.events SET body = '{\"no\":1}'")
		c.SQL("ALTER TABLE forbid.events ENABLE TRIGGER events_no_update")
		report, err = journal.VerifyPostgres(t.Context(), url)
		must(t, err)
		if report.OK() {
			t.Error("a changed event is not seen")
		}
	})
}

// TestPostgresForgetsWriters: each start of an engine is a writer of its own; they do not gather for ever.
func TestPostgresForgetsWriters(t *testing.T) {
	c := pgtest.Start(t)
	url := c.URL("writers")
	s := openPG(t, url, journal.Options{})
	must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
	c.SQL("INSERT INTO writers.writers (name, number, at) VALUES ('gone', 1, 1)")
	openPG(t, url, journal.Options{})
	c.SQL("INSERT INTO writers.writers (name, number, at) VALUES ('gone', 1, 1)") // it is not there any more
	c.SQL("DO $$ BEGIN ASSERT (SELECT count(*) FROM writers.writers) = 2, 'the living one was forgotten, too'; END $$")
}

// TestPostgresLosesEventsUnderAnEngine: as when a standby is promoted that had not followed. The living engine sees it at its next
// transaction, also when another one has written meanwhile.
func TestPostgresLosesEventsUnderAnEngine(t *testing.T) {
	c := pgtest.Start(t)
	for i, other := range []bool{false, true} {
		schema := fmt.Sprint("lost", i)
		url := c.URL(schema)
		event := func(s *journal.Store) {
			t.Helper()
			must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
		}
		s, second := openPG(t, url, journal.Options{Witness: filepath.Join(t.TempDir(), "witness")}), openPG(t, url, journal.Options{})
		for range 3 {
			event(s)
			event(second)
			event(s)
		}
		e, err := s.Epoch(t.Context())
		must(t, err)
		equal(t, "in doubt because another one writes, too", e.Why, "")
		for _, text := range []string{
			"ALTER TABLE %s.events DISABLE TRIGGER USER", "DELETE FROM %s.events WHERE seq > 7",
			"UPDATE %s.chain SET events = 7, head = (SELECT hash FROM " + schema + ".events WHERE seq = 7)", "ALTER TABLE %s.events ENABLE TRIGGER USER",
		} {
			c.SQL(fmt.Sprintf(text, schema))
		}
		want := "ends at event 7, event 9 was written before"
		if other {
			event(second)
			event(second)
			event(second)
			want = "its event 9 is not the one that was written"
		}
		event(s)
		e, err = s.Epoch(t.Context())
		must(t, err)
		if e.Armed || !strings.Contains(e.Why, want) {
			t.Errorf("armed %v: %q, want %q", e.Armed, e.Why, want)
		}
		_, err = s.Rearm(t.Context(), "ann", "looked at it")
		must(t, err)
		event(s)
		e, err = s.Epoch(t.Context())
		must(t, err)
		equal(t, "armed for good", e.Armed, true)
		soundPG(t, url)
	}
}

// testTwoEngines: two engines on one database contend for one target; at no time has it two holders.
func testTwoEngines(t *testing.T, engines ...*journal.Store) {
	const rounds = 60
	var wg sync.WaitGroup
	var won atomic.Int64
	holder := atomic.Int64{}
	for i, s := range engines {
		wg.Go(func() {
			w := world{store: s, clock: newClock()}
			run := w.open(t, fmt.Sprintf("engine %d", i))
			for range rounds {
				l, err := s.Ledger(t.Context(), run.ID)
				if err != nil {
					t.Error(err)
					return
				}
				in, err := s.Commit(t.Context(), galen.Commit{
					Intent: galen.Intent{Run: run.ID, Step: stop("a"), Class: galen.Disruptive}, Revision: l.Revision, Account: l.Account, Claims: claims("ring"), Touched: []string{"a"},
				})
				if errors.Is(err, galen.ErrMoved) || errors.Is(err, galen.ErrUnsettled) || errors.Is(err, galen.ErrClaimed) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				won.Add(1)
				if holder.Add(1) != 1 {
					t.Error("the target has two holders")
				}
				holder.Add(-1)
				if err := s.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if won.Load() < rounds/4 {
		t.Errorf("only %d of %d won", won.Load(), len(engines)*rounds)
	}
}

func TestPostgresSaysWhatToDo(t *testing.T) {
	for url, want := range map[string]string{
		"host=/nowhere user=galen dbname=galen":                     "cannot be reached",
		"postgres://galen:secret@[bad":                              "not a PostgreSQL connection string",
		"host=127.0.0.1 port=1 user=galen password=secret dbname=x": "cannot be reached",
	} {
		_, err := journal.OpenPostgres(t.Context(), url, journal.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestALongJournalOutlivesTheStatementTimeout: a walk over a whole table may take longer than any one statement may.
func TestALongJournalOutlivesTheStatementTimeout(t *testing.T) {
	c := pgtest.Start(t)
	url := c.URL("long")
	must(t, openPG(t, url, journal.Options{}).Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
	// slow makes each row of a table take 20 ms to read, and more on a busy machine: 300 take longer than one statement may, 100 do not by far.
	slow := func(table, columns, values string) {
		c.SQL("ALTER TABLE long." + table + " RENAME TO quick_" + table)
		c.SQL("INSERT INTO long.quick_" + table + " (" + columns + ") SELECT " + values + " FROM generate_series(1, 300) n")
		c.SQL("CREATE VIEW long." + table + " AS SELECT q.* FROM long.quick_" + table + " q WHERE pg_sleep(0.02) IS NOT NULL")
	}
	from := journal.Place{URL: url + " statement_timeout=5500"}
	slow("outbox", "kind, run, key", "'wake', 'r' || n, 'k'")
	moved, err := journal.Move(t.Context(), from, journal.Place{Path: filepath.Join(t.TempDir(), "backup.db")}, nil)
	must(t, err)
	equal(t, "rows", moved.Rows["outbox"], 300)
	slow("fences", "resource, target, fence", "'cassandra/x', 't' || n, 1")
	report, err := from.Verify(t.Context())
	must(t, err)
	equal(t, "rows that no event knows", len(report.Faults), 300)
}

// TestPostgresThatDoesNotKeepIsRefused, whether it is the first server or one that a failover led to: each connection asks.
func TestPostgresThatDoesNotKeepIsRefused(t *testing.T) {
	c := pgtest.Start(t, "-c", "fsync=on")
	s, err := journal.OpenPostgres(t.Context(), c.URL("kept"), journal.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	c.SQL("ALTER SYSTEM SET synchronous_commit = off")
	c.SQL("SELECT pg_reload_conf()")
	c.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'galen'")
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := s.OpenRuns(t.Context(), galen.Resource{Kind: "cassandra", Name: "orders"})
		if err != nil && strings.Contains(err.Error(), "synchronous_commit is off") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a connection to a server that loses acknowledged writes: %v", err)
		}
	}
	if _, err := journal.OpenPostgres(t.Context(), c.URL("new"), journal.Options{}); err == nil || !strings.Contains(err.Error(), "synchronous_commit is off") {
		t.Errorf("a new journal there: %v", err)
	}
}
