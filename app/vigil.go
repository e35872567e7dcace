package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

const (
	vigilEvery = 10 * time.Second
	// vigilLimit bounds each examination: a part that hangs does not work.
	vigilLimit = 5 * time.Second
	// vigilFor is how long a finding of the vigil counts: one that stands still says nothing any more.
	vigilFor = vigilEvery + 2*vigilLimit
	// blindFor is how much longer than its pause between looks a watch may see nothing, or not go round.
	blindFor  = 30 * time.Second
	pingLimit = 10 * time.Second
)

// errUnexamined: nobody has found out yet, or not lately.
var errUnexamined = errors.New("nothing has found out lately whether the engine works")

// errObserves: it could, and may not, for its journal is in doubt. The status tells of that by itself.
var errObserves = errors.New("it only observes")

// vigil finds out again and again whether the engine can look and act, which is more than that its process lives (L-3). It is safe for
// concurrent use.
type vigil struct {
	examine func(context.Context) error

	mu  sync.Mutex
	at  time.Time
	err error
}

func newVigil(examine func(context.Context) error) *vigil { return &vigil{examine: examine} }

// once examines, and returns what it found.
func (v *vigil) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, vigilLimit)
	defer cancel()
	err := v.examine(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at, v.err = time.Now(), err
	return err
}

// works tells why the engine does not, as far as was found out lately; nil: it works.
func (v *vigil) works() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at.IsZero() || time.Since(v.at) > vigilFor {
		return errUnexamined
	}
	return v.err
}

// keepVigil examines the engine until it stops, and tells the watcher outside while it works, if there is one.
func (e *Engine) keepVigil(ctx context.Context) error {
	e.vigil = newVigil(e.works)
	_ = e.vigil.once(ctx) // the loop tells of it
	run, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	e.stops = append(e.stops, func() error { cancel(); loops.Wait(); return nil })
	loops.Go(func() {
		was := ""
		every(run, vigilEvery, func() {
			why := ""
			if err := e.vigil.once(run); err != nil {
				why = err.Error()
			}
			if why != was && run.Err() == nil {
				was = why
				e.o.Logger.Warn("whether the engine can look and act", "works", why == "", "why", why)
			}
		})
	})
	d := e.o.Config.DeadMan
	if d.URLFile == "" {
		return nil
	}
	to, err := d.URL()
	if err != nil {
		return err
	}
	p := &ping{url: to, client: &http.Client{Timeout: pingLimit}, works: e.vigil.works, failed: func(err error) {
		e.o.Logger.Warn("the watcher outside could not be told that the engine works", "error", err.Error())
	}}
	loops.Go(func() { every(run, d.Pause(), func() { p.once(run) }) })
	return nil
}

// every calls do now and then, until the context ends.
func every(ctx context.Context, pause time.Duration, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// works tells why the engine cannot look or act. A hold is no reason: somebody has set it, and would be told of it past its end.
func (e *Engine) works(ctx context.Context) error {
	if err := e.journal.CanWrite(ctx); err != nil {
		return fmt.Errorf("it cannot record what it would do: %w", err)
	}
	epoch, err := e.journal.Epoch(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("it cannot read its journal: %w", err)
	case !epoch.Armed:
		return fmt.Errorf("%w: %s", errObserves, epoch.Observe())
	}
	if err := e.reach.beats(ctx, time.Now()); err != nil {
		return fmt.Errorf("its runs do not go on: %w", err)
	}
	if err := e.overruled(ctx); err != nil {
		return err
	}
	return e.sees(time.Now())
}

// sees tells why the watch does not: it stands still, or none of its looks sees anything.
func (e *Engine) sees(now time.Time) error {
	if e.watch == nil {
		return errUnexamined
	}
	watching := e.watch.Watching()
	limit := blindFor + e.longestPause(watching)
	if beat := e.watch.Beat(); !beat.IsZero() && now.Sub(beat) > limit {
		return fmt.Errorf("its watch has not gone round for %s", now.Sub(beat).Round(time.Second))
	}
	if len(watching) == 0 {
		return nil // other engines have them all
	}
	for _, age := range e.looks.ages(watching, e.started) {
		if age <= limit {
			return nil
		}
	}
	return fmt.Errorf("no look has seen anything for %s", limit)
}

// sighted tells why an engine that watches sees nothing, or could do nothing about it, as far as was found out lately.
func (e *Engine) sighted() error {
	if e.watch == nil || e.vigil == nil {
		return nil
	}
	if err := e.vigil.works(); err != nil && !errors.Is(err, errObserves) {
		return err
	}
	return e.sees(time.Now())
}

func (e *Engine) longestPause(of []galen.Resource) time.Duration {
	var longest time.Duration
	for _, r := range of {
		longest = max(longest, e.o.Config.Policy(r).LookEvery.D())
	}
	return longest
}

// ping tells a watcher outside that the engine works. When it does not, the watcher hears nothing, and pages.
type ping struct {
	url    string
	client *http.Client
	works  func() error
	failed func(error)
	told   bool
}

func (p *ping) once(ctx context.Context) {
	if p.works() != nil {
		return
	}
	err := p.post(ctx)
	if err != nil && !p.told && ctx.Err() == nil {
		p.failed(p.unnamed(err))
	}
	p.told = err != nil
}

// unnamed is an error without the URL, which is a secret; so is one that the watcher sends us on to.
func (p *ping) unnamed(err error) error {
	if at := new(url.Error); errors.As(err, &at) {
		err = fmt.Errorf("post to its URL: %w", at.Err)
	}
	return errors.New(strings.ReplaceAll(err.Error(), p.url, "its URL"))
}

func (p *ping) post(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader("galen works\n"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := p.client.Do(r)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return nil
}
