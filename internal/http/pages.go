package http

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a page.
const (
	pageUsual = 100
	pageMost  = 1000
	eventMost = 10_000
)

// paging is what a call wants of a list: so many, from where the page before ended.
type paging struct {
	list  string
	limit int
	after string // "" from the beginning
}

// pagingOf reads the limit and the cursor of a call of a list.
func pagingOf(list string, limit *int, cursor *string, usual, most int) (paging, error) {
	p := paging{list: list, limit: usual}
	switch {
	case limit == nil:
	case *limit < 1 || *limit > most:
		return p, badf("limit %d: want 1 to %d; ask for the next page after that", *limit, most)
	default:
		p.limit = *limit
	}
	if cursor == nil {
		return p, nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	of, after, found := strings.Cut(string(text), ":")
	if err != nil || !found || of != list || after == "" {
		return p, senselessf("cursor %.80q: it is none of this list with these filters; take next of the page before as it is, with the filters of that page, and none for the first page", *cursor)
	}
	p.after = after
	return p, nil
}

// next is the cursor of the page that begins after this position.
func (p paging) next(position string) *string {
	text := base64.RawURLEncoding.EncodeToString([]byte(p.list + ":" + position))
	return &text
}

// number is where a list in the order of numbers goes on, 0 from the beginning.
func (p paging) number() (int64, error) {
	if p.after == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.after, 10, 64)
	if err != nil || n < 1 {
		return 0, strange()
	}
	return n, nil
}

// strange is a cursor which goes on from what is not there.
func strange() error {
	return senselessf("cursor: it is none of this list with these filters; take next of the page before as it is, with the filters of that page")
}

// cut leaves of one item more than wanted, if there are so many, those that are wanted, and says where the next page begins.
func cut[T any](p paging, all []T, position func(T) string) ([]T, *string) {
	if len(all) <= p.limit {
		return list(all), nil
	}
	return all[:p.limit], p.next(position(all[p.limit-1]))
}

// pageOf is a page of a list that is there as a whole, in the order of its names: one who came or went between two pages moves no other
// one from its page to another.
func pageOf[T any](p paging, all []T, name func(T) string) ([]T, *string) {
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b T) int { return strings.Compare(name(a), name(b)) })
	from := 0
	if p.after != "" {
		from = slices.IndexFunc(sorted, func(one T) bool { return name(one) > p.after })
		if from < 0 {
			from = len(sorted)
		}
	}
	return cut(p, sorted[from:], name)
}

// placed is one of a list that keeps its order while the engine works.
type placed[T any] struct {
	n  int
	is T
}

// numbered is a list whose order is that of its places.
func numbered[T any](all []T) []placed[T] {
	out := make([]placed[T], 0, len(all))
	for i, one := range all {
		out = append(out, placed[T]{i, one})
	}
	return out
}

func numberedName[T any](p placed[T]) string { return inOrder(int64(p.n)) }

// inOrder is a number such that texts are in the order of numbers.
func inOrder(n int64) string { return fmt.Sprintf("%020d", n) }
