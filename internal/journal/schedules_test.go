package journal_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func (w world) schedule(t *testing.T, name, by string) galen.Schedule {
	t.Helper()
	made, err := w.CreateSchedule(t.Context(), galen.Schedule{
		Name: name, Runbook: "cassandra/restart-node", Resource: ring(), Spec: "@daily", Missed: galen.MissedSkip, Late: galen.Duration(time.Minute), By: by,
		Next: w.clock.read().Add(time.Hour).Truncate(time.Second),
	})
	must(t, err)
	return made
}

func wanted(s galen.Schedule) *galen.Run {
	return &galen.Run{
		Key: s.Key(s.Next), Resource: s.Resource, Runbook: s.Runbook, Version: 1, Asked: galen.AskedBy(s.By), Scope: []galen.Target{{ID: "a"}},
	}
}

// fire is what becomes of the next time of a schedule.
func (w world) fire(t *testing.T, s galen.Schedule) (galen.Firing, bool) {
	t.Helper()
	f, mine, err := w.Fire(t.Context(), s, galen.Firing{Due: s.Next, Is: galen.FiringOpened}, s.Next.Add(24*time.Hour), wanted(s))
	must(t, err)
	return f, mine
}

func (w world) scheduled(t *testing.T, name string) galen.Schedule {
	t.Helper()
	all, err := w.Schedules(t.Context())
	must(t, err)
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no schedule %s in %+v", name, all)
	return galen.Schedule{}
}

func testSchedules(t *testing.T, w world) {
	ctx := t.Context()
	s := w.schedule(t, "nightly", galen.Operator)
	if _, err := w.CreateSchedule(ctx, s); !errors.Is(err, journal.ErrScheduleName) {
		t.Errorf("a name twice: %v", err)
	}
	due, _, err := w.DueSchedules(ctx)
	must(t, err)
	equal(t, "due before its time", len(due), 0)
	w.clock.skip(2 * time.Hour)
	due, now, err := w.DueSchedules(ctx)
	must(t, err)
	equal(t, "due", len(due) == 1 && now.After(due[0].Next), true)

	f, mine := w.fire(t, s)
	equal(t, "fires", mine && f.Is == galen.FiringOpened && f.Run != "", true)
	runs, err := w.Runs(ctx, journal.RunFilter{Limit: 1})
	must(t, err)
	run := runs[0]
	equal(t, "its run", run.ID+" "+run.AskedBy()+" "+run.Schedule(), f.Run+" operator nightly")
	_, mine = w.fire(t, s)
	equal(t, "the same time again", mine, false)
	is := w.scheduled(t, "nightly")
	equal(t, "the next one", is.Next.Equal(s.Next.Add(24*time.Hour)) && is.Last.Run == f.Run, true)

	f, _ = w.fire(t, is)
	equal(t, "while its run is open", f.Is == galen.FiringRefused && strings.Contains(f.Why, run.ID), true)
	must(t, w.SetRun(ctx, run.ID, galen.RunCancelled, "", time.Time{}))

	_, err = w.PauseSchedule(ctx, "nightly", "bea", "the disks are swapped")
	must(t, err)
	_, mine = w.fire(t, w.scheduled(t, "nightly"))
	equal(t, "paused", mine, false)
	again := w.clock.read().Add(time.Hour)
	is, err = w.ResumeSchedule(ctx, "nightly", again, "bea")
	must(t, err)
	equal(t, "resumed", is.Next.Equal(again) && !is.Paused, true)
	is, err = w.ResumeSchedule(ctx, "nightly", again.Add(time.Hour), "bea")
	must(t, err)
	equal(t, "resumed twice", is.Next.Equal(again), true)
	must(t, w.DeleteSchedule(ctx, "nightly", "bea"))
	_, mine = w.fire(t, is)
	equal(t, "deleted", mine, false)
	refused(t, w.DeleteSchedule(ctx, "nightly", "bea"), galen.ErrNotFound)
	_, err = w.PauseSchedule(ctx, "nightly", "bea", "")
	refused(t, err, galen.ErrNotFound)
	made := w.schedule(t, "nightly", galen.Operator)
	_, mine = w.fire(t, is)
	equal(t, "of that name, but another one", mine, false)
	_, mine = w.fire(t, made)
	equal(t, "made anew", mine, true)
	equal(t, "events", w.count(t, galen.EventSchedule), 9)
	if _, err := w.CreateSchedule(ctx, galen.Schedule{Name: "x"}); err == nil {
		t.Error("a schedule of nothing")
	}
}

func testScheduleAuthor(t *testing.T, w world) {
	ctx := t.Context()
	_, err := w.CreateToken(ctx, w.token("ci"), "hash-1") // it may propose on cassandra/*, for an hour
	must(t, err)
	fires := func(by string) galen.Firing {
		s := w.schedule(t, "of-"+by, by)
		f, mine := w.fire(t, s)
		equal(t, by+" had its turn", mine, true)
		must(t, w.DeleteSchedule(ctx, s.Name, "bea"))
		return f
	}
	f := fires("ci")
	equal(t, "may", f.Is, galen.FiringOpened)
	must(t, w.SetRun(ctx, f.Run, galen.RunCancelled, "", time.Time{}))
	equal(t, "nobody", fires("ghost").Why, "its author ghost has no token")
	before := w.schedule(t, "of-who-had-the-name-before", "ci")
	must(t, w.RevokeToken(ctx, "ci", "bea"))
	f = fires("ci")
	equal(t, "revoked", f.Is+": "+f.Why, "refused: the token of its author ci counts no more")
	w.clock.skip(time.Second)
	_, err = w.CreateToken(ctx, w.token("ci"), "hash-3")
	must(t, err)
	f, _ = w.fire(t, before)
	equal(t, "the name is somebody else's now", f.Is+": "+f.Why, "refused: the token of its author ci was made anew since: make the schedule anew, too")
	must(t, w.DeleteSchedule(ctx, before.Name, "bea"))
	must(t, w.RevokeToken(ctx, "ci", "bea"))
	less := w.token("ci")
	less.Grants = []galen.Grant{{Scope: galen.ScopeView, Resource: "cassandra/*"}}
	_, err = w.CreateToken(ctx, less, "hash-2")
	must(t, err)
	equal(t, "may only look", fires("ci").Why, "its author ci may not ask for runs on cassandra/lab any more")
	runs, err := w.Runs(ctx, journal.RunFilter{Limit: 10})
	must(t, err)
	equal(t, "runs", len(runs), 1)
}

func testRaceSchedule(t *testing.T, w world) {
	s := w.schedule(t, "nightly", galen.Operator)
	w.clock.skip(2 * time.Hour)
	var all sync.WaitGroup
	var fired atomic.Int32
	for range 8 {
		all.Go(func() {
			_, mine, err := w.Fire(t.Context(), s, galen.Firing{Due: s.Next, Is: galen.FiringOpened}, s.Next.Add(24*time.Hour), wanted(s))
			if err != nil {
				t.Error(err)
			}
			if mine {
				fired.Add(1)
			}
		})
	}
	all.Wait()
	equal(t, "fired", fired.Load(), int32(1))
	runs, err := w.Runs(t.Context(), journal.RunFilter{Limit: 10})
	must(t, err)
	equal(t, "runs", len(runs), 1)
	equal(t, "events", w.count(t, galen.EventSchedule), 2)
}
