package journal_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestCommitted: who listened before a commit is told of it, and finds it; a refusal is told to nobody.
func TestCommitted(t *testing.T) {
	for name, open := range map[string]func() (*journal.Store, error){
		"file": func() (*journal.Store, error) {
			return journal.Open(t.Context(), t.TempDir()+"/galen.db", journal.Options{Now: time.Now, NoSync: true})
		},
		"memory": func() (*journal.Store, error) {
			return journal.OpenMemory(t.Context(), journal.Options{Now: time.Now})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			committed := s.Committed()
			if err := s.Release(t.Context(), "nobody", "a test"); err == nil {
				t.Fatal("released what is not there")
			}
			select {
			case <-committed:
				t.Fatal("a refusal was told")
			default:
			}
			for range 3 {
				if err := s.Append(t.Context(), galen.Event{Kind: galen.EventEngine}); err != nil {
					t.Fatal(err)
				}
				select {
				case <-committed: // before Append has returned
				default:
					t.Fatal("a commit was not told")
				}
				committed = s.Committed()
			}
		})
	}
}
