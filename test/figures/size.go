package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
	"github.com/galenhq/galen/test/crash/victim"
)

// many is the number of rings that the size of a journal is told for.
const many = 1000

// size measures what a journal keeps of a quiet ring (its newest State, and the vitals of 24 hours: it grows no further), and
// what one incident adds to it for good.
func size(ctx context.Context) error {
	const incidents = 5
	quiet, err := quietDay(ctx)
	if err != nil {
		return fmt.Errorf("size of a quiet journal: %w", err)
	}
	var each, events int64
	err = onStage(ctx, victim.StageOptions{Faster: 20, Policy: map[string]any{"cooldown": "0s"}}, func(ctx context.Context, s *victim.Stage) (err error) {
		each, events, err = perIncident(ctx, s, incidents)
		return err
	})
	if err != nil {
		return fmt.Errorf("size of an incident: %w", err)
	}
	const kib, mib = 1 << 10, 1 << 20
	fmt.Printf("%-44s %.0f KiB a ring of 3 nodes, after 24 h no more\n", "journal: vitals and State of a quiet ring", float64(quiet)/kib)
	fmt.Printf("%-44s %.1f KiB and %d events, %d times\n", "journal: a killed node, healed", float64(each)/kib, events, incidents)
	fmt.Printf("%-44s %.0f MiB, and %.1f MiB a day when each has one incident a day\n", fmt.Sprintf("journal: %d rings", many),
		float64(many*quiet)/mib, float64(many*each)/mib)
	return nil
}

// quietDay is the size of a journal after one day with a few rings, by ring.
func quietDay(ctx context.Context) (bytes int64, err error) {
	const rings = 4
	dir, err := os.MkdirTemp("", "galen-figures-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	now := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	empty, path := filepath.Join(dir, "empty.db"), filepath.Join(dir, "day.db")
	for _, file := range []string{empty, path} {
		store, err := journal.Open(ctx, file, journal.Options{Now: clock, NoSync: true})
		if err != nil {
			return 0, err
		}
		for i := range rings {
			if file == path && err == nil {
				err = day(ctx, store, fmt.Sprint("ring-", i), &now)
			}
		}
		if err := errors.Join(err, store.Close()); err != nil {
			return 0, err
		}
	}
	was, err := fileSize(empty)
	if err != nil {
		return 0, err
	}
	is, err := fileSize(path)
	return (is - was) / rings, err
}

// day looks at a ring once a minute for a day, and keeps what a watch keeps.
func day(ctx context.Context, store *journal.Store, name string, now *time.Time) error {
	spec := ring.Three(func() time.Time { return *now })
	spec.Name = name
	cluster, err := ring.New(spec)
	if err != nil {
		return err
	}
	kind := galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](cluster))
	r := galen.Resource{Kind: cassandra.KindName, Name: name}
	world := watch.NewWorld(map[string]galen.ListedKind{cassandra.KindName: kind}, store, slog.New(slog.DiscardHandler))
	for range 24 * 60 {
		*now = now.Add(time.Minute)
		state, err := world.Look(ctx, r, nil, nil)
		if err != nil {
			return err
		}
		samples := kind.Vitals(state)
		for i := range samples {
			samples[i].At = *now
		}
		if err := store.SaveVitals(ctx, r, samples); err != nil {
			return err
		}
	}
	return nil
}

// perIncident is what one healed node adds to the journal of a whole engine. The nodes take turns: one that dies three times
// flaps, and is left alone.
func perIncident(ctx context.Context, s *victim.Stage, incidents int) (bytes, events int64, err error) {
	if _, err := s.Start(ctx, nil); err != nil {
		return 0, 0, err
	}
	var sizes, counts []int64
	for i := range incidents + 1 { // the first one sets the tables up
		if err := s.AwaitHealth(ctx); err != nil {
			return 0, 0, err
		}
		if err := s.Break(ctx, fmt.Sprint("n", i%3+1), ring.Kill); err != nil {
			return 0, 0, err
		}
		if err := s.AwaitRuns(ctx, i+1); err != nil {
			return 0, 0, err
		}
		copied := filepath.Join(filepath.Dir(s.TraceFile), fmt.Sprintf("copy-%d.db", i)) // without what SQLite keeps free
		moved, err := journal.Move(ctx, s.Journal, journal.Place{Path: copied}, nil)
		if err != nil {
			return 0, 0, err
		}
		n, err := fileSize(copied)
		if err != nil {
			return 0, 0, err
		}
		sizes, counts = append(sizes, n), append(counts, moved.Events)
	}
	n := int64(incidents)
	return (sizes[n] - sizes[0]) / n, (counts[n] - counts[0]) / n, nil
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
