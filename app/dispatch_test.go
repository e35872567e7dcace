package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
)

// server is a Temporal that remembers which workflows are open, by ID, and what they need; and who serves what.
type server struct {
	mu          sync.Mutex
	order       []string // in which they were started
	local       int      // of them decide first in their own task
	attempts    map[string]int
	open, needs map[string]string
	served      map[string]bool
	// completed are workflows that are not open, and were.
	completed map[string]bool
	// described, if set, is what others do once, right after a workflow was described.
	described func()
}

func newServer() *server {
	return &server{open: map[string]string{}, needs: map[string]string{}, served: map[string]bool{}}
}

func (s *server) StartRun(_ context.Context, w temporal.Start) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[w.Key] != "" {
		return false, nil
	}
	s.open[w.Key], s.needs[w.Key] = w.Run, w.Needs
	s.order = append(s.order, w.Key)
	if w.Local {
		s.local++
	}
	return true, nil
}

func (s *server) Terminate(_ context.Context, workflow, run, _ string) error {
	if s.open[workflow] != "" && run == execution(s.open[workflow]) {
		delete(s.open, workflow)
	}
	return nil
}

// execution is the server's own ID of the execution of a run's workflow.
func execution(run string) string { return "execution of " + run }

func (s *server) Served(_ context.Context, needs string, _ time.Time) (bool, error) {
	return s.served[needs], nil
}

func (s *server) Wake(_ context.Context, workflow string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[workflow] == "" {
		return temporal.ErrNotFound
	}
	return nil
}

func (s *server) Describe(_ context.Context, workflow string) (temporal.Execution, error) {
	if do := s.described; do != nil {
		s.described = nil
		defer do()
	}
	if s.open[workflow] == "" && s.completed[workflow] {
		return temporal.Execution{Phase: temporal.Closed, Status: "completed"}, nil
	}
	if s.open[workflow] == "" {
		return temporal.Execution{Phase: temporal.Absent}, nil
	}
	return temporal.Execution{Phase: temporal.Open, Status: "running", RunID: execution(s.open[workflow]), Needs: s.needs[workflow], Attempts: s.attempts[workflow]}, nil
}

// TestALostRunIsStartedAgain: whatever becomes of Temporal's data, an open run has a workflow again. One that has decided
// nothing yet goes on as it was; any other is held.
func TestALostRunIsStartedAgain(t *testing.T) {
	e := engineWithoutTemporal(t)
	ctx, s, now := t.Context(), newServer(), time.Now()
	d := &dispatcher{journal: e.journal, runs: e.journal, temporal: s, release: e.acts, now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler)}
	open := func(key string) galen.Run {
		run, _, err := e.journal.OpenRun(ctx, galen.Run{
			Key: key, Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "detector x", Deadline: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fresh, decided := open("a"), open("b")
	carry := func() error { _, err := d.once(ctx); return err }
	must(carry())
	if s.open["a"] != fresh.ID || s.open["b"] != decided.ID {
		t.Fatalf("started %v", s.open)
	}
	must(e.journal.SetRun(ctx, decided.ID, galen.RunRunning, "", time.Time{}))
	waiting := open("c") // its message is still in the outbox
	s.attempts = map[string]int{"a": stuckAfter - 1, "b": stuckAfter}
	must(d.reconcile(ctx))
	if s.open["a"] != fresh.ID || s.open["b"] != "" {
		t.Errorf("%v: a workflow that is stuck is ended, one that has only failed some times is not", s.open)
	}
	s.attempts = nil
	clear(s.open) // the server's data are lost

	must(d.reconcile(ctx))
	if s.open["a"] != "" || s.open["c"] != "" {
		t.Errorf("at once: %v; a run that was just accepted may be on its way", s.open)
	}
	now = now.Add(time.Minute)
	must(d.reconcile(ctx))
	must(d.reconcile(ctx))
	if s.open["a"] != fresh.ID || s.open["b"] != decided.ID || s.open["c"] != "" {
		t.Errorf("after a minute: %v, want a and b, and c left to the outbox", s.open)
	}
	for id, want := range map[string]galen.RunStatus{fresh.ID: galen.RunOpened, decided.ID: galen.RunHeld, waiting.ID: galen.RunOpened} {
		got, err := e.journal.Run(ctx, id)
		if must(err); got.Status != want {
			t.Errorf("run %s is %s, want %s", got.Key, got.Status, want)
		}
	}
	must(carry())
	if s.open["c"] != waiting.ID {
		t.Errorf("the outbox: %v", s.open)
	}
}

// TestALostHistoryIsRearmedOnce: of however many runs Temporal has lost the history, all are held and have a workflow again at once, so that one
// re-arming is enough.
func TestALostHistoryIsRearmedOnce(t *testing.T) {
	u := newUpgrade(t)
	var runs []galen.Run
	for _, key := range []string{"a", "b", "c"} {
		run := u.open(key, 1)
		u.must(u.journal.SetRun(t.Context(), run.ID, galen.RunWaiting, "", time.Time{}))
		runs = append(runs, run)
	}
	u.now = u.now.Add(time.Minute)
	clear(u.server.open)
	for _, armed := range []bool{false, true} {
		u.must(u.d.reconcile(t.Context()))
		if e, err := u.journal.Epoch(t.Context()); err != nil || e.Armed != armed {
			t.Fatalf("armed: %t, %v, want %t: %s", e.Armed, err, armed, e.Why)
		}
		for _, run := range runs {
			if u.server.open[run.Key] != run.ID {
				t.Errorf("%s has no workflow: %v", run.Key, u.server.open)
			}
		}
		if !armed {
			_, err := u.journal.Rearm(t.Context(), "ann", "looked at all of them")
			u.must(err)
		}
	}
}

// TestARunThatAnotherEngineStartedAgainIsNotHeld: two engines find a workflow gone; while one of them is on its way, the other holds the
// run and starts it, and a person approves that it goes on.
func TestARunThatAnotherEngineStartedAgainIsNotHeld(t *testing.T) {
	u := newUpgrade(t)
	run := u.open("a", 1)
	u.must(u.journal.SetRun(t.Context(), run.ID, galen.RunRunning, "", time.Time{}))
	u.now = u.now.Add(time.Minute)
	clear(u.server.open)
	u.server.described = func() {
		u.must(u.journal.SetRun(t.Context(), run.ID, galen.RunHeld, "its workflow is gone", time.Time{}))
		u.must(u.journal.Approve(t.Context(), galen.Approval{Run: run.ID, Runbook: "fake/heal", Version: 1, By: "ada", Expires: time.Now().Add(time.Hour)}))
		u.server.open["a"] = run.ID
	}
	u.must(u.d.reconcile(t.Context()))
	u.stands(run, galen.RunRunning, "approved by ada")
	if led, err := u.journal.Ledger(t.Context(), run.ID); err != nil || led.Approval == nil {
		t.Errorf("the yes is void: %+v, %v", led.Approval, err)
	}
	if e, err := u.journal.Epoch(t.Context()); err != nil || !e.Armed {
		t.Errorf("observes only: %s, %v", e.Why, err)
	}
}

// TestAnOlderReleaseTakesAStaleCloseForTheEnd: its workflow code does not know that answer, so that the workflow is over and the run is
// not. It is held, once, with what to do, and is not called verified.
func TestAnOlderReleaseTakesAStaleCloseForTheEnd(t *testing.T) {
	u := newUpgrade(t)
	run := u.open("a", 1)
	u.must(u.journal.SetRun(t.Context(), run.ID, galen.RunWaiting, "all instances serve", time.Time{}))
	u.now = u.now.Add(time.Minute)
	clear(u.server.open)
	u.server.completed = map[string]bool{"a": true}
	for range 3 {
		u.must(u.d.reconcile(t.Context()))
	}
	u.stands(run, galen.RunHeld, "its workflow is closed in Temporal (completed): look at what it did, then approve to go on or cancel")
	events, err := u.journal.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventHeld})
	if err != nil || len(events) != 1 || u.server.open["a"] != run.ID {
		t.Errorf("held %d times, %v; started %v", len(events), err, u.server.open)
	}
	if e, err := u.journal.Epoch(t.Context()); err != nil || !e.Armed {
		t.Errorf("observes only: %s, %v", e.Why, err)
	}
}

// TestMessagesThatCannotBeCarriedKeepNoOtherBack: however many runs wait for a workflow that closes slowly, a new one starts at
// once; and they start, too, when theirs has closed.
func TestMessagesThatCannotBeCarriedKeepNoOtherBack(t *testing.T) {
	e := engineWithoutTemporal(t)
	ctx, s, now := t.Context(), newServer(), time.Now()
	d := &dispatcher{journal: e.journal, runs: e.journal, temporal: s, release: e.acts, now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler)}
	open := func(key string) {
		_, _, err := e.journal.OpenRun(ctx, galen.Run{
			Key: key, Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "detector x", Deadline: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	carry := func() time.Duration {
		wait, err := d.once(ctx)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(wait)
		return wait
	}
	const stuck = 3*batch + 1
	for i := range stuck {
		key := fmt.Sprint("old", i)
		s.open[key] = "an earlier run, whose workflow closes slowly"
		open(key)
	}
	for range stuck/batch + 1 {
		carry()
	}
	open("new")
	if carry(); s.open["new"] == "" {
		t.Error("the new run was not carried")
	}
	clear(s.open)
	var waited time.Duration
	for len(s.open) < stuck && waited < 2*laterMost {
		waited += carry()
	}
	if len(s.open) != stuck {
		t.Errorf("%d of %d started %s after the others had closed", len(s.open), stuck, waited)
	}
	if wait := carry(); wait != reconcileEvery || len(d.later) != 0 {
		t.Errorf("with an empty outbox: waits %s, keeps %d", wait, len(d.later))
	}
}

// TestAMessageWaitsLongerEachTime, and not for ever.
func TestAMessageWaitsLongerEachTime(t *testing.T) {
	l, now := later{}, time.Now()
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, laterMost, laterMost} {
		l.put(1, now)
		if got := l.wait(now, reconcileEvery); got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
		items := []journal.OutboxItem{{ID: 1}}
		if due, _ := l.due(items, now.Add(want-1)); len(due) != 0 {
			t.Errorf("due before %s", want)
		}
		if due, _ := l.due(items, now.Add(want)); len(due) != 1 {
			t.Errorf("not due after %s", want)
		}
	}
}

// TestAnEnginePrunesWhenItStarts: not first a day later, which an engine that is restarted daily never sees.
func TestAnEnginePrunesWhenItStarts(t *testing.T) {
	acts := engineWithoutTemporal(t).acts
	var now atomic.Int64
	clock := func() time.Time { return time.Unix(now.Load(), 0).UTC() }
	now.Store(1_800_000_000)
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "galen.db"), journal.Options{Now: clock, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := j.OpenRun(t.Context(), galen.Run{Key: "k", Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "detector x", Deadline: clock().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := j.Decide(t.Context(), galen.Decision{Run: run.ID, Plan: galen.Plan{Wait: galen.Duration(time.Second), Why: "w"}, Status: galen.RunWaiting, Why: "w"}, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.State(t.Context(), d.State); err != nil {
		t.Fatal(err)
	}
	now.Add(31 * 24 * 3600)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&dispatcher{journal: j, runs: j, temporal: newServer(), release: acts, now: clock, logger: slog.New(slog.DiscardHandler)}).run(ctx)
	}()
	for end := time.Now().Add(30 * time.Second); !errors.Is(err, galen.ErrNotFound); {
		if _, err = j.State(t.Context(), d.State); time.Now().After(end) {
			t.Error("the body of a State of 31 days ago is still there")
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestAStormReachesTemporalAtItsRate: however the messages come, no more of them go on than the configuration allows, and what is urgent
// overtakes the others.
func TestAStormReachesTemporalAtItsRate(t *testing.T) {
	for _, perSecond := range []int{10, 1000} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) { stormAt(t, perSecond) })
	}
}

// TestTheRateIsTheConfigurations: what is configured reaches the engine's own dispatcher.
func TestTheRateIsTheConfigurations(t *testing.T) {
	e := engineWithoutTemporal(t)
	if got := e.dispatcher(newServer()).limit.Limit(); got != config.DefaultRunsPerSecond {
		t.Errorf("%v runs a second by default", got)
	}
	few := 7
	e.o.Config.Inbox.RunsPerSecond = &few
	if got := e.dispatcher(newServer()).limit.Limit(); got != 7 {
		t.Errorf("%v runs a second, 7 are configured", got)
	}
}

// TestFewStartsDecideInTheirOwnTask: so many in a second, in the engine's own dispatcher, too; in a storm the others decide when there is room.
func TestFewStartsDecideInTheirOwnTask(t *testing.T) {
	e := engineWithoutTemporal(t)
	s, now := newServer(), time.Now()
	d := e.dispatcher(s)
	d.now = func() time.Time { return now }
	opened := 0
	start := func(n int) (local int) {
		t.Helper()
		for range n {
			opened++
			_, _, err := e.journal.OpenRun(t.Context(), galen.Run{
				Key: fmt.Sprint("k-", opened), Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "alert x", Deadline: now.Add(time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		s.local = 0
		if _, err := d.once(t.Context()); err != nil || len(s.order) != opened {
			t.Fatalf("%d of %d were started, %v", len(s.order), opened, err)
		}
		return s.local
	}
	if local := start(calmStarts + 3); local != calmStarts {
		t.Errorf("%d of %d at once decide in their own task, want %d", local, calmStarts+3, calmStarts)
	}
	now = now.Add(time.Second / calmStarts)
	if local := start(2); local != 1 {
		t.Errorf("%d of 2 a little later, want 1", local)
	}
	now = now.Add(time.Minute)
	if local := start(calmStarts + 1); local != calmStarts {
		t.Errorf("%d of %d a minute later, want %d", local, calmStarts+1, calmStarts)
	}
	now, d.shared = now.Add(time.Minute), true // another engine may be of a release that cannot carry it on
	if local := start(1); local != 0 {
		t.Error("a run of engines that share a journal decides in its own task")
	}
}

func stormAt(t *testing.T, perSecond int) {
	const storm = 200
	e := engineWithoutTemporal(t)
	ctx, s, begun := t.Context(), newServer(), time.Now()
	now := begun
	d := &dispatcher{
		journal: e.journal, runs: e.journal, temporal: s, release: e.acts, now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler),
		limit: newLimit(perSecond),
	}
	open := func(key string, urgency galen.Urgency) {
		t.Helper()
		_, _, err := e.journal.OpenRun(ctx, galen.Run{
			Key: key, Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "alert x", Urgency: urgency, Deadline: now.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	asked, before := 0, 0
	for ; len(s.order) < storm+1; asked++ {
		if asked < storm { // a nudge for each of them
			open(fmt.Sprint("storm-", asked), galen.Medium)
		}
		if asked == storm/2 {
			open("urgent", galen.Critical)
			before = len(s.order)
		}
		wait, err := d.once(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if most := batch + int(now.Sub(begun).Seconds()*float64(perSecond)); len(s.order) > most {
			t.Fatalf("%d starts after %s, %d are allowed", len(s.order), now.Sub(begun), most)
		}
		if asked >= storm {
			now = now.Add(min(wait, time.Second))
		} else {
			now = now.Add(time.Millisecond)
		}
		if asked > 10*storm {
			t.Fatalf("only %d of %d were started", len(s.order), storm+1)
		}
	}
	if at := slices.Index(s.order, "urgent"); at > before+1 {
		t.Errorf("the urgent one was the %d-th", at)
	}
	if took := now.Sub(begun); took > 2*storm*time.Second/time.Duration(perSecond) {
		t.Errorf("the storm took %s", took)
	}
}
