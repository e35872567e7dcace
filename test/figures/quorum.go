package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// quorum measures the mathematics on large rings of three data centres, three levels at once, with five nodes down: the first answer after a
// change of the ring, each next one, and all sets of up to three nodes.
func quorum(ctx context.Context, slack float64) error {
	p := galen.Policy{Levels: []string{"QUORUM", "LOCAL_QUORUM", "SERIAL"}}
	goal := func(d time.Duration) time.Duration { return time.Duration(float64(d) * slack) }
	var errs []error
	for _, c := range []struct {
		nodes                int
		first, next, triples time.Duration // goals
	}{
		{1000, 25 * time.Millisecond, 50 * time.Microsecond, 100 * time.Millisecond},
		{5000, 200 * time.Millisecond, 50 * time.Microsecond, time.Second},
	} {
		r, down := ring.Large(3, c.nodes), map[string]bool{}
		for i := range 5 {
			down[r.Nodes[i*c.nodes/5].HostID] = true
		}
		q := cassandra.NewQuorum(r, p)
		what := fmt.Sprintf("quorum of %d x 16 tokens: ", c.nodes)
		errs = append(errs,
			quick(ctx, what+"first answer", goal(c.first), 1, func() { cassandra.NewQuorum(r, p).Verdict(down) }),
			quick(ctx, what+"each next", goal(c.next), 1000, func() { q.Verdict(down) }),
			quick(ctx, what+"all triples", goal(c.triples), 1, func() { q.Fatal(nil) }))
	}
	return errors.Join(errs...)
}

// quick measures a calculation, many at a time where one is too short for the clock, and fails where the middle misses its goal.
func quick(ctx context.Context, what string, goal time.Duration, many int, do func()) error {
	const rounds = 15
	var all []time.Duration
	for range rounds {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		began := time.Now()
		for range many {
			do()
		}
		all = append(all, time.Since(began)/time.Duration(many))
	}
	slices.Sort(all)
	p50 := all[len(all)/2]
	fmt.Printf("%-44s n %3d  min %s  p50 %s  max %s   goal p50 %s\n", what, len(all), all[0], p50, all[len(all)-1], goal)
	if p50 > goal {
		return fmt.Errorf("%s: p50 is %s, its goal %s", what, p50, goal)
	}
	return nil
}
