package embedded

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/workflows"
)

// older is a file that a server of Temporal 1.30.4 wrote, see testdata/older/README.md.
const older = "testdata/older/temporal-1.30.4.db.gz"

// olderFile is a fresh data directory with that file in it.
func olderFile(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, fileName)
	packed, err := os.Open(older)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

// TestAFileOfAnOlderServerGoesOn: a run that slept in an older server's file is woken in this one's, decides and ends; the
// other one sleeps on, and the old file is kept.
func TestAFileOfAnOlderServerGoesOn(t *testing.T) {
	dir, path := olderFile(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir, discard())
	c, err := temporal.Dial(t.Context(), temporal.Options{
		Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Journal: "fixture0", Logger: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	decided := make(chan string, 10)
	w := c.NewWorker(temporal.WorkerOptions{})
	w.RegisterWorkflowWithOptions(workflows.Run, workflow.RegisterOptions{Name: workflows.RunName})
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.DecideInput) (activities.Decided, error) {
		decided <- in.Run
		return activities.Decided{Ended: true}, nil
	}, activity.RegisterOptions{Name: "Decide"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for key, want := range map[string]temporal.Execution{
		"asleep": {Phase: temporal.Open, Status: "running"}, "woken": {Phase: temporal.Open, Status: "running"}, "ended": {Phase: temporal.Closed, Status: "completed"},
	} {
		got, err := c.Describe(t.Context(), key)
		if err != nil || got.Phase != want.Phase || got.Status != want.Status {
			t.Errorf("%s is %+v, %v; want %+v", key, got, err, want)
		}
	}
	if err := c.Wake(t.Context(), "asleep"); err != nil {
		t.Fatal(err)
	}
	if e := awaitPhase(t, c, "asleep", temporal.Closed); e.Status != "completed" {
		t.Errorf("%+v, want completed", e)
	}
	if run := <-decided; run != "run-asleep" {
		t.Errorf("decided for %q", run)
	}
	awaitPhase(t, c, "woken", temporal.Open)
	checkOldAndNew(t, path, before)
}

// checkOldAndNew: the file kept is the old one to the byte, and the new one has our stamp.
func checkOldAndNew(t *testing.T, path string, before []byte) {
	t.Helper()
	kept, err := os.ReadFile(path + ".1.30.4")
	if err != nil || string(kept) != string(before) {
		t.Errorf("the old file was not kept as it was (%v)", err)
	}
	if stamp, err := stampFile(t.Context(), path); err != nil || stamp != schemaStamp {
		t.Errorf("stamp %d, %v", stamp, err)
	}
}

// TestMigratedTablesAreWhole: every row of every table is there, the full-text index included, and the schema is the one
// that this server makes.
func TestMigratedTablesAreWhole(t *testing.T) {
	_, path := olderFile(t)
	was := counts(t, path)
	if err := prepareFile(t.Context(), path, discard()); err != nil {
		t.Fatal(err)
	}
	is := counts(t, path)
	for table, n := range was {
		if !strings.Contains(table, "_fts_") && is[table] != n {
			t.Errorf("%s has %d rows, had %d", table, is[table], n)
		}
	}
	if was["executions"] != 5 || is["executions_visibility_fts_text"] != was["executions_visibility_fts_text"] {
		t.Errorf("%d executions, %d in the index", was["executions"], is["executions_visibility_fts_text"])
	}
	fresh := filepath.Join(t.TempDir(), fileName)
	if err := prepareFile(t.Context(), fresh, discard()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(schemaOfFile(t, path), "\n"), strings.Join(schemaOfFile(t, fresh), "\n"); got != want {
		t.Errorf("the migrated schema is\n%s\nwant\n%s", got, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want only the owner", info.Mode(), err)
	}
}

func counts(t *testing.T, path string) map[string]int {
	t.Helper()
	db := openFile(t, path)
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out[name] = 0
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range out {
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+quoted(name)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		out[name] = n
	}
	return out
}

// TestAKilledMigrationIsMadeAnew, wherever it was killed; what a killed server left in its write-ahead log comes along.
func TestAKilledMigrationIsMadeAnew(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"while it copied": func(path string) error {
			return os.WriteFile(path+".new", []byte("half a file"), 0o600)
		},
		"with a write-ahead log beside the copy": func(path string) error {
			return os.WriteFile(path+".new-wal", []byte("half a log"), 0o600)
		},
		"before the new file was in place": func(path string) error { return os.Link(path, path+".1.30.4") },
	} {
		t.Run(name, func(t *testing.T) {
			_, path := olderFile(t)
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			if err := prepareFile(t.Context(), path, discard()); err != nil {
				t.Fatal(err)
			}
			left, err := filepath.Glob(path + "*")
			if err != nil || len(left) != 2 {
				t.Errorf("left behind: %v, %v", left, err)
			}
			if n := counts(t, path)["executions"]; n != 5 {
				t.Errorf("%d executions, want 5", n)
			}
		})
	}
}

// TestASecondMigrationKeepsBoth: somebody put the old file back, and it is not the one that was kept.
func TestASecondMigrationKeepsBoth(t *testing.T) {
	_, path := olderFile(t)
	if err := os.WriteFile(path+".1.30.4", []byte("kept before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := prepareFile(t.Context(), path, discard()); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path + ".1.30.4")
	if err != nil || string(first) != "kept before" {
		t.Errorf("the file that was kept before is now %q, %v", first, err)
	}
	if stamp, err := stampFile(t.Context(), path+".1.30.4-2"); err != nil || stamp != 1_030_004 {
		t.Errorf("the second is stamped %d, %v", stamp, err)
	}
}

// TestNothingIsDroppedInSilence: rows that the new schema has no place for, or a damaged file, leave the old file where it is.
func TestNothingIsDroppedInSilence(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		want   string
	}{
		"a table with a row": {func(t *testing.T, path string) {
			execFile(t, path, "CREATE TABLE reminders (x); INSERT INTO reminders VALUES (1)")
		}, "no place for column x"},
		"a column": {func(t *testing.T, path string) { execFile(t, path, "ALTER TABLE executions ADD COLUMN colour TEXT") }, "no place for column colour"},
		"damage": {func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(strings.Repeat("\xff", 3*4096)), 40*4096); err != nil {
				t.Fatal(err)
			}
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, path := olderFile(t)
			c.change(t, path)
			err := prepareFile(t.Context(), path, discard())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if stamp, err := stampFile(t.Context(), path); err != nil || stamp != 1_030_004 {
				t.Errorf("the file is stamped %d, %v", stamp, err)
			}
			if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	_, path := olderFile(t)
	execFile(t, path, "CREATE TABLE reminders (x)") // nothing is lost with an empty one
	if err := prepareFile(t.Context(), path, discard()); err != nil {
		t.Error(err)
	}
}

// TestTheLogOfAKilledServerComesAlong: its last commits are only in the write-ahead log.
func TestTheLogOfAKilledServerComesAlong(t *testing.T) {
	_, path := olderFile(t)
	dir := t.TempDir()
	copied := filepath.Join(dir, fileName)
	db := openFile(t, path)
	db.SetMaxOpenConns(1)
	for _, statement := range []string{"PRAGMA journal_mode = wal", "PRAGMA wal_autocheckpoint = 0", "UPDATE shards SET range_id = 4711"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []string{"", "-wal"} { // as the kill leaves them: the log was not folded into the file
		body, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := prepareFile(t.Context(), copied, discard()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{copied, copied + ".1.30.4"} {
		var n int
		err := openFile(t, file).QueryRowContext(t.Context(), "SELECT count(*) FROM shards WHERE range_id = 4711").Scan(&n)
		if err != nil || n != 4 {
			t.Errorf("%s: %d shards with the last commit, %v; want 4", file, n, err)
		}
	}
}
