package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/galenhq/galen/test/storm"
)

// connections that post alerts at once.
const connections = 50

// accepting are the rates of one program, a round each.
type accepting struct {
	peer *storm.Peer
	body func(i int) []byte
	// goal is what the engine is to do of it, at least; 0: there is none.
	goal  float64
	rates []float64
}

func (a *accepting) mean() float64 {
	sum := 0.0
	for _, r := range a.rates {
		sum += r
	}
	return sum / float64(len(a.rates))
}

// accept measures how many alerts a second are accepted, one a POST over 50 connections, beside an empty handler, two peers and the
// least that is durable, in turns.
func (b *board) accept(ctx context.Context) error {
	return b.onStorm(ctx, storm.Options{Resources: 200}, func(ctx context.Context, s *storm.Stage) (err error) {
		alone := b.alone(ctx, s)
		all, err := b.peers(ctx, s)
		defer func() {
			for _, a := range all {
				if a.peer != nil {
					err = errors.Join(err, a.peer.Close())
				}
			}
		}()
		if err != nil {
			return err
		}
		number := 1 << 20
		for round := range 2*b.rounds + 1 {
			for i, a := range all {
				if (i == 0) == (round%2 == 0) { // the empty handler before and after the others
					if err := b.turn(ctx, s, a, &number); err != nil {
						return err
					}
				}
			}
		}
		mib, err := resident(s.Engine)
		return errors.Join(err, alone, b.ratios(all), b.hundred(ctx, s, &number),
			b.row("memory of the engine after that (RSS)", fmt.Sprintf("%.0f MiB", mib), "≤ 512 MiB", mib <= 512))
	})
}

// turn is one round of one program; the engine has dealt with all of it before the next one's.
func (b *board) turn(ctx context.Context, s *storm.Stage, a *accepting, number *int) error {
	at, first := s.Webhook(), *number
	if a.peer != nil {
		at = a.peer.Target
	}
	got := storm.Load{Target: at, Connections: connections, For: b.long, Body: func(i int) []byte { return a.body(first + i) }}.Run(ctx)
	*number += got.OK + got.Failed
	if got.Failed > 0 {
		return fmt.Errorf("accept: %d of %d posts failed: %w", got.Failed, got.OK+got.Failed, got.First)
	}
	a.rates = append(a.rates, got.PerSecond())
	return s.AwaitQuiet(ctx)
}

// newAlert is one about a member that nobody knows: it is stored, and found to be about nothing of ours.
func newAlert(i int) string {
	return storm.Alert(100_000, fmt.Sprint("db-", i), fmt.Sprint("a", i), time.Now())
}

// alone measures one post after the other.
func (b *board) alone(ctx context.Context, s *storm.Stage) error {
	got := storm.Load{Target: s.Webhook(), Connections: 1, Posts: 1000, Every: 5 * time.Millisecond, Body: func(i int) []byte { return storm.Webhook(newAlert(i)) }}.Run(ctx)
	row := func(percent float64, goal time.Duration) error {
		p := got.Percentile(percent)
		return b.row(fmt.Sprintf("durable accept, unloaded (200/s on one connection), p%.0f", percent), fmt.Sprintf("%.2f ms", ms(p)), fmt.Sprintf("≤ %d ms", goal.Milliseconds()),
			float64(p) <= float64(goal)*b.slack)
	}
	return errors.Join(got.First, row(50, 3*time.Millisecond), row(99, 12*time.Millisecond))
}

// hundred measures calls of many alerts.
func (b *board) hundred(ctx context.Context, s *storm.Stage, number *int) error {
	const many, goal, posts = 100, 8000, 400 // fewer than may wait, however fast they come
	first := *number
	got := storm.Load{Target: s.Webhook(), Connections: 8, Posts: posts, Body: func(i int) []byte {
		alerts := make([]string, 0, many)
		for k := range many {
			alerts = append(alerts, newAlert(first+many*i+k))
		}
		return storm.Webhook(alerts...)
	}}.Run(ctx)
	*number += many * (got.OK + got.Failed)
	rate := many * got.PerSecond()
	return errors.Join(got.First, b.row("durable accept, 100 alerts a POST, 8 connections", fmt.Sprintf("%.0f/s", rate), "≥ 8000/s", rate*b.slack >= goal))
}

// ratios of the engine, all[1], to the others.
func (b *board) ratios(all []*accepting) error {
	galen := all[1].mean()
	errs := []error{b.row("durable accept, 1 alert a POST, 50 connections", fmt.Sprintf("%.0f/s", galen), "", true)}
	for i, a := range all {
		if i == 1 {
			continue
		}
		goal := ""
		if a.goal > 0 {
			goal = fmt.Sprintf("≥ %g", a.goal)
		}
		ratio := galen / a.mean()
		errs = append(errs, b.row(fmt.Sprintf("  ÷ %s (%.0f/s)", a.peer.Name, a.mean()), fmt.Sprintf("%.2f", ratio), goal, ratio >= a.goal))
	}
	least, am := all[len(all)-1], all[2]
	return errors.Join(append(errs, b.row("  that handler ÷ "+am.peer.Name, fmt.Sprintf("%.2f", least.mean()/am.mean()), "", true))...)
}

// peers starts what the engine is compared with: the empty handler first, then the engine itself, which has no peer; Alertmanager is the third,
// the least that is durable the last.
func (b *board) peers(ctx context.Context, s *storm.Stage) ([]*accepting, error) {
	webhook := func(i int) []byte { return storm.Webhook(newAlert(i)) }
	empty, err := storm.Empty(ctx, s.Options.Dir)
	if err != nil {
		return nil, err
	}
	all := []*accepting{{peer: empty, body: webhook, goal: 0.3}, {body: webhook}}
	am, err := storm.Alertmanager(ctx, s.Options.Dir, filepath.Join(b.cache, "prometheus", "bin", "alertmanager"))
	if err != nil {
		return all, err
	}
	all = append(all, &accepting{peer: am, goal: 2, body: func(i int) []byte {
		return []byte(fmt.Sprintf(`[{"labels":{"alertname":"InstanceDown","cluster":%q,"instance":"db-%d","severity":"page"},"annotations":{"summary":"db-%d does not serve"},`+
			`"startsAt":%q,"generatorURL":"http://prometheus/graph"}]`, storm.Name(100_000), i, i, time.Now().UTC().Format(time.RFC3339Nano)))
	}})
	book, err := storm.Rulebook(ctx, s.Options.Dir, filepath.Join(b.cache, "rulebook", "bin", "ansible-rulebook"), filepath.Join(b.cache, "jdk"))
	if err != nil {
		return all, err
	}
	all = append(all, &accepting{peer: book, body: webhook, goal: 5})
	least, err := storm.Least(ctx, s.Options.Dir)
	if err != nil {
		return all, err
	}
	return append(all, &accepting{peer: least, body: webhook}), nil
}

// onStorm sets a stage of many small resources, starts its engine and clears all away.
func (*board) onStorm(ctx context.Context, o storm.Options, play func(context.Context, *storm.Stage) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if o.Dir, err = os.MkdirTemp("", "galen-storm-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	s, err := storm.Set(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.End()) }()
	if err := errors.Join(s.Start(ctx), s.AwaitSeen(ctx)); err != nil {
		return err
	}
	return play(ctx, s)
}
