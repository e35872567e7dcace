package journal_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// TestMove: from a file to PostgreSQL, from there to a backup, from that to a file again: nothing is lost on the way, and
// work goes on at each place.
func TestMove(t *testing.T) {
	dir := t.TempDir()
	c := pgtest.Start(t, "-c", "fsync=on") // the journal refuses a server without
	places := []journal.Place{
		{Path: filepath.Join(dir, "first.db")}, {URL: c.URL("moved")}, {Path: filepath.Join(dir, "backup.db")}, {URL: c.URL("again")},
	}
	lived(t, places[0].Path, 25)
	was, err := places[0].Verify(t.Context())
	must(t, err)
	for i, to := range places[1:] {
		moved, err := journal.Move(t.Context(), places[i], to, nil)
		must(t, err)
		if moved.Events != was.Events || moved.Head != was.Head || moved.Rows["runs"] == 0 || moved.Rows["outbox"] == 0 {
			t.Fatalf("to %s: %+v, want %+v", to, moved, was)
		}
		if _, err := journal.Move(t.Context(), places[i], to, nil); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
			t.Errorf("a journal was overwritten: %v", err)
		}
	}
	if diff := cmp.Diff(was.Faults, []journal.Fault(nil)); diff != "" {
		t.Error(diff)
	}
	// Work goes on, with numbers after the copied ones.
	clock := newClock()
	clock.skip(1 << 40)
	w := world{store: openPG(t, places[3].URL, journal.Options{Now: clock.read}), clock: clock}
	for i := range 3 {
		run := w.open(t, fmt.Sprintf("new %d", i))
		w.commit(t, run, fmt.Sprintf("t%d", i))
	}
	soundPG(t, places[3].URL)
}

// TestMoveOfADamagedJournal: what does not verify is not called moved.
func TestMoveOfADamagedJournal(t *testing.T) {
	dir := t.TempDir()
	from, to := journal.Place{Path: filepath.Join(dir, "a.db")}, journal.Place{Path: filepath.Join(dir, "b.db")}
	lived(t, from.Path, 3)
	r := openRaw(t, from.Path)
	r.exec("UPDATE runs SET doc = replace(doc, 'medium', 'high')")
	r.exec("UPDATE fences SET fence = fence + 1")
	if _, err := journal.Move(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), "does not verify") {
		t.Errorf("moved: %v", err)
	}
	if _, err := journal.Move(t.Context(), journal.Place{Path: filepath.Join(dir, "none.db")}, to, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("moved nothing: %v", err)
	}
}

// TestMoveBetweenReleases: the journal of an earlier release is moved with the tables that it has; that of a later one is not, its
// tables would be lost.
func TestMoveBetweenReleases(t *testing.T) {
	dir := t.TempDir()
	place := func(name string) journal.Place { return journal.Place{Path: filepath.Join(dir, name)} }
	lived(t, place("old.db").Path, 5)
	r := openRaw(t, place("old.db").Path)
	r.exec("DROP TABLE identity")
	r.exec("DELETE FROM goose_db_version WHERE version_id > 2")
	moved, err := journal.Move(t.Context(), place("old.db"), place("copy.db"), nil)
	must(t, err)
	if moved.Rows["runs"] == 0 {
		t.Errorf("moved %+v", moved)
	}
	r.exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	if _, err := journal.Move(t.Context(), place("old.db"), place("later.db"), nil); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("of a later release: %v", err)
	}
	c := pgtest.Start(t)
	nothing := journal.Place{URL: c.URL("nothing")}
	if _, err := journal.Move(t.Context(), nothing, place("none.db"), nil); err == nil || !strings.Contains(err.Error(), "no journal in it") {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := nothing.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "no journal in it") {
		t.Errorf("an empty database is verified: %v", err)
	}
	c.SQL("CREATE TABLE nothing.events (one INT)") // whoever only reads has made none
}

// TestRestore: what comes back observes only; elsewhere it has another name in Temporal.
func TestRestore(t *testing.T) {
	dir, clock := t.TempDir(), newClock()
	backup := journal.Place{Path: filepath.Join(dir, "backup.db")}
	s, err := journal.Open(t.Context(), backup.Path, journal.Options{Now: clock.read})
	must(t, err)
	w := world{store: s, clock: clock}
	run := w.open(t, "k")
	must(t, w.SetRun(t.Context(), run.ID, galen.RunWaiting, "for the world", time.Time{}))
	_, err = s.Identity(t.Context(), "first")
	must(t, err)
	must(t, s.Close())
	for _, elsewhere := range []bool{false, true} {
		to := journal.Place{Path: filepath.Join(dir, fmt.Sprint(elsewhere, ".db"))}
		var told []string
		_, err := journal.Restore(t.Context(), backup, to, journal.Restored{Why: "restored by ann", Elsewhere: elsewhere, Now: clock.read},
			func(doing string, _ int64) { told = append(told, doing) })
		must(t, err)
		if !slices.Contains(told, "compare runs") {
			t.Errorf("told %q", told)
		}
		s, err := journal.Open(t.Context(), to.Path, journal.Options{Now: clock.read})
		must(t, err)
		e, err := s.Epoch(t.Context())
		must(t, err)
		equal(t, "observes only", e.Observe() != "" && e.Why == "restored by ann", true)
		held, err := s.Run(t.Context(), run.ID)
		must(t, err)
		equal(t, "its run", held.Status, galen.RunHeld)
		name, err := s.Identity(t.Context(), "second")
		must(t, err)
		equal(t, "its name", name, map[bool]string{false: "first", true: "second"}[elsewhere])
		must(t, s.Close())
		report, err := to.Verify(t.Context())
		must(t, err)
		equal(t, "faults", len(report.Faults), 0)
	}
}

// TestVerifyOfAnEarlierRelease: a backup that was made before there were tokens is sound.
func TestVerifyOfAnEarlierRelease(t *testing.T) {
	place := journal.Place{Path: filepath.Join(t.TempDir(), "old.db")}
	s, err := journal.Open(t.Context(), place.Path, journal.Options{Now: newClock().read})
	must(t, err)
	must(t, s.SetResource(t.Context(), ring(), []byte(`{"mode":"act"}`), "bob"))
	must(t, s.Close())
	r := openRaw(t, place.Path)
	r.exec("DROP TABLE tokens")
	r.exec("DROP TABLE schedules")
	for _, index := range []string{"alerts_state", "alerts_owned", "alerts_resource"} { // events_resource stays as it is now
		r.exec("DROP INDEX " + index)
	}
	for _, column := range []string{"alerts DROP COLUMN resource", "alerts DROP COLUMN state", "alerts DROP COLUMN run", "outbox DROP COLUMN urgency"} {
		r.exec("ALTER TABLE " + column)
	}
	r.exec("DELETE FROM goose_db_version WHERE version_id > 3")
	must(t, r.db.Close())
	report, err := place.Verify(t.Context())
	must(t, err)
	if !report.OK() {
		t.Errorf("faults: %+v", report.Faults)
	}
	s, err = journal.Open(t.Context(), place.Path, journal.Options{Now: newClock().read})
	must(t, err)
	_, err = s.Tokens(t.Context())
	must(t, errors.Join(err, s.Close()))
}
