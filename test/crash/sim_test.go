package crash

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
)

// incident is one thing that goes wrong, and the verbs that heal it.
type incident struct {
	name  string
	make  []ring.Trouble
	limit time.Duration
}

func incidents() []incident {
	return []incident{
		{"killed", []ring.Trouble{ring.Kill}, 10 * time.Minute},
		{"killed and emptied", []ring.Trouble{ring.Kill, ring.LoseData}, 20 * time.Minute},
		{"frozen", []ring.Trouble{ring.Freeze}, 10 * time.Minute},
	}
}

// heal lets an incident happen and returns when all its runs have ended.
func heal(t *testing.T, in incident, plan CrashPlan, fault *ring.Fault) *Sim {
	t.Helper()
	ctx := context.Background()
	s, err := New(ctx, t.TempDir(), plan)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Store.Close()
	for range 3 { // the engine knows the ring in health
		if err := s.turn(ctx); err != nil {
			t.Fatal(err)
		}
		if s.dead {
			s.Crashes++
			if err := s.boot(); err != nil {
				t.Fatal(err)
			}
		}
		s.now = s.now.Add(time.Second)
	}
	if fault != nil {
		s.Ring.Strike(*fault)
	}
	for _, trouble := range in.make {
		if err := s.Ring.Make(trouble, "n3"); err != nil {
			t.Fatal(err)
		}
	}
	err = s.Run(ctx, in.limit, func() (bool, error) { return s.over(ctx) })
	if err != nil {
		t.Fatalf("%s, crash %+v: %v\n%s", in.name, plan, err, s.story(ctx))
	}
	s.check(ctx, t)
	return s
}

// over: there were runs, and all of them are verified.
func (s *Sim) over(ctx context.Context) (bool, error) {
	runs, err := s.Store.Runs(ctx, journal.RunFilter{})
	if err != nil || len(runs) == 0 {
		return false, err
	}
	for _, r := range runs {
		if r.Status == galen.RunHeld {
			return false, fmt.Errorf("run held: %s", r.Why)
		}
		if r.Status.Open() {
			return false, nil
		}
	}
	return true, nil
}

// check: no effect twice, no harm, every intent settled, the journal whole.
func (s *Sim) check(ctx context.Context, t *testing.T) {
	t.Helper()
	if twice := ring.Doubled(s.Ring.Calls()); len(twice) > 0 {
		t.Errorf("effects that happened twice: %v\n%s", twice, s.story(ctx))
	}
	for _, h := range s.Ring.Harms() {
		t.Errorf("harm: %s", h.What)
	}
	accepted := map[string]int{}
	for _, c := range s.Ring.Calls() {
		if c.Accepted {
			accepted[c.Verb]++
		}
	}
	for _, verb := range []string{"fence", "replace"} {
		if accepted[verb] > 1 {
			t.Errorf("%s had an effect %d times\n%s", verb, accepted[verb], s.story(ctx))
		}
	}
	open, err := s.Store.OpenIntents(ctx, Resource())
	if err != nil || len(open) > 0 {
		t.Errorf("open intents at the end: %v, %v", open, err)
	}
	runs, err := s.Store.Runs(ctx, journal.RunFilter{})
	if err != nil || len(runs) != 1 {
		t.Errorf("%d runs (%v), want 1: %s", len(runs), err, s.story(ctx))
	}
}

// story is what happened, for people.
func (s *Sim) story(ctx context.Context) string {
	out := ""
	events, err := s.Store.Events(ctx, journal.EventFilter{Limit: 500})
	if err != nil {
		return err.Error()
	}
	for _, e := range events {
		out += fmt.Sprintf("%s %s %.300s\n", e.At.Format("15:04:05.000"), e.Kind, e.Body)
	}
	for _, c := range s.Ring.Calls() {
		out += fmt.Sprintf("%s call %s %s %s accepted=%v %s\n", c.At.Format("15:04:05.000"), c.Intent, c.Verb, c.Target, c.Accepted, c.Why)
	}
	return out
}

func TestHealsWithoutCrash(t *testing.T) {
	for _, in := range incidents() {
		t.Run(in.name, func(t *testing.T) {
			s := heal(t, in, CrashPlan{}, nil)
			t.Logf("%d awaits, %d calls", s.Awaits(), len(s.Ring.Calls()))
		})
	}
}

// leastCases is what the issue of the first heal promised for every run of the tests.
const leastCases = 500

// TestDiesAnywhere lets the engine die at every await of each incident, before or after the call, alone and together
// with each fault that the ring's calls can meet. A fault can shorten a run so that it ends before that await: such a
// case does not count.
func TestDiesAnywhere(t *testing.T) {
	var died atomic.Int64
	t.Run("case", func(t *testing.T) {
		for _, in := range incidents() {
			n := heal(t, in, CrashPlan{}, nil).Awaits()
			for i := range 2 * n {
				if i%4 == 3 {
					continue // three quarters of them are enough for each run of the tests
				}
				plan := CrashPlan{Await: i/2 + 1, After: i%2 == 1, Down: time.Duration(1+i%5*10) * time.Second}
				fault := faults()[i%len(faults())]
				t.Run(fmt.Sprintf("%s/%d,after=%v,%s", in.name, plan.Await, plan.After, nameOf(fault)), func(t *testing.T) {
					t.Parallel()
					died.Add(int64(heal(t, in, plan, fault).Crashes))
				})
			}
		}
	})
	t.Logf("the engine died %d times, each time in another place", died.Load())
	if died.Load() < leastCases {
		t.Errorf("only %d deaths, want at least %d", died.Load(), leastCases)
	}
}

func faults() []*ring.Fault {
	return []*ring.Fault{
		nil,
		{Kind: ring.LostReply},
		{Kind: ring.Delayed, By: galen.Duration(time.Second)},
		{Kind: ring.HungAfter},
		{Kind: ring.HungBefore},
		{Kind: ring.Dropped},
	}
}

func nameOf(f *ring.Fault) string {
	if f == nil {
		return "no fault"
	}
	return string(f.Kind)
}
