package journal_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
		moved, err := journal.Move(t.Context(), places[i], to)
		must(t, err)
		if moved.Events != was.Events || moved.Head != was.Head || moved.Rows["runs"] == 0 || moved.Rows["outbox"] == 0 {
			t.Fatalf("to %s: %+v, want %+v", to, moved, was)
		}
		if _, err := journal.Move(t.Context(), places[i], to); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
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
	if _, err := journal.Move(t.Context(), from, to); err == nil || !strings.Contains(err.Error(), "does not verify") {
		t.Errorf("moved: %v", err)
	}
	if _, err := journal.Move(t.Context(), journal.Place{Path: filepath.Join(dir, "none.db")}, to); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("moved nothing: %v", err)
	}
}
