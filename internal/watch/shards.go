package watch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// Shards deals out the resources among the engines that share a journal.
type Shards interface {
	// Lease tells which of the shards are this engine's for a time from now on, and that it lives.
	Lease(ctx context.Context, shards []string, ttl time.Duration) ([]string, error)
}

// LeaseFor is how long a shard stays with an engine that says nothing; it asks again three times in that time.
const LeaseFor = 15 * time.Second

const leaseEvery = LeaseFor / 3

// RunShards watches of the resources those that are leased to this engine, until the context ends. It stops watching what it
// may have lost: counted from before it asked. A resource that two engines watch for a moment costs looks and no more: the
// journal keeps one run for a finding, and the gate one hand on a target.
func (l *Loops) RunShards(ctx context.Context, shards Shards, resources []galen.Resource) {
	names := make([]string, 0, len(resources))
	for _, r := range resources {
		names = append(names, r.String())
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { l.follow(ctx, resources) })
	mine := map[galen.Resource]*shift{}
	var last time.Time // of the clock, when the newest lease was asked for
	for ctx.Err() == nil {
		asked := l.o.Now()
		held, err := l.lease(ctx, shards, names)
		switch {
		case err == nil:
			last = asked
			l.beat(galen.Resource{}) // an engine without a shard lives, too
		case l.o.Now().Sub(last) < LeaseFor-leaseEvery:
			held = namesOf(mine) // not lost yet
		}
		if err != nil && ctx.Err() == nil {
			l.o.Logger.Warn("the lease on the watch could not be renewed", "held", len(held), "error", err.Error())
		}
		l.take(ctx, &wg, mine, resources, held)
		t := time.NewTimer(leaseEvery)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	for _, s := range mine {
		s.stop()
	}
}

// lease waits no longer than until it is time to ask again: a journal that does not answer must not make a lease outlive itself.
func (l *Loops) lease(ctx context.Context, shards Shards, names []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseEvery)
	defer cancel()
	return shards.Lease(ctx, names, LeaseFor)
}

// shift is one watch over a resource, from a lease to its loss.
type shift struct {
	stop  context.CancelFunc
	lost  bool          // it was told to stop
	ended chan struct{} // closed after its last look and beat
}

// over: it has stopped as it was told.
func (s *shift) over() bool {
	select {
	case <-s.ended:
		return s.lost
	default:
		return false
	}
}

func namesOf(mine map[galen.Resource]*shift) []string {
	var out []string
	for r, s := range mine {
		if !s.lost {
			out = append(out, r.String())
		}
	}
	return out
}

// take starts to watch what is new among the leased, and stops what is not leased any more. What comes back while its last
// look still hangs is watched once that has ended: until then its beat stands still, and tells so.
func (l *Loops) take(ctx context.Context, wg *sync.WaitGroup, mine map[galen.Resource]*shift, all []galen.Resource, held []string) {
	for _, r := range all {
		s := mine[r]
		switch leased := slices.Contains(held, r.String()); {
		case leased && (s == nil || s.over()):
			own, cancel := context.WithCancel(ctx)
			s := &shift{stop: cancel, ended: make(chan struct{})}
			mine[r] = s
			l.beat(r) // from now on it is expected
			wg.Go(func() {
				defer close(s.ended)
				l.watch(own, r)
				l.forget(r) // after its last beat
			})
		case !leased && s != nil && !s.lost:
			s.stop()
			s.lost = true
		}
	}
}

// followEvery is how often an engine takes up what the others have stored.
const followEvery = 20 * time.Second

// follow takes up what other engines have stored of the resources that they watch: people and alerts ask any engine who is there.
func (l *Loops) follow(ctx context.Context, resources []galen.Resource) {
	told := map[galen.Resource]string{}
	for ctx.Err() == nil {
		for _, r := range resources {
			why := ""
			if err := l.takeUp(ctx, r); err != nil {
				why = err.Error()
			}
			if why != told[r] && why != "" && ctx.Err() == nil {
				l.o.Logger.Warn("what another engine saw cannot be taken up", "resource", r.String(), "error", why)
			}
			told[r] = why
		}
		t := time.NewTimer(followEvery)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

func (l *Loops) takeUp(ctx context.Context, r galen.Resource) error {
	l.mu.Lock()
	_, mine := l.beats[r]
	l.mu.Unlock()
	if mine || ctx.Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	return l.o.World.TakeUp(ctx, r)
}

// forget: another engine beats for it.
func (l *Loops) forget(r galen.Resource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.beats, r)
}
