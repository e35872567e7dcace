package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/gym"
)

// gymFlags are those of galen gym.
type gymFlags struct {
	n, workers int
	seed       uint64
	runbook    string
	story      bool
	keep       string
}

func (c *cli) gymCommand() *cobra.Command {
	var f gymFlags
	cmd := &cobra.Command{
		Use:   "gym",
		Short: "Let the runbooks face seeded incidents in virtual time",
		Long: `Plays N incidents, one for each seed from SEED on: a simulated ring whose nodes die, freeze, lose their data or are worked
on by people; calls that are lost, late or lie; engines that die at any moment, or two on one journal. The engine's parts
are the real ones. A checker that sees what is true names each invariant that did not hold; nothing outside this process
is touched.

An incident is of one sort, and the report says how much of each was verified. With the listed runbooks:
  single    one thing goes wrong with one node, all else works: 95 % are verified, or the gym fails
  calls     besides, calls are lost, late, doubled or lie
  dying     besides, engines die, freeze, lose their journal or their sight
  double    a second node suffers meanwhile: if that is more than may be healed without a person, the run is held
  storm     two troubles or more within 20 s: mostly more than may be healed without a person; some hit one node only, or
            find no empty instance
  crowd     people work on the same ring, set holds and cancel runs: what they stop is not verified
  flapping  one node goes down and comes back over and over: nothing is restarted; a person is asked if it goes on
  rivals    two engines on one journal
  asked     people ask for runbooks that no finding opens, also where the guards refuse; upgrades in the middle
  healthy   nothing is wrong but alerts, lies and clocks: nothing is to be healed

A seed that fails prints what happened, shortened as far as it still fails, and the command that plays it again. Exit code
3 if one did; if a runbook was at fault: it panicked, took too long, or gave two plans for one situation; and if less than
95 % of at least 100 single troubles were verified, or none of at least 5. Ctrl-C ends it with what was played so far.

A runbook that is not in this galen plays in a test of its own: see runbooks/README.md.`,
		Example: `  galen gym --n 1000
  galen gym --seed 4711 --n 1 --story           # one incident, line by line
  galen gym --runbook cassandra/heal-node`,
		Args: takes(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.gym(cmd.Context(), f) },
	}
	cmd.Flags().IntVar(&f.n, "n", 1000, "how many incidents")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first one")
	cmd.Flags().IntVar(&f.workers, "workers", 0, "how many are played at once; 0: one for each core")
	cmd.Flags().StringVar(&f.runbook, "runbook", "", "only this runbook heals; what it does not heal is left alone")
	cmd.Flags().BoolVar(&f.story, "story", false, "tell what happened in each incident; with -o json on standard error")
	cmd.Flags().StringVar(&f.keep, "keep", "", "write the shortest story of a failure to a file in this directory; gym/testdata/kept makes it a test")
	return cmd
}

func (c *cli) gym(ctx context.Context, f gymFlags) error {
	o, err := f.options(c.books)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer release()
	began := c.now()
	o.Tell = c.gymProgress(f, began)
	report, err := gym.Train(ctx, o)
	took := c.now().Sub(began)
	if err != nil && ctx.Err() == nil {
		return err
	}
	shown := c.print(answerOf(report, took), func(w io.Writer) error { return writeReport(w, report, took) })
	if err != nil {
		err = fmt.Errorf("interrupted after %d of %d incidents", report.N, f.n)
	}
	return errors.Join(shown, verdict(report), f.healed(report), f.proved(report), f.kept(report), err)
}

// healed: enough of the incidents with a single trouble were verified; with --runbook, of those that it had a run in.
func (f gymFlags) healed(r gym.Report) error {
	t := r.Sorts[gym.Single]
	if f.runbook != "" {
		t = r.Scores[f.runbook].Singles
	}
	if err := t.Healed(); err != nil {
		return notDone("%w", err)
	}
	return nil
}

// proved: of each runbook a run was verified, if enough incidents were played to tell.
func (f gymFlags) proved(r gym.Report) error {
	if f.runbook != "" {
		if r.N > 0 && r.Scores[f.runbook].Runs == 0 {
			return notDone("%s had no run in %s, so that nothing is proved of it", f.runbook, some(r.N, "incident"))
		}
		return nil
	}
	names := make([]string, 0, len(catalogue().Runbooks))
	for _, rb := range catalogue().Runbooks {
		names = append(names, rb.Name)
	}
	if none := r.Unproved(names); len(none) > 0 {
		return notDone("no run of %s was verified in %d incidents, so that nothing is proved of it", strings.Join(none, ", "), r.N)
	}
	return nil
}

// kept writes the failures where they were asked for.
func (f gymFlags) kept(r gym.Report) error {
	if f.keep == "" {
		return nil
	}
	for _, p := range r.Shortest {
		if _, err := p.Keep(f.keep); err != nil {
			return err
		}
	}
	return nil
}

func (f gymFlags) options(books []galen.ListedRunbook) (gym.Options, error) {
	o := gym.Options{Engine: gym.Engine{Runbooks: books}, Seed: f.seed, N: f.n, Workers: f.workers}
	if f.n < 1 {
		return o, usage("--n %d: want at least 1 incident", f.n)
	}
	if f.workers < 0 {
		return o, usage("--workers %d: want how many are played at once, or 0: one for each core", f.workers)
	}
	if f.runbook == "" {
		return o, nil
	}
	var names []string
	for _, rb := range catalogue().Runbooks {
		if rb.Name != f.runbook {
			names = append(names, rb.Name)
			continue
		}
		if len(rb.Heals) == 0 {
			return o, usage("%s heals nothing unasked, so that it alone would have no run; leave out --runbook: there people ask for it", rb.Name)
		}
		o.Runbooks = []galen.ListedRunbook{rb}
		o.Again = func(seed uint64) string { return gym.Replay(seed) + " --runbook " + rb.Name }
		return o, nil
	}
	return o, usage("no runbook %q; there are %s", f.runbook, strings.Join(names, ", "))
}

// gymProgress tells the stories, and from time to time how far the gym is.
func (c *cli) gymProgress(f gymFlags, began time.Time) func(gym.Played) {
	last, played, broke := began, 0, 0
	stories := c.out
	if !c.forPeople() {
		stories = c.errs // the answer stands alone
	}
	return func(p gym.Played) {
		played++
		if len(p.Violations)+len(p.Faults) > 0 {
			broke++
		}
		if f.story {
			fmt.Fprintf(stories, "%s\n", p.Story)
		}
		if now := c.now(); now.Sub(last) >= progressEvery && !f.story {
			last = now
			fmt.Fprintf(c.errs, "%d of %d incidents, %d failed\n", played, f.n, broke)
		}
	}
}

// gymAnswer is the report as JSON.
type gymAnswer struct {
	Incidents int            `json:"incidents"`
	Virtual   galen.Duration `json:"virtual"`
	Took      galen.Duration `json:"took"`
	Deaths    int            `json:"deaths"`
	Failures  []gymFailure   `json:"failures"`
	Faults    []gymFault     `json:"faults"`
	Sorts     []gymSort      `json:"sorts"`
	Runbooks  []gymScore     `json:"runbooks"`
}

type gymFailure struct {
	Seed       uint64   `json:"seed"`
	Sort       string   `json:"sort"`
	Violations []string `json:"violations"`
	Again      string   `json:"again"`
}

type gymFault struct {
	Seed    uint64 `json:"seed"`
	Runbook string `json:"runbook"`
	Why     string `json:"why"`
	Again   string `json:"again"`
}

type gymSort struct {
	Sort      string `json:"sort"`
	Incidents int    `json:"incidents"`
	Verified  int    `json:"verified"`
}

type gymScore struct {
	Runbook  string         `json:"runbook"`
	Runs     int            `json:"runs"`
	Verified int            `json:"verified"`
	Held     int            `json:"held"`
	Open     int            `json:"open"`
	Ended    int            `json:"ended"`
	Harm     int            `json:"harm"`
	Median   galen.Duration `json:"median"`
	Reasons  []gymReason    `json:"held_for"`
}

type gymReason struct {
	Runs int    `json:"runs"`
	Why  string `json:"why"`
}

func answerOf(r gym.Report, took time.Duration) gymAnswer {
	out := gymAnswer{
		Incidents: r.N, Virtual: galen.Duration(r.Virtual), Took: galen.Duration(took), Deaths: r.Deaths,
		Failures: []gymFailure{}, Faults: []gymFault{}, Sorts: []gymSort{}, Runbooks: []gymScore{},
	}
	for _, p := range r.Failures {
		f := gymFailure{Seed: p.Incident.Seed, Sort: p.Incident.Sort, Again: r.Again(p.Incident.Seed)}
		for _, v := range p.Violations {
			f.Violations = append(f.Violations, v.String())
		}
		out.Failures = append(out.Failures, f)
	}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, gymFault{Seed: f.Seed, Runbook: f.Runbook, Why: f.Why, Again: r.Again(f.Seed)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Sorts)) {
		out.Sorts = append(out.Sorts, gymSort{Sort: name, Incidents: r.Sorts[name].Incidents, Verified: r.Sorts[name].Verified})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Scores)) {
		s := r.Scores[name]
		score := gymScore{
			Runbook: name, Runs: s.Runs, Verified: s.Verified, Held: s.Held, Open: s.Open, Ended: s.Ended, Harm: s.Harm, Median: galen.Duration(s.Median()), Reasons: []gymReason{},
		}
		for _, reason := range s.Reasons {
			score.Reasons = append(score.Reasons, gymReason{Runs: reason.Runs, Why: reason.Why})
		}
		out.Runbooks = append(out.Runbooks, score)
	}
	return out
}

func writeReport(w io.Writer, r gym.Report, took time.Duration) error {
	seconds := max(took.Seconds(), 1e-3)
	_, err := fmt.Fprintf(w, "%s\n\n%.1f incidents/s, %.0f times faster than time\n", strings.TrimSpace(r.String()), float64(r.N)/seconds, r.Virtual.Seconds()/seconds)
	return err
}

func verdict(r gym.Report) error {
	if len(r.Failures)+len(r.Faults) == 0 {
		return nil
	}
	return notDone("%d incidents broke an invariant, in %d a runbook was at fault:\n%s", len(r.Failures), len(r.Faults), r.Told())
}
