package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// TestAMovedJournalIsNotBegunAnew: after galen journal move, an engine whose configuration does not name the database does not start with
// an empty journal.
func TestAMovedJournalIsNotBegunAnew(t *testing.T) {
	place := journal.Place{Path: filepath.Join(t.TempDir(), JournalFile)}
	if err := notMoved(place); err != nil {
		t.Errorf("a new directory: %v", err)
	}
	write(t, place.Path+MovedEnding, "", 0o600)
	if err := notMoved(place); err == nil || !strings.Contains(err.Error(), "journal.url_file") {
		t.Errorf("told %v", err)
	}
	e := &Engine{o: Options{Config: &config.Config{Data: filepath.Dir(place.Path)}}}
	if s, err := e.openJournal(t.Context()); err == nil {
		t.Errorf("the engine opened a new journal: %v", s.Close())
	}
	if err := notMoved(journal.Place{URL: "host=db"}); err != nil {
		t.Errorf("in PostgreSQL: %v", err)
	}
	write(t, place.Path, "", 0o600)
	if err := notMoved(place); err != nil {
		t.Errorf("with a file again: %v", err)
	}
}

// TestAConnectionStringIsASecret: as the API's token is.
func TestAConnectionStringIsASecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.url")
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o604: false, 0o602: false} {
		write(t, file, "host=db password=secret\n", mode)
		place, err := JournalPlace(&config.Config{Journal: config.Journal{URLFile: file}})
		switch {
		case fine && (err != nil || place.URL != "host=db password=secret"):
			t.Errorf("%04o: %q, %v", mode, place.URL, err)
		case !fine && (err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "secret")):
			t.Errorf("%04o: %v", mode, err)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
