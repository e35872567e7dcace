package activities

import (
	"time"

	"github.com/galenhq/galen"
)

// DecideInput asks for one look and one decision of a run.
type DecideInput struct {
	Run string `json:"run"`
	// First: and for the first step of what was decided, if it may be done: between a decision and its step lies nothing that the
	// workflow needs to know. An older release does not ask for it.
	First bool `json:"first,omitempty"`
	// RefusedSince is when the gate, or a guard at deciding, began to say look-again without another answer since; zero: it did not.
	RefusedSince time.Time `json:"refused_since,omitzero"`
}

// Decided is what came out of it, as far as the workflow needs to know.
type Decided struct {
	At time.Time `json:"at"`
	// Ended: the journal says that the run is over.
	Ended bool `json:"ended,omitempty"`
	// Plan is the number of the plan, Steps how many steps of it to execute now; 0: none may be.
	Plan  int `json:"plan,omitempty"`
	Steps int `json:"steps,omitempty"`
	// First is what became of the first of them, if it was asked for and any may be executed. Lost: it was begun and did not tell its end.
	First *Acted `json:"first,omitempty"`
	Lost  bool   `json:"lost,omitempty"`
	// Refused: steps are planned, and a guard says look-again.
	Refused bool `json:"refused,omitempty"`
	// Unseen: nothing was decided, for nothing could be seen or the clock not be believed. That is no answer of a guard.
	Unseen bool `json:"unseen,omitempty"`
	// Wait: look again at the latest then.
	Wait galen.Duration `json:"wait,omitzero"`
	// Done: the runbook says so and enough observers show it. Final is the status of the run if it stays so for Looks
	// looks over HoldFor.
	Done    bool            `json:"done,omitempty"`
	Final   galen.RunStatus `json:"final,omitempty"`
	Looks   int             `json:"looks,omitempty"`
	HoldFor galen.Duration  `json:"hold_for,omitzero"`
	Why     string          `json:"why,omitempty"`
	// Looked is the journal's clock right before the look: nothing that was decided on is older.
	Looked time.Time `json:"looked,omitzero"`
	// Margin is what the resource had to spare in the State decided on.
	Margin string `json:"margin,omitempty"`
}

// ActInput asks for one step of a plan.
type ActInput struct {
	Run   string `json:"run"`
	Plan  int    `json:"plan"`
	Index int    `json:"index"` // from 0
}

// Acted is what the gate did.
type Acted struct {
	At time.Time `json:"at"`
	// Sent: the call was made. Everything else means that the rest of the plan is void: look again.
	Sent bool           `json:"sent,omitempty"`
	Wait galen.Duration `json:"wait,omitzero"`
	// Refused: a guard said look-again or asked for a yes, and nothing was committed.
	Refused bool `json:"refused,omitempty"`
}

// CloseInput ends a run.
type CloseInput struct {
	Run    string          `json:"run"`
	Status galen.RunStatus `json:"status"`
	Why    string          `json:"why"`
	// Margin is what the resource has to spare at the end.
	Margin string `json:"margin,omitempty"`
	// Looked is [Decided.Looked] of the last look; zero in what an older release ordered.
	Looked time.Time `json:"looked,omitzero"`
}

// Closed is what became of it.
type Closed struct {
	// Stale: the run has not ended, for what was to prove it is too old by now. It is decided anew.
	Stale bool `json:"stale,omitempty"`
}
