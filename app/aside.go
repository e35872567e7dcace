package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	galenhttp "github.com/galenhq/galen/internal/http"
)

const (
	// asideEvery is how often an engine asks whether its configuration counts still.
	asideEvery = 2 * time.Second
	// asideWithin bounds the end of its own work: what hangs then has no lease any more, and decides nothing.
	asideWithin = 20 * time.Second
)

// aside is why the engine does no work any more, until it is started again. It is safe for concurrent use.
type aside struct{ why atomic.Pointer[string] }

func (a *aside) stand(why string) { a.why.CompareAndSwap(nil, &why) }

// err is nil while the engine does not stand aside.
func (a *aside) err() error {
	if why := a.why.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// elsewhere is an error for who asks for what a policy decides, while that of this engine does not count: another one is to be asked.
func (e *Engine) elsewhere() error {
	if err := e.aside.err(); err != nil {
		return galenhttp.Unavailable(fmt.Errorf("ask another engine, for of this one: %w", err))
	}
	return nil
}

// labours keeps what ends a part of the engine's own work, for when it stops or stands aside, whichever is first.
func (e *Engine) labours(end func() error) {
	end = sync.OnceValue(end)
	e.labour, e.stops = append(e.labour, end), append(e.stops, end)
}

// standAside has an engine whose configuration does not count any more do no work until it is started again, whatever counts by then: it looks at
// nothing, takes no run on, and gives back what it has leased, so that the others have it. Its API goes on, and says so.
func (e *Engine) standAside(ctx context.Context) {
	if !e.shared() {
		return
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		every(run, asideEvery, func() {
			why, err := e.differs(run)
			if err != nil || why == "" {
				return // that the journal cannot be read is told by others
			}
			e.aside.stand(why)
			e.o.Logger.Error("stands aside until it is started again", "why", why)
			_ = e.vigil.once(run) // from now on its status and its metrics say so
			if err := e.rest(); err != nil {
				e.o.Logger.Warn("what this engine did by itself has not ended as it should", "error", err.Error())
			}
			cancel()
		})
	}()
	e.stops = append(e.stops, func() error { cancel(); <-ended; return nil })
}

// rest ends the engine's own work side by side, for one part that hangs must not keep another one at work; the first, its place among the living,
// comes last.
func (e *Engine) rest() error {
	ends := make(chan error, len(e.labour))
	for _, end := range e.labour[1:] {
		go func() { ends <- end() }()
	}
	var errs []error
	late := time.NewTimer(asideWithin)
	defer late.Stop()
	for range e.labour[1:] {
		select {
		case err := <-ends:
			errs = append(errs, err)
		case <-late.C:
			errs = append(errs, fmt.Errorf("a part of it has not ended within %s", asideWithin))
			return errors.Join(append(errs, e.labour[0]())...)
		}
	}
	return errors.Join(append(errs, e.labour[0]())...)
}
