package journal_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// tables are all whose rows are cited by events, with a way to name a row as a fault does.
func tables() map[string]string {
	return map[string]string{
		"runs": "'run/' || id", "plans": "'plan/' || run || '/' || number", "intents": "'intent/' || id",
		"approvals": "'approval/' || id", "holds": "'hold/' || id", "facts": "'fact/' || resource || '/' || key",
		"findings": "'finding/' || key", "spends": "'spend/' || budget || '/' || run || '/' || target",
		"fences": "'fence/' || resource || '/' || target", "claims": "'claim/' || resource || '/' || run || '/' || name",
		"needs": "'need/' || intent || '/' || name", "acks": "'ack/' || resource || '/' || target", "resources": "'resource/' || resource",
		"tokens": "'token/' || name",
	}
}

// lived writes a journal in which a bit of everything happened, rounds times, and closes it.
func lived(t testing.TB, path string, rounds int) {
	t.Helper()
	c := newClock()
	s, err := journal.Open(t.Context(), path, journal.Options{Now: c.read, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rounds {
		if err := live(t.Context(), s, c, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// live opens a run, acts once settled and once not, and has persons do what persons do.
func live(ctx context.Context, s store, c *clock, i int) error {
	target := func(n int) string { return fmt.Sprintf("node-%d-%d", i, n) }
	run, _, err := s.OpenRun(ctx, galen.Run{Key: fmt.Sprint("key", i), Resource: ring(), Runbook: "cassandra/heal-node", Version: 1, Asked: "detector"})
	if err != nil {
		return err
	}
	d := galen.Decision{Run: run.ID, Plan: plan(time.Second, claims(target(0))...), State: fmt.Sprint("state", i), Status: galen.RunRunning, Why: "it is down"}
	_, decided := s.Decide(ctx, d, nil)
	f := finding(fmt.Sprint("r", i), galen.High)
	_, _, found := s.SaveFindings(ctx, ring(), []galen.Finding{f})
	yes := galen.Approval{ID: fmt.Sprint("yes", i), Run: run.ID, By: "ann", Expires: c.read().Add(time.Hour), Steps: []galen.ApprovedStep{{Verb: "stop", Target: target(0), Count: 1}}}
	errs := []error{decided, found, s.Approve(ctx, yes)}
	for n, effect := range []galen.EffectStatus{galen.EffectDone, galen.EffectUnderWay} {
		l, err := s.Ledger(ctx, run.ID)
		in, committed := s.Commit(ctx, galen.Commit{
			Intent: galen.Intent{Run: run.ID, Step: stop(target(n)), Class: galen.Destructive}, Revision: l.Revision, Account: l.Account,
			Claims: claims(target(n)), Touched: []string{target(n)}, Spend: []galen.Spend{{Budget: galen.BudgetDestructive}}, Facts: []galen.Fact{{Key: "repair-owed/" + target(n)}},
		})
		settled := s.Settle(ctx, run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: effect}}})
		errs = append(errs, err, committed, s.Outcome(ctx, in.ID, galen.SentYes, "ok"), settled)
	}
	_, voided := s.Void(ctx, yes.ID, "moved", nil)
	hold := galen.Hold{ID: fmt.Sprint("hold", i), Resource: ring(), Target: "nobody", By: "ann", Why: "maintenance", Until: c.read().Add(time.Hour)}
	errs = append(errs, voided, s.SetHold(ctx, hold), s.Acknowledge(ctx, ring(), []string{target(0)}, "ann"),
		s.SetResource(ctx, ring(), fmt.Appendf(nil, `{"mode":"act","kinds":%d}`, i+1), "bob"),
		s.Stop(ctx, run.ID, galen.StopYield, "engine", "because"))
	_, made := s.CreateToken(ctx, galen.Token{
		Name: fmt.Sprint("ci-", i), Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, By: "ann", Expires: c.read().Add(time.Hour),
	}, fmt.Sprint("hash-", i))
	errs = append(errs, made)
	if i%2 == 0 {
		errs = append(errs, s.Release(ctx, hold.ID, "ann"), s.SetRun(ctx, run.ID, galen.RunCancelled, "enough", time.Time{}))
	}
	return errors.Join(errs...)
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// raw is the file without the journal: what somebody with write access and a SQLite shell has.
type raw struct {
	t  *testing.T
	db *sql.DB
}

func openRaw(t *testing.T, path string) raw {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	r := raw{t, db}
	r.exec("PRAGMA synchronous = OFF")
	return r
}

func (r raw) exec(query string, args ...any) {
	r.t.Helper()
	if _, err := r.db.Exec(query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

func (r raw) get(to any, query string, args ...any) {
	r.t.Helper()
	if err := r.db.QueryRow(query, args...).Scan(to); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

// armed takes the triggers away, and puts them back as they were when the work is done.
func (r raw) armed(work func()) {
	r.t.Helper()
	var triggers []string
	rows, err := r.db.Query("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			r.t.Fatal(err)
		}
		triggers = append(triggers, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		r.t.Fatal(err)
	}
	for _, name := range []string{"events_no_update", "events_no_delete", "events_next", "events_count"} {
		r.exec("DROP TRIGGER " + name)
	}
	work()
	for _, text := range triggers {
		r.exec(text)
	}
}

// tamper does one thing to the file that nobody should, and says where a fault must be told: at one of these events, or at
// that row.
func tamper(r raw, dice *rand.Rand) (what string, seqs []int64, row string) {
	var n int64
	r.get(&n, "SELECT count(*) FROM events")
	at := 1 + dice.Int64N(n)
	next := min(at+1, n)
	columns := []string{"at", "resource", "run", "kind", "by", "body", "prev", "hash"}
	switch dice.IntN(9) {
	case 0:
		column := columns[dice.IntN(len(columns))]
		r.exec("UPDATE events SET "+column+" = CASE typeof("+column+") WHEN 'integer' THEN "+column+" + 1 ELSE "+column+" || 'x' END WHERE seq = ?", at)
		return "edited " + column, []int64{at}, ""
	case 1:
		r.exec("UPDATE events SET body = replace(body, ':', ': ') WHERE seq = ?", at)
		return "added white space", []int64{at}, ""
	case 2:
		r.exec("DELETE FROM events WHERE seq = ?", at)
		return "deleted an event", []int64{at - 1, at + 1}, ""
	case 3:
		from := max(1, at-dice.Int64N(10))
		r.exec("DELETE FROM events WHERE seq BETWEEN ? AND ?", from, at)
		return fmt.Sprintf("deleted events from %d", from), []int64{from - 1, at + 1}, ""
	case 4:
		return swap(r, dice, at, n)
	case 5:
		r.exec("UPDATE events SET (body, hash) = (SELECT body, hash FROM events WHERE seq = ?) WHERE seq = ?", 1+next%n, at)
		return "replayed another event", []int64{at}, ""
	case 6:
		r.exec("UPDATE events SET seq = seq + 1000000 WHERE seq = ?", at)
		return "moved an event to the end", []int64{at + 1, at + 1000000}, ""
	default:
		return tamperRow(r, dice)
	}
}

func swap(r raw, dice *rand.Rand, at, n int64) (string, []int64, string) {
	to := 1 + (at+dice.Int64N(n-1))%n
	if to == at {
		to = 1 + at%n
	}
	for _, move := range [][2]int64{{at, -1}, {to, at}, {-1, to}} {
		r.exec("UPDATE events SET seq = ? WHERE seq = ?", move[1], move[0])
	}
	return fmt.Sprintf("swapped with %d", to), []int64{at, to}, ""
}

// tamperRow edits, deletes or renames one cited row.
func tamperRow(r raw, dice *rand.Rand) (what string, seqs []int64, row string) {
	edits := map[string]string{
		"runs": "status = 'verified'", "plans": "doc = replace(doc, 'running', 'waiting')", "intents": "settled = 1 - settled",
		"approvals": "state = state || 'x'", "holds": "released = 1 - released", "facts": "doc = replace(doc, '}', ',\"value\":1}')",
		"findings": "doc = replace(doc, 'three', 'four')", "spends": "at = at - 86400000000000", "fences": "fence = fence - 1",
		"claims": "shared = 1 - shared", "needs": "run = 'another'", "acks": "at = at + 1", "resources": "policy = '{}'",
	}
	names := make([]string, 0, len(edits))
	for name := range edits {
		names = append(names, name)
	}
	// A map has no order, a seed must have one.
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			if names[j] < names[i] {
				names[i], names[j] = names[j], names[i]
			}
		}
	}
	table := names[dice.IntN(len(names))]
	name := tables()[table]
	var n int
	r.get(&n, "SELECT count(*) FROM "+table)
	r.get(&row, "SELECT "+name+" FROM "+table+" LIMIT 1 OFFSET ?", dice.IntN(n))
	if dice.IntN(2) == 0 {
		r.exec("DELETE FROM "+table+" WHERE "+name+" = ?", row)
		return "deleted a row of " + table, nil, row
	}
	r.exec("UPDATE "+table+" SET "+edits[table]+" WHERE "+name+" = ?", row)
	return "edited a row of " + table, nil, row
}

func located(report journal.Report, seqs []int64, row string) bool {
	for _, f := range report.Faults {
		if row != "" && f.Row == row {
			return true
		}
		for _, seq := range seqs {
			// A gap at the very end has no event behind it: it is told at the last one that is left.
			if row == "" && f.Seq == seq {
				return true
			}
		}
	}
	return false
}

func TestTamper(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	lived(t, whole, 4)
	sound(t, whole)
	const edits = 300
	did := map[string]int{}
	for seed := range uint64(edits) {
		path := filepath.Join(dir, "copy.db")
		copyFile(t, whole, path)
		r := openRaw(t, path)
		var what, row string
		var seqs []int64
		r.armed(func() { what, seqs, row = tamper(r, rand.New(rand.NewPCG(seed, 1))) })
		if err := r.db.Close(); err != nil {
			t.Fatal(err)
		}
		report, err := journal.Verify(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if report.OK() {
			t.Errorf("seed %d: %s at %v%s: not detected", seed, what, seqs, row)
		} else if !located(report, seqs, row) {
			t.Errorf("seed %d: %s at %v%s: told elsewhere: %+v", seed, what, seqs, row, report.Faults)
		}
		did[strings.Fields(what)[0]]++
	}
	t.Logf("%d edits, all detected and located: %v", edits, did)
}

func TestTamperedTailAndForgedHash(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.db")
	lived(t, whole, 3)
	for name, c := range map[string]struct {
		do   func(raw)
		what string
	}{
		"the tail cut off": {func(r raw) { r.exec("DELETE FROM events WHERE seq > 20") }, "missing at the end"},
		"the tail cut off and the length forged": {func(r raw) {
			r.exec("DELETE FROM events WHERE seq > 20")
			r.exec("UPDATE chain SET events = 20, head = (SELECT hash FROM events WHERE seq = 20)")
		}, "no event knows this row"},
		"all events gone": {func(r raw) { r.exec("DELETE FROM events") }, "missing at the end"},
		"the length gone": {func(r raw) { r.exec("DELETE FROM chain") }, "length of the chain is gone"},
		"an event before all": {func(r raw) {
			r.exec("INSERT INTO events SELECT 0, at, resource, run, kind, by, body, prev, hash FROM events WHERE seq = 1")
		}, "before the first"},
		"the head forged":         {func(r raw) { r.exec("UPDATE chain SET head = 'x'") }, "not the one that was written"},
		"a row out of nothing":    {func(r raw) { r.exec("INSERT INTO fences VALUES ('cassandra/lab', 'x', 5)") }, "no event knows"},
		"a document that is none": {func(r raw) { r.exec("UPDATE intents SET doc = '{'") }, "does not agree with itself"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			copyFile(t, whole, path)
			r := openRaw(t, path)
			r.armed(func() { c.do(r) })
			if err := r.db.Close(); err != nil {
				t.Fatal(err)
			}
			report, err := journal.Verify(t.Context(), path)
			if err != nil || !strings.Contains(fmt.Sprint(report.Faults), c.what) {
				t.Errorf("%v: %+v", err, report.Faults)
			}
		})
	}
}

func TestTriggersForbid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	lived(t, path, 1)
	r := openRaw(t, path)
	for _, query := range []string{
		"UPDATE events SET by = 'x' WHERE seq = 1", "DELETE FROM events", "INSERT INTO events SELECT 1000, at, resource, run, kind, by, body, prev, hash FROM events WHERE seq = 1",
		"INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 1",
	} {
		if _, err := r.db.Exec(query); err == nil {
			t.Errorf("%s: allowed", query)
		}
	}
	r.exec("DROP TRIGGER events_no_update")
	if err := r.db.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := journal.Verify(t.Context(), path)
	if err != nil || len(report.Faults) != 1 || report.Faults[0].Row != "trigger/events_no_update" {
		t.Errorf("%v: %+v", err, report.Faults)
	}
}

func TestVerifyWhileItRuns(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := journal.Open(t.Context(), path, journal.Options{Now: c.read})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 15 {
			if err := live(t.Context(), s, c, i); err != nil {
				t.Error(err)
			}
		}
	})
	events := int64(-1)
	for range 10 {
		report, err := journal.Verify(t.Context(), path)
		if err != nil || !report.OK() || report.Events < events {
			t.Fatalf("%v, %d events after %d, faults: %+v", err, report.Events, events, report.Faults)
		}
		events = report.Events
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

func TestVerifyWhatIsNoJournal(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "text": strings.Repeat("not a journal ", 1000)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if report, err := journal.Verify(t.Context(), path); err == nil && report.OK() {
			t.Errorf("%s: passes for a journal", name)
		}
	}
	if _, err := journal.Verify(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// A journal is read from any file that somebody hands us: it may be anything.
func FuzzVerify(f *testing.F) {
	path := filepath.Join(f.TempDir(), "journal.db")
	lived(f, path, 1)
	file, err := os.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	whole, err := io.ReadAll(file)
	if err != nil {
		f.Fatal(err)
	}
	if err := file.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(0, []byte("SQLite"))
	f.Add(18, []byte{1, 1})
	f.Add(5000, []byte("overwritten"))
	f.Add(len(whole)/2, []byte(strings.Repeat("\x00", 4096)))
	f.Add(len(whole)-100, []byte(`{"cites":{"run/x":"y"}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		b := append([]byte{}, whole...)
		if at >= 0 && at < len(b) {
			copy(b[at:], patch)
		}
		path := filepath.Join(dir, "fuzz.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Verify(t.Context(), path); err != nil && !strings.Contains(err.Error(), "verify the journal") {
			t.Fatal(err)
		}
	})
}
