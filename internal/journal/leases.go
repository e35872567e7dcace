package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Engine is one of the engines that share a journal.
type Engine struct {
	// ID is that of its data directory: the same after a restart.
	ID string
	// Boot is that of its process.
	Boot string
	// Temporal is the one that it works with, by a name that is the same for whoever works with it.
	Temporal string
}

// Identity is what the journal is called in Temporal. The first engine that asks names it.
func (s *Store) Identity(ctx context.Context, proposed string) (string, error) {
	var name string
	err := s.write(ctx, "read the journal's identity", func(ctx context.Context, t *tx) error {
		found, err := first(ctx, t, []any{&name}, "SELECT name FROM identity")
		if err != nil || found {
			return err
		}
		name = proposed
		return t.exec(ctx, "INSERT INTO identity (one, name) VALUES (1, ?)", name)
	})
	if err != nil {
		return "", err
	}
	return name, nil
}

// Join notes that an engine lives for a while from now on, before it does anything that another one could take for a dead
// one's work. It takes the place of the process before it in the same data directory. ErrTemporal: it would not see the
// workflows of those that live.
func (s *Store) Join(ctx context.Context, e Engine, ttl time.Duration) error {
	if e.ID == "" || e.Boot == "" || ttl <= 0 {
		return errors.New("join the engines of a journal: identity, boot and a time are required")
	}
	return s.write(ctx, "join the engines of the journal", func(ctx context.Context, t *tx) error {
		_, err := t.beat(ctx, e, stamp(t.now.Add(ttl)))
		return err
	})
}

// Leave gives back what an engine that stops has leased; the others need not wait until the lease is over.
func (s *Store) Leave(ctx context.Context, e Engine) error {
	return s.write(ctx, "leave the engines of the journal", func(ctx context.Context, t *tx) error {
		n, err := t.execCount(ctx, "DELETE FROM engines WHERE name = ? AND boot = ?", e.ID, e.Boot)
		if err != nil || n == 0 {
			return err
		}
		return t.exec(ctx, "DELETE FROM leases WHERE holder = ?", e.ID)
	})
}

// Engines are the IDs of the engines that live.
func (s *Store) Engines(ctx context.Context) ([]string, error) {
	var out []string
	err := s.readNow(ctx, "list the living engines", func(ctx context.Context, q querier, now time.Time) error {
		return each(ctx, q, func(rows cursor) error {
			var name string
			err := rows.Scan(&name)
			out = append(out, name)
			return err
		}, "SELECT name FROM engines WHERE until > ? ORDER BY name", stamp(now))
	})
	return out, err
}

// Leased are the shards that living engines have, by name, each with the ID of its engine.
func (s *Store) Leased(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := s.readNow(ctx, "list the leases", func(ctx context.Context, q querier, now time.Time) error {
		clear(out)
		return each(ctx, q, func(rows cursor) error {
			var name, holder string
			err := rows.Scan(&name, &holder)
			out[name] = holder
			return err
		}, "SELECT name, holder FROM leases WHERE until > ?", stamp(now))
	})
	return out, err
}

// Lease tells which of the shards are the engine's for a while from now on, by the clock of the store, and that the engine
// lives. Each living engine gets its share: it keeps what it has, lets go what is too much, and takes what is free. Whoever calls
// counts from before the call, and calls again well before the time is over. ErrTwin: another process has taken its place.
func (s *Store) Lease(ctx context.Context, e Engine, shards []string, ttl time.Duration) ([]string, error) {
	if e.ID == "" || e.Boot == "" || ttl <= 0 {
		return nil, errors.New("lease shards: the engine's identity, its boot and a time are required")
	}
	var held []string
	err := s.write(ctx, "lease shards for "+e.ID, func(ctx context.Context, t *tx) (err error) {
		held, err = t.lease(ctx, e, shards, ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

func (t *tx) lease(ctx context.Context, e Engine, shards []string, ttl time.Duration) ([]string, error) {
	var boot string
	found, err := first(ctx, t, []any{&boot}, "SELECT boot FROM engines WHERE name = ?", e.ID)
	if err != nil {
		return nil, err
	}
	if found && boot != e.Boot {
		return nil, ErrTwin
	}
	until := stamp(t.now.Add(ttl))
	living, err := t.beat(ctx, e, until)
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
	held := dealt(e.ID, shards, holders, (len(shards)+living-1)/living)
	if err := t.exec(ctx, "DELETE FROM leases WHERE holder = ?", e.ID); err != nil {
		return nil, err
	}
	for _, name := range held {
		if err := t.exec(ctx, "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)", name, e.ID, until); err != nil {
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
func (t *tx) beat(ctx context.Context, e Engine, until int64) (living int, err error) {
	now := stamp(t.now)
	for _, table := range []string{"engines", "leases"} {
		if err := t.exec(ctx, "DELETE FROM "+table+" WHERE until <= ?", now); err != nil {
			return 0, err
		}
	}
	living = 1
	elsewhere := ""
	err = each(ctx, t, func(rows cursor) error {
		var other, temporal string
		living++
		if err := rows.Scan(&other, &temporal); err != nil {
			return err
		}
		if temporal != e.Temporal {
			elsewhere = other
		}
		return nil
	}, "SELECT name, temporal FROM engines WHERE name <> ?", e.ID)
	if err != nil {
		return 0, err
	}
	if elsewhere != "" {
		return 0, fmt.Errorf("engine %s and engine %s have a Temporal each: %w", e.ID, elsewhere, ErrTemporal)
	}
	return living, t.exec(ctx, `INSERT INTO engines (name, until, boot, temporal) VALUES (?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET until = excluded.until, boot = excluded.boot, temporal = excluded.temporal`, e.ID, until, e.Boot, e.Temporal)
}
