package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

const (
	// pgPage is how many rows one statement brings: few enough that they are taken well within the server's statement_timeout,
	// which runs on while rows wait for whoever takes them.
	pgPage = 100
	// pgPageLimit bounds one page, also of a server that is gone without a word. A whole table may take hours.
	pgPageLimit = time.Minute
)

// pgReader is a transaction of PostgreSQL.
type pgReader interface {
	querier
	do(ctx context.Context, text string) error
}

// walker is what whole tables are read through: of PostgreSQL in pages, elsewhere as it is.
func walker(q querier) querier {
	if pg, is := q.(pgReader); is {
		return pages{pg}
	}
	return q
}

// pages reads through cursors of the server. Each page is a statement of its own: a statement_timeout, whoever set it, cuts a
// server that hangs, and no journal for being long.
type pages struct{ pg pgReader }

// query reads in pages what is asked without arguments; with them it is about a row or two.
func (p pages) query(ctx context.Context, text string, args ...any) (cursor, error) {
	if len(args) > 0 {
		return p.pg.query(ctx, text, args...)
	}
	// A name that was never used: the driver keeps the columns of what it fetched from one.
	name := "walk_" + rand.Text()
	do := func(text string) error {
		bounded, cancel := context.WithTimeout(ctx, pgPageLimit)
		defer cancel()
		return p.pg.do(bounded, text)
	}
	// Without the setting a server may sort a large table before it gives the first row, by the key that it has an index for.
	if err := do("SET LOCAL enable_sort = off; DECLARE " + name + " NO SCROLL CURSOR FOR " + text); err != nil {
		return nil, err
	}
	return &paged{
		done: func() error { return do("CLOSE " + name) },
		fetch: func() (cursor, context.CancelFunc, error) {
			bounded, cancel := context.WithTimeout(ctx, pgPageLimit)
			rows, err := p.pg.query(bounded, fmt.Sprintf("FETCH %d FROM %s", pgPage, name))
			if err != nil {
				cancel()
				return nil, nil, err
			}
			return rows, cancel, nil
		},
	}, nil
}

// paged walks over the rows of all pages. One that is left early is closed by the end of its transaction.
type paged struct {
	fetch func() (cursor, context.CancelFunc, error)
	done  func() error

	page   cursor // nil before the first and between two
	cancel context.CancelFunc
	taken  int // of the page
	err    error
}

// Next goes on to the next row, on the next page if need be.
func (p *paged) Next() bool {
	for p.err == nil {
		if p.page == nil {
			p.taken = 0
			if p.page, p.cancel, p.err = p.fetch(); p.err != nil {
				return false
			}
		}
		if p.page.Next() {
			p.taken++
			return true
		}
		if p.err = p.turn(); p.err == nil && p.taken < pgPage {
			p.err = p.done()
			return false
		}
	}
	return false
}

// turn lets go of the page.
func (p *paged) turn() error {
	if p.page == nil {
		return nil
	}
	defer p.cancel()
	err := p.page.Err()
	if closed := p.page.Close(); err == nil {
		err = closed
	}
	p.page = nil
	return err
}

// Scan reads the row.
func (p *paged) Scan(to ...any) error { return p.page.Scan(to...) }

// Err is what ended the walk too early.
func (p *paged) Err() error { return p.err }

// Close lets go of the rest.
func (p *paged) Close() error { return p.turn() }
