package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report is what became of all mutants.
type report struct {
	Of      string         `json:"of"`
	Counts  map[status]int `json:"counts"`
	Score   float64        `json:"score"`  // percent of those that count which were killed or timed out
	Failed  float64        `json:"failed"` // percent of those that count which failed a test
	Mutants []*mutant      `json:"mutants"`
}

func newReport(of string, mutants []*mutant) *report {
	r := &report{Of: of, Mutants: mutants}
	slices.SortFunc(r.Mutants, func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.id, b.id))
	})
	r.count()
	return r
}

// count computes counts and score anew.
func (r *report) count() {
	r.Counts, r.Score, r.Failed = map[status]int{}, 0, 0
	for _, m := range r.Mutants {
		r.Counts[m.Status]++
	}
	if all := float64(r.all()); all > 0 {
		r.Failed = 100 * float64(r.Counts[killed]) / all
		r.Score = r.Failed + 100*float64(r.Counts[timedOut])/all
	}
}

// all are those that count.
func (r *report) all() int {
	return r.Counts[killed] + r.Counts[timedOut] + r.Counts[survived] + r.Counts[uncovered]
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// writeText lists for people the survivors and those that only the clock noticed, and the score.
func (r *report) writeText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Mutants {
		if m.Status == survived || m.Status == uncovered || m.Status == timedOut {
			fmt.Fprintf(table, "%s\t%s:%d\t%s\t%s\t=>  %s\n", m.Status, m.File, m.Line, m.Func, m.From, m.To)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s: %.1f %% of %d mutants killed: %d failed a test (%.1f %%), %d timed out, again when alone; %d survived, %d in code that no test enters; besides %d equivalent, %d that do not compile\n",
		r.Of, r.Score, r.all(), r.Counts[killed], r.Failed, r.Counts[timedOut], r.Counts[survived], r.Counts[uncovered], r.Counts[equivalent], r.Counts[invalid])
	return err
}
