package journal_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen/internal/journal"
)

// TestMemoryTellsTheSameStory: the same life gives the same chain, hash by hash, in memory and in a file.
func TestMemoryTellsTheSameStory(t *testing.T) {
	var heads []string
	for _, open := range []func(journal.Options) (*journal.Store, error){
		func(o journal.Options) (*journal.Store, error) { return journal.OpenMemory(t.Context(), o) },
		func(o journal.Options) (*journal.Store, error) {
			return journal.Open(t.Context(), t.TempDir()+"/journal.db", o)
		},
	} {
		c, n := newClock(), 0
		s, err := open(journal.Options{Now: c.read, NewID: func(time.Time) string { n++; return string(rune('a'+n%26)) + time.Duration(n).String() }})
		must(t, err)
		for i := range 40 {
			must(t, live(t.Context(), s, c, i))
		}
		events, err := s.Events(t.Context(), journal.EventFilter{Newest: true, Limit: 1})
		must(t, err)
		if len(events) != 1 || events[0].Seq < 100 {
			t.Fatalf("too short a life: %+v", events)
		}
		heads = append(heads, events[0].Hash)
		must(t, s.Close())
	}
	if diff := cmp.Diff(heads[0], heads[1]); diff != "" {
		t.Error(diff)
	}
}
