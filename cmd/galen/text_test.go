package main

import (
	"errors"
	"testing"
	"time"
)

// TestSpan: what is longer than a Duration can be is not told as if it were known.
func TestSpan(t *testing.T) {
	for want, until := range map[string]time.Time{
		"more than 290 years": time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		"365d00h":             noon().AddDate(1, 0, 0),
		"0.0s":                noon().Add(-time.Hour),
		"1m30s":               noon().Add(90 * time.Second),
	} {
		if got := span(until.Sub(noon())); got != want {
			t.Errorf("%s: %s, want %s", until, got, want)
		}
	}
}

func TestFaultsOf(t *testing.T) {
	for want, err := range map[string]error{
		"one":            errors.New("one"),
		"a: b; c":        errors.Join(errors.New("a:\n  b"), errors.New("c")),
		"here: one; two": errors.Join(errors.New("here: one"), errors.New(""), errors.New(" two")),
	} {
		if got := faultsOf(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
