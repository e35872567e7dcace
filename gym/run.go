package gym

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/runbooks"
)

// What [Run] reads of the environment, so that a test of any package can be told without a flag of its own.
const (
	// SeedVariable names one seed: its incident alone is played, and its story told.
	SeedVariable = "GALEN_GYM_SEED"
	// IncidentsVariable is how many incidents are played, from seed 1 on; 60 if it is not set.
	IncidentsVariable = "GALEN_GYM_INCIDENTS"
)

const (
	runIncidents = 60 // what a test can wait for
	runEnough    = 3  // failures, after which the rest would say the same
)

// RunOption changes what [Run] wants of a runbook.
type RunOption func(*Options)

// Heals is the share, from 0 to 1, of the incidents with a single trouble in which the runbook had a run that are to be verified; 0.95 if
// it is not said. Less is for a runbook that gives a part of what it is opened for to a person, by intent.
func Heals(share float64) RunOption { return func(o *Options) { o.heals = share } }

// Run lets a runbook face incidents beside those that the product lists; one of the same name takes the listed one's place,
// and it is asked first of all. The test fails if an invariant is broken, if a runbook is at fault (it panicked, took too
// long, gave two plans for one situation or one without a form), if none of its runs was verified, which would prove
// nothing, and if too few of the incidents with a single trouble were, see [Heals]. It tells the seed, the shortest story and
// the command that plays it again.
func Run(t *testing.T, rb galen.ListedRunbook, options ...RunOption) Report {
	t.Helper()
	o, err := runOptions(rb, os.Getenv, options...)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd() // that of the test's package
	if err != nil {
		t.Fatal(err)
	}
	o.Again = func(seed uint64) string { return replayTest(t.Name(), dir, seed) }
	report, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, complaint := range complaints(report, rb, o) {
		t.Error(complaint)
	}
	t.Log("\n" + report.String())
	return report
}

func runOptions(rb galen.ListedRunbook, env func(string) string, options ...RunOption) (Options, error) {
	if err := playable(rb); err != nil {
		return Options{}, err
	}
	listed := slices.DeleteFunc(runbooks.All(), func(o galen.ListedRunbook) bool { return o.Name == rb.Name })
	o := Options{
		Engine: Engine{Runbooks: append([]galen.ListedRunbook{rb}, listed...)}, Seed: 1, N: runIncidents, Enough: runEnough, heals: leastSingles,
	}
	for _, change := range options {
		change(&o)
	}
	if !(o.heals >= 0 && o.heals <= 1) {
		return o, fmt.Errorf("gym.Heals(%v): want a share from 0 to 1", o.heals)
	}
	if text := env(IncidentsVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("%s=%s: want how many incidents, at least 1", IncidentsVariable, text)
		}
		o.N = n
	}
	if text := env(SeedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return o, fmt.Errorf("%s=%s: want the seed that a failed test named", SeedVariable, text)
		}
		o.Seed, o.N, o.Stories = seed, 1, true
	}
	return o, nil
}

// playable tells whether the gym, whose ring is one of Cassandra, can open runs of a runbook.
func playable(rb galen.ListedRunbook) error {
	err := rb.CheckName()
	if kind, _, _ := strings.Cut(rb.Name, "/"); err == nil && kind != cassandra.KindName {
		err = fmt.Errorf("runbook %q is of the kind %s, and the gym plays %s only", rb.Name, kind, cassandra.KindName)
	}
	return err
}

// replayTest is the command that plays a seed of one test again, wherever its runbook is.
func replayTest(test, dir string, seed uint64) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return fmt.Sprintf("cd '%s' && %s=%d go test -v -run '%s' .", dir, SeedVariable, seed, strings.Join(parts, "/"))
}

// complaints are why a test of the runbook fails; none: it passes.
func complaints(r Report, rb galen.ListedRunbook, o Options) []string {
	var out []string
	if len(r.Failures)+len(r.Faults) > 0 {
		out = append(out, fmt.Sprintf("%d incidents were played. %d of them broke an invariant, in %d a runbook was at fault:\n%s", r.N, len(r.Failures), len(r.Faults), r.Told()))
	}
	if o.Stories {
		return out // one incident need not be one that it heals
	}
	switch s := r.Scores[rb.Name]; {
	case s.Runs == 0:
		out = append(out, fmt.Sprintf("%s had no run in %d incidents, so that nothing is proved: it heals %q, and nobody asked for it", rb.Name, r.N, rb.Heals))
	case s.Verified == 0:
		out = append(out, fmt.Sprintf("none of the %d runs of %s was verified, so that nothing is proved; %d were held for a person:\n%s", s.Runs, rb.Name, s.Held, s.reasons()))
	case s.Singles.Share() < o.heals:
		out = append(out, fmt.Sprintf("%s was verified in %d of the %d incidents with a single trouble that it had a run in: %.0f %%, want %.0f %% (gym.Heals wants less of a runbook that gives up by intent); "+
			"%d of all its runs were held for a person:\n%s", rb.Name, s.Singles.Verified, s.Singles.Incidents, 100*s.Singles.Share(), 100*o.heals, s.Held, s.reasons()))
	}
	return out
}

func train(t *testing.T, o Options) Report {
	t.Helper()
	report, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failures)+len(report.Faults) > 0 {
		t.Errorf("%d of %d incidents broke an invariant, in %d a runbook was at fault:\n%s", len(report.Failures), report.N, len(report.Faults), report.Told())
	}
	t.Log("\n" + report.String())
	return report
}

// Fault of a runbook: it panicked, took too long, gave two plans for one situation, or one without a form. The engine
// put it into quarantine, and held its runs for a person.
type Fault struct {
	Seed    uint64
	Runbook string
	Why     string // with the place of a panic
}

// noting is a journal that notes which runbook an engine puts into quarantine.
type noting struct {
	store
	faults *[]Fault
}

// note puts it behind what the journal is put behind already.
func note(behind func(store) store, faults *[]Fault) func(store) store {
	return func(s store) store {
		if behind != nil {
			s = behind(s)
		}
		return noting{s, faults}
	}
}

func (n noting) Append(ctx context.Context, e galen.Event) error {
	if err := n.store.Append(ctx, e); err != nil || e.Kind != galen.EventFault {
		return err
	}
	told, err := galen.Decode[struct {
		Runbook string `json:"runbook"`
		Why     string `json:"why"`
	}](e.Body)
	if err != nil {
		return fmt.Errorf("the engine's word of a quarantine: %w", err)
	}
	*n.faults = append(*n.faults, Fault{Runbook: told.Runbook, Why: told.Why})
	return nil
}
