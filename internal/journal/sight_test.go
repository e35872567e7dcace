package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestReadingWritesNothing: neither verify nor a copy leaves a file beside what it reads, one of an earlier release included, which
// left its backups in WAL mode.
func TestReadingWritesNothing(t *testing.T) {
	dir := t.TempDir()
	wal, backup := journal.Place{Path: filepath.Join(dir, "a.db")}, journal.Place{Path: filepath.Join(dir, "b.db")}
	lived(t, wal.Path, 2)
	_, err := journal.Move(t.Context(), wal, backup, nil)
	must(t, err)
	onlyThese(t, dir, "a.db", "b.db")
	out := t.TempDir()
	for _, from := range []journal.Place{wal, backup} {
		before, err := os.ReadFile(from.Path)
		must(t, err)
		sound(t, from.Path)
		_, err = journal.Restore(t.Context(), from, journal.Place{Path: filepath.Join(out, filepath.Base(from.Path))}, restored(), nil)
		must(t, err)
		after, err := os.ReadFile(from.Path)
		must(t, err)
		equal(t, "as it was", string(after) == string(before), true)
	}
	onlyThese(t, dir, "a.db", "b.db")
	onlyThese(t, out, "a.db", "b.db")
}

// TestAnEngineThatStartsWhileItIsRead: what is read without the engine's log may be half of two moments, and is not kept; the journal
// can be verified and copied all the same when the engine works.
func TestAnEngineThatStartsWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	from, to := journal.Place{Path: filepath.Join(dir, "a.db")}, journal.Place{Path: filepath.Join(t.TempDir(), "b.db")}
	lived(t, from.Path, 2)
	var s *journal.Store
	_, err := journal.Move(t.Context(), from, to, func(string, int64) {
		if s != nil {
			return
		}
		var err error
		s, err = journal.Open(t.Context(), from.Path, journal.Options{Now: time.Now})
		must(t, err)
		must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
	})
	if err == nil || !strings.Contains(err.Error(), "say it again") {
		t.Errorf("told %v", err)
	}
	onlyThese(t, filepath.Dir(to.Path))
	sound(t, from.Path)
	_, err = journal.Move(t.Context(), from, to, nil)
	must(t, err)
	must(t, s.Close())
	sound(t, to.Path)
}
