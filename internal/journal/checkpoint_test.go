package journal_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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
	const events, writerFolds = 350, 4000 * 4096
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
