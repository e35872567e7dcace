package journal

import (
	"context"
)

// Outbox are the messages to the workflow engine that are not done: those of the most urgent runs first, the oldest of them first.
func (s *Store) Outbox(ctx context.Context, limit int) ([]OutboxItem, error) {
	var out []OutboxItem
	err := s.read(ctx, "read the outbox", func(ctx context.Context, q querier) error {
		return each(ctx, q, func(rows cursor) error {
			var item OutboxItem
			err := rows.Scan(&item.ID, &item.Kind, &item.Run, &item.Key)
			out = append(out, item)
			return err
		}, "SELECT id, kind, run, key FROM outbox ORDER BY urgency DESC, id LIMIT ?", limitOr(limit))
	})
	return out, err
}

// OutboxDone removes messages that the workflow engine has accepted; one that is gone already is no error.
func (s *Store) OutboxDone(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	return s.write(ctx, "empty the outbox", func(ctx context.Context, t *tx) error {
		for _, id := range ids {
			if err := t.exec(ctx, "DELETE FROM outbox WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
}

// OutboxSignal gets a nudge after a commit that added messages. A nudge stands for all before it; one that nobody takes
// blocks nothing.
func (s *Store) OutboxSignal() <-chan struct{} { return s.nudge }
