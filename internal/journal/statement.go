package journal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The statements of this package keep to a small part of SQL that SQLite, PostgreSQL and the store in memory understand in
// the same way: one table, conditions joined by AND, ? for arguments. This file reads them for the store in memory.
//
//	SELECT a, b FROM t [WHERE a = ? AND b > 0 AND c IS NOT NULL] [ORDER BY a DESC, b] [LIMIT ?]
//	INSERT INTO t (a, b) VALUES (?, 0) [ON CONFLICT (a) DO NOTHING | DO UPDATE SET b = excluded.b, c = t.c + 1]
//	UPDATE t SET a = ?, b = b + 1 [WHERE …]
//	DELETE FROM t [WHERE …]

type statement struct {
	verb     string // SELECT, INSERT, UPDATE, DELETE
	table    *memTable
	columns  []int // selected or inserted
	values   []operand
	conflict string // "", NOTHING, UPDATE
	target   []int  // of the conflict
	sets     []assignment
	where    []condition
	order    []ordering
	limit    *operand
	by       *memIndex // that finds the rows of the conditions, nil: read all
	keyed    []operand // in the order of its columns
}

// operand is a value: an argument, a literal, a column of the row, of the row that was to be inserted, or a column plus one.
type operand struct {
	kind    operandKind
	n       int // of the argument or column
	literal any
}

type operandKind int

const (
	isArgument operandKind = iota
	isLiteral
	isColumn
	isExcluded
	isSuccessor
)

type assignment struct {
	column int
	to     operand
}

type condition struct {
	column int
	op     string // = <> < > <= >= NULL "NOT NULL"
	to     operand
}

type ordering struct {
	column int
	down   bool
}

// words splits a statement into words, numbers, quoted texts and signs.
func words(text string) []string {
	var out []string
	for text = strings.TrimLeft(text, " \n\t"); text != ""; text = strings.TrimLeft(text, " \n\t") {
		n := min(wordLength(text), len(text))
		out, text = append(out, text[:n]), text[n:]
	}
	return out
}

// wordLength is that of the first word of a text which begins with one; of a quoted text that has no end, one more than there is.
func wordLength(text string) int {
	switch {
	case text[0] == '\'':
		return 2 + strings.IndexByte(text[1:]+"'", '\'')
	case isWord(text[0]):
		n := 1
		for n < len(text) && isWord(text[n]) {
			n++
		}
		return n
	case len(text) > 1 && slices.Contains([]string{"<>", "<=", ">="}, text[:2]):
		return 2
	}
	return 1
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// reader reads one statement. The first thing that it does not understand stays in err.
type reader struct {
	words     []string
	arguments int
	table     *memTable
	err       error
}

func (r *reader) next() string {
	if len(r.words) == 0 {
		return ""
	}
	word := r.words[0]
	r.words = r.words[1:]
	return word
}

// is takes the words that follow if they are these.
func (r *reader) is(want ...string) bool {
	if len(r.words) < len(want) || !slices.Equal(r.words[:len(want)], want) {
		return false
	}
	r.words = r.words[len(want):]
	return true
}

func (r *reader) want(want ...string) {
	if !r.is(want...) {
		r.fail("want %s", strings.Join(want, " "))
	}
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+" at %q", append(args, strings.Join(r.words, " "))...)
	}
	r.words = nil
}

// list reads parts that commas divide.
func (r *reader) list(part func()) {
	for part(); r.is(","); part() {
	}
}

func (r *reader) column() int {
	name := r.next()
	if r.table != nil {
		name = strings.TrimPrefix(name, r.table.def.name+".")
		if i := slices.Index(r.table.def.columns, name); i >= 0 {
			return i
		}
	}
	r.fail("no column %q", name)
	return 0
}

func (r *reader) columns() (out []int) {
	r.list(func() { out = append(out, r.column()) })
	return out
}

func (r *reader) operand() operand {
	if len(r.words) == 0 {
		r.fail("want a value")
		return operand{}
	}
	word := r.words[0]
	switch {
	case word == "?":
		r.next()
		r.arguments++
		return operand{kind: isArgument, n: r.arguments - 1}
	case word == "NULL":
		r.next()
		return operand{kind: isLiteral}
	case word[0] == '\'':
		return operand{kind: isLiteral, literal: strings.Trim(r.next(), "'")}
	case word[0] >= '0' && word[0] <= '9':
		n, err := strconv.ParseInt(r.next(), 10, 64)
		if err != nil {
			r.fail("no number: %v", err)
		}
		return operand{kind: isLiteral, literal: n}
	case strings.HasPrefix(word, "excluded."):
		r.words[0] = strings.TrimPrefix(word, "excluded.")
		return operand{kind: isExcluded, n: r.column()}
	}
	o := operand{kind: isColumn, n: r.column()}
	if r.is("+", "1") {
		o.kind = isSuccessor
	}
	return o
}

func (r *reader) assignments() (out []assignment) {
	r.list(func() {
		a := assignment{column: r.column()}
		r.want("=")
		a.to = r.operand()
		out = append(out, a)
	})
	return out
}

func (r *reader) where() (out []condition) {
	if !r.is("WHERE") {
		return nil
	}
	for {
		c := condition{column: r.column()}
		switch {
		case r.is("IS", "NULL"):
			c.op = "NULL"
		case r.is("IS", "NOT", "NULL"):
			c.op = "NOT NULL"
		default:
			if c.op = r.next(); !slices.Contains([]string{"=", "<>", "<", ">", "<=", ">="}, c.op) {
				r.fail("no comparison %q", c.op)
			}
			c.to = r.operand()
		}
		out = append(out, c)
		if !r.is("AND") {
			return out
		}
	}
}

func (r *reader) orders() (out []ordering) {
	if !r.is("ORDER", "BY") {
		return nil
	}
	r.list(func() {
		o := ordering{column: r.column()}
		o.down = r.is("DESC")
		r.is("ASC")
		out = append(out, o)
	})
	return out
}

// compile reads a statement over tables.
func compile(text string, tables map[string]*memTable) (*statement, error) {
	r := &reader{words: words(text)}
	s := &statement{verb: r.next()}
	open := func() {
		if s.table = tables[r.next()]; s.table == nil {
			r.fail("no such table")
		}
		r.table = s.table
	}
	switch s.verb {
	case "SELECT":
		r.selection(s, open)
	case "INSERT":
		r.insertion(s, open)
	case "UPDATE":
		open()
		r.want("SET")
		s.sets, s.where = r.assignments(), r.where()
	case "DELETE":
		r.want("FROM")
		open()
		s.where = r.where()
	default:
		r.fail("no statement %q", s.verb)
	}
	if len(r.words) > 0 {
		r.fail("too much")
	}
	if r.err != nil {
		return nil, fmt.Errorf("the journal in memory cannot read %q: %w", text, r.err)
	}
	s.choose()
	return s, nil
}

// selection reads the table first: the columns stand before it.
func (r *reader) selection(s *statement, open func()) {
	from := slices.Index(r.words, "FROM")
	if from < 0 {
		r.fail("want FROM")
		return
	}
	columns := r.words[:from]
	r.words = r.words[from+1:]
	open()
	rest := r.words
	r.words = columns
	s.columns = r.columns()
	if len(r.words) > 0 {
		r.fail("too much before FROM")
	}
	if r.err != nil {
		return
	}
	r.words = rest
	s.where, s.order = r.where(), r.orders()
	if r.is("LIMIT") {
		limit := r.operand()
		s.limit = &limit
	}
}

func (r *reader) insertion(s *statement, open func()) {
	r.want("INTO")
	open()
	r.want("(")
	s.columns = r.columns()
	r.want(")", "VALUES", "(")
	r.list(func() { s.values = append(s.values, r.operand()) })
	r.want(")")
	if len(s.values) != len(s.columns) {
		r.fail("%d values for %d columns", len(s.values), len(s.columns))
	}
	if !r.is("ON", "CONFLICT") {
		return
	}
	if r.is("(") {
		s.target = r.columns()
		r.want(")")
	}
	r.want("DO")
	switch s.conflict = r.next(); s.conflict {
	case "NOTHING":
	case "UPDATE":
		r.want("SET")
		s.sets = r.assignments()
	default:
		r.fail("want NOTHING or UPDATE")
	}
}

// choose picks the index of most columns that the conditions fix.
func (s *statement) choose() {
	for _, ix := range s.table.indexes {
		if ix.partial || s.by != nil && len(ix.columns) <= len(s.by.columns) {
			continue
		}
		var keyed []operand
		for _, column := range ix.columns {
			i := slices.IndexFunc(s.where, func(c condition) bool { return c.column == column && c.op == "=" && c.to.kind <= isLiteral })
			if i < 0 {
				break
			}
			keyed = append(keyed, s.where[i].to)
		}
		if len(keyed) == len(ix.columns) {
			s.by, s.keyed = ix, keyed
		}
	}
}
