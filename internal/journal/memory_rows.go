package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// find lists the rows that hold all conditions, in the order of insertion.
func (s *statement) find(args []any) []*memRow {
	rows := s.table.rows
	if s.by != nil {
		var key []byte
		for _, o := range s.keyed {
			key = appendKey(key, o.value(args, nil, nil))
		}
		rows = s.by.rows[string(key)]
	}
	var out []*memRow
	for _, row := range rows {
		if s.holds(row.values, args) {
			out = append(out, row)
		}
	}
	return out
}

func (s *statement) holds(row, args []any) bool {
	for _, c := range s.where {
		is := row[c.column]
		switch c.op {
		case "NULL":
			if is != nil {
				return false
			}
		case "NOT NULL":
			if is == nil {
				return false
			}
		default:
			if !compares(is, c.op, c.to.value(args, row, nil)) {
				return false
			}
		}
	}
	return true
}

// compares as SQL does: nothing compares with NULL.
func compares(a any, op string, b any) bool {
	if a == nil || b == nil {
		return false
	}
	n := order(a, b)
	switch op {
	case "=":
		return n == 0
	case "<>":
		return n != 0
	case "<":
		return n < 0
	case ">":
		return n > 0
	case "<=":
		return n <= 0
	default:
		return n >= 0
	}
}

// order compares values of one column: numbers by size, texts byte by byte; NULL first.
func order(a, b any) int {
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case []byte:
		if b, ok := b.([]byte); ok {
			return bytes.Compare(a, b)
		}
	}
	return cmp.Compare(rank(a), rank(b))
}

func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64:
		return 1
	case string:
		return 2
	default:
		return 3
	}
}

func (s *statement) sort(rows [][]any) {
	if len(s.order) == 0 {
		return
	}
	by := func(a, b []any) int {
		for _, o := range s.order {
			n := order(a[o.column], b[o.column])
			if o.down {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	}
	if !slices.IsSortedFunc(rows, by) {
		slices.SortStableFunc(rows, by)
	}
}

// assigned is a row after the statement's assignments.
func (s *statement) assigned(row, excluded, args []any) []any {
	out := slices.Clone(row)
	for _, a := range s.sets {
		out[a.column] = a.to.value(args, row, excluded)
	}
	return out
}

func (o operand) value(args, row, excluded []any) any {
	switch o.kind {
	case isArgument:
		if o.n < len(args) {
			return args[o.n]
		}
		return nil
	case isLiteral:
		return o.literal
	case isColumn:
		return row[o.n]
	case isExcluded:
		return excluded[o.n]
	default:
		n, _ := row[o.n].(int64) // a column that is counted up is a number
		return n + 1
	}
}

// plainAll makes arguments what a table holds: int64, string, []byte or nothing.
func plainAll(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case nil, string, int64:
			out[i] = v
		case int:
			out[i] = int64(v)
		case []byte:
			if v != nil {
				out[i] = slices.Clone(v)
			}
		default:
			return nil, fmt.Errorf("the journal in memory holds no %T", arg)
		}
	}
	return out, nil
}

// memRows walks over what was found.
type memRows struct {
	columns []int
	rows    [][]any
	now     []any
}

// Next goes on to the next row.
func (r *memRows) Next() bool {
	if len(r.rows) == 0 {
		return false
	}
	r.now, r.rows = r.rows[0], r.rows[1:]
	return true
}

// Scan copies the columns of the row.
func (r *memRows) Scan(to ...any) error {
	if len(to) != len(r.columns) {
		return fmt.Errorf("%d places for %d columns", len(to), len(r.columns))
	}
	for i, column := range r.columns {
		if err := assign(to[i], r.now[column]); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

// Err is nothing: all is read before the first row is given.
func (r *memRows) Err() error { return nil }

// Close lets go of nothing.
func (r *memRows) Close() error { return nil }

func assign(to, v any) error {
	switch to := to.(type) {
	case *string:
		if s, ok := v.(string); ok {
			*to = s
			return nil
		}
	case *[]byte:
		return assignBytes(to, v)
	case *any:
		*to = v
		return nil
	}
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a %T does not fit into a %T", v, to)
	}
	switch to := to.(type) {
	case *int64:
		*to = n
	case *int:
		*to = int(n)
	case *bool:
		*to = n != 0
	default:
		return fmt.Errorf("a %T does not fit into a %T", v, to)
	}
	return nil
}

func assignBytes(to *[]byte, v any) error {
	switch v := v.(type) {
	case nil:
		*to = nil
	case string:
		*to = []byte(v)
	case []byte:
		*to = slices.Clone(v)
	default:
		return fmt.Errorf("a %T is no text", v)
	}
	return nil
}
