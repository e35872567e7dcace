package embedded

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// The server changes its SQLite schema in patch releases without saying so. When this fails after a bump: set schemaOf
// and schemaStamp to the new release, write the migration from the old schema, and record the new sum.
func TestSchemaIsTheOneOfTheStamp(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	if err := prepareFile(t.Context(), path, discard()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	for _, statement := range schemaOfFile(t, path) {
		sum.Write([]byte(statement))
	}
	want, err := os.ReadFile(filepath.Join("testdata", "schema-"+schemaOf+".sha256"))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(want)) {
		t.Errorf("the linked server (schema %s, visibility %s) has the schema %s, and the stamp %s stands for %s",
			sqliteschema.Version, sqliteschema.VisibilityVersion, got, stampName(schemaStamp), want)
	}
	if got := stampName(schemaStamp); got != schemaOf {
		t.Errorf("the stamp reads %s, want %s", got, schemaOf)
	}
}

func TestFileOfAnotherSchemaIsRefusedUntouched(t *testing.T) {
	cases := map[string]struct {
		make string
		want []string
	}{
		"older":              {"CREATE TABLE t (x); PRAGMA user_version = 1029003", []string{"Temporal 1.29.3", "from 1.30.0 on to " + schemaOf, "release of Galen in between", "move the file away"}},
		"newer":              {"CREATE TABLE t (x); PRAGMA user_version = 1033000", []string{"Temporal 1.33.0", "knows " + schemaOf, "newer release"}},
		"of another program": {"CREATE TABLE t (x)", []string{"no stamp", "another program", "move it away"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			execFile(t, path, c.make)
			before := schemaOfFile(t, path)
			_, err := Start(t.Context(), Options{Dir: dir, Logger: discard()})
			if !errors.Is(err, ErrSchema) {
				t.Fatalf("got %v, want ErrSchema", err)
			}
			for _, want := range append(c.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
			if after := schemaOfFile(t, path); len(after) != len(before) {
				t.Errorf("the file has now %d objects, had %d", len(after), len(before))
			}
			lock, err := lockFile(filepath.Join(dir, lockName))
			if err != nil {
				t.Fatalf("the refused start kept its lock: %v", err)
			}
			if err := lock.release(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDamagedFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir, Logger: discard()})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
		t.Fatalf("got %v, want an error that names the file and says what to do", err)
	}
}

// A kill between making the file and its schema leaves an empty file, which is as good as none.
func TestEmptyFileIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileName)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is checked
		if err := prepareFile(t.Context(), path, discard()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(schemaOfFile(t, path)); n < 50 {
		t.Errorf("the schema has %d objects, want at least 50", n)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %s, want only the owner", info.Mode())
	}
}

func openFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+escapePath(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func execFile(t *testing.T, path, statements string) {
	t.Helper()
	if _, err := openFile(t, path).ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

func schemaOfFile(t *testing.T, path string) []string {
	t.Helper()
	rows, err := openFile(t, path).QueryContext(t.Context(), "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			t.Fatal(err)
		}
		out = append(out, statement)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
