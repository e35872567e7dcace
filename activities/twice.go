package activities

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// decideLimit is how long a runbook may think, each time.
const decideLimit = time.Second

// Faults are the runbooks that misbehaved in this process, and decide no more in it: no look makes their code better, a restart
// with a mended one does. A [galen.Quarantine] is another thing: what a runbook did failed, and no engine acts on it until a person
// clears it.
type Faults struct {
	mu  sync.Mutex
	why map[string]string
}

// NewFaults is empty.
func NewFaults() *Faults { return &Faults{why: map[string]string{}} }

// Why is the reason, "" if the runbook is not at fault.
func (f *Faults) Why(runbook string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why[runbook]
}

// All are the reasons by runbook.
func (f *Faults) All() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.why)
}

// Put adds a runbook and tells whether it is new there; the first reason stays.
func (f *Faults) Put(runbook, why string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.why[runbook] != "" {
		return false
	}
	f.why[runbook] = why
	return true
}

func (f *Faults) take(runbook string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.why, runbook)
}

// runbookFault is an error that is the runbook's own: it decides no more in this process.
type runbookFault struct{ error }

func (f *runbookFault) Unwrap() error { return f.error }

// decideTwice lets a runbook decide two times on equal situations. A panic, more time than limit for one of them, two
// different plans or a plan without a form is an error: the run is held, and the runbook is at fault.
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

// decideOnce takes limit at most. A runbook that never returns leaves its goroutine behind, which is why it
// is not asked again.
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

// told is a plan without its reason, which is not compared.
func told(p galen.Plan) []byte {
	p.Why = ""
	b, err := json.Marshal(p)
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

func agreed(rb galen.ListedRunbook, plans [2]galen.Plan) (galen.Plan, error) {
	if plans[0].Hash() != plans[1].Hash() {
		return galen.Plan{}, fmt.Errorf("runbook %s decided two different plans on one situation: %s and %s", rb.Name, told(plans[0]), told(plans[1]))
	}
	if err := plans[0].Valid(); err != nil {
		return galen.Plan{}, fmt.Errorf("runbook %s: %w", rb.Name, err)
	}
	return plans[0], nil
}
