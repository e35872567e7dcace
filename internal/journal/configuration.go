package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/galenhq/galen"
)

// Rows of the configuration that counts, kept as facts of no resource: its hash, which every ledger has, and the whole of it.
const (
	configuration = "configuration"
	countsKey     = "counts"
	wholeKey      = "whole"
)

// Configuration is what an engine looks after: the hash of the policy of each resource, by its name.
type Configuration map[string]string

// Hash is the same for engines with the same resources under the same policies.
func (c Configuration) Hash() string { return galen.HashJSON(c) }

// Configure makes a configuration the one that counts, see [galen.Ledger]. What was judged by another one is not committed any more.
func (s *Store) Configure(ctx context.Context, c Configuration, author string) error {
	whole, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("tell the configuration that counts: %w", err)
	}
	return s.write(ctx, "tell the configuration that counts", func(ctx context.Context, t *tx) error {
		was, err := counts(ctx, t)
		if err != nil || was == c.Hash() {
			return err
		}
		for _, f := range []galen.Fact{{Key: countsKey, Value: json.RawMessage(`"` + c.Hash() + `"`), At: t.now}, {Key: wholeKey, Value: whole, At: t.now}} {
			if err := t.putFact(ctx, configuration, f); err != nil {
				return err
			}
		}
		body := map[string]any{"configuration": c.Hash(), "of": slices.Sorted(maps.Keys(c))}
		if err := t.event(ctx, galen.Event{Kind: galen.EventPolicy, By: author}, body); err != nil {
			return err
		}
		return t.raise(ctx, account)
	})
}

// Configuration is the one that counts, nil before the first.
func (s *Store) Configuration(ctx context.Context) (Configuration, error) {
	var out Configuration
	err := s.read(ctx, "read the configuration that counts", func(ctx context.Context, q querier) (err error) {
		out, err = configured[Configuration](ctx, q, wholeKey)
		return err
	})
	return out, err
}

// Counts is the hash of the configuration that counts, "" before the first.
func (s *Store) Counts(ctx context.Context) (string, error) {
	var out string
	err := s.read(ctx, "read which configuration counts", func(ctx context.Context, q querier) (err error) {
		out, err = counts(ctx, q)
		return err
	})
	return out, err
}

func counts(ctx context.Context, q querier) (string, error) {
	return configured[string](ctx, q, countsKey)
}

// configured is the value of a row, zero where there is none.
func configured[T any](ctx context.Context, q querier, key string) (T, error) {
	var none T
	f, found, err := doc[galen.Fact](ctx, q, "SELECT doc FROM facts WHERE resource = ? AND key = ?", configuration, key)
	if err != nil || !found {
		return none, err
	}
	return undoc[T](f.Value)
}
