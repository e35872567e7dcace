package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// reaction kills one node after the other, each on a ring and an engine of its own: the cool-down forbids a second start
// of a node, and the first run of an engine is what counts.
func reaction(ctx context.Context, kills int, slack float64) error {
	var whole, toRun, toDecide, toGate, toCall []time.Duration
	for range kills {
		err := onStage(ctx, victim.StageOptions{Faster: 20}, func(ctx context.Context, s *victim.Stage) error {
			if _, err := s.Start(ctx, nil); err != nil {
				return err
			}
			if err := s.AwaitHealth(ctx); err != nil {
				return err
			}
			if err := s.Break(ctx, "n3", ring.Kill); err != nil {
				return err
			}
			if _, err := s.AwaitRun(ctx, galen.RunVerified); err != nil {
				return err
			}
			events, err := eventsOf(ctx, s)
			if err != nil {
				return err
			}
			lines, err := victim.Trace(s.TraceFile)
			if err != nil {
				return err
			}
			seen, called := firstDown(lines), first(lines, "do")
			decided := first(lines, "decide")
			intended := events[galen.EventIntended]
			whole = append(whole, called.Sub(seen))
			toRun = append(toRun, events[galen.EventOpened].Sub(seen))
			toDecide = append(toDecide, decided.Sub(events[galen.EventOpened]))
			toGate = append(toGate, intended.Sub(decided))
			toCall = append(toCall, called.Sub(intended))
			return nil
		})
		if err != nil {
			return fmt.Errorf("reaction: %w", err)
		}
	}
	err := spread("reaction: node seen down -> first call", whole, 60*time.Millisecond, slack)
	for _, part := range []struct {
		what string
		all  []time.Duration
	}{
		{"  seen -> run opened", toRun}, {"  run opened -> runbook decides", toDecide},
		{"  runbook decides -> intent committed", toGate}, {"  intent committed -> call", toCall},
	} {
		err = errors.Join(err, spread(part.what, part.all, 0, slack))
	}
	return err
}

// eventsOf are the times of the first event of each kind.
func eventsOf(ctx context.Context, s *victim.Stage) (map[galen.EventKind]time.Time, error) {
	store, err := journal.Open(ctx, filepath.Join(s.Engine.Data, app.JournalFile), journal.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	events, err := store.Events(ctx, journal.EventFilter{Limit: 1000})
	out := map[galen.EventKind]time.Time{}
	for _, e := range events {
		if out[e.Kind].IsZero() {
			out[e.Kind] = e.At
		}
	}
	return out, errors.Join(err, store.Close())
}

func firstDown(lines []victim.Line) time.Time {
	for _, l := range lines {
		if len(l.Down) > 0 {
			return l.At
		}
	}
	return time.Time{}
}

func first(lines []victim.Line, what string) time.Time {
	for _, l := range lines {
		if l.What == what {
			return l.At
		}
	}
	return time.Time{}
}

// starts of each sort that ready measures.
const starts = 10

func ready(ctx context.Context, slack float64) error {
	var cold, warm []time.Duration
	for range starts {
		err := onStage(ctx, victim.StageOptions{Faster: 20}, func(ctx context.Context, s *victim.Stage) error {
			for _, to := range []*[]time.Duration{&cold, &warm} {
				took, err := s.Start(ctx, nil)
				if err != nil {
					return err
				}
				*to = append(*to, took)
				if err := s.Engine.Kill(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("ready: %w", err)
		}
	}
	return errors.Join(
		spread("ready after exec, empty data directory", cold, time.Second, slack),
		spread("ready after exec, after a kill -9", warm, time.Second, slack),
	)
}

// resume kills an engine at a point of each sort, alone on the machine.
func resume(ctx context.Context, slack float64) error {
	var all []time.Duration
	for _, verb := range []string{cassandra.VerbStart, cassandra.VerbFence, cassandra.VerbReplace} {
		for _, p := range []failpoint.Point{failpoint.Acting, failpoint.Committed, failpoint.Called, failpoint.Looked} {
			took, err := resumed(ctx, failpoint.Order{At: p, Of: verb, Signal: failpoint.Kill})
			if err != nil {
				return fmt.Errorf("resume %s, %s: %w", p, verb, err)
			}
			fmt.Printf("  resume %-12s %-8s %7.1f ms\n", p, verb, ms(took))
			all = append(all, took)
		}
	}
	return spread("resume: exec -> first decision of the run", all, 2*time.Second, slack)
}

func resumed(ctx context.Context, where failpoint.Order) (took time.Duration, err error) {
	err = onStage(ctx, victim.StageOptions{Faster: 20}, func(ctx context.Context, s *victim.Stage) error {
		if _, err := s.Start(ctx, &where); err != nil {
			return err
		}
		if err := s.AwaitHealth(ctx); err != nil {
			return err
		}
		troubles := []ring.Trouble{ring.Kill}
		if where.Of != cassandra.VerbStart {
			troubles = append(troubles, ring.LoseData)
		}
		if err := s.Break(ctx, "n3", troubles...); err != nil {
			return err
		}
		if err := s.AwaitDeath(ctx); err != nil {
			return err
		}
		if _, err := s.Start(ctx, nil); err != nil {
			return err
		}
		took, err = s.AwaitResume(ctx)
		return err
	})
	return took, err
}

// settling is how long an engine gets until it counts as idle.
const settling = 10 * time.Second

// resting watches an engine under the safe policy on a healthy ring.
func resting(ctx context.Context, span time.Duration, slack float64) error {
	safe := galen.SafePolicy()
	o := victim.StageOptions{Faster: 1, Policy: map[string]any{
		"mode": safe.Mode, "look_every": safe.LookEvery, "look_soon": safe.LookSoon, "fallback": safe.Fallback, "hold_for": safe.HoldFor,
		"down_for": safe.DownFor, "restart_after": safe.RestartAfter, "gone_apart": safe.GoneApart,
	}}
	return onStage(ctx, o, func(ctx context.Context, s *victim.Stage) error {
		if _, err := s.Start(ctx, nil); err != nil {
			return err
		}
		if err := s.AwaitHealth(ctx); err != nil {
			return err
		}
		pause(ctx, settling)
		before, err := burned(s.Engine)
		if err != nil {
			return err
		}
		began := time.Now()
		pause(ctx, span)
		after, err := burned(s.Engine)
		if err != nil {
			return err
		}
		mib, err := resident(s.Engine)
		share := float64(after-before) / float64(time.Since(began)) * 100
		fmt.Printf("%-44s %.0f MiB RSS   goal 256 (200)\n", "idle engine, memory", mib)
		fmt.Printf("%-44s %.2f %% of a core over %s   goal 1 %%\n", "idle engine, processor", share, span)
		if mib > 256*slack || share > slack {
			err = errors.Join(err, errors.New("the idle engine is beyond its goals"))
		}
		return err
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// burned is the processor time of an engine; the kernel counts in ticks of 10 ms.
func burned(e *engine.Engine) (time.Duration, error) {
	const utime, stime = 11, 12 // after the name
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.PID()))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	ticks := 0
	for _, i := range []int{utime, stime} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// resident is the memory of an engine in MiB.
func resident(e *engine.Engine) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", e.PID()))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	return float64(pages*os.Getpagesize()) / (1 << 20), err
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
