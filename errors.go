package galen

import (
	"errors"
	"fmt"
)

// Why the journal refused. Callers choose by errors.Is and errors.As; the text says more.
var (
	// ErrNotFound: no run, plan, intent, approval or hold of that name.
	ErrNotFound = errors.New("not found")
	// ErrMoved: the ledger changed since it was read; read it again and ask the guards again.
	ErrMoved = errors.New("the ledger moved since it was read")
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
	// ErrEnded: the run has ended.
	ErrEnded = errors.New("the run has ended")
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
