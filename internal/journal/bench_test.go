package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func benchStore(b *testing.B) *journal.Store {
	b.Helper()
	s, err := journal.Open(b.Context(), filepath.Join(b.TempDir(), "journal.db"), journal.Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// act is what one step costs the gate: ledger, commit, outcome. It returns what the two writes took.
func act(ctx context.Context, s *journal.Store, run galen.Run) (commit, outcome time.Duration, err error) {
	l, err := s.Ledger(ctx, run.ID)
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	in, err := s.Commit(ctx, galen.Commit{
		Intent: galen.Intent{Run: run.ID, Step: stop("a"), Class: galen.Disruptive}, Revision: l.Revision, Account: l.Account, Claims: claims("ring", "node/a"),
		Touched: []string{"a"}, Facts: []galen.Fact{{Key: "repair-owed/a"}}, Verdicts: make([]galen.Verdict, 20),
	})
	commit = time.Since(start)
	if err != nil {
		return 0, 0, err
	}
	start = time.Now()
	if err := s.Outcome(ctx, in.ID, galen.SentYes, "ok"); err != nil {
		return 0, 0, err
	}
	outcome = time.Since(start)
	return commit, outcome, s.Settle(ctx, run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}}})
}

func report(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"_p50_ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"_p99_ms")
}

func benchmarkActs(b *testing.B, writers int) {
	s := benchStore(b)
	var mu sync.Mutex
	var commits, outcomes []time.Duration
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for w := range writers {
		// A run each: within a run the past grows, and a real one has few steps.
		wg.Go(func() {
			for i := 0; left.Add(-1) >= 0; i++ {
				r := galen.Resource{Kind: "cassandra", Name: fmt.Sprintf("r%d-%d", w, i)}
				run, _, err := s.OpenRun(b.Context(), galen.Run{Key: r.String(), Resource: r, Runbook: "x", Version: 1})
				if err != nil {
					b.Error(err)
					return
				}
				commit, outcome, err := act(b.Context(), s, run)
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				commits, outcomes = append(commits, commit), append(outcomes, outcome)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	report(b, "commit", commits)
	report(b, "outcome", outcomes)
}

func BenchmarkActAlone(b *testing.B)        { benchmarkActs(b, 1) }
func BenchmarkActEightWriters(b *testing.B) { benchmarkActs(b, 8) }

// BenchmarkAppend is events per second with 64 writers at once, as in an alert storm.
func BenchmarkAppend(b *testing.B) {
	s := benchStore(b)
	b.SetParallelism(64)
	body := []byte(`{"what":"an event of usual size","why":"to see how many fit into a second on this disk"}`)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Append(b.Context(), galen.Event{Kind: galen.EventEngine, Resource: ring(), Body: body}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkLedger(b *testing.B) {
	s := benchStore(b)
	run, _, err := s.OpenRun(b.Context(), galen.Run{Key: "k", Resource: ring(), Runbook: "x", Version: 1})
	if err != nil {
		b.Fatal(err)
	}
	for range 5 {
		if _, _, err := act(b.Context(), s, run); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Ledger(b.Context(), run.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.db")
	lived(b, path, 300)
	events := int64(0)
	for b.Loop() {
		r, err := journal.Verify(b.Context(), path)
		if err != nil || !r.OK() {
			b.Fatal(err, r.Faults)
		}
		events += r.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkStoreAlerts is alerts per second from 50 senders at once, and the rounds of a matcher beside them.
func BenchmarkStoreAlerts(b *testing.B) {
	s := benchStore(b)
	ctx, stop := context.WithCancel(b.Context())
	var matcher sync.WaitGroup
	matcher.Go(func() {
		for ctx.Err() == nil {
			pending, err := s.PendingAlerts(ctx, 0, 256)
			ends := make([]journal.AlertEnd, 0, len(pending))
			for _, a := range pending {
				ends = append(ends, journal.AlertEnd{ID: a.ID, State: journal.AlertUnmatched, Why: "no resource of ours"})
			}
			if err := errors.Join(err, s.AlertsDone(ctx, ends...)); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
	var n atomic.Int64
	labels := map[string]string{"alertname": "InstanceDown", "cluster": "cassandra-orders", "instance": "db-7", "severity": "page"}
	b.SetParallelism(50 / max(1, runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			at := time.Unix(1_800_000_000, 0)
			a := journal.Alert{Source: "alertmanager", By: "am", Fingerprint: fmt.Sprint("f", n.Add(1)), Status: "firing", Labels: labels, StartsAt: at, Body: make([]byte, 300), Received: at}
			if _, err := s.StoreAlerts(ctx, a); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
	stop()
	matcher.Wait()
}
