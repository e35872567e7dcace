package journal

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// Folded is the newest folded State of a resource, nil when there is none yet.
func (s *Store) Folded(ctx context.Context, r galen.Resource) ([]byte, error) {
	var body []byte
	err := s.read(ctx, "read the folded state of "+r.String(), func(ctx context.Context, q querier) (err error) {
		body, err = foldedOf(ctx, q, r)
		return err
	})
	return body, err
}

func foldedOf(ctx context.Context, q querier, r galen.Resource) (body []byte, err error) {
	_, err = first(ctx, q, []any{&body}, "SELECT body FROM folded WHERE resource = ?", r.String())
	return body, err
}

// SaveFolded puts a folded State in the place of the one that it was folded onto, nil for none. An engine that was away for a
// while, its lease lost, overwrites nothing that another one has stored since: [galen.ErrStale]. One that did not change is not
// written. It is no matter of who has the lease: a run looks, too, on whichever engine it is, and acts on nothing that is not stored.
func (s *Store) SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error {
	if len(body) == 0 {
		return fmt.Errorf("save the folded state of %s: it is empty", r)
	}
	was, err := s.Folded(ctx, r)
	if err != nil || bytes.Equal(was, body) {
		return err
	}
	return s.write(ctx, "save the folded state of "+r.String(), func(ctx context.Context, t *tx) error {
		// The basis would not do: since when a node is down is no part of it.
		switch was, err := foldedOf(ctx, t, r); {
		case err != nil:
			return err
		case !bytes.Equal(was, onto):
			return galen.ErrStale
		}
		return t.exec(ctx, `INSERT INTO folded (resource, basis, at, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (resource) DO UPDATE SET basis = excluded.basis, at = excluded.at, body = excluded.body`,
			r.String(), basis, stamp(t.now), body)
	})
}

// Findings are the present findings of a resource, of all for the zero one, by key.
func (s *Store) Findings(ctx context.Context, r galen.Resource) ([]galen.Finding, error) {
	var out []galen.Finding
	err := s.read(ctx, "list findings", func(ctx context.Context, q querier) (err error) {
		out, err = findingsOf(ctx, q, r)
		return err
	})
	return out, err
}

func findingsOf(ctx context.Context, q querier, r galen.Resource) ([]galen.Finding, error) {
	if r == (galen.Resource{}) {
		return docs[galen.Finding](ctx, q, "SELECT doc FROM findings ORDER BY key")
	}
	return docs[galen.Finding](ctx, q, "SELECT doc FROM findings WHERE resource = ? ORDER BY key", r.String())
}

// SaveFindings makes now the present findings of a resource. It returns what is new or says something else than before, and
// what is gone; both are events. Nothing is written when nothing changed.
func (s *Store) SaveFindings(ctx context.Context, r galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error) {
	seen := map[string]bool{}
	for _, f := range now {
		if f.Resource != r || seen[f.Key()] {
			return nil, nil, fmt.Errorf("save the findings of %s: %s is of another resource or stands twice", r, f.Key())
		}
		seen[f.Key()] = true
	}
	was, err := s.Findings(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if news, gone = compareFindings(was, now); len(news)+len(gone) == 0 {
		return nil, nil, nil
	}
	err = s.write(ctx, "save the findings of "+r.String(), func(ctx context.Context, t *tx) error {
		was, err := findingsOf(ctx, t, r)
		if err != nil {
			return err
		}
		news, gone = compareFindings(was, now)
		return t.saveFindings(ctx, news, gone)
	})
	if err != nil {
		return nil, nil, err
	}
	return news, gone, nil
}

func compareFindings(was, now []galen.Finding) (news, gone []galen.Finding) {
	for _, f := range now {
		if !slices.ContainsFunc(was, f.Same) {
			news = append(news, f)
		}
	}
	for _, f := range was {
		if !slices.ContainsFunc(now, func(g galen.Finding) bool { return g.Key() == f.Key() }) {
			gone = append(gone, f)
		}
	}
	return news, gone
}

func (t *tx) saveFindings(ctx context.Context, news, gone []galen.Finding) error {
	for _, f := range news {
		text, err := asDoc(f)
		if err != nil {
			return err
		}
		err = t.exec(ctx, "INSERT INTO findings (key, resource, doc) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc",
			f.Key(), f.Resource.String(), text)
		if err != nil {
			return err
		}
		t.cite("finding/"+f.Key(), f)
		if err := t.event(ctx, galen.Event{Resource: f.Resource, Kind: galen.EventFound}, map[string]any{"finding": f}); err != nil {
			return err
		}
	}
	for _, f := range gone {
		if err := t.exec(ctx, "DELETE FROM findings WHERE key = ?", f.Key()); err != nil {
			return err
		}
		t.citeGone("finding/" + f.Key())
		if err := t.event(ctx, galen.Event{Resource: f.Resource, Kind: galen.EventGone}, map[string]any{"finding": f}); err != nil {
			return err
		}
	}
	return nil
}
