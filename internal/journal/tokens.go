package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// CreateToken stores a token under the hash of its secret. A name whose token counts no more may be given again; one that counts may
// not: ErrTokenName. It counts from now on by the journal's clock.
func (s *Store) CreateToken(ctx context.Context, t galen.Token, hash string) (galen.Token, error) {
	if t.By == "" || hash == "" {
		return galen.Token{}, errors.New("make a token: who makes it and its hash are required")
	}
	var made galen.Token
	err := s.write(ctx, "make the token "+t.Name, func(ctx context.Context, tx *tx) error {
		made = t
		made.At, made.Revoked, made.RevokedBy, made.Makers = tx.now, time.Time{}, "", nil
		if err := made.Check(tx.now); err != nil {
			return err
		}
		before, found, err := doc[galen.Token](ctx, tx, "SELECT doc FROM tokens WHERE name = ?", t.Name)
		if err != nil {
			return err
		}
		if found && before.Counts(tx.now) {
			return ErrTokenName
		}
		if made.Makers, err = makersOf(ctx, tx, made); err != nil {
			return err
		}
		return tx.saveToken(ctx, made, hash, made.By)
	})
	if err != nil {
		return galen.Token{}, err
	}
	return made, nil
}

// saveToken writes the row with its event. The hash is cited, and in no event.
func (t *tx) saveToken(ctx context.Context, token galen.Token, hash, by string) error {
	text, err := asDoc(token)
	if err != nil {
		return err
	}
	err = t.exec(ctx, `INSERT INTO tokens (name, hash, doc) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, doc = excluded.doc`, token.Name, hash, text)
	if err != nil {
		return err
	}
	t.cite(tokenRow(token.Name), citedToken(token, hash))
	return t.event(ctx, galen.Event{Kind: galen.EventToken, By: by}, map[string]any{"token": token})
}

func tokenRow(name string) string { return "token/" + name }

func citedToken(t galen.Token, hash string) any { return []any{t, hash} }

// Token is the one whose secret has that hash, with the journal's time: whether it counts is for the caller to tell; galen.ErrNotFound.
func (s *Store) Token(ctx context.Context, hash string) (galen.Token, time.Time, error) {
	var out galen.Token
	var at time.Time
	err := s.readNow(ctx, "look up a token", func(ctx context.Context, q querier, now time.Time) error {
		t, found, err := doc[galen.Token](ctx, q, "SELECT doc FROM tokens WHERE hash = ?", hash)
		if err == nil && !found {
			err = galen.ErrNotFound
		}
		out, at = t, now
		return err
	})
	return out, at, err
}

// TokenHashes are those of the secrets of the tokens that count now.
func (s *Store) TokenHashes(ctx context.Context) ([]string, error) {
	var out []string
	err := s.readNow(ctx, "list the hashes of tokens", func(ctx context.Context, q querier, now time.Time) error {
		out = nil
		return each(ctx, q, func(rows cursor) error {
			var hash string
			var text []byte
			if err := rows.Scan(&hash, &text); err != nil {
				return err
			}
			t, err := undoc[galen.Token](text)
			if err == nil && t.Counts(now) {
				out = append(out, hash)
			}
			return err
		}, "SELECT hash, doc FROM tokens")
	})
	return out, err
}

// Tokens are all that were made, by name, those that count no more included.
func (s *Store) Tokens(ctx context.Context) ([]galen.Token, error) {
	var out []galen.Token
	err := s.read(ctx, "list the tokens", func(ctx context.Context, q querier) (err error) {
		out, err = docs[galen.Token](ctx, q, "SELECT doc FROM tokens ORDER BY name")
		return err
	})
	return out, err
}

// RevokeToken ends a token before its time; no call that begins later can be made with it, and the yeses that it said to open runs count no
// more. galen.ErrNotFound.
func (s *Store) RevokeToken(ctx context.Context, name, by string) error {
	if by == "" {
		return fmt.Errorf("revoke the token %s: who revokes it is required", name)
	}
	return s.write(ctx, "revoke the token "+name, func(ctx context.Context, t *tx) error {
		var hash string
		var text []byte
		found, err := first(ctx, t, []any{&hash, &text}, "SELECT hash, doc FROM tokens WHERE name = ?", name)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("token %q: %w", name, galen.ErrNotFound)
		}
		token, err := undoc[galen.Token](text)
		if err != nil || !token.Revoked.IsZero() {
			return err
		}
		token.Revoked, token.RevokedBy = t.now, by
		if err := t.saveToken(ctx, token, hash, by); err != nil {
			return err
		}
		return t.endYesesOf(ctx, name)
	})
}
