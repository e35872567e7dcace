package activities

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// decideLimit is how long a runbook may think, each time.
const decideLimit = time.Second

// Quarantine holds the runbooks that misbehaved in this process; a restart with a mended one clears it.
type Quarantine struct {
	mu  sync.Mutex
	why map[string]string
}

// NewQuarantine is empty.
func NewQuarantine() *Quarantine { return &Quarantine{why: map[string]string{}} }

// Why is the reason, "" if the runbook is not in quarantine.
func (q *Quarantine) Why(runbook string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.why[runbook]
}

// Put adds a runbook and tells whether it is new there; the first reason stays.
func (q *Quarantine) Put(runbook, why string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.why[runbook] != "" {
		return false
	}
	q.why[runbook] = why
	return true
}

func (q *Quarantine) take(runbook string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.why, runbook)
}

// runbookFault is an error that is the runbook's own: it is quarantined.
type runbookFault struct{ error }

func (f *runbookFault) Unwrap() error { return f.error }

// decideTwice lets a runbook decide two times on equal situations. A panic, more time than each, two different plans
// or a plan without a form is an error: the run is held and the runbook quarantined. A runbook that never returns
// leaves its goroutine behind, which is why it is quarantined.
func decideTwice(rb galen.ListedRunbook, situation func() galen.Situation[galen.State, json.RawMessage], each time.Duration) (galen.Plan, error) {
	type answer struct {
		plans [2]galen.Plan
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		var out answer
		defer func() {
			if p := recover(); p != nil {
				out.err = fmt.Errorf("runbook %s panicked: %v\n%s", rb.Name, p, debug.Stack())
			}
			answered <- out
		}()
		for i := range out.plans {
			if out.plans[i], out.err = rb.Decide(situation()); out.err != nil {
				return
			}
		}
	}()
	limit := time.NewTimer(2 * each)
	defer limit.Stop()
	select {
	case got := <-answered:
		return agreed(rb, got.plans, got.err)
	case <-limit.C:
		return galen.Plan{}, fmt.Errorf("runbook %s took longer than %s to decide", rb.Name, each)
	}
}

func agreed(rb galen.ListedRunbook, plans [2]galen.Plan, err error) (galen.Plan, error) {
	switch {
	case err != nil:
		return galen.Plan{}, err
	case plans[0].Hash() != plans[1].Hash():
		return galen.Plan{}, fmt.Errorf("runbook %s decided two different plans on one situation: %q and %q", rb.Name, plans[0].Why, plans[1].Why)
	}
	if err := plans[0].Valid(); err != nil {
		return galen.Plan{}, fmt.Errorf("runbook %s: %w", rb.Name, err)
	}
	return plans[0], nil
}
