package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	_ "modernc.org/sqlite" // the driver "sqlite", the same that the server uses
)

const (
	// schemaOf is the oldest server release whose SQLite schema is the one of the linked server.
	schemaOf = "1.31.4"
	// schemaStamp is schemaOf as a number, written into each file we make. The server itself neither notes nor checks a
	// version: a file of another schema opens well, and then every task in it fails.
	schemaStamp = 1_031_004
)

// ErrSchema means that the file was made by a newer release, a much older one, or not by Galen, and was left untouched.
var ErrSchema = errors.New("the Temporal file has another schema")

// prepareFile makes the file with schema and stamp, checks the stamp of an existing one, and migrates a file of an older
// schema.
func prepareFile(ctx context.Context, path string, logger *slog.Logger) error {
	if err := ensurePrivate(path); err != nil {
		return err
	}
	stamp, err := stampFile(ctx, path)
	if err != nil || stamp == schemaStamp {
		return err
	}
	if stamp < oldestMigrated || stamp > schemaStamp {
		return refusedStamp(path, stamp)
	}
	return migrateFile(ctx, path, stamp, logger)
}

// openSQLite opens a file for this process alone.
func openSQLite(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escapePath(path)+
		"?mode=rw&_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(2)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// stampFile reads the stamp of a file; one without anything in it gets schema and stamp, in one transaction.
func stampFile(ctx context.Context, path string) (stamp int, err error) {
	db, err := openSQLite(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("open %s (if it is damaged, move it away: open runs are started again from the journal, held): %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	var objects int
	if err := tx.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").
		Scan(&stamp, &objects); err != nil {
		return 0, fmt.Errorf("read the schema stamp of %s: %w", path, err)
	}
	if stamp == 0 && objects == 0 {
		if err := makeSchema(ctx, tx); err != nil {
			return 0, fmt.Errorf("make the schema in %s: %w", path, err)
		}
		stamp = schemaStamp
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("commit the schema of %s: %w", path, err)
	}
	return stamp, nil
}

// ensurePrivate makes the file readable by its owner only: it holds everything a workflow was told. An existing file is
// not opened, because closing it again would drop SQLite's locks in this process.
func ensurePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the Temporal file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the Temporal file: %w", err)
	}
	return nil
}

func makeSchema(ctx context.Context, tx *sql.Tx) error {
	exec := func(statement string) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	}
	if err := sqliteschema.SetupSchemaOnDB(schemaWriter{exec: exec}); err != nil {
		return err
	}
	return exec(fmt.Sprintf("PRAGMA user_version = %d", schemaStamp))
}

// schemaWriter is the part of the server's admin interface that its schema setup calls. The server's own one works
// outside a transaction, so that a kill would leave half a schema.
type schemaWriter struct {
	sqlplugin.AdminDB
	exec func(string) error
}

// Exec runs one statement of the schema; the setup passes no arguments.
func (w schemaWriter) Exec(statement string, _ ...any) error { return w.exec(statement) }

// refusedStamp says why a file is refused, and what to do.
func refusedStamp(path string, stamp int) error {
	const otherwise = "Or finish the open runs with that release, stop it, and move the file away: a new one is made"
	switch {
	case stamp == 0:
		return fmt.Errorf("%w: %s has tables but no stamp of Galen, so it was made by another program; "+
			"move it away or give another data directory", ErrSchema, path)
	case stamp > schemaStamp:
		return fmt.Errorf("%w: %s has that of Temporal %s and this release knows %s; start the newer release of Galen that made it. %s",
			ErrSchema, path, stampName(stamp), schemaOf, otherwise)
	default:
		return fmt.Errorf("%w: %s has that of Temporal %s, and this release migrates files from %s on to %s; start a release of Galen in between first. %s",
			ErrSchema, path, stampName(stamp), stampName(oldestMigrated), schemaOf, otherwise)
	}
}

func stampName(stamp int) string {
	return fmt.Sprintf("%d.%d.%d", stamp/1_000_000, stamp/1000%1000, stamp%1000)
}
