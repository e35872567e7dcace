// Package gym lets runbooks face seeded incidents in virtual time. The engine's parts are the real ones: the fold and the
// loops of the watch, the detectors, the runbooks, the decision, the gate with its guards, the journal, and the workflow's
// Next; the ring is simulated, and Temporal's promise, that the last command is given again, is kept by the gym. A checker
// that sees what is true, and shares no code with the guards, names the invariant that did not hold.
//
// A seed is an incident: equal seeds are equal to the last step. In one's own tests (of package runbooks_test, if the runbook
// is in runbooks):
//
//	func TestMyRunbook(t *testing.T) { gym.Run(t, galen.ListRunbook(runbooks.MyRunbook())) }
package gym

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
)

// Played is an incident that is over.
type Played struct {
	Incident   Incident
	Violations []Violation
	Faults     []Fault // of runbooks
	Runs       []Outcome
	// Deaths of engines, and how many awaits their calls had.
	Deaths, Awaits int
	// Effects are the calls that the ring accepted, by verb.
	Effects map[string]int
	// Took is the virtual time.
	Took time.Duration
	// Story is what happened, for people.
	Story string
	alone map[string]bool // guards that refused a step which all others allowed
}

// Outcome is how one run ended.
type Outcome struct {
	Runbook string
	Status  galen.RunStatus
	Why     string
	Took    time.Duration
	// Yes is how often a person approved it.
	Yes int
}

// Play lets the incident happen to an engine.
func Play(ctx context.Context, in Incident, of Engine) (Played, error) {
	var faults []Fault
	of.rows = note(of.rows, &faults)
	w, err := newWorld(ctx, in, of.orDefault())
	if err != nil {
		return Played{}, fmt.Errorf("seed %d: %w", in.Seed, err)
	}
	defer w.close()
	if err := w.play(ctx); err != nil {
		return Played{}, fmt.Errorf("seed %d: %w\n%s%s", in.Seed, err, in, w.trace.story())
	}
	runs, err := w.store.Runs(ctx, journal.RunFilter{Limit: 1000})
	if err != nil {
		return Played{}, fmt.Errorf("seed %d: %w", in.Seed, err)
	}
	out := Played{Incident: in, Deaths: w.trace.deaths, Awaits: w.awaits, Took: w.now.Sub(epoch()), alone: w.trace.alone, Effects: map[string]int{}}
	for _, a := range w.trace.acts {
		if n := len(a.Accepted); n > 0 {
			out.Effects[a.Step.Verb] += n
		}
	}
	w.trace.harms = w.blameless(w.ring.Harms())
	c := &checker{trace: w.trace, of: w.of, runs: map[string]galen.Run{}, keyspaces: in.Ring.spec(nil).Keyspaces, final: w.ring.Truth(), spoilt: of.spoilt, others: of.Runbooks != nil}
	for _, run := range slices.Backward(runs) {
		c.runs[run.ID] = run
		o := Outcome{Runbook: run.Runbook, Status: run.Status, Why: run.Why, Took: w.now.Sub(run.Created), Yes: len(w.trace.yes[run.ID])}
		if !run.Ended.IsZero() {
			o.Took = run.Ended.Sub(run.Created)
		}
		out.Runs = append(out.Runs, o)
	}
	out.Violations = check(c)
	for _, f := range faults {
		f.Seed = in.Seed
		out.Faults = append(out.Faults, f)
	}
	out.Story = in.String() + w.trace.story()
	return out, nil
}

// blameless leaves out the harm that a person did by hand: that which came from an instance that was started, or let sleep.
func (w *world) blameless(harms []ring.Harm) []ring.Harm {
	return slices.DeleteFunc(harms, func(done ring.Harm) bool {
		return slices.ContainsFunc(w.in.Happen, func(h Happening) bool {
			again := h.For > 0 && (h.What == string(ring.Kill) || h.What == string(ring.Stop)) // a service manager starts it, fence or not
			byHand := again || h.What == string(ring.Start) || h.What == string(ring.Hibernate)
			return byHand && h.Who == done.Instance && !done.At.Before(epoch().Add(h.At))
		})
	})
}

// close ends what is under way.
func (w *world) close() {
	for _, s := range w.slots {
		if s.engine != nil {
			s.engine.dead = true
		}
	}
	for _, t := range w.tasks {
		w.acting = t
		for range maxTurns {
			if _, more := t.next(); !more {
				break
			}
		}
	}
	w.acting = nil
	for _, f := range w.order {
		f.work.Close()
	}
	_ = w.store.Close() // nobody will read it again
}
