package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/galenhq/galen"
)

// Rows of the account: the hash of the configuration that counts, which every ledger has, and the whole of it.
const (
	countsKey        = "configuration"
	configurationKey = "configuration/resources"
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
		for _, f := range []galen.Fact{{Key: countsKey, Value: json.RawMessage(`"` + c.Hash() + `"`), At: t.now}, {Key: configurationKey, Value: whole, At: t.now}} {
			if err := t.putAccount(ctx, f); err != nil {
				return err
			}
		}
		body := map[string]any{"configuration": c.Hash(), "resources": slices.Sorted(maps.Keys(c))}
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
		out, err = accountValue[Configuration](ctx, q, configurationKey)
		return err
	})
	return out, err
}

// counts is the hash of the configuration that counts, "" before the first.
func counts(ctx context.Context, q querier) (string, error) {
	return accountValue[string](ctx, q, countsKey)
}

// accountValue is that of a row of the account, zero where there is none.
func accountValue[T any](ctx context.Context, q querier, key string) (T, error) {
	var none T
	f, found, err := doc[galen.Fact](ctx, q, "SELECT doc FROM facts WHERE resource = ? AND key = ?", account, key)
	if err != nil || !found {
		return none, err
	}
	return undoc[T](f.Value)
}
