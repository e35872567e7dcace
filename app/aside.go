package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// asideEvery is how often an engine asks whether its configuration counts still.
const asideEvery = 2 * time.Second

// labours keeps what ends a part of the engine's own work, for when it stops or stands aside, whichever is first.
func (e *Engine) labours(end func() error) {
	end = sync.OnceValue(end)
	e.labour, e.stops = append(e.labour, end), append(e.stops, end)
}

// standAside has an engine whose configuration does not count any more do no work until it is started again: it looks at nothing, takes no run on,
// and gives back what it has leased, so that the others have it. Its API goes on, and says so.
func (e *Engine) standAside(ctx context.Context) {
	if !e.shared() {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		every(run, asideEvery, func() {
			newest, err := e.journal.Configuration(run)
			if err != nil || newest == nil || e.outdated(newest.Hash()) == "" {
				return // that the journal cannot be read is told by others
			}
			e.o.Logger.Error("stands aside until it is started again with the configuration that counts", "differs", apart(e.told, newest))
			_ = e.vigil.once(run) // from now on its status and its metrics say so
			if err := e.rest(); err != nil {
				e.o.Logger.Warn("what this engine did by itself has not ended as it should", "error", err.Error())
			}
			cancel()
		})
	}()
	e.stops = append(e.stops, func() error { cancel(); <-ended; return nil })
}

// rest ends the engine's own work, in reverse order.
func (e *Engine) rest() error {
	var errs []error
	for i := len(e.labour) - 1; i >= 0; i-- {
		errs = append(errs, e.labour[i]())
	}
	return errors.Join(errs...)
}
