package journal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestTheFileGrowsWhileTheJournalIsOpen: what is written reaches the file long before the write-ahead log is so long that the writer would
// fold it in by itself.
func TestTheFileGrowsWhileTheJournalIsOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := journal.Open(t.Context(), path, journal.Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const events, writerFolds = 1400, 12000 * 4096
	for range events {
		if err := s.Append(t.Context(), galen.Event{Kind: galen.EventEngine, Resource: ring()}); err != nil {
			t.Fatal(err)
		}
	}
	if size := sizeOf(t, path+"-wal"); size >= writerFolds {
		t.Fatalf("the write-ahead log has %d bytes: the writer itself has folded it in, and this test shows nothing", size)
	}
	for end := time.Now().Add(20 * time.Second); sizeOf(t, path) < events*100; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %d events the file has %d bytes", events, sizeOf(t, path))
		}
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestVersionsThatTheJournalRestsOn: SQLite before 3.51.3 could damage a file of which two connections make checkpoints, and its translation
// into Go works with the one libc that it names.
func TestVersionsThatTheJournalRestsOn(t *testing.T) {
	t.Parallel()
	if have := sqlite3.SQLITE_VERSION_NUMBER; have < 3051003 {
		t.Errorf("SQLite is %d, want 3.51.3 or newer", have)
	}
	const libc = "modernc.org/libc"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}} {{.GoMod}}", libc, "modernc.org/sqlite").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 4 {
		t.Fatalf("%v: %q", err, out)
	}
	named, err := os.ReadFile(words[3])
	if err != nil || !strings.Contains(string(named), libc+" "+words[0]+"\n") {
		t.Errorf("%s is %s, which %s does not name: %v", libc, words[0], words[3], err)
	}
}
