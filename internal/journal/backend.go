package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// backend is where the tables are: a SQLite file, PostgreSQL, or memory. Everything that the journal promises is written
// once, above it. Its statements are those of statement.go, and in one transaction what is written is seen.
type backend interface {
	// begin starts a transaction that excludes every other writer, of other processes too, and tells the store's time. It ends
	// with COMMIT or ROLLBACK; SAVEPOINT request, ROLLBACK TO request and RELEASE request nest one level.
	begin(ctx context.Context) (session, time.Time, error)
	// view is a consistent view; whoever has it must end it.
	view(ctx context.Context) (view, error)
	// advise says what to do about an error of the store; other errors pass unchanged.
	advise(err error) error
	close() error
}

// querier reads: a view, or the writer's transaction.
type querier interface {
	query(ctx context.Context, text string, args ...any) (cursor, error)
}

type session interface {
	querier
	// exec tells how many rows it changed.
	exec(ctx context.Context, text string, args ...any) (int64, error)
}

type view interface {
	querier
	// now is the store's time.
	now(ctx context.Context) (time.Time, error)
	end() error
}

// cursor walks over rows, as *sql.Rows does.
type cursor interface {
	Next() bool
	Scan(to ...any) error
	Err() error
	Close() error
}

// storeError is an error of the store, after which the transaction may be gone; all others are refusals by rule.
type storeError struct{ err error }

// Error says what the store said.
func (e *storeError) Error() string { return e.err.Error() }

// Unwrap gives the store's own error.
func (e *storeError) Unwrap() error { return e.err }

func ofStore(err error) error {
	if err == nil {
		return nil
	}
	return &storeError{err}
}

func storeFault(err error) bool {
	var fault *storeError
	return errors.As(err, &fault)
}

func firstWords(query string) string {
	const enough = 40
	if len(query) > enough {
		return query[:enough] + "…"
	}
	return query
}

// each calls scan for every row.
func each(ctx context.Context, q querier, scan func(cursor) error, query string, args ...any) (err error) {
	found, err := q.query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", firstWords(query), ofStore(err))
	}
	defer func() {
		if closed := errors.Join(found.Err(), found.Close()); err == nil && closed != nil {
			err = fmt.Errorf("%s: %w", firstWords(query), ofStore(closed))
		}
	}()
	for found.Next() {
		if err := scan(found); err != nil {
			return fmt.Errorf("%s: %w", firstWords(query), err)
		}
	}
	return nil
}

// first scans the first row and tells whether there was one.
func first(ctx context.Context, q querier, to []any, query string, args ...any) (bool, error) {
	found := false
	err := each(ctx, q, func(rows cursor) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(to...)
	}, query, args...)
	return found, err
}
