package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/galenhq/galen/test/storm"
)

// reacts of each kind, one a second in turns of the two.
const reacts = 60

// react measures from the begin of a POST to the begin of the first guarded call, beside bare Temporal on the same server, in turns.
func (b *board) react(ctx context.Context) error {
	return b.onStorm(ctx, storm.Options{Resources: reacts, Bare: true}, func(ctx context.Context, s *storm.Stage) error {
		ways := []func(i int) storm.Target{
			func(int) storm.Target { return s.Webhook() },
			func(i int) storm.Target { return s.BareTarget(fmt.Sprint("bare-", i), false) },
			func(i int) storm.Target { return s.BareTarget(fmt.Sprint("plain-", i), true) },
		}
		took := make([][]time.Duration, len(ways))
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for i := range reacts {
			s.Patients.Break(i, "db-2")
			for way, at := range ways {
				d, err := reacted(ctx, s, at(i), storm.Webhook(storm.Alert(i, "db-2", fmt.Sprint("r", i), time.Now())))
				if err != nil {
					return fmt.Errorf("react: %w", err)
				}
				if i > 0 { // the first ones warm up
					took[way] = append(took[way], d)
				}
				<-tick.C
			}
		}
		return b.reactions(took[0], took[1], took[2])
	})
}

// reactions are the rows about how long each took.
func (b *board) reactions(galen, bare, plain []time.Duration) error {
	p := func(all []time.Duration, percent int) time.Duration {
		all = slices.Sorted(slices.Values(all))
		return all[len(all)*percent/100]
	}
	row := func(percent int, goal time.Duration) error {
		got := p(galen, percent)
		return b.row(fmt.Sprintf("POST sent → first guarded call begun, 1/s, p%d", percent), fmt.Sprintf("%.1f ms", ms(got)), fmt.Sprintf("≤ %d ms", goal.Milliseconds()),
			float64(got) <= float64(goal)*b.slack)
	}
	to := func(of []time.Duration) float64 { return float64(p(galen, 50)) / float64(p(of, 50)) }
	return errors.Join(row(50, 40*time.Millisecond), row(99, 80*time.Millisecond),
		b.row(fmt.Sprintf("  p50 ÷ bare Temporal (%.1f ms, p99 %.1f ms)", ms(p(bare, 50)), ms(p(bare, 99))), fmt.Sprintf("%.2f", to(bare)), "≤ 1.5", to(bare) <= 1.5),
		b.row(fmt.Sprintf("  p50 ÷ the same without eager start, the SDK's default (%.1f ms, p99 %.1f ms)", ms(p(plain, 50)), ms(p(plain, 99))), fmt.Sprintf("%.2f", to(plain)), "", true))
}

// reacted is how long it took from a POST to the next call that reached the patients.
func reacted(ctx context.Context, s *storm.Stage, at storm.Target, body []byte) (time.Duration, error) {
	sent := time.Now()
	if err := at.Post(ctx, http.DefaultClient, body); err != nil {
		return 0, err
	}
	select {
	case c := <-s.Patients.Arrived():
		return c.At.Sub(sent), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the call: %w", ctx.Err())
	case <-time.After(30 * time.Second):
		return 0, errors.New("no call within 30 s")
	}
}
