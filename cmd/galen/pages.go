package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// pageMost is the most items of a page that every list of the API gives.
const pageMost = 1000

// paged asks for the pages of a list until there is none more, or there are want items (0: all), and puts the items of all into the
// last answer. of shows where an answer has its items and its cursor; it is false for one that brought no list.
func paged[R, T any](want int, first *string, ask func(limit int, cursor *string) (R, error), of func(R) (items *[]T, next **string, ok bool)) (R, error) {
	all := []T{} // no items are an empty list, not null
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
		stuck := *next != nil && cursor != nil && **next == *cursor
		if *next == nil || stuck || want > 0 && len(all) >= want {
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

// chosen are the flags that chose what a list shows, as a shell takes them; "" for a whole one.
func chosen(cmd *cobra.Command) string {
	var out strings.Builder
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if many, is := f.Value.(pflag.SliceValue); is {
			values = many.GetSlice()
		}
		if !f.Changed || f.Value.String() == "" || slices.Contains([]string{"limit", "watch", "every"}, f.Name) {
			return
		}
		for _, v := range values {
			out.WriteString(" --" + f.Name)
			switch {
			case f.Value.Type() != "bool":
				out.WriteString(" " + asWord(v))
			case v != "true":
				out.WriteString("=" + v)
			}
		}
	})
	return out.String()
}

// asWord is a text as one word of a shell.
func asWord(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:=,+@", r)
	}) {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return text
}

// printNone says that a list has none, and by what it was chosen.
func printNone(w io.Writer, of, chosen string) error {
	text := "no " + of
	if chosen != "" {
		text += " with" + chosen
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// pagedRuns are so many runs of that list from its cursor on, or, without a number, all.
func pagedRuns(ctx context.Context, client *api.ClientWithResponses, want int, of api.ListRunsParams) (*api.ListRunsResponse, error) {
	return paged(want, of.Cursor, func(limit int, cursor *string) (*api.ListRunsResponse, error) {
		of.Limit, of.Cursor = &limit, cursor
		return client.ListRunsWithResponse(ctx, &of)
	}, func(res *api.ListRunsResponse) (*[]galen.Run, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Runs, &res.JSON200.Next, true
	})
}

// allHolds are all pages of that list.
func allHolds(ctx context.Context, client *api.ClientWithResponses) (*api.ListHoldsResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListHoldsResponse, error) {
		return client.ListHoldsWithResponse(ctx, &api.ListHoldsParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListHoldsResponse) (*[]api.Held, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Holds, &res.JSON200.Next, true
	})
}

// allQuarantines are all pages of that list.
func allQuarantines(ctx context.Context, client *api.ClientWithResponses) (*api.ListQuarantinesResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListQuarantinesResponse, error) {
		return client.ListQuarantinesWithResponse(ctx, &api.ListQuarantinesParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListQuarantinesResponse) (*[]galen.Quarantine, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Quarantines, &res.JSON200.Next, true
	})
}

// allRunbooks are all pages of that list.
func allRunbooks(ctx context.Context, client *api.ClientWithResponses) (*api.ListRunbooksResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListRunbooksResponse, error) {
		return client.ListRunbooksWithResponse(ctx, &api.ListRunbooksParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListRunbooksResponse) (*[]api.Runbook, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Runbooks, &res.JSON200.Next, true
	})
}

// allResources are all pages of that list.
func allResources(ctx context.Context, client *api.ClientWithResponses) (*api.ListResourcesResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListResourcesResponse, error) {
		return client.ListResourcesWithResponse(ctx, &api.ListResourcesParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListResourcesResponse) (*[]api.Resource, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Resources, &res.JSON200.Next, true
	})
}

// allFindings are all pages of that list, of one resource or, without one, of all.
func allFindings(ctx context.Context, client *api.ClientWithResponses, resource string) (*api.ListFindingsResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListFindingsResponse, error) {
		return client.ListFindingsWithResponse(ctx, &api.ListFindingsParams{Resource: optional(resource), Limit: &limit, Cursor: cursor})
	}, func(res *api.ListFindingsResponse) (*[]api.FoundProblem, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Findings, &res.JSON200.Next, true
	})
}

// allSchedules are all pages of that list.
func allSchedules(ctx context.Context, client *api.ClientWithResponses) (*api.ListSchedulesResponse, error) {
	return paged(0, nil, func(limit int, cursor *string) (*api.ListSchedulesResponse, error) {
		return client.ListSchedulesWithResponse(ctx, &api.ListSchedulesParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListSchedulesResponse) (*[]galen.Schedule, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Schedules, &res.JSON200.Next, true
	})
}
