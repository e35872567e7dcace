package journal

import "errors"

// Trouble of the store itself. What the journal refuses by rule are errors of the root package: galen.ErrNotFound,
// ErrMoved, ErrClaimed, ErrUnsettled, ErrHeld and ErrEnded.
var (
	// ErrReadOnly: the file or its directory cannot be written.
	ErrReadOnly = errors.New("the journal cannot be written")
	// ErrFull: the disk is full.
	ErrFull = errors.New("the disk of the journal is full")
	// ErrAway: the store does not answer now: it is stopped or starts, the connection to it broke, or somebody else keeps it locked.
	ErrAway = errors.New("the journal does not answer")
	// ErrUnknown: the connection broke in the middle of a commit, and what became of it could not be found out. It may have
	// happened: look before you repeat.
	ErrUnknown = errors.New("the outcome of the commit is not known, look before you repeat")
	// ErrArmed: there is nothing to re-arm.
	ErrArmed = errors.New("galen is armed: there is nothing to re-arm")
	// ErrTwin: another process has the identity of this engine: its data directory was copied.
	ErrTwin = errors.New("another process, which started later, works under the identity of this engine: its data directory was copied from the other, or the other way; stop both, delete the file id in the data directory that is the copy, start them again")
	// ErrTemporal: engines that share a journal share a Temporal, too.
	ErrTemporal = errors.New("engines that share a journal must work with the same Temporal: name its address and namespace in the configuration of each")
	// ErrTokenName: the name has a token that counts.
	ErrTokenName = errors.New("there is a token of that name: revoke it first, or take another name beside it until whoever uses it has changed")
	// ErrScheduleName: the name has a schedule.
	ErrScheduleName = errors.New("there is a schedule of that name, here or on another resource: take another one")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the journal is closed")
)

// Away tells whether an error is one that goes away by itself, or once the store is mended: nothing is wrong with what was asked for, and it may
// be asked for again. That is not so of an [ErrUnknown].
func Away(err error) bool {
	for _, sort := range []error{ErrAway, ErrFull, ErrReadOnly, ErrClosed} {
		if errors.Is(err, sort) {
			return true
		}
	}
	return false
}
