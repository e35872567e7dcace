// Package failpoint lets an engine of a test die or freeze at a named moment. Its points are compiled only into builds
// with the tag "failpoint"; in every other build [At] is empty and nothing reads the environment.
package failpoint

import (
	"encoding/json"
	"fmt"

	"github.com/galenhq/galen"
)

// Point is a moment at which the engine waits for something else, or has just had its answer.
type Point string

// The points, in the order of a run's life. What each is told besides is a verb: of the step under way; while deciding,
// of the run's newest intent, "" before the first.
const (
	Opened     Point = "opened"      // the run is in the journal, Temporal does not know it
	Started    Point = "started"     // Temporal knows it, the outbox does not know that
	Looked     Point = "looked"      // Decide has looked
	Settled    Point = "settled"     // effects that the look showed are in the journal
	Thought    Point = "thought"     // there is a plan, it is not stored
	Decided    Point = "decided"     // it is stored, Temporal does not know it
	Acting     Point = "acting"      // Act has begun
	GateLooked Point = "gate-looked" // the gate has looked at the target
	Judged     Point = "judged"      // every guard allows the step, nothing is committed
	Committed  Point = "committed"   // the intent is in the journal, the call is not made
	Called     Point = "called"      // the call has returned, its outcome is not in the journal
	Recorded   Point = "recorded"    // the outcome is in the journal, Temporal does not know it
	Closing    Point = "closing"     // the run is proved done, the journal does not know it
	Closed     Point = "closed"      // the journal knows it, Temporal does not
)

// Signal is what the process does to itself.
type Signal string

// The signals; none: it only writes its trace.
const (
	Kill Signal = "kill" // kill -9
	Stop Signal = "stop" // SIGSTOP: it is frozen until somebody sends SIGCONT
)

// Order is what a process is told to do, once, in its environment.
type Order struct {
	At Point  `json:"at,omitempty"`
	Of string `json:"of"`
	// Nth time that the point is passed, from 1; 0 is 1.
	Nth int `json:"nth,omitempty"`
	// After is how much later it happens, while the engine goes on.
	After  galen.Duration `json:"after,omitzero"`
	Signal Signal         `json:"signal,omitempty"`
	// Trace is a file of this one process: each passage of a point is a [Passage] in it.
	Trace string `json:"trace"`
}

// Passage is one line of a trace.
type Passage struct {
	At Point  `json:"at"`
	Of string `json:"of"`
	// Signal that followed.
	Signal Signal `json:"signal,omitempty"`
}

// Variable is the name of the environment variable that carries an [Order].
const Variable = "GALEN_FAILPOINT"

// Env is the variable with an order, NAME=value. It errs in a build that would not obey it.
func Env(o Order) (string, error) {
	if !Enabled {
		return "", fmt.Errorf("failpoint %s of %q: this build has no failpoints: build it with -tags failpoint", o.At, o.Of)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("failpoint %s of %q: %w", o.At, o.Of, err)
	}
	return Variable + "=" + string(text), nil
}
