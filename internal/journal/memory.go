package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// memory is the store of [OpenMemory]: tables in Go maps, for simulations that open thousands of journals. One transaction or
// view at a time has it for itself. A stored row is never changed, only replaced, so that what was read stays.
type memory struct {
	clock      func() time.Time
	mu         sync.Mutex
	tables     map[string]*memTable
	statements map[string]*statement
	done       []change // of the open transaction, to be taken back
	saved      int      // how many of them stood before the savepoint
	read       map[string]any
}

type memTable struct {
	def     table
	rows    []*memRow // in the order of insertion
	indexes []*memIndex
	counts  int // column that is numbered, -1 for none
	last    int64
}

// memRow is a row; a replaced row keeps its place.
type memRow struct{ values []any }

type memIndex struct {
	columns []int
	unique  bool
	partial bool
	only    int
	is      int64
	rows    map[string][]*memRow
}

// change is what it takes to undo a change: the values before, nil when the row was inserted.
type change struct {
	table  *memTable
	row    *memRow
	before []any
	gone   bool // the row was deleted
}

var errAppendOnly = errors.New("events are append-only")

func newMemory(clock func() time.Time) *memory {
	m := &memory{clock: clock, tables: map[string]*memTable{}, statements: map[string]*statement{}, read: map[string]any{}}
	for _, def := range tables() {
		m.tables[def.name] = newMemTable(def)
	}
	m.tables["chain"].link(&memRow{values: []any{int64(1), int64(0), ""}})
	m.tables["epoch"].link(&memRow{values: []any{int64(1), int64(1), int64(1), "", "[]", "", int64(0)}})
	return m
}

func newMemTable(def table) *memTable {
	t := &memTable{def: def, counts: slices.Index(def.columns, def.counts)}
	add := func(columns []string, unique bool, only index) {
		ix := &memIndex{unique: unique, partial: only.only != "", only: slices.Index(def.columns, only.only), is: only.is, rows: map[string][]*memRow{}}
		for _, c := range columns {
			ix.columns = append(ix.columns, slices.Index(def.columns, c))
		}
		t.indexes = append(t.indexes, ix)
	}
	add(def.key, true, index{})
	for _, u := range def.unique {
		add(u.columns, true, u)
	}
	for _, columns := range def.lookup {
		add(columns, false, index{})
	}
	return t
}

// begin gives the tables to one transaction alone.
func (m *memory) begin(ctx context.Context) (session, time.Time, error) {
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		m.mu.Unlock()
		return nil, time.Time{}, err
	}
	return m, m.clock(), nil
}

func (m *memory) view(ctx context.Context) (view, error) {
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return memView{m}, nil
}

func (m *memory) close() error { return nil }

func (m *memory) documents() map[string]any { return m.read }

func (m *memory) advise(err error) error { return err }

// memView reads until it ends.
type memView struct{ *memory }

func (v memView) now(context.Context) (time.Time, error) { return v.clock(), nil }

func (v memView) end() error {
	v.mu.Unlock()
	return nil
}

func (m *memory) statement(text string) (*statement, error) {
	if s, ok := m.statements[text]; ok {
		return s, nil
	}
	s, err := compile(text, m.tables)
	if err != nil {
		return nil, err
	}
	m.statements[text] = s
	return s, nil
}

func (m *memory) query(_ context.Context, text string, args ...any) (cursor, error) {
	s, err := m.statement(text)
	if err != nil {
		return nil, err
	}
	if s.verb != "SELECT" {
		return nil, fmt.Errorf("not a question: %s", text)
	}
	values, err := plainAll(args)
	if err != nil {
		return nil, err
	}
	found := s.find(values)
	out := &memRows{columns: s.columns, rows: make([][]any, 0, len(found))}
	for _, row := range found {
		out.rows = append(out.rows, row.values)
	}
	s.sort(out.rows)
	if s.limit != nil {
		if n, ok := s.limit.value(values, nil, nil).(int64); ok && n >= 0 && int(n) < len(out.rows) {
			out.rows = out.rows[:n]
		}
	}
	return out, nil
}

func (m *memory) exec(_ context.Context, text string, args ...any) (int64, error) {
	switch text {
	case "COMMIT":
		m.finish(len(m.done))
		return 0, nil
	case "ROLLBACK":
		m.finish(0)
		return 0, nil
	case "SAVEPOINT request":
		m.saved = len(m.done)
		return 0, nil
	case "ROLLBACK TO request":
		m.undo(m.saved)
		return 0, nil
	case "RELEASE request":
		return 0, nil
	}
	s, err := m.statement(text)
	if err != nil {
		return 0, err
	}
	values, err := plainAll(args)
	if err != nil {
		return 0, err
	}
	switch s.verb {
	case "INSERT":
		return m.insert(s, values)
	case "UPDATE":
		return m.update(s, values)
	case "DELETE":
		return m.remove(s, values)
	}
	return 0, fmt.Errorf("not a change: %s", text)
}

// finish ends the transaction with so many of its changes.
func (m *memory) finish(keep int) {
	m.undo(keep)
	m.done, m.saved = m.done[:0], 0
	m.mu.Unlock()
}

func (m *memory) update(s *statement, args []any) (int64, error) {
	found := s.find(args)
	for _, row := range found {
		if err := m.replace(s.table, row, s.assigned(row.values, nil, args)); err != nil {
			return 0, err
		}
	}
	return int64(len(found)), nil
}

func (m *memory) remove(s *statement, args []any) (int64, error) {
	found := s.find(args)
	if len(found) > 0 && s.table.def.name == "events" {
		return 0, errAppendOnly
	}
	for _, row := range found {
		m.done = append(m.done, change{table: s.table, row: row, before: row.values, gone: true})
		s.table.unlink(row)
	}
	return int64(len(found)), nil
}

// undo takes changes back, the newest first, until so many are left.
func (m *memory) undo(to int) {
	for i := len(m.done) - 1; i >= to; i-- {
		switch c := m.done[i]; {
		case c.before == nil:
			c.table.unlink(c.row)
		case c.gone:
			c.table.link(c.row)
		default:
			c.table.reindex(c.row, c.before)
		}
	}
	m.done = m.done[:to]
}

func (m *memory) insert(s *statement, args []any) (int64, error) {
	t := s.table
	values := make([]any, len(t.def.columns))
	for i := range values {
		if t.def.columns[i] == "duplicates" {
			values[i] = int64(0)
		}
	}
	for i, column := range s.columns {
		values[column] = s.values[i].value(args, nil, nil)
	}
	if t.counts >= 0 {
		if n, given := values[t.counts].(int64); given {
			t.last = max(t.last, n)
		} else {
			t.last++
			values[t.counts] = t.last
		}
	}
	if twin := t.twin(values, nil); twin != nil {
		switch s.conflict {
		case "NOTHING":
			return 0, nil
		case "UPDATE":
			return 1, m.replace(t, twin, s.assigned(twin.values, values, args))
		}
		return 0, fmt.Errorf("insert into %s: a row with its key is there already", t.def.name)
	}
	if t.def.name == "events" {
		if err := m.follow(values); err != nil {
			return 0, err
		}
	}
	row := &memRow{values: values}
	m.done = append(m.done, change{table: t, row: row})
	t.link(row)
	return 1, nil
}

// follow does what the triggers of the other stores do: events are numbered without gaps, and the chain knows its end.
func (m *memory) follow(event []any) error {
	chain := m.tables["chain"]
	end := chain.rows[0]
	if event[0] != end.values[1].(int64)+1 {
		return errors.New("events are numbered without gaps")
	}
	return m.replace(chain, end, []any{int64(1), event[0], event[len(event)-1]})
}

func (m *memory) replace(t *memTable, row *memRow, values []any) error {
	if t.def.name == "events" {
		return errAppendOnly
	}
	if t.twin(values, row) != nil {
		return fmt.Errorf("update %s: another row has that key already", t.def.name)
	}
	m.done = append(m.done, change{table: t, row: row, before: row.values})
	t.reindex(row, values)
	return nil
}

// twin is another row that shares a unique key with the values.
func (t *memTable) twin(values []any, but *memRow) *memRow {
	for _, ix := range t.indexes {
		if !ix.unique || !ix.has(values) {
			continue
		}
		for _, row := range ix.rows[string(ix.key(values))] {
			if row != but {
				return row
			}
		}
	}
	return nil
}

func (t *memTable) link(row *memRow) {
	t.rows = append(t.rows, row)
	for _, ix := range t.indexes {
		ix.add(row)
	}
}

func (t *memTable) unlink(row *memRow) {
	t.rows = without(t.rows, row)
	for _, ix := range t.indexes {
		ix.remove(row)
	}
}

// reindex gives a row new values; it keeps its place wherever its key stays.
func (t *memTable) reindex(row *memRow, values []any) {
	old := *row
	for _, ix := range t.indexes {
		if ix.has(old.values) != ix.has(values) || !bytes.Equal(ix.key(old.values), ix.key(values)) {
			ix.remove(row)
			row.values = values
			ix.add(row)
			row.values = old.values
		}
	}
	row.values = values
}

func without(rows []*memRow, row *memRow) []*memRow {
	if i := slices.Index(rows, row); i >= 0 {
		return slices.Delete(rows, i, i+1)
	}
	return rows
}

func (ix *memIndex) has(values []any) bool { return !ix.partial || values[ix.only] == ix.is }

func (ix *memIndex) key(values []any) []byte {
	var b []byte
	for _, c := range ix.columns {
		b = appendKey(b, values[c])
	}
	return b
}

func appendKey(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		b = strconv.AppendInt(append(b, 's'), int64(len(v)), 10)
		return append(append(b, ':'), v...)
	case int64:
		return append(strconv.AppendInt(append(b, 'i'), v, 10), ':')
	default:
		return append(b, 'n')
	}
}

func (ix *memIndex) add(row *memRow) {
	if ix.has(row.values) {
		key := string(ix.key(row.values))
		ix.rows[key] = append(ix.rows[key], row)
	}
}

func (ix *memIndex) remove(row *memRow) {
	if !ix.has(row.values) {
		return
	}
	key := string(ix.key(row.values))
	if left := without(ix.rows[key], row); len(left) > 0 {
		ix.rows[key] = left
	} else {
		delete(ix.rows, key)
	}
}
