package watch_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// asked counts which resources a round was begun for.
type asked struct {
	book
	mu   sync.Mutex
	seen map[string]int
}

var errEnough = errors.New("the count is all that matters")

func (a *asked) OpenIntents(_ context.Context, r galen.Resource) ([]galen.Intent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[r.Name]++
	return nil, errEnough
}

// since tells which resources were watched after the last call.
func (a *asked) since() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for name := range a.seen {
		out = append(out, name)
	}
	clear(a.seen)
	slices.Sort(out)
	return out
}

// dealer leases what it is told to.
type dealer struct {
	mu   sync.Mutex
	held []string
	err  error
}

func (d *dealer) Lease(context.Context, []string, time.Duration) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held, d.err
}

func (d *dealer) deal(err error, held ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held, d.err = held, err
}

// TestAnEngineWatchesWhatIsLeasedToIt: no more, and not for longer than the lease lasts.
func TestAnEngineWatchesWhatIsLeasedToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal, shards := &asked{seen: map[string]int{}}, &dealer{}
		loops := watch.NewLoops(watch.Options{
			World: watch.NewWorld(nil, &shelf{}, quiet()), Journal: journal, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		resources := []galen.Resource{{Kind: "fake", Name: "a"}, {Kind: "fake", Name: "b"}}
		wg.Go(func() { loops.RunShards(ctx, shards, resources) })
		for _, c := range []struct {
			what string
			err  error
			held []string
			pass time.Duration
			want []string
		}{
			{"nothing is leased", nil, nil, 20 * time.Second, nil},
			{"one", nil, []string{"fake/a"}, 20 * time.Second, []string{"a"}},
			{"both", nil, []string{"fake/a", "fake/b"}, 20 * time.Second, []string{"a", "b"}},
			{"the journal is away for a moment", errors.New("away"), nil, 6 * time.Second, []string{"a", "b"}},
			{"the journal is away", errors.New("away"), nil, 20 * time.Second, []string{"a", "b"}},
			{"it may have lost all", errors.New("away"), nil, 20 * time.Second, nil},
			{"the other one", nil, []string{"fake/b"}, 20 * time.Second, []string{"b"}},
		} {
			shards.deal(c.err, c.held...)
			if c.err == nil {
				time.Sleep(6 * time.Second) // virtual; until it has asked
				synctest.Wait()
				journal.since()
			}
			time.Sleep(c.pass)
			synctest.Wait()
			if got := journal.since(); !slices.Equal(got, c.want) {
				t.Errorf("%s: watches %v, want %v", c.what, got, c.want)
			}
			if c.err == nil && time.Since(loops.Beat()) > 10*time.Second {
				t.Errorf("%s: the engine beats no more", c.what)
			}
		}
		cancel()
		wg.Wait()
	})
}

// silent is a journal that has leased all once, and does not answer any more.
type silent struct{ asked int }

func (s *silent) Lease(ctx context.Context, all []string, _ time.Duration) ([]string, error) {
	if s.asked++; s.asked == 1 {
		return all, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestALeaseDoesNotOutliveItself: nor while the journal is asked for it and does not answer.
func TestALeaseDoesNotOutliveItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal, shards := &asked{seen: map[string]int{}}, &silent{}
		loops := watch.NewLoops(watch.Options{
			World: watch.NewWorld(nil, &shelf{}, quiet()), Journal: journal, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: time.Now, Logger: quiet(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { loops.RunShards(ctx, shards, []galen.Resource{billing()}) })
		time.Sleep(watch.LeaseFor / 3)
		synctest.Wait()
		if got := journal.since(); len(got) != 1 {
			t.Errorf("watches %v, want what was leased", got)
		}
		time.Sleep(watch.LeaseFor - watch.LeaseFor/3)
		synctest.Wait()
		journal.since()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := journal.since(); len(got) > 0 || shards.asked < 5 {
			t.Errorf("watches %v after the lease was over, and asked for it %d times", got, shards.asked)
		}
		cancel()
		wg.Wait()
	})
}

// stuck is a journal that each round waits for, without an ear for its context, until it is let go.
type stuck struct {
	book
	mu       sync.Mutex
	waiting  int
	together int // at most
	let      chan struct{}
}

func (s *stuck) OpenIntents(context.Context, galen.Resource) ([]galen.Intent, error) {
	s.count(1)
	<-s.let
	s.count(-1)
	return nil, errEnough
}

func (s *stuck) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting += by
	s.together = max(s.together, s.waiting)
}

// TestAShardThatComesBack is watched once at a time, and its beat is not forgotten together with that of the watch before.
func TestAShardThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal, shards := &stuck{let: make(chan struct{})}, &dealer{}
		loops := watch.NewLoops(watch.Options{
			World: watch.NewWorld(nil, &shelf{}, quiet()), Journal: journal, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: time.Now, Logger: quiet(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { loops.RunShards(ctx, shards, []galen.Resource{billing()}) })
		for _, held := range [][]string{{billing().String()}, nil, {billing().String()}} {
			shards.deal(nil, held...)
			time.Sleep(watch.LeaseFor)
		}
		if behind := time.Since(loops.Beat()); behind < watch.LeaseFor {
			t.Errorf("the watch before hangs, and the beat is %s old", behind)
		}
		journal.let <- struct{}{} // the watch before ends, and the next one hangs
		time.Sleep(10 * watch.LeaseFor)
		synctest.Wait()
		if behind := time.Since(loops.Beat()); behind < 9*watch.LeaseFor {
			t.Errorf("the watch hangs, and the beat is %s old", behind)
		}
		if journal.together != 1 || journal.waiting != 1 {
			t.Errorf("%d rounds at once, %d wait; want one", journal.together, journal.waiting)
		}
		cancel()
		close(journal.let)
		wg.Wait()
	})
}

// TestAnEngineKnowsWhatAnotherOneWatches: people, holds and alerts ask any engine who is there, and may not be told of an hour ago.
func TestAnEngineKnowsWhatAnotherOneWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		world := func(c *fake.Cloud) *watch.World {
			w := watch.NewWorld(kinds(c), store, quiet())
			w.Share(sameClock())
			return w
		}
		cloud := fake.NewCloud("billing", 3, noon)
		cloud.Advance(time.Minute)
		other, holder, never := world(cloud), world(cloud), world(cloud)
		seen(t, other) // and loses its shard
		cloud.Crash("db-1", true)
		cloud.Advance(fake.APILag)
		seen(t, holder)
		want, _ := holder.Last(billing())
		if old, _ := other.Last(billing()); old.Basis() == want.Basis() {
			t.Fatal("nothing has changed since: this shows nothing")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, w := range []*watch.World{other, never} {
			loops := watch.NewLoops(watch.Options{
				World: w, Journal: &asked{seen: map[string]int{}}, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: time.Now, Logger: quiet(),
			})
			wg.Go(func() { loops.RunShards(ctx, &dealer{}, []galen.Resource{billing()}) })
		}
		synctest.Wait()
		for name, w := range map[string]*watch.World{"lost its shard": other, "never had it": never} {
			if got, known := w.Last(billing()); !known || got.Basis() != want.Basis() {
				t.Errorf("an engine that %s: known %t, another State than what is stored", name, known)
			}
		}
		cancel()
		wg.Wait()
	})
}
