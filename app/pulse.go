package app

import (
	"context"
	"sync"
	"time"
)

const (
	// pulseEvery is how long an answer is believed: health may be asked often, Temporal is not.
	pulseEvery = 5 * time.Second
	// pulseLimit is less than health itself may take.
	pulseLimit = time.Second
)

// pulse tells whether something that the engine needs answers. It is safe for concurrent use.
type pulse struct {
	ask func(context.Context) error

	mu    sync.Mutex
	asked time.Time
	err   error
}

func newPulse(ask func(context.Context) error) *pulse { return &pulse{ask: ask} }

// beats is the newest answer, asked for anew if it is old. Who asks and leaves does not spoil the answer for the next.
func (p *pulse) beats(ctx context.Context, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked.IsZero() && now.Sub(p.asked) < pulseEvery {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pulseLimit)
	defer cancel()
	p.err = p.ask(ctx)
	p.asked = now
	return p.err
}
