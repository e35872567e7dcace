package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/galenhq/galen"
)

// Peeked is what a journal says of itself to whoever only looks.
type Peeked struct {
	Identity string
	Epoch    Epoch
	// Events is the number of the newest event, Newest when it was.
	Events int64
	Newest time.Time
	Tokens []galen.Token
	// Asked and Got are when its clock was asked by ours, and Now what it said; all zero for a file, which has none.
	Asked, Now, Got time.Time
}

// Peek looks at a journal, in a file or in PostgreSQL, whether an engine works on it or not, and writes nothing. now is the caller's clock.
func Peek(ctx context.Context, at Place, now func() time.Time) (Peeked, error) {
	var out Peeked
	var err error
	if at.URL != "" {
		out, err = peekPostgres(ctx, at.URL, now)
	} else {
		out, err = peekFile(ctx, at.Path)
	}
	if err != nil {
		return Peeked{}, fmt.Errorf("look at the journal: %w", err)
	}
	return out, nil
}

func peekFile(ctx context.Context, path string) (out Peeked, err error) {
	if _, err := os.Stat(path); err != nil {
		return out, err
	}
	db, err := sql.Open("sqlite", look(path).source())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return out, adviseSQLite(err)
	}
	v := sqliteView{tx: tx}
	out, err = peek(ctx, v)
	return out, errors.Join(adviseSQLite(err), v.end())
}

func peekPostgres(ctx context.Context, url string, clock func() time.Time) (out Peeked, err error) {
	p, err := readPostgres(ctx, url)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	v, err := p.view(ctx)
	if err != nil {
		return out, p.advise(err)
	}
	asked := clock()
	now, err := v.now(ctx)
	got := clock()
	if err == nil {
		out, err = peek(ctx, v)
	}
	out.Asked, out.Now, out.Got = asked, now, got
	return out, errors.Join(p.advise(err), v.end())
}

func peek(ctx context.Context, q querier) (out Peeked, err error) {
	if _, err = first(ctx, q, []any{&out.Identity}, "SELECT name FROM identity"); err != nil {
		return out, err
	}
	if out.Epoch, err = epochOf(ctx, q); err != nil {
		return out, err
	}
	if out.Tokens, err = docs[galen.Token](ctx, q, "SELECT doc FROM tokens ORDER BY name"); err != nil {
		return out, err
	}
	var at int64
	found, err := first(ctx, q, []any{&out.Events, &at}, "SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1")
	if err == nil && found {
		out.Newest = time.Unix(0, at)
	}
	return out, err
}
