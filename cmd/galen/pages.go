package main

import (
	"fmt"
	"io"
)

// pageMost is the most items of a page that every list of the API gives.
const pageMost = 1000

// paged asks for the pages of a list until there is none more, or there are want items (0: all), and puts the items of all into the
// last answer. of shows where an answer has its items and its cursor; it is false for one that brought no list.
func paged[R, T any](want int, first *string, ask func(limit int, cursor *string) (R, error), of func(R) (items *[]T, next **string, ok bool)) (R, error) {
	var all []T
	for cursor := first; ; {
		limit := pageMost
		if want > 0 {
			limit = min(want-len(all), pageMost)
		}
		res, err := ask(limit, cursor)
		if err != nil {
			return res, err
		}
		items, next, ok := of(res)
		if !ok {
			return res, nil
		}
		all = append(all, *items...)
		if *next == nil || len(*items) == 0 || want > 0 && len(all) >= want {
			*items = all
			return res, nil
		}
		cursor = *next
	}
}

// printMore says how to go on with a list that is cut short; nil: it is whole.
func printMore(w io.Writer, next *string) {
	if next != nil {
		fmt.Fprintf(w, "\nmore: --cursor %s\n", *next)
	}
}
