package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// SetResource puts a resource under watch with a policy, or changes its policy. A change is an event that says what
// changed; the same policy again is not written.
func (s *Store) SetResource(ctx context.Context, r galen.Resource, policyJSON []byte, author string) error {
	policy, err := galen.Canonical(json.RawMessage(policyJSON))
	if err != nil {
		return fmt.Errorf("set the policy of %s: %w", r, err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(policy, &fields); err != nil {
		return fmt.Errorf("set the policy of %s: want a JSON object: %w", r, err)
	}
	return s.write(ctx, "set the policy of "+r.String(), func(ctx context.Context, t *tx) error {
		var was []byte
		known, err := first(ctx, t, []any{&was}, "SELECT policy FROM resources WHERE resource = ?", r.String())
		if err != nil || known && bytes.Equal(was, policy) {
			return err
		}
		before := map[string]json.RawMessage{}
		if known {
			if before, err = undoc[map[string]json.RawMessage](was); err != nil {
				return err
			}
		}
		err = t.exec(ctx, `INSERT INTO resources (resource, policy, by, at) VALUES (?, ?, ?, ?)
			ON CONFLICT (resource) DO UPDATE SET policy = excluded.policy, by = excluded.by, at = excluded.at`,
			r.String(), string(policy), author, stamp(t.now))
		if err != nil {
			return err
		}
		t.cite("resource/"+r.String(), json.RawMessage(policy))
		body := map[string]any{"changed": differences(before, fields), "new": !known}
		if err := t.event(ctx, galen.Event{Resource: r, Kind: galen.EventPolicy, By: author}, body); err != nil {
			return err
		}
		return t.raise(ctx, r.String())
	})
}

// difference is one field of a policy that changed; an absent side was not set.
type difference struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from,omitempty"`
	To    json.RawMessage `json:"to,omitempty"`
}

func differences(from, to map[string]json.RawMessage) []difference {
	out := []difference{}
	for name, value := range to {
		if !bytes.Equal(from[name], value) {
			out = append(out, difference{Field: name, From: from[name], To: value})
		}
	}
	for name, value := range from {
		if _, stays := to[name]; !stays {
			out = append(out, difference{Field: name, From: value})
		}
	}
	slices.SortFunc(out, func(a, b difference) int { return strings.Compare(a.Field, b.Field) })
	return out
}

// Resources are the resources under watch, by name.
func (s *Store) Resources(ctx context.Context) ([]WatchedResource, error) {
	var out []WatchedResource
	err := s.read(ctx, "list resources", func(ctx context.Context, q querier) error {
		return each(ctx, q, func(rows cursor) error {
			var name string
			var policy []byte
			var w WatchedResource
			var at int64
			if err := rows.Scan(&name, &policy, &w.By, &at); err != nil {
				return err
			}
			w.Policy, w.At = policy, moment(at)
			out = append(out, w)
			return out[len(out)-1].Resource.UnmarshalText([]byte(name))
		}, "SELECT resource, policy, by, at FROM resources ORDER BY resource")
	})
	return out, err
}
