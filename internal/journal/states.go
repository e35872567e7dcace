package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// keepBodies is how long the bodies of States, handled alerts, the counts of refusals and acknowledgements stay; hash and basis of a State
// stay for ever.
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

// Prune drops the bodies of States, the handled alerts, the counts of refusals and the acknowledgements that are older than 30 days. Call
// it now and then. The fences stay for ever: hosts remember the highest that they have obeyed, and one that began again would be refused.
func (s *Store) Prune(ctx context.Context) error {
	return s.write(ctx, "prune the journal", func(ctx context.Context, t *tx) error {
		before := stamp(t.now.Add(-keepBodies))
		for _, drop := range []string{
			"UPDATE states SET body = NULL WHERE body IS NOT NULL AND at < ?",
			"DELETE FROM refusals WHERE last < ?",
			"DELETE FROM alerts WHERE done <> 0 AND received < ?",
		} {
			if err := t.exec(ctx, drop, before); err != nil {
				return err
			}
		}
		return t.pruneAcks(ctx, before)
	})
}

// maxAcks bounds what one event tells of. What is more waits for the next time.
const maxAcks = 1000

// pruneAcks drops the acknowledgements that are older than any recovery which a ledger tells of ([galen.MaxLookBack]). Events cite them, so that
// one tells that they are gone; those that tell who has acknowledged what, and when, stay.
func (t *tx) pruneAcks(ctx context.Context, before int64) error {
	type ack struct{ resource, target string }
	var old []ack
	err := each(ctx, t, func(rows cursor) error {
		var a ack
		err := rows.Scan(&a.resource, &a.target)
		old = append(old, a)
		return err
	}, "SELECT resource, target FROM acks WHERE at < ? ORDER BY resource, target LIMIT ?", before, maxAcks)
	if err != nil || len(old) == 0 {
		return err
	}
	for _, a := range old {
		if err := t.exec(ctx, "DELETE FROM acks WHERE resource = ? AND target = ?", a.resource, a.target); err != nil {
			return err
		}
		t.citeGone(ackRow(a.resource, a.target))
	}
	return t.event(ctx, galen.Event{Kind: galen.EventPruned}, map[string]any{"acknowledgements": len(old)})
}
