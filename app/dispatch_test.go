package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
)

// server is a Temporal that remembers which workflows are open, by ID, and what they need; and who serves what.
type server struct {
	open, needs map[string]string
	served      map[string]bool
}

func newServer() *server {
	return &server{open: map[string]string{}, needs: map[string]string{}, served: map[string]bool{}}
}

func (s *server) StartRun(_ context.Context, workflow, run, needs string) (bool, error) {
	if s.open[workflow] != "" {
		return false, nil
	}
	s.open[workflow], s.needs[workflow] = run, needs
	return true, nil
}

func (s *server) Terminate(_ context.Context, workflow, _ string) error {
	delete(s.open, workflow)
	return nil
}

func (s *server) Served(_ context.Context, needs string, _ time.Time) (bool, error) {
	return s.served[needs], nil
}

func (s *server) Wake(_ context.Context, workflow string) error {
	if s.open[workflow] == "" {
		return temporal.ErrNotFound
	}
	return nil
}

func (s *server) Describe(_ context.Context, workflow string) (temporal.Execution, error) {
	if s.open[workflow] == "" {
		return temporal.Execution{Phase: temporal.Absent}, nil
	}
	return temporal.Execution{Phase: temporal.Open, Status: "running", Needs: s.needs[workflow]}, nil
}

// TestALostRunIsStartedAgain: whatever becomes of Temporal's data, an open run has a workflow again. One that has decided
// nothing yet goes on as it was; any other is held.
func TestALostRunIsStartedAgain(t *testing.T) {
	e := engineWithoutTemporal(t)
	ctx, s, now := t.Context(), newServer(), time.Now()
	d := &dispatcher{journal: e.journal, temporal: s, release: e.acts, now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler)}
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
	clear(s.open)        // the server's data are lost

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
		(&dispatcher{journal: j, temporal: newServer(), release: acts, now: clock, logger: slog.New(slog.DiscardHandler)}).run(ctx)
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
