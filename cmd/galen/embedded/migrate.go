package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// oldestMigrated is the stamp of the oldest schema whose files are migrated: that of Temporal 1.30. The server itself
// supports one minor release after the other only; files of older ones were never tried.
const oldestMigrated = 1_030_000

// migrateFile brings a file of an older schema to ours: what the server cannot do, since SQLite has no schema versions
// upstream. The rows are copied into a new file with the server's own schema; the old file is kept beside it. A kill at
// any moment leaves the old file where it was or the new one whole.
func migrateFile(ctx context.Context, path string, stamp int, logger *slog.Logger) error {
	kept := path + "." + stampName(stamp)
	logger.Warn("migrating the Temporal file to the schema of this release", "file", path, "from", stampName(stamp), "to", schemaOf)
	if err := restFile(ctx, path); err != nil {
		return fmt.Errorf("prepare %s for its migration: %w", path, err)
	}
	fresh := path + ".new"
	if err := removeFile(fresh); err != nil {
		return err
	}
	rows, err := copyFile(ctx, path, fresh)
	if err != nil {
		return errors.Join(fmt.Errorf("migrate %s from the schema of Temporal %s to that of %s (it is untouched; start the older release, "+
			"or move the file away: open runs are started again from the journal, held): %w", path, stampName(stamp), schemaOf, err), removeFile(fresh))
	}
	if kept, err = keepFile(path, kept); err != nil {
		return errors.Join(err, removeFile(fresh))
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("put the migrated Temporal file in place: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	logger.Warn("migrated the Temporal file", "file", path, "rows", rows, "old_file", kept)
	return nil
}

// restFile moves what a killed server left in the write-ahead log into the file, checks it, and leaves one file only.
func restFile(ctx context.Context, path string) (err error) {
	db, err := openSQLite(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var health string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&health); err != nil {
		return err
	}
	if health != "ok" {
		return fmt.Errorf("the file is damaged: %s", health)
	}
	var busy, pages, moved int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("another program reads the file; end it")
	}
	return nil
}

// copyFile makes a file with our schema and stamp and all rows of the old one, in one transaction, and counts the rows.
func copyFile(ctx context.Context, old, fresh string) (rows int64, err error) {
	if err := ensurePrivate(fresh); err != nil {
		return 0, err
	}
	db, err := openSQLite(fresh)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // the old file is attached to this one connection
	if _, err := db.ExecContext(ctx, "ATTACH DATABASE ? AS old", "file:"+escapePath(old)+"?mode=rw"); err != nil {
		return 0, fmt.Errorf("attach the old file: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	if rows, err = copyAll(ctx, tx); err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	var health string
	if err := db.QueryRowContext(ctx, "PRAGMA main.integrity_check(1)").Scan(&health); err != nil {
		return 0, err
	}
	if health != "ok" {
		return 0, fmt.Errorf("the copy is damaged: %s", health)
	}
	var busy, pages, moved int
	return rows, db.QueryRowContext(ctx, "PRAGMA main.wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
}

func copyAll(ctx context.Context, tx *sql.Tx) (rows int64, err error) {
	if err := makeSchema(ctx, tx); err != nil {
		return 0, fmt.Errorf("make the schema: %w", err)
	}
	tables, err := tablesOf(ctx, tx, "old")
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		n, err := copyTable(ctx, tx, table)
		if err != nil {
			return 0, fmt.Errorf("copy table %s: %w", table, err)
		}
		rows += n
	}
	return rows, nil
}

// copyTable copies the rows of one table. Nothing is dropped in silence: a table with rows, or a column, that the new
// schema lacks is an error.
func copyTable(ctx context.Context, tx *sql.Tx, table string) (int64, error) {
	var rows int64
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM old."+quoted(table)).Scan(&rows)
	if err != nil || rows == 0 {
		return 0, err
	}
	columns, err := columnsToCopy(ctx, tx, table)
	if err != nil {
		return 0, err
	}
	// What the schema itself put there is in the old table too, as it is by now.
	if _, err := tx.ExecContext(ctx, "DELETE FROM main."+quoted(table)); err != nil {
		return 0, err
	}
	done, err := tx.ExecContext(ctx, "INSERT INTO main."+quoted(table)+" ("+columns+") SELECT "+columns+" FROM old."+quoted(table))
	if err != nil {
		return 0, err
	}
	if n, err := done.RowsAffected(); err != nil || n != rows {
		return 0, errors.Join(fmt.Errorf("copied %d of %d rows", n, rows), err)
	}
	return rows, nil
}

// columnsToCopy are those of the old table, for a statement; each has its place in the new one.
func columnsToCopy(ctx context.Context, tx *sql.Tx, table string) (string, error) {
	had, err := columnsOf(ctx, tx, "old", table)
	if err != nil {
		return "", err
	}
	has, err := columnsOf(ctx, tx, "main", table)
	if err != nil {
		return "", err
	}
	list := make([]string, 0, len(had))
	for _, column := range had {
		if !slices.Contains(has, column) {
			return "", fmt.Errorf("the schema %s has no place for column %s of its rows", schemaOf, column)
		}
		list = append(list, quoted(column))
	}
	return strings.Join(list, ", "), nil
}

// tablesOf are the tables with rows of their own: not SQLite's, and not those of the full-text index, which triggers fill.
func tablesOf(ctx context.Context, tx *sql.Tx, schema string) ([]string, error) {
	all, err := texts(ctx, tx, "SELECT name FROM "+schema+".sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	indexes, err := texts(ctx, tx, "SELECT name FROM "+schema+".sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'")
	if err != nil {
		return nil, fmt.Errorf("list the full-text indexes: %w", err)
	}
	return slices.DeleteFunc(all, func(table string) bool {
		return slices.ContainsFunc(indexes, func(index string) bool { return table == index || strings.HasPrefix(table, index+"_") })
	}), nil
}

// columnsOf are the columns that hold what was written into them: generated ones are hidden here. No such table: none.
func columnsOf(ctx context.Context, tx *sql.Tx, schema, table string) ([]string, error) {
	return texts(ctx, tx, "SELECT name FROM pragma_table_info(?, ?)", table, schema)
}

func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// keepFile gives the file a second name, under which it stays when the new one takes its place. A name that an earlier
// migration took for another file is passed over.
func keepFile(path, kept string) (string, error) {
	for n := 1; ; n++ {
		name := kept
		if n > 1 {
			name = fmt.Sprintf("%s-%d", kept, n)
		}
		err := os.Link(path, name)
		if err == nil || sameFile(path, name) { // the second: a migration that was killed here
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("keep the old Temporal file: %w", err)
		}
	}
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// removeFile removes a database that is not in use, with its companions.
func removeFile(path string) error {
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an unfinished migration: %w", err)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
