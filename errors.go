package galen

import (
	"errors"
	"fmt"
)

// Why the journal or a target refused. Callers choose by errors.Is and errors.As; the text says more.
var (
	// ErrNotFound: no run, plan, intent, approval or hold of that name.
	ErrNotFound = errors.New("not found")
	// ErrMoved: the ledger changed since it was read; read it again and ask the guards again.
	ErrMoved = errors.New("the ledger moved since it was read")
	// ErrClock: the engine's clock is too far off the one that all engines have in common (I-34).
	ErrClock = errors.New("the engine's clock cannot be believed")
	// ErrStale: another State was stored since the one that this was folded onto.
	ErrStale = errors.New("another state was stored since")
	// ErrClaimed: another run holds a claim, see [ClaimedError].
	ErrClaimed = errors.New("claimed by another run")
	// ErrUnsettled: an intent on the target has no settled effect yet.
	ErrUnsettled = errors.New("the target has an unsettled intent")
	// ErrDisarmed: the journal is in doubt, galen only observes until a person re-arms it.
	ErrDisarmed = errors.New("observe only")
	// ErrHeld: a hold covers the target, or the run itself is held for a person.
	ErrHeld = errors.New("held")
	// ErrRate: the account has as many calls in this second as it may.
	ErrRate = errors.New("too many calls at once")
	// ErrOvertaken: a later intent has acted on the target, see [OvertakenError].
	ErrOvertaken = errors.New("a later intent has acted on the target")
	// ErrEnded: the run has ended.
	ErrEnded = errors.New("the run has ended")
	// ErrReleased: a person has released the hold.
	ErrReleased = errors.New("it was released already, and holds nothing: set another one to hold it again")
)

// ClaimedError names the claim that another run holds. It is an [ErrClaimed].
type ClaimedError struct {
	Claim  Claim
	Holder string // the run's ID
}

// Error is for people.
func (e *ClaimedError) Error() string {
	return fmt.Sprintf("claim %s is held by run %s", e.Claim.Name, e.Holder)
}

// Is tells that it is an [ErrClaimed].
func (e *ClaimedError) Is(target error) bool { return target == ErrClaimed }

// OvertakenError is how a target refuses an intent whose fence is not above those that it has accepted. It is an [ErrOvertaken].
type OvertakenError struct {
	By  string // the intent that has acted
	Why string
}

// Error is for people.
func (e *OvertakenError) Error() string { return ErrOvertaken.Error() + ": " + e.Why }

// Is tells that it is an [ErrOvertaken].
func (e *OvertakenError) Is(target error) bool { return target == ErrOvertaken }

// AlreadyError is how a second run of a runbook on a target is refused: it could only wait for the one that is open.
type AlreadyError struct {
	Run    string // its ID
	Status RunStatus
}

// Error is for people.
func (e *AlreadyError) Error() string {
	return fmt.Sprintf("run %s is already at it, and is %s: look at it with galen runs show %s", e.Run, e.Status, e.Run)
}
