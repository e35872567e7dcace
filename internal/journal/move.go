package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"
	"time"
)

// Place is where a journal is: a SQLite file, or a database of PostgreSQL.
type Place struct {
	Path string
	URL  string
}

// String names it without secrets.
func (p Place) String() string {
	if p.URL != "" {
		return "PostgreSQL"
	}
	return p.Path
}

// Moved is the proof of a copy: what was compared on both sides afterwards.
type Moved struct {
	Events int64            `json:"events"`
	Head   string           `json:"head"`
	Rows   map[string]int64 `json:"rows"`
}

// Verify is [Verify] or [VerifyPostgres].
func (p Place) Verify(ctx context.Context) (Report, error) {
	if p.URL != "" {
		return VerifyPostgres(ctx, p.URL)
	}
	return Verify(ctx, p.Path)
}

// Progress is told now and then what is being done, and of how many rows that was done.
type Progress func(doing string, rows int64)

const progressEvery = 1000

// Move copies a whole journal into an empty place, in one transaction, and then proves that nothing was lost: the copy
// verifies, its chain has the same end, and every table has the same rows, by hash. The journal that it came from is only
// read; while an engine writes it, the copy is one consistent moment of it. A copy that is not proved is taken away.
func Move(ctx context.Context, from, to Place, tell Progress) (Moved, error) {
	return copied(ctx, from, to, nil, tell)
}

func copied(ctx context.Context, from, to Place, how *Restored, tell Progress) (Moved, error) {
	if tell == nil {
		tell = func(string, int64) {}
	}
	moved, err := move(ctx, from, to, how, tell)
	if err != nil {
		return Moved{}, fmt.Errorf("copy the journal from %s to %s: %w", from, to, err)
	}
	return moved, nil
}

func move(ctx context.Context, from, to Place, how *Restored, tell Progress) (moved Moved, err error) {
	source, err := from.reader(ctx)
	if err != nil {
		return Moved{}, err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	v, err := source.view(ctx)
	if err != nil {
		return Moved{}, source.advise(err)
	}
	defer func() { err = errors.Join(err, v.end()) }()
	tables, err := record(ctx, v)
	if err == nil {
		err = whole(ctx, v)
	}
	if err != nil {
		return Moved{}, source.advise(err)
	}
	target, err := to.blank(ctx, how.clock())
	if err != nil {
		return Moved{}, err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	if moved, err = fill(ctx, v, target.backend(), filling{tables, how, tell}); err != nil {
		return Moved{}, err
	}
	if file, is := source.(*sqliteFile); is {
		if err := file.still(); err != nil {
			return Moved{}, err
		}
	}
	report, err := target.prove(ctx, tell)
	if err != nil {
		return Moved{}, err
	}
	return moved, report.err("the copy")
}

// reader opens the place to read it, and changes nothing in it.
func (p Place) reader(ctx context.Context) (backend, error) {
	if p.URL != "" {
		return readPostgres(ctx, p.URL)
	}
	if _, err := os.Stat(p.Path); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	at := look(p.Path)
	reads, err := newSQLiteReaders(at.source(), nil)
	if err != nil {
		return nil, err
	}
	return &sqliteFile{reads: reads, still: at.changed}, nil
}

// sum is what a table holds.
type sum struct {
	rows int64
	hash string
}

// record lists the tables that are the record, as far as a journal has them: one of an earlier release has fewer. The rest is about
// processes, and the chain follows from the events.
func record(ctx context.Context, v view) ([]table, error) {
	has, err := tablesOf(ctx, v)
	if err != nil {
		return nil, err
	}
	var out []table
	for _, t := range tables() {
		if has[t.name] && !slices.Contains([]string{"chain", "owner", "engines", "leases"}, t.name) {
			out = append(out, t)
		}
	}
	return out, nil
}

// tablesOf refuses what is no journal, or one of a later release: a table that we do not know would be lost.
func tablesOf(ctx context.Context, v view) (map[string]bool, error) {
	catalog, folder := "SELECT name FROM sqlite_master WHERE type = 'table'", "sqlite"
	if _, pg := v.(pgView); pg {
		catalog, folder = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()", "postgres"
	}
	out := map[string]bool{}
	err := each(ctx, v, func(rows cursor) error {
		var name string
		err := rows.Scan(&name)
		out[name] = true
		return err
	}, catalog)
	if err != nil {
		return nil, err
	}
	if !out["events"] || !out["chain"] || !out["goose_db_version"] {
		return nil, errNoJournal
	}
	known, err := newest(folder)
	if err != nil {
		return nil, err
	}
	var has int64
	if _, err := first(ctx, v, []any{&has}, "SELECT version_id FROM goose_db_version ORDER BY id DESC LIMIT 1"); err != nil {
		return nil, err
	}
	if has > known {
		return nil, fmt.Errorf("its tables have version %d, this galen knows up to %d: use the galen that wrote it, or a newer one", has, known)
	}
	return out, nil
}

// whole refuses a journal whose copy would look better than it is: what the copy gets anew, its pages, its triggers and the line that
// tells how its chain ends, must be right in the source. All else is copied as it is, and verified there.
func whole(ctx context.Context, v view) error {
	c := &checker{cites: map[string]citation{}}
	parts := []part{{"the file", c.pages}, {"the triggers", c.triggers}}
	if _, pg := v.(pgView); pg {
		parts = []part{{"the triggers", c.pgTriggers}}
	}
	for _, p := range append(parts, part{"the end", c.end}) {
		if err := c.damaged(p.what, p.do(ctx, v)); err != nil {
			return err
		}
	}
	if end, err := chainOf(ctx, v); err == nil && end.seq == 0 && c.report.OK() {
		return errors.New("there is no event in it: no engine has ever worked with it, and an empty copy would pass for a backup")
	}
	return c.report.err("the journal")
}

// filling is what a copy is made of.
type filling struct {
	tables []table
	how    *Restored // nil: nothing is changed
	tell   Progress
}

// fill copies all rows in one transaction, reads them again, and leaves it to be committed.
func fill(ctx context.Context, from querier, to backend, f filling) (Moved, error) {
	session, now, err := to.begin(ctx)
	if err != nil {
		return Moved{}, to.advise(err)
	}
	if err := empty(ctx, session); err != nil {
		return Moved{}, err
	}
	moved := Moved{Rows: map[string]int64{}}
	wrote, err := f.copy(ctx, from, session)
	if err != nil {
		return Moved{}, to.advise(err)
	}
	for name, sum := range wrote {
		moved.Rows[name] = sum.rows
	}
	end, err := chainOf(ctx, from)
	if err != nil {
		return Moved{}, err
	}
	moved.Events, moved.Head = end.seq, end.hash
	if err := f.compare(ctx, session, wrote, end); err != nil {
		return Moved{}, to.advise(err)
	}
	if f.how == nil {
		return moved, nil
	}
	if err := f.how.mark(ctx, &tx{session: session, newID: new(idMaker).next, now: now}); err != nil {
		return Moved{}, fmt.Errorf("mark it as restored: %w", to.advise(err))
	}
	return moved, nil
}

func (f filling) copy(ctx context.Context, from querier, to session) (map[string]sum, error) {
	out := map[string]sum{}
	for _, t := range f.tables {
		if t.name == "epoch" {
			if _, err := to.exec(ctx, "DELETE FROM epoch"); err != nil { // that of an empty journal
				return nil, err
			}
		}
		var err error
		if out[t.name], err = copyTable(ctx, from, to, t, f.tell); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// chainOf is how long the chain is and how it ends, as the store tells it.
func chainOf(ctx context.Context, q querier) (end, error) {
	var out end
	found, err := first(ctx, q, []any{&out.seq, &out.hash}, "SELECT events, head FROM chain")
	if err == nil && !found {
		err = errors.New("the line that tells the length of the chain is gone: look with galen journal verify")
	}
	return out, err
}

func copyTable(ctx context.Context, from querier, to session, t table, tell Progress) (sum, error) {
	insert := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(t.columns)-1) + ")"
	rows := int64(0)
	s, err := walk(ctx, from, t, func(row []any) error {
		if rows++; rows%progressEvery == 0 {
			tell("copy "+t.name, rows)
		}
		_, err := to.exec(ctx, insert, row...)
		return err
	})
	if _, pg := to.(*postgres); err == nil && pg && t.counts != "" {
		// The next row is numbered after the copied ones.
		err = each(ctx, to, func(rows cursor) error { var n any; return rows.Scan(&n) },
			"SELECT setval(pg_get_serial_sequence('"+t.name+"', '"+t.counts+"'), coalesce(max("+t.counts+"), 0) + 1, false) FROM "+t.name)
	}
	if err != nil {
		return sum{}, fmt.Errorf("copy the table %s: %w", t.name, err)
	}
	return s, nil
}

// walk reads all rows of a table in the order of its key, and hashes them.
func walk(ctx context.Context, q querier, t table, do func(row []any) error) (sum, error) {
	h, out := sha256.New(), sum{}
	err := each(ctx, walker(q), func(rows cursor) error {
		row := make([]any, len(t.columns))
		to := make([]any, len(row))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		out.rows++
		return errors.Join(add(h, row), do(row))
	}, "SELECT "+strings.Join(t.columns, ", ")+" FROM "+t.name+" ORDER BY "+strings.Join(t.key, ", "))
	out.hash = hex.EncodeToString(h.Sum(nil))
	return out, err
}

func add(h hash.Hash, row []any) error {
	line, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("hash a row: %w", err)
	}
	_, err = h.Write(append(line, '\n'))
	return err
}

// compare reads the copy again and compares table by table, and the end of the chain.
func (f filling) compare(ctx context.Context, copy querier, want map[string]sum, end end) error {
	for _, t := range f.tables {
		f.tell("compare "+t.name, want[t.name].rows)
		got, err := walk(ctx, copy, t, func([]any) error { return nil })
		if err != nil {
			return err
		}
		if got != want[t.name] {
			return fmt.Errorf("the table %s was not copied whole: %d rows were read, %d are there, or they differ", t.name, want[t.name].rows, got.rows)
		}
	}
	is, err := chainOf(ctx, copy)
	if err == nil && is != end {
		err = fmt.Errorf("the chain of the journal ends with event %d (%.12s), that of the copy with %d (%.12s): look at the source with galen journal verify", end.seq, end.hash, is.seq, is.hash)
	}
	return err
}

// Restored says how a backup comes back.
type Restored struct {
	// Why the journal observes only from now on, such as: restored from a file by somebody.
	Why string
	// Elsewhere: the engine that wrote the journal did not work here, and may still work. The copy gets a name of its own in
	// Temporal, so that it does not answer for that one's workflows.
	Elsewhere bool
	Now       func() time.Time
}

// Restore is [Move] of a backup into the place of a journal. What it brings back may be older than the world: it is disarmed until
// a person has looked, from the moment on that it is there.
func Restore(ctx context.Context, from, to Place, how Restored, tell Progress) (Moved, error) {
	if how.Now == nil {
		return Moved{}, errors.New("restore a journal: Restored.Now is required")
	}
	return copied(ctx, from, to, &how, tell)
}

// clock of what is written beside the copied rows; a plain copy writes nothing.
func (r *Restored) clock() func() time.Time {
	if r == nil {
		return func() time.Time { return time.Time{} }
	}
	return Options{Now: r.Now}.clock
}

func (r *Restored) mark(ctx context.Context, t *tx) error {
	if r.Elsewhere {
		if err := t.exec(ctx, "DELETE FROM identity"); err != nil {
			return err
		}
	}
	if err := t.disarm(ctx, r.Why); err != nil {
		return err
	}
	return t.complete()
}
