package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// ended writes a journal whose newest events cite no row, so that only the line of the chain betrays that they are gone, and says
// how many events there are.
func ended(t *testing.T, path string) int64 {
	t.Helper()
	lived(t, path, 2)
	c := newClock()
	s, err := journal.Open(t.Context(), path, journal.Options{Now: c.read, NoSync: true})
	must(t, err)
	for range 3 {
		must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
	}
	must(t, s.Close())
	report, err := journal.Verify(t.Context(), path)
	must(t, err)
	return report.Events
}

// what somebody does to the end of a journal, and how it is told.
func ends(events int64) map[string]struct {
	do   string
	told string
} {
	return map[string]struct{ do, told string }{
		"cut off":      {fmt.Sprintf("DELETE FROM events WHERE seq > %d", events-2), fmt.Sprintf("events %d to %d are missing at the end", events-1, events)},
		"all cut off":  {"DELETE FROM events", fmt.Sprintf("events 1 to %d are missing at the end", events)},
		"another head": {"UPDATE chain SET head = 'x'", "the last event is not the one that was written"},
		"shorter line": {fmt.Sprintf("UPDATE chain SET events = %d", events-1), "there are 1 events too many at the end"},
		"line gone":    {"DELETE FROM chain", "length of the chain is gone"},
		"trigger gone": {"", "trigger/events_no_update"},
	}
}

// TestACopyDoesNotLaunder: what a copy would get anew must be right in the source: the end of the chain, and the triggers.
func TestACopyDoesNotLaunder(t *testing.T) {
	dir := t.TempDir()
	sound := filepath.Join(dir, "sound.db")
	for name, c := range ends(ended(t, sound)) {
		from, out := journal.Place{Path: filepath.Join(dir, name+".db")}, filepath.Join(dir, name)
		copyFile(t, sound, from.Path)
		must(t, os.Mkdir(out, 0o700))
		r := openRaw(t, from.Path)
		if c.do == "" {
			r.exec("DROP TRIGGER events_no_update")
		} else {
			r.armed(func() { r.exec(c.do) })
		}
		must(t, r.db.Close())
		to := journal.Place{Path: filepath.Join(out, "galen.db")}
		_, moved := journal.Move(t.Context(), from, to, nil)
		_, back := journal.Restore(t.Context(), from, to, restored(), nil)
		for _, err := range []error{moved, back} {
			if err == nil || !strings.Contains(err.Error(), c.told) {
				t.Errorf("%s: %v, want %q", name, err, c.told)
			}
		}
		onlyThese(t, out)
	}
}

// TestACutJournalObservesOnly: also in a directory whose witness knows nothing.
func TestACutJournalObservesOnly(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "sound.db")
	for name, c := range ends(ended(t, sound)) {
		if c.do == "" {
			continue
		}
		d := newDoubtful(t, newClock())
		copyFile(t, sound, d.path)
		r := openRaw(t, d.path)
		r.armed(func() { r.exec(c.do) })
		must(t, r.db.Close())
		s, err := journal.Open(t.Context(), d.path, d.opts)
		if strings.Contains(name, "line") { // no event can follow, so nothing can be disarmed
			if err == nil || !strings.Contains(err.Error(), c.told) {
				t.Errorf("%s: %v, want %q", name, err, c.told)
			}
			continue
		}
		must(t, err)
		if why := whyOf(t, s); !strings.Contains(why, c.told) {
			t.Errorf("%s: %q, want %q", name, why, c.told)
		}
		_, err = s.Rearm(t.Context(), "ann", "looked")
		must(t, err)
		must(t, s.Close())
		s = d.open(t)
		equal(t, "re-armed", whyOf(t, s), "armed")
		must(t, s.Close())
		report, err := journal.Verify(t.Context(), d.path)
		must(t, err)
		equal(t, "it verifies again", report.OK(), false)
	}
}

// TestACutDatabase: the same in PostgreSQL.
func TestACutDatabase(t *testing.T) {
	c := pgtest.Start(t)
	dir := t.TempDir()
	for schema, text := range map[string]string{
		"cut":     "DELETE FROM cut.events WHERE seq > 2",
		"trigger": "SELECT 1",
	} {
		s := openPG(t, c.URL(schema), journal.Options{})
		for range 4 {
			must(t, s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
		}
		c.SQL("ALTER TABLE " + schema + ".events DISABLE TRIGGER USER")
		c.SQL(text)
		want := "trigger/events_no_update"
		if schema == "cut" {
			c.SQL("ALTER TABLE cut.events ENABLE TRIGGER USER")
			want = "events 3 to 4 are missing at the end"
		}
		to := journal.Place{Path: filepath.Join(dir, schema+".db")}
		if _, err := journal.Move(t.Context(), journal.Place{URL: c.URL(schema)}, to, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", schema, err, want)
		}
	}
	onlyThese(t, dir)
	second := openPG(t, c.URL("cut"), journal.Options{Witness: filepath.Join(t.TempDir(), "witness")})
	if why := whyOf(t, second); !strings.Contains(why, "events 3 to 4 are missing at the end") {
		t.Errorf("why: %q", why)
	}
}

// TestAnEmptyJournalIsNoBackup: nothing was ever written to it.
func TestAnEmptyJournalIsNoBackup(t *testing.T) {
	dir := t.TempDir()
	from := journal.Place{Path: filepath.Join(dir, "empty.db")}
	s, err := journal.Open(t.Context(), from.Path, journal.Options{Now: time.Now})
	must(t, err)
	must(t, s.Close())
	if _, err := journal.Move(t.Context(), from, journal.Place{Path: filepath.Join(dir, "b.db")}, nil); err == nil || !strings.Contains(err.Error(), "no event in it") {
		t.Errorf("an empty journal was copied: %v", err)
	}
}
