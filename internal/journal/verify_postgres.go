package journal

import (
	"context"
	"errors"
	"fmt"
)

// VerifyPostgres is [Verify] for a journal in PostgreSQL, in one consistent view, while engines work.
func VerifyPostgres(ctx context.Context, url string) (Report, error) {
	p, err := readPostgres(ctx, url)
	if err != nil {
		return Report{}, fmt.Errorf("verify the journal in PostgreSQL: %w", err)
	}
	v, err := p.view(ctx)
	if err != nil {
		return Report{}, errors.Join(fmt.Errorf("verify the journal in PostgreSQL: %w", p.advise(err)), p.close())
	}
	c := &checker{cites: map[string]citation{}}
	err = c.all(ctx, v, part{"the triggers", c.pgTriggers})
	if err = errors.Join(err, v.end(), p.close()); err != nil {
		return Report{}, fmt.Errorf("verify the journal in PostgreSQL: %w", p.advise(err))
	}
	return c.report, nil
}

// pgTriggers: the guards of the events are in place and switched on.
func (c *checker) pgTriggers(ctx context.Context, q querier) error {
	for _, name := range []string{"events_no_update", "events_no_truncate", "events_next"} {
		var n int
		const count = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events'::regclass AND tgname = ? AND tgenabled IN ('O', 'A')"
		if _, err := first(ctx, q, []any{&n}, count, name); err != nil {
			return err
		}
		if n != 1 {
			c.fault(0, "trigger/"+name, "the trigger that keeps events append-only is gone")
		}
	}
	return nil
}
