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

// decideTwice lets a runbook decide two times on equal situations. A panic, more time than limit for one of them, two
// different plans or a plan without a form is an error: the run is held and the runbook quarantined.
func decideTwice(rb galen.ListedRunbook, situation func() galen.Situation[galen.State, json.RawMessage], limit time.Duration) (galen.Plan, error) {
	var plans [2]galen.Plan
	for i := range plans {
		var err error
		if plans[i], err = decideOnce(rb, situation(), limit); err != nil {
			return galen.Plan{}, err
		}
	}
	return agreed(rb, plans)
}

// decideOnce takes limit at most. A runbook that never returns leaves its goroutine behind, which is why it is
// quarantined.
func decideOnce(rb galen.ListedRunbook, s galen.Situation[galen.State, json.RawMessage], limit time.Duration) (galen.Plan, error) {
	type answer struct {
		plan galen.Plan
		err  error
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
		out.plan, out.err = rb.Decide(s)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case got := <-answered:
		return got.plan, got.err
	case <-timer.C:
		return galen.Plan{}, fmt.Errorf("runbook %s took longer than %s to decide", rb.Name, limit)
	}
}

func agreed(rb galen.ListedRunbook, plans [2]galen.Plan) (galen.Plan, error) {
	if plans[0].Hash() != plans[1].Hash() {
		return galen.Plan{}, fmt.Errorf("runbook %s decided two different plans on one situation: %q and %q", rb.Name, plans[0].Why, plans[1].Why)
	}
	if err := plans[0].Valid(); err != nil {
		return galen.Plan{}, fmt.Errorf("runbook %s: %w", rb.Name, err)
	}
	return plans[0], nil
}
