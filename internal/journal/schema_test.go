package journal

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// columnsOf reads the columns of every table of a SQLite journal.
func columnsOf(ctx context.Context, q querier) (map[string][]string, error) {
	out := map[string][]string{}
	err := each(ctx, q, func(rows cursor) error {
		var table, column string
		err := rows.Scan(&table, &column)
		out[table] = append(out[table], column)
		return err
	}, `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%' ORDER BY m.name, c.cid`)
	return out, err
}

// uniquesOf reads the unique keys of every table, the columns of each sorted.
func uniquesOf(ctx context.Context, q querier) (map[string]bool, error) {
	keys := map[string][]string{}
	err := each(ctx, q, func(rows cursor) error {
		var table, index, column string
		err := rows.Scan(&table, &index, &column)
		keys[table+" "+index] = append(keys[table+" "+index], column)
		return err
	}, `SELECT m.name, i.name, c.name FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose_%' AND i."unique" = 1 ORDER BY m.name, i.name, c.name`)
	out := map[string]bool{}
	for name, columns := range keys {
		table, _, _ := strings.Cut(name, " ")
		out[table+" "+joined(columns)] = true
	}
	return out, err
}

func joined(columns []string) string { return strings.Join(slices.Sorted(slices.Values(columns)), ",") }

// TestSchemaIsThatOfTheMigrations: the tables of the store in memory are those of the file.
func TestSchemaIsThatOfTheMigrations(t *testing.T) {
	file, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "journal.db"), Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := file.close(); err != nil {
			t.Error(err)
		}
	}()
	v, err := file.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := columnsOf(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	uniques, err := uniquesOf(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.end(); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	numbers := map[string]bool{"chain one": true, "epoch one": true, "owner one": true, "identity one": true, "events seq": true, "outbox id": true} // INTEGER PRIMARY KEY has no index of its own
	for _, table := range tables() {
		want[table.name] = table.columns
		for _, unique := range append(table.unique, index{columns: table.key}) {
			key := table.name + " " + joined(unique.columns)
			if !uniques[key] && !numbers[key] && table.counts != unique.columns[0] {
				t.Errorf("%s is unique in memory only", key)
			}
			delete(uniques, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns: %s", diff)
	}
	for key := range uniques {
		t.Errorf("%s is unique in the file only", key)
	}
}

// TestStatementsOfMemory: what the store in memory cannot read is an error, never a guess.
func TestStatementsOfMemory(t *testing.T) {
	m := newMemory(time.Now)
	for text, ok := range map[string]bool{
		"SELECT doc FROM runs WHERE id = ?":                                      true,
		"SELECT doc FROM runs WHERE id = ? AND open = 1 ORDER BY n DESC LIMIT ?": true,
		"UPDATE runs SET duplicates = duplicates + 1 WHERE id = ?":               true,
		"DELETE FROM runs": true,
		"INSERT INTO acks (resource, target) VALUES (?, '') ON CONFLICT DO NOTHING": true,
		"SELECT doc FROM nothing":                               false,
		"SELECT nothing FROM runs":                              false,
		"SELECT count(*) FROM runs":                             false,
		"SELECT doc FROM runs WHERE id = ? OR id = ?":           false,
		"SELECT doc FROM runs WHERE id LIKE ?":                  false,
		"SELECT doc FROM runs, plans":                           false,
		"SELECT doc FROM runs LIMIT":                            false,
		"INSERT INTO acks (resource, target) VALUES (?)":        false,
		"INSERT INTO acks (resource) VALUES (?) ON CONFLICT DO": false,
		"UPDATE runs SET id = ? + 2":                            false,
		"UPDATE runs":                                           false,
		"DROP TABLE runs":                                       false,
		"SELECT doc FROM runs WHERE id = 'a":                    true,
		"":                                                      false,
	} {
		if _, err := compile(text, m.tables); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzStatement(f *testing.F) {
	for _, text := range []string{
		"SELECT doc FROM runs WHERE id = ? AND open = 1 ORDER BY n DESC LIMIT ?", "UPDATE runs SET duplicates = duplicates + 1 WHERE id = ?",
		"INSERT INTO acks (resource, target) VALUES (?, '') ON CONFLICT (resource) DO UPDATE SET at = excluded.at", "DELETE FROM runs WHERE id = '",
	} {
		f.Add(text)
	}
	m := newMemory(time.Now)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := compile(text, m.tables)
		if err == nil && s.table == nil {
			t.Errorf("%q was read without a table", text)
		}
	})
}
