package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func fakeDB() galen.Resource { return galen.Resource{Kind: "fake", Name: "billing"} }

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB, c *clock) *journal.Store {
	t.Helper()
	s, err := journal.OpenMemory(context.Background(), journal.Options{Now: c.read})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func weekly(missed string) galen.Schedule {
	return galen.Schedule{
		Name: "weekly", Runbook: "fake/tune", Resource: fakeDB(), Spec: "0 3 * * sun", Zone: "Europe/Berlin", Missed: missed, Late: galen.Duration(5 * time.Minute),
		By: galen.Operator,
	}
}

// door opens whatever it is asked for, as one target each.
func door(_ context.Context, s galen.Schedule) (galen.Run, error) {
	return galen.Run{Runbook: s.Runbook, Resource: s.Resource, Version: 1, Params: []byte(`{}`)}, nil
}

// believing is an engine that believes every clock.
func believing(j Journal, d Door, log slog.Handler) Runner {
	return Runner{Journal: j, Door: d, Logger: slog.New(log), Now: time.Now, Doubt: func(galen.Resource, time.Duration) string { return "" }}
}

// TestTurnOf: of all times that have come only the newest is asked for, and a missed one by its policy.
func TestTurnOf(t *testing.T) {
	night := []galen.Window{{Name: "night", From: "00:00", For: galen.Duration(6 * time.Hour)}}
	for _, c := range []struct {
		name   string
		now    string
		change func(*galen.Schedule)
		fire   bool
		why    string
	}{
		{"in time", "2026-11-22T02:00:00Z", nil, true, ""},
		{"late", "2026-11-22T02:05:00Z", nil, true, ""},
		{"too late", "2026-11-22T02:05:01Z", nil, false, "late by 5m1s, at most 5m"},
		{"too late, and once", "2026-11-22T02:05:01Z", func(s *galen.Schedule) { s.Missed = galen.MissedOnce }, true, "late by 5m1s: nobody was there"},
		{"three weeks too late, and once", "2026-12-12T12:00:00Z", func(s *galen.Schedule) { s.Missed = galen.MissedOnce }, true, "; 2 times before it were missed"},
		{"weeks were missed, and the newest is in time", "2026-12-06T02:00:01Z", nil, true, "; 2 times before it were missed"},
		{"too late, and outside of its windows", "2026-11-22T12:00:00Z", func(s *galen.Schedule) { s.Missed, s.Within = galen.MissedOnce, night }, false, "outside of its windows"},
		{"in time, and outside of its windows by now", "2026-11-22T02:04:00Z", func(s *galen.Schedule) {
			s.Within = []galen.Window{{Name: "two minutes", From: "02:00", For: galen.Duration(2 * time.Minute)}}
		}, false, "outside of its windows"},
		{"one each minute, away for days, and the newest is in time", "2026-11-26T02:00:30Z", func(s *galen.Schedule) { s.Spec = "* * * * *" }, true, "1000 times or more before it were missed"},
		{"one each minute of Sunday, away for weeks", "2026-12-25T02:00:30Z", func(s *galen.Schedule) { s.Spec = "* * * * sun" }, false, "late by 99h1m30s"},
		{"not yet", "2026-11-22T01:59:59Z", nil, false, ""},
		{"paused", "2026-11-22T02:00:00Z", func(s *galen.Schedule) { s.Paused = true }, false, ""},
	} {
		s := weekly(galen.MissedSkip)
		s.Next = moment(t, "2026-11-22T02:00:00Z")
		if c.change != nil {
			c.change(&s)
		}
		now := moment(t, c.now)
		turn, err := TurnOf(s, now)
		if err != nil || turn.Fire != c.fire || !strings.Contains(turn.Why, c.why) {
			t.Errorf("%s: %+v, %v", c.name, turn, err)
		}
		if due := !s.Paused && !now.Before(s.Next); due != !turn.Due.IsZero() || due && !turn.Next.After(now) {
			t.Errorf("%s: %+v", c.name, turn)
		}
	}
}

// TestNeverABurst: whatever engines do, of two that work on one journal and are away for a while, each time of a schedule is at most one
// run's, and no two runs come at once.
func TestNeverABurst(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &clock{now: time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)}
		s := open(t, c)
		defer func() { _ = s.Close() }()
		want := weekly(rapid.SampledFrom([]string{galen.MissedSkip, galen.MissedOnce}).Draw(r, "missed"))
		want.Spec = rapid.SampledFrom([]string{"30 2 * * *", "0 */6 * * *", "*/20 * * * *", "15 * * * *", "@weekly"}).Draw(r, "spec")
		times, err := Parse(want)
		if err == nil {
			want.Next, err = times.Next(c.read())
		}
		if err == nil {
			_, err = s.CreateSchedule(context.Background(), want)
		}
		if err != nil {
			r.Fatal(err)
		}
		opened := map[string]bool{}
		engine := believing(s, door, slog.DiscardHandler)
		for range rapid.IntRange(1, 40).Draw(r, "rounds") {
			c.skip(time.Duration(rapid.SampledFrom([]int{1, 30, 600, 3600, 36 * 3600}).Draw(r, "away")) * time.Second)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if err := engine.Round(context.Background()); err != nil {
						panic(err)
					}
				})
			}
			both.Wait()
			runs, err := s.Runs(context.Background(), journal.RunFilter{OpenOnly: true, Limit: 100})
			if err != nil || len(runs) > 1 {
				r.Fatalf("%d runs at once, %v", len(runs), err)
			}
			for _, run := range runs {
				due, err := time.Parse(time.RFC3339, strings.TrimPrefix(run.Key, "schedule/weekly/"))
				if err != nil || opened[run.Key] || due.After(c.read()) || run.Schedule() != "weekly" || run.AskedBy() != galen.Operator {
					r.Fatalf("%+v at %s, before %v: %v", run, c.read(), opened, err)
				}
				if late := c.read().Sub(due); want.Missed == galen.MissedSkip && late > want.Late.D() {
					r.Fatalf("%s is late by %s", run.Key, late)
				}
				opened[run.Key] = true
				if err := s.SetRun(context.Background(), run.ID, galen.RunCancelled, "", time.Time{}); err != nil {
					r.Fatal(err)
				}
			}
			all, err := s.Schedules(context.Background())
			if err != nil || len(all) != 1 || !all[0].Next.After(c.read()) {
				r.Fatalf("%+v at %s, %v", all, c.read(), err)
			}
		}
	})
}

// TestTheDoor: what the door refuses is told and over, what it cannot tell yet stays due, and one schedule keeps no other from firing.
func TestTheDoor(t *testing.T) {
	c := &clock{now: moment(t, "2026-11-22T01:00:00Z")}
	s := open(t, c)
	t.Cleanup(func() { _ = s.Close() })
	answers := map[string]error{"a": errors.New("no runbook of that name"), "b": fmt.Errorf("%w: not seen", ErrNotYet), "c": nil}
	for name := range answers {
		one := weekly(galen.MissedSkip)
		one.Name, one.Next = name, moment(t, "2026-11-22T02:00:00Z")
		if _, err := s.CreateSchedule(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	c.skip(time.Hour)
	engine := believing(s, func(ctx context.Context, s galen.Schedule) (galen.Run, error) {
		run, _ := door(ctx, s)
		return run, answers[s.Name]
	}, slog.DiscardHandler)
	is := func(name string) string {
		t.Helper()
		if err := engine.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := s.Schedules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Name == name && one.Last != nil {
				return one.Last.Is + " " + one.Last.Why
			}
		}
		return ""
	}
	for name, want := range map[string]string{"a": "refused no runbook of that name", "b": "", "c": "opened "} {
		if got := is(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	answers["b"] = nil
	if got := is("b"); got != "opened " {
		t.Errorf("b, seen by now: %q", got)
	}
}

// TestADoubtedClockFiresNothing: a clock that is years ahead for a moment uses up no time, and the next one is not that year's.
func TestADoubtedClockFiresNothing(t *testing.T) {
	c := &clock{now: moment(t, "2026-11-22T01:00:00Z")}
	s := open(t, c)
	t.Cleanup(func() { _ = s.Close() })
	one := weekly(galen.MissedOnce)
	one.Next = moment(t, "2026-11-22T02:00:00Z")
	if _, err := s.CreateSchedule(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	doubt := "the clock was set by 35040h"
	engine := Runner{Journal: s, Door: door, Logger: slog.New(slog.DiscardHandler), Now: c.read, Doubt: func(_ galen.Resource, off time.Duration) string {
		if off != 0 {
			t.Errorf("the clocks are one, and %s apart", off)
		}
		return doubt
	}}
	c.skip(4 * 365 * 24 * time.Hour)
	if err := engine.Round(t.Context()); !errors.Is(err, ErrNotYet) || !strings.Contains(err.Error(), doubt) {
		t.Errorf("a doubted clock: %v", err)
	}
	c.skip(-4*365*24*time.Hour + time.Hour)
	doubt = ""
	if err := engine.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := s.Schedules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0]; got.Last == nil || got.Last.Is != galen.FiringOpened || !got.Last.Due.Equal(one.Next) || !got.Next.Equal(moment(t, "2026-11-29T02:00:00Z")) {
		t.Errorf("fired %+v, next %s", got.Last, got.Next)
	}
}

// TestRun goes on after an error.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rounds := make(chan time.Time, 2)
	broken := &sick{err: errors.New("the disk is full"), asked: make(chan struct{}, 2)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		believing(broken, door, slog.DiscardHandler).Run(ctx, rounds)
	}()
	for range 2 {
		rounds <- time.Time{}
		select {
		case <-broken.asked:
		case <-ctx.Done():
			t.Fatal("it asks no more")
		}
	}
	cancel()
	<-ended
}

// TestEachFailureIsTold: what is wrong with one schedule hides nothing of another, and is told once.
func TestEachFailureIsTold(t *testing.T) {
	c := &clock{now: moment(t, "2026-11-22T01:00:00Z")}
	s := open(t, c)
	t.Cleanup(func() { _ = s.Close() })
	for _, name := range []string{"a", "b"} {
		one := weekly(galen.MissedSkip)
		one.Name, one.Next, one.Zone = name, moment(t, "2026-11-22T02:00:00Z"), "Utopia/"+name
		if _, err := s.CreateSchedule(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	c.skip(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var log strings.Builder
	rounds, ended := make(chan time.Time), make(chan struct{})
	go func() {
		defer close(ended)
		believing(s, door, slog.NewTextHandler(&log, nil)).Run(ctx, rounds)
	}()
	for range 3 {
		select {
		case rounds <- time.Time{}:
		case <-ctx.Done():
			t.Fatal("it goes no more round")
		}
	}
	cancel()
	<-ended
	for _, name := range []string{"a", "b"} {
		if n := strings.Count(log.String(), "schedule="+name); n != 1 {
			t.Errorf("%s is told %d times:\n%s", name, n, log.String())
		}
	}
}

// sick is a journal that cannot be read.
type sick struct {
	err   error
	asked chan struct{}
}

func (s *sick) DueSchedules(context.Context) ([]galen.Schedule, time.Time, error) {
	s.asked <- struct{}{}
	return nil, time.Time{}, s.err
}

func (s *sick) Fire(context.Context, galen.Schedule, galen.Firing, time.Time, *galen.Run) (galen.Firing, bool, error) {
	return galen.Firing{}, false, s.err
}
