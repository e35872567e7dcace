package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// fullFor is how long a write that the disk had no room for counts, whatever else is written meanwhile: what is small fits for longer.
const fullFor = 30 * time.Second

// fullness is what is known of a disk that was full. It is safe for concurrent use.
type fullness struct {
	mono func() time.Duration // nil: no write was lately

	mu   sync.Mutex
	why  error // nil: it has room, as far as anybody knows
	seen time.Duration
}

// note keeps an error if it says that the disk is full, and returns it.
func (f *fullness) note(err error) error {
	if errors.Is(err, ErrFull) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.why = err
		if f.mono != nil {
			f.seen = f.mono()
		}
	}
	return err
}

// last is the newest write that had no room, nil if there is room, and whether it was lately.
func (f *fullness) last() (lately bool, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why != nil && f.mono != nil && f.mono()-f.seen < fullFor, f.why
}

func (f *fullness) over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = nil
}

// CanWrite proves that the journal takes what an intent would need: it writes its identity once more, as it is, and waits until that is
// on disk. That fits into a full disk, too: once a write had no room, it has room again when an event is written, which says so. An error
// says why nothing can be recorded, and so nothing be done.
func (s *Store) CanWrite(ctx context.Context) error {
	lately, full := s.full.last()
	if lately {
		return full
	}
	err := s.write(ctx, "write the journal's identity again", func(ctx context.Context, t *tx) error {
		if full != nil {
			return t.event(ctx, galen.Event{Kind: galen.EventEngine, By: "the journal"}, map[string]any{"is": "written again: its disk was full"})
		}
		var name string
		if found, err := first(ctx, t, []any{&name}, "SELECT name FROM identity"); err != nil || !found {
			return err
		}
		return t.exec(ctx, "UPDATE identity SET name = ? WHERE one = 1", name)
	})
	if err == nil && full != nil {
		s.full.over()
	}
	return err
}
