package watch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// storming is a station of nine instances in three zones, some of which have crashed for long enough to be findings.
func storming(t *testing.T, crashed ...string) *station {
	t.Helper()
	c := fake.NewCloud("billing", 9, noon)
	s := newStation(c)
	s.round(t, time.Second)
	for _, id := range crashed {
		c.Crash(id, true)
	}
	return s
}

// TestAStormIsOneFinding: too many in several zones are one finding for people, told once however long it goes on; when it is
// over, what is still bad gets its runs.
func TestAStormIsOneFinding(t *testing.T) {
	s := storming(t, "db-1", "db-2", "db-3", "db-4")
	for range 30 {
		s.round(t, 10*time.Second)
	}
	if len(s.book.findings) != 1 || s.book.findings[0].Code != galen.CodeStorm || s.book.findings[0].Urgency != galen.Critical || len(s.book.findings[0].Targets) == 0 {
		t.Fatalf("findings: %+v", s.book.findings)
	}
	s.cloud.Crash("db-5", true) // it goes on, and is no news
	saves := s.book.saves
	for range 30 {
		s.round(t, 10*time.Second)
	}
	if s.book.saves != saves {
		t.Errorf("told again %d times", s.book.saves-saves)
	}
	for _, f := range s.desk.asked {
		if f.Code != galen.CodeStorm {
			t.Errorf("a run was asked for in a storm: %+v", f)
		}
	}
}

// TestAWholeZoneIsOneIncident: one finding for all of it, as for a single one.
func TestAWholeZoneIsOneIncident(t *testing.T) {
	s := storming(t, "db-1", "db-4", "db-7")
	for range 5 {
		s.round(t, 10*time.Second)
	}
	if len(s.book.findings) != 1 || s.book.findings[0].Code != fake.CodeUnavailable || len(s.book.findings[0].Targets) != 3 {
		t.Fatalf("findings: %+v", s.book.findings)
	}
	if len(s.desk.asked) != 1 {
		t.Errorf("%d runs for one zone", len(s.desk.asked))
	}
}

// stuckBook is a journal that stops answering.
type stuckBook struct {
	*book
	stuck   chan struct{}
	entered chan struct{}
}

func (b stuckBook) OpenIntents(ctx context.Context, r galen.Resource) ([]galen.Intent, error) {
	select {
	case <-b.stuck:
		b.entered <- struct{}{}
		<-ctx.Done() // the loop's own deadline, in 20 s
		return nil, ctx.Err()
	default:
		return b.book.OpenIntents(ctx, r)
	}
}

// TestTheBeat moves with each round, and not while a round hangs.
func TestTheBeat(t *testing.T) {
	var clock atomic.Int64
	now := func() time.Time { return noon.Add(time.Duration(clock.Add(1)) * time.Second) }
	c, b := fake.NewCloud("billing", 3, noon), stuckBook{&book{}, make(chan struct{}), make(chan struct{})}
	policy := galen.SafePolicy()
	policy.LookEvery = galen.Duration(time.Millisecond)
	loops := watch.NewLoops(watch.Options{
		World: watch.NewWorld(kinds(c), &shelf{}, quiet()), Kinds: kinds(c), Journal: b, Runs: &desk{free: true},
		Policy: func(galen.Resource) galen.Policy { return policy }, Now: now, Logger: quiet(),
	})
	if !loops.Beat().IsZero() {
		t.Error("it beats before it runs")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loops.Run(ctx, []galen.Resource{billing()})
	}()
	moves := func() bool {
		first := loops.Beat()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if loops.Beat().After(first) {
				return true
			}
		}
		return false
	}
	for range 2 {
		if !moves() {
			t.Error("rounds end, and it does not beat")
		}
	}
	close(b.stuck)
	<-b.entered
	last := loops.Beat()
	now()
	if got := loops.Beat(); got != last {
		t.Errorf("it beats while its journal hangs: %s, then %s", last, got)
	}
	stop()
	<-ended
}
