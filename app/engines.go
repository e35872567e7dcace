package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/internal/watch"
)

// newSelf is a process of the engine of a data directory. The identity stays, the boot is new at every start: who finds
// work begun by another boot of its own identity knows that it is a dead one's, because it holds the directory's lock.
func newSelf(id string) journal.Engine { return journal.Engine{ID: id, Boot: rand.Text()} }

// nameOf is how a process is called in Temporal and as the owner of a file.
func nameOf(e journal.Engine) string { return e.ID + "." + e.Boot }

// shared tells whether other engines may work on the journal, too. A journal in a file is behind the directory's lock.
func (e *Engine) shared() bool { return e.o.Config.Journal.URLFile != "" }

// join takes the engine's place among those that share the journal, until it stops.
func (e *Engine) join(ctx context.Context, client *temporal.Client) error {
	e.self.Temporal = client.Place()
	if !e.shared() {
		return nil
	}
	if err := e.journal.Join(ctx, e.self, watch.LeaseFor); err != nil {
		return err
	}
	e.labours(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		return e.journal.Leave(ctx, e.self)
	})
	return nil
}

// others tells which processes may be at work beside this one: those of the engines that live, but not the ones that were this engine
// before. nil: none.
func (e *Engine) others(ctx context.Context) (alive func(process string) bool, err error) {
	if !e.shared() {
		return nil, nil
	}
	living, err := e.journal.Engines(ctx)
	if err != nil {
		return nil, err
	}
	return aliveOf(e.self.ID, living), nil
}

func aliveOf(self string, living []string) func(process string) bool {
	return func(process string) bool {
		id, _, _ := strings.Cut(process, ".")
		return id != self && slices.Contains(living, id)
	}
}

// shards deals this engine its part of the watch.
type shards struct{ *Engine }

func (s shards) Lease(ctx context.Context, names []string, ttl time.Duration) ([]string, error) {
	held, err := s.journal.Lease(ctx, s.self, names, ttl)
	if errors.Is(err, journal.ErrTwin) {
		select {
		case s.fatal <- fmt.Errorf("the engine cannot go on: %w", err):
		default:
		}
	}
	return held, err
}
