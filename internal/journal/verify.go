package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"modernc.org/sqlite"
)

// faultLimit bounds a report; a journal with more faults is lost anyway.
const faultLimit = 1000

// errCircle ends the reading of a damaged file.
var errCircle = errors.New("the file leads back to events that were read already")

// Verify checks a journal's file from its first event to its last: numbers without gaps, hashes, the chain, its length, and every
// cited row. It writes nothing: while the engine runs, on a copy (with its -wal file, if there is one), offline.
// An error means that it could not look; what it found is in the report, in the order of the events.
func Verify(ctx context.Context, path string) (Report, error) {
	if _, err := os.Stat(path); err != nil {
		return Report{}, fmt.Errorf("verify a journal: %w", err)
	}
	var report Report
	var err error
	for range sights {
		at := look(path)
		report, err = verify(ctx, at.source())
		if moved := at.changed(); moved == nil {
			break
		} else if err == nil {
			err = moved
		}
	}
	var fault *sqlite.Error
	switch {
	case err == nil:
		return report, nil
	case errors.As(err, &fault) && slices.Contains([]int{codeCorrupt, codeNotADB}, fault.Code()&0xff):
		// What was asked of the file does not help anybody, and this is the look that other errors advise.
		return Report{}, fmt.Errorf("verify the journal %s: the file is damaged, so that it cannot be read to its end: keep a copy, restore a backup: %w", path, fault)
	default:
		return Report{}, fmt.Errorf("verify the journal %s: %w", path, adviseSQLite(err))
	}
}

func verify(ctx context.Context, name string) (report Report, err error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return Report{}, err
	}
	c := &checker{cites: map[string]citation{}}
	v := sqliteView{tx: tx}
	if err = c.isJournal(ctx, v); err == nil {
		err = c.all(ctx, v, part{"the file", c.pages}, part{"the triggers", c.triggers})
	}
	return c.report, errors.Join(err, v.end())
}

// citation is the newest that an event says of a row; an empty hash: it is gone.
type citation struct {
	seq  int64
	hash string
}

type checker struct {
	report Report
	last   eventRow
	cites  map[string]citation
	// broken: the pages of the file do not hang together; what is read may go round in circles.
	broken bool
}

func (c *checker) fault(seq int64, row, format string, args ...any) {
	switch n := len(c.report.Faults); {
	case n < faultLimit:
		c.report.Faults = append(c.report.Faults, Fault{Seq: seq, Row: row, What: fmt.Sprintf(format, args...)})
	case n == faultLimit:
		c.report.Faults = append(c.report.Faults, Fault{What: "more faults are left out"})
	}
}

// damaged makes what a damaged file answers a fault, and passes on what keeps us from looking.
func (c *checker) damaged(what string, err error) error {
	var fault *sqlite.Error
	if errors.Is(err, errCircle) || errors.As(err, &fault) && slices.Contains([]int{codeError, codeCorrupt, codeNotADB}, fault.Code()&0xff) {
		c.fault(c.last.seq, "", "%s cannot be read to the end: %v", what, err)
		return nil
	}
	return err
}

// part is one thing to look at.
type part struct {
	what string
	do   func(context.Context, querier) error
}

// all looks at the store itself, then at the chain and at every row that it cites.
func (c *checker) all(ctx context.Context, q querier, store ...part) error {
	q = walker(q)
	for _, p := range append(store, part{"the events", c.events}, part{"the length", c.length}) {
		if err := c.damaged(p.what, p.do(ctx, q)); err != nil {
			return err
		}
	}
	if c.broken {
		c.fault(0, "", "the rows that events cite were not looked at, because the file is damaged: restore it first")
		return nil
	}
	for _, table := range citedTables() {
		if err := c.damaged(table.name, c.rows(ctx, q, table)); err != nil {
			return err
		}
	}
	c.missing()
	return nil
}

// rows looks at a table if the journal is of a release that has it.
func (c *checker) rows(ctx context.Context, q querier, table citedTable) error {
	if table.since > 0 {
		var has int64
		if _, err := first(ctx, q, []any{&has}, "SELECT version_id FROM goose_db_version ORDER BY id DESC LIMIT 1"); err != nil {
			return err
		}
		if has < table.since {
			return nil
		}
	}
	return c.table(ctx, q, table)
}

// isJournal refuses another sort of database.
func (c *checker) isJournal(ctx context.Context, q querier) error {
	count := 0
	if _, err := first(ctx, q, []any{&count}, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('events', 'chain')"); err != nil {
		return err
	}
	if count != 2 {
		return errors.New("this file is not a journal: it has no events")
	}
	return nil
}

// pages: is it a sound database at all.
func (c *checker) pages(ctx context.Context, q querier) error {
	return each(ctx, q, func(rows cursor) error {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			c.broken = true
			c.fault(0, "", "the file is damaged: %s", line)
		}
		return nil
	}, "PRAGMA quick_check(20)")
}

// triggers: the guards of the events are in place.
func (c *checker) triggers(ctx context.Context, q querier) error {
	for _, name := range []string{"events_no_update", "events_no_delete", "events_next", "events_count"} {
		var n int
		if _, err := first(ctx, q, []any{&n}, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events' AND name = ?", name); err != nil {
			return err
		}
		if n != 1 {
			c.fault(0, "trigger/"+name, "the trigger that keeps events append-only is gone")
		}
	}
	return nil
}

func (c *checker) events(ctx context.Context, q querier) error {
	return each(ctx, q, func(rows cursor) error {
		row, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if c.broken && row.seq <= c.last.seq {
			return errCircle
		}
		c.event(row)
		return nil
	}, "SELECT "+eventColumns+" FROM events ORDER BY seq")
}

func (c *checker) event(row eventRow) {
	gap := row.seq != c.last.seq+1
	if gap {
		c.fault(row.seq, "", "%s", gapText(c.last.seq, row.seq))
	}
	if !utf8.ValidString(row.resource+row.run+row.kind+row.by+row.prev) || row.sum() != row.hash {
		c.fault(row.seq, "", "event %d is not what was written: its content does not have its hash", row.seq)
	}
	if !gap && row.prev != c.last.hash {
		c.fault(row.seq, "", "event %d does not follow on event %d: one of the two was changed", row.seq, c.last.seq)
	}
	if strings.Contains(string(row.body), `"`+citesField+`"`) {
		c.cited(row)
	}
	c.report.Events++
	c.report.Head = row.hash
	row.body = nil
	c.last = row
}

func gapText(before, seq int64) string {
	switch missing := seq - before - 1; {
	case missing < 0:
		return fmt.Sprintf("event %d stands before the first", seq)
	case missing == 1:
		return fmt.Sprintf("event %d is missing", seq-1)
	default:
		return fmt.Sprintf("events %d to %d are missing", before+1, seq-1)
	}
}

func (c *checker) cited(row eventRow) {
	var body struct {
		Cites map[string]string `json:"cites"`
	}
	if err := json.Unmarshal(row.body, &body); err != nil {
		c.fault(row.seq, "", "the body of event %d is no JSON: %v", row.seq, err)
		return
	}
	for name, hash := range body.Cites {
		c.cites[name] = citation{seq: row.seq, hash: hash}
	}
}

// end compares the line that tells the end of the chain with the newest event alone.
func (c *checker) end(ctx context.Context, q querier) error {
	says, why, err := ending(ctx, q)
	if why != "" {
		c.fault(says.seq, "chain", "%s", why)
	}
	return err
}

// ending is how the chain ends as its own line tells it, and why the newest event is another one, "" if it is that.
func ending(ctx context.Context, q querier) (says end, why string, err error) {
	if says, err = chainOf(ctx, q); err != nil {
		return says, "", err
	}
	var is end
	if _, err := first(ctx, q, []any{&is.seq, &is.hash}, "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"); err != nil {
		return says, "", err
	}
	switch {
	case is.seq < says.seq:
		why = fmt.Sprintf("events %d to %d are missing at the end", is.seq+1, says.seq)
	case is.seq > says.seq:
		why = fmt.Sprintf("there are %d events too many at the end", is.seq-says.seq)
	case is.hash != says.hash:
		why = "the last event is not the one that was written"
	}
	return says, why, nil
}

// length: a tail that was cut off, or an end that was written anew.
func (c *checker) length(ctx context.Context, q querier) error {
	var events int64
	var head string
	found, err := first(ctx, q, []any{&events, &head}, "SELECT events, head FROM chain")
	if err != nil {
		return err
	}
	switch {
	case !found:
		c.fault(c.last.seq, "chain", "the line that tells the length of the chain is gone")
	case events > c.last.seq:
		c.fault(c.last.seq, "chain", "events %d to %d are missing at the end", c.last.seq+1, events)
	case events < c.last.seq:
		c.fault(c.last.seq, "chain", "there are %d events too many at the end", c.last.seq-events)
	case head != c.report.Head:
		c.fault(c.last.seq, "chain", "the last event is not the one that was written")
	}
	if events == c.last.seq && c.report.Events != events {
		c.fault(c.last.seq, "chain", "%d events are there, %d were written", c.report.Events, events)
	}
	return nil
}

// table compares the rows of a table with what the events say of them.
func (c *checker) table(ctx context.Context, q querier, table citedTable) error {
	return each(ctx, q, func(rows cursor) error {
		name, hash, err := table.row(rows)
		if errors.Is(err, errAtOdds) {
			c.fault(c.cites[name].seq, name, "%v", err)
			delete(c.cites, name)
			return nil
		}
		if err != nil {
			return err
		}
		said, known := c.cites[name]
		delete(c.cites, name)
		switch {
		case !known && table.late:
		case !known:
			c.fault(0, name, "no event knows this row")
		case said.hash == "":
			c.fault(said.seq, name, "event %d says that this row is gone", said.seq)
		case said.hash != hash:
			c.fault(said.seq, name, "the row is not what event %d says", said.seq)
		}
		return nil
	}, table.query)
}

// missing: what is cited and was in no table.
func (c *checker) missing() {
	var names []string
	for name, said := range c.cites {
		if said.hash != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(c.cites[a].seq - c.cites[b].seq) })
	for _, name := range names {
		c.fault(c.cites[name].seq, name, "the row is gone, event %d says that it is there", c.cites[name].seq)
	}
}
