package gym

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime"
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
	// Workers play at once; 0: one for each core.
	Workers int
	// Tell is called after each incident, one call at a time; nil: nobody listens.
	Tell func(Played)
	// Enough incidents that broke an invariant or met a faulty runbook end it; 0: all are played.
	Enough int
	// Stories: the report has the story of each incident.
	Stories bool
	// Again is the command that plays a seed again; nil: [Replay].
	Again func(seed uint64) string

	heals float64 // see [Heals]
}

// Report is what came of many incidents.
type Report struct {
	N        int
	Failures []Played // with violations, by seed
	// Shortest are the first of them, shortened as far as the violation stays.
	Shortest []Played
	// Faults of runbooks, by seed.
	Faults []Fault
	Scores map[string]Score
	// Sorts counts the incidents of each sort, and those whose runs were all verified.
	Sorts   map[string]Tally
	Virtual time.Duration
	Deaths  int

	bad     int // incidents with a violation or a fault
	stories []string
	again   func(seed uint64) string
}

// Tally of incidents of a sort.
type Tally struct{ Incidents, Verified int }

// Share is how much of them was verified; all, if there was none.
func (t Tally) Share() float64 {
	if t.Incidents == 0 {
		return 1
	}
	return float64(t.Verified) / float64(t.Incidents)
}

// Of incidents with a single trouble this share is to be verified, once there are enough to tell; of a few, at least one.
const (
	singles      = 100
	leastSingles = 0.95
	fewSingles   = 5
)

// Healed errs if too few of these incidents, each with a single trouble, were verified.
func (t Tally) Healed() error {
	if t.Incidents >= singles && t.Share() < leastSingles || t.Incidents >= fewSingles && t.Verified == 0 {
		return fmt.Errorf("%.1f %% of %d incidents with a single trouble were verified, want %.0f %%", 100*t.Share(), t.Incidents, 100*leastSingles)
	}
	return nil
}

func (t Tally) count(verified bool) Tally {
	t.Incidents++
	if verified {
		t.Verified++
	}
	return t
}

// Score of a runbook.
type Score struct {
	// Held wait for a person; Open were still under way when the incident was over; Ended in another way.
	Runs, Verified, Held, Open, Ended int
	// Singles are the incidents with a single trouble that it had a run in, and those whose runs of it were all verified.
	Singles Tally
	// Harm counts the violations in incidents that it had a run in.
	Harm int
	// Took are the times of verified runs, sorted once the report is whole.
	Took []time.Duration
	// Reasons why runs were held, the commonest first.
	Reasons []Reason
}

// Reason for which runs were held: those that are alike but for their numbers are one.
type Reason struct {
	Runs int
	// Why is that of the first such run.
	Why  string
	seed uint64
}

// number is what differs in reasons that are alike.
var number = regexp.MustCompile(`[0-9]+`)

// heldFor counts a reason.
func (s *Score) heldFor(why string, seed uint64) {
	why, _, _ = strings.Cut(why, "\n") // the stack of a panic
	like := func(r Reason) bool { return number.ReplaceAllString(r.Why, "") == number.ReplaceAllString(why, "") }
	i := slices.IndexFunc(s.Reasons, like)
	if i < 0 {
		s.Reasons = append(s.Reasons, Reason{Runs: 1, Why: why, seed: seed})
		return
	}
	r := &s.Reasons[i]
	if r.Runs++; seed < r.seed {
		r.Why, r.seed = why, seed
	}
}

// reasonsShown are enough to see what is wrong.
const reasonsShown = 3

// reasons are the commonest ones for people.
func (s Score) reasons() string {
	var b strings.Builder
	for _, r := range s.Reasons[:min(len(s.Reasons), reasonsShown)] {
		fmt.Fprintf(&b, "  %6d  %s (seed %d)\n", r.Runs, r.Why, r.seed)
	}
	return b.String()
}

// Median time to verified.
func (s Score) Median() time.Duration {
	if len(s.Took) == 0 {
		return 0
	}
	return s.Took[len(s.Took)/2]
}

func (s Score) median() string {
	if len(s.Took) == 0 {
		return "–"
	}
	return s.Median().Round(time.Second).String()
}

// Train plays the incidents of N seeds. An error is a fault of the gym or of the engine, no violation.
func Train(ctx context.Context, o Options) (Report, error) {
	t := &training{Options: o, next: o.Seed, report: Report{Scores: map[string]Score{}, Sorts: map[string]Tally{}, again: o.Again}}
	var wg sync.WaitGroup
	for range cmp.Or(o.Workers, runtime.NumCPU()) {
		wg.Go(func() {
			for seed, more := t.take(ctx); more; seed, more = t.take(ctx) {
				p, err := Play(ctx, Draw(seed), o.Engine)
				t.played(p, err)
			}
		})
	}
	wg.Wait()
	t.report.finish()
	for _, f := range t.report.Failures[:min(len(t.report.Failures), shortened)] {
		t.report.Shortest = append(t.report.Shortest, shrink(ctx, f, o.Engine))
	}
	if t.failed == nil {
		t.failed = ctx.Err()
	}
	return t.report, t.failed
}

// training is what the players share.
type training struct {
	Options
	mu     sync.Mutex
	next   uint64
	report Report
	failed error
}

// take gives a player the next seed, while there is one.
func (t *training) take(ctx context.Context) (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	enough := t.Enough > 0 && t.report.bad >= t.Enough
	if t.failed != nil || enough || ctx.Err() != nil || t.next-t.Seed >= uint64(max(t.N, 0)) {
		return 0, false
	}
	t.next++
	return t.next - 1, true
}

func (t *training) played(p Played, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failed = err
		return
	}
	t.report.add(p)
	if t.Stories {
		t.report.stories = append(t.report.stories, p.Story)
	}
	if t.Tell != nil {
		t.Tell(p)
	}
}

// shortened is how many failures are worth the work.
const shortened = 3

func (r *Report) add(p Played) {
	r.N++
	r.Virtual += p.Took
	r.Deaths += p.Deaths
	if len(p.Violations)+len(p.Faults) > 0 {
		r.bad++
	}
	if len(p.Violations) > 0 {
		r.Failures = append(r.Failures, p)
	}
	r.Faults = append(r.Faults, p.Faults...)
	r.Sorts[p.Incident.Sort] = r.Sorts[p.Incident.Sort].count(p.Verified())
	met := map[string]bool{}
	for _, o := range p.Runs {
		s := r.Scores[o.Runbook]
		s.Runs++
		switch {
		case o.Status == galen.RunVerified:
			s.Verified++
			s.Took = append(s.Took, o.Took)
		case o.Status == galen.RunHeld, o.Status == galen.RunAsking:
			s.Held++
			s.heldFor(o.Why, p.Incident.Seed)
		case o.Status.Open():
			s.Open++
		default:
			s.Ended++
		}
		if !met[o.Runbook] {
			met[o.Runbook] = true
			s.Harm += len(p.Violations)
			if p.Incident.Sort == Single {
				s.Singles = s.Singles.count(p.verifiedBy(o.Runbook))
			}
		}
		r.Scores[o.Runbook] = s
	}
}

// Verified tells whether there were runs, and each of them ended well.
func (p Played) Verified() bool {
	return len(p.Runs) > 0 && !slices.ContainsFunc(p.Runs, func(o Outcome) bool { return o.Status != galen.RunVerified })
}

// verifiedBy tells whether each run of a runbook ended well.
func (p Played) verifiedBy(runbook string) bool {
	return !slices.ContainsFunc(p.Runs, func(o Outcome) bool { return o.Runbook == runbook && o.Status != galen.RunVerified })
}

func (r *Report) finish() {
	slices.SortFunc(r.Failures, func(a, b Played) int { return cmp.Compare(a.Incident.Seed, b.Incident.Seed) })
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.Seed, b.Seed) })
	for name, s := range r.Scores {
		slices.Sort(s.Took)
		slices.SortFunc(s.Reasons, func(a, b Reason) int {
			return cmp.Or(cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.seed, b.seed), cmp.Compare(a.Why, b.Why))
		})
		r.Scores[name] = s
	}
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s of virtual time, %d deaths of engines, %d with a violation\n\n", incidentsOf(r.N), r.Virtual.Round(time.Minute), r.Deaths, len(r.Failures))
	fmt.Fprintf(&b, "%-10s %10s %10s\n", "sort", "incidents", "verified")
	for _, name := range slices.Sorted(maps.Keys(r.Sorts)) {
		t := r.Sorts[name]
		fmt.Fprintf(&b, "%-10s %10d %9.1f%%\n", name, t.Incidents, 100*t.Share())
	}
	for _, name := range slices.Sorted(maps.Keys(r.Sorts)) {
		if why := notMeant()[name]; why != "" && r.Sorts[name].Share() < 1 {
			fmt.Fprintf(&b, "%s need not all be verified: %s\n", name, why)
		}
	}
	fmt.Fprintf(&b, "\n%-26s %7s %9s %6s %6s %6s %6s %10s\n", "runbook", "runs", "verified", "held", "open", "ended", "harm", "median")
	for _, name := range slices.Sorted(maps.Keys(r.Scores)) {
		s := r.Scores[name]
		fmt.Fprintf(&b, "%-26s %7d %9d %6d %6d %6d %6d %10s\n", name, s.Runs, s.Verified, s.Held, s.Open, s.Ended, s.Harm, s.median())
	}
	for _, name := range slices.Sorted(maps.Keys(r.Scores)) {
		if s := r.Scores[name]; len(s.Reasons) > 0 {
			fmt.Fprintf(&b, "\nheld runs of %s, the commonest reasons:\n%s", name, s.reasons())
		}
	}
	for _, story := range r.stories {
		fmt.Fprintf(&b, "\n%s", story)
	}
	return b.String()
}

func incidentsOf(n int) string {
	if n == 1 {
		return "1 incident"
	}
	return fmt.Sprintf("%d incidents", n)
}

// notMeant are the sorts of incidents whose runs need not all be verified, and why.
func notMeant() map[string]string {
	return map[string]string{
		Storm:    "two or more troubles are drawn within 20 s; where they leave more broken than may be healed without a person, its runs are held",
		Crowd:    "people meddle: a hold, a cancel or work of their own on the ring holds or ends its runs",
		Flapping: "a node that comes back by itself and goes again is restarted by nobody; a person is asked if it goes on too long",
		Rivals:   "in half of them a second node suffers, which may be more than is healed without a person",
		Double:   "a second node suffers meanwhile, which may be more than is healed without a person",
		Asked:    "a person may ask for what the guards refuse, such as to replace a node that works, or call off what is under way",
		Healthy:  "nothing is wrong, so that there is nothing to heal",
	}
}
