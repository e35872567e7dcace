package journal

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Lease tells which of the shards are the engine's for a while from now on, by the clock of the store, and that the engine
// lives. Each living engine gets its share: it keeps what it has, lets go what is too much, and takes what is free. Whoever calls
// counts from before the call, and calls again well before the time is over.
func (s *Store) Lease(ctx context.Context, engine string, shards []string, ttl time.Duration) ([]string, error) {
	if engine == "" || ttl <= 0 {
		return nil, errors.New("lease shards: the engine's name and a time are required")
	}
	var held []string
	err := s.write(ctx, "lease shards for "+engine, func(ctx context.Context, t *tx) (err error) {
		held, err = t.lease(ctx, engine, shards, ttl)
		return err
	})
	return held, err
}

func (t *tx) lease(ctx context.Context, engine string, shards []string, ttl time.Duration) ([]string, error) {
	until := stamp(t.now.Add(ttl))
	living, err := t.beat(ctx, engine, until)
	if err != nil {
		return nil, err
	}
	holders := map[string]string{}
	err = each(ctx, t, func(rows cursor) error {
		var name, holder string
		err := rows.Scan(&name, &holder)
		holders[name] = holder
		return err
	}, "SELECT name, holder FROM leases")
	if err != nil {
		return nil, err
	}
	held := dealt(engine, shards, holders, (len(shards)+living-1)/living)
	if err := t.exec(ctx, "DELETE FROM leases WHERE holder = ?", engine); err != nil {
		return nil, err
	}
	for _, name := range held {
		if err := t.exec(ctx, "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)", name, engine, until); err != nil {
			return nil, err
		}
	}
	slices.Sort(held)
	return held, nil
}

// dealt are the shards that an engine may hold: what it has comes first, so that a shard moves only when it must.
func dealt(engine string, shards []string, holders map[string]string, share int) []string {
	var held []string
	for _, mine := range []bool{true, false} {
		for _, name := range slices.Sorted(slices.Values(shards)) {
			holder, taken := holders[name]
			if taken != mine || taken && holder != engine || len(held) >= share {
				continue
			}
			held = append(held, name)
		}
	}
	return held
}

// beat notes that the engine lives, takes away what has expired, and counts the living.
func (t *tx) beat(ctx context.Context, engine string, until int64) (living int, err error) {
	now := stamp(t.now)
	for _, table := range []string{"engines", "leases"} {
		if err := t.exec(ctx, "DELETE FROM "+table+" WHERE until <= ?", now); err != nil {
			return 0, err
		}
	}
	err = t.exec(ctx, "INSERT INTO engines (name, until) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET until = excluded.until", engine, until)
	if err != nil {
		return 0, err
	}
	err = each(ctx, t, func(cursor) error { living++; return nil }, "SELECT name FROM engines")
	return living, err
}
