package gym

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// Options of [Train].
type Options struct {
	Engine
	// Seed is the first one, N how many follow it.
	Seed uint64
	N    int
	// Workers play at once, at least one.
	Workers int
	// Tell is called after each incident, one call at a time; nil: nobody listens.
	Tell func(Played)
}

// Report is what came of many incidents.
type Report struct {
	N        int
	Failures []Played // with violations, by seed
	// Shortest are the first of them, shortened as far as the violation stays.
	Shortest []Played
	Scores   map[string]Score
	// Sorts counts the incidents of each sort, and those whose runs were all verified.
	Sorts   map[string]Tally
	Virtual time.Duration
	Deaths  int
}

// Tally of incidents of a sort.
type Tally struct{ Incidents, Verified int }

// Score of a runbook.
type Score struct {
	Runs, Verified, Held, Ended int
	// Harm counts the violations in incidents that it had a run in.
	Harm int
	// Took are the times of verified runs, sorted once the report is whole.
	Took []time.Duration
}

// Median time to verified.
func (s Score) Median() time.Duration {
	if len(s.Took) == 0 {
		return 0
	}
	return s.Took[len(s.Took)/2]
}

// Train plays the incidents of N seeds. An error is a fault of the gym or of the engine, no violation.
func Train(ctx context.Context, o Options) (Report, error) {
	report := Report{Scores: map[string]Score{}, Sorts: map[string]Tally{}}
	var mu sync.Mutex
	var failed error
	next := o.Seed
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || ctx.Err() != nil || next-o.Seed >= uint64(max(o.N, 0)) {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var wg sync.WaitGroup
	for range max(o.Workers, 1) {
		wg.Go(func() {
			for seed, more := take(); more; seed, more = take() {
				p, err := Play(ctx, Draw(seed), o.Engine)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					report.add(p)
					if o.Tell != nil {
						o.Tell(p)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	report.finish()
	for _, f := range report.Failures[:min(len(report.Failures), shortened)] {
		report.Shortest = append(report.Shortest, shrink(ctx, f, o.Engine))
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return report, failed
}

// shortened is how many failures are worth the work.
const shortened = 3

func (r *Report) add(p Played) {
	r.N++
	r.Virtual += p.Took
	r.Deaths += p.Deaths
	if len(p.Violations) > 0 {
		r.Failures = append(r.Failures, p)
	}
	t := r.Sorts[p.Incident.Sort]
	t.Incidents++
	if p.Verified() {
		t.Verified++
	}
	r.Sorts[p.Incident.Sort] = t
	harmed := map[string]bool{}
	for _, o := range p.Runs {
		s := r.Scores[o.Runbook]
		s.Runs++
		switch {
		case o.Status == galen.RunVerified:
			s.Verified++
			s.Took = append(s.Took, o.Took)
		case o.Status.Open():
			s.Held++
		default:
			s.Ended++
		}
		if !harmed[o.Runbook] {
			harmed[o.Runbook] = true
			s.Harm += len(p.Violations)
		}
		r.Scores[o.Runbook] = s
	}
}

// Verified tells whether there were runs, and each of them ended well.
func (p Played) Verified() bool {
	return len(p.Runs) > 0 && !slices.ContainsFunc(p.Runs, func(o Outcome) bool { return o.Status != galen.RunVerified })
}

func (r *Report) finish() {
	slices.SortFunc(r.Failures, func(a, b Played) int {
		if a.Incident.Seed < b.Incident.Seed {
			return -1
		}
		return 1
	})
	for name, s := range r.Scores {
		slices.Sort(s.Took)
		r.Scores[name] = s
	}
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d incidents, %s of virtual time, %d deaths of engines, %d with a violation\n\n", r.N, r.Virtual.Round(time.Minute), r.Deaths, len(r.Failures))
	fmt.Fprintf(&b, "%-10s %10s %10s\n", "sort", "incidents", "verified")
	for _, name := range slices.Sorted(maps.Keys(r.Sorts)) {
		t := r.Sorts[name]
		fmt.Fprintf(&b, "%-10s %10d %9.1f%%\n", name, t.Incidents, 100*float64(t.Verified)/float64(max(t.Incidents, 1)))
	}
	fmt.Fprintf(&b, "\n%-26s %7s %9s %6s %6s %6s %10s\n", "runbook", "runs", "verified", "held", "ended", "harm", "median")
	for _, name := range slices.Sorted(maps.Keys(r.Scores)) {
		s := r.Scores[name]
		fmt.Fprintf(&b, "%-26s %7d %9d %6d %6d %6d %10s\n", name, s.Runs, s.Verified, s.Held, s.Ended, s.Harm, s.Median().Round(time.Second))
	}
	return b.String()
}
