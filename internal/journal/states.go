package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// keepBodies is how long the bodies of States, handled alerts and the counts of refusals stay; hash and basis of a State stay for ever.
const keepBodies = 30 * 24 * time.Hour

// stateHash is the hash by which a State is cited, "" without a body.
func stateHash(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	return galen.HashJSON(json.RawMessage(body))
}

func stateRow(hash string) string { return "state/" + hash }

func citedState(resource, basis string) any { return []string{resource, basis} }

// saveState stores the State that an event is about to cite.
func (t *tx) saveState(ctx context.Context, r galen.Resource, d galen.Decision, body []byte) error {
	if d.State == "" {
		return nil
	}
	t.cite(stateRow(d.State), citedState(r.String(), d.Basis))
	const insert = "INSERT INTO states (hash, resource, basis, at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET at = excluded.at"
	if len(body) == 0 { // a body that is there stays
		return t.exec(ctx, insert, d.State, r.String(), d.Basis, stamp(t.now), nil)
	}
	return t.exec(ctx, insert+", body = excluded.body", d.State, r.String(), d.Basis, stamp(t.now), body)
}

// State is the body of a State that an event cites, by its hash; galen.ErrNotFound also when only the hash is left.
func (s *Store) State(ctx context.Context, hash string) ([]byte, error) {
	var body []byte
	err := s.read(ctx, "read a state", func(ctx context.Context, q querier) error {
		_, err := first(ctx, q, []any{&body}, "SELECT body FROM states WHERE hash = ?", hash)
		if err == nil && len(body) == 0 {
			return fmt.Errorf("the body of state %s (kept for %s): %w", hash, keepBodies, galen.ErrNotFound)
		}
		return err
	})
	return body, err
}

// Prune drops the bodies of States, the handled alerts and the counts of refusals that are older than 30 days. Call it now and then.
func (s *Store) Prune(ctx context.Context) error {
	return s.write(ctx, "prune the journal", func(ctx context.Context, t *tx) error {
		before := stamp(t.now.Add(-keepBodies))
		if err := t.exec(ctx, "UPDATE states SET body = NULL WHERE body IS NOT NULL AND at < ?", before); err != nil {
			return err
		}
		if err := t.exec(ctx, "DELETE FROM refusals WHERE last < ?", before); err != nil {
			return err
		}
		return t.exec(ctx, "DELETE FROM alerts WHERE done <> 0 AND received < ?", before)
	})
}
