package journal

import (
	"errors"

	"github.com/galenhq/galen"
)

// The refusals of the journal, words of the root package.
var (
	ErrNotFound  = galen.ErrNotFound
	ErrMoved     = galen.ErrMoved
	ErrClaimed   = galen.ErrClaimed
	ErrUnsettled = galen.ErrUnsettled
	ErrHeld      = galen.ErrHeld
	ErrEnded     = galen.ErrEnded
)

// ClaimedError names the claim and its holder.
type ClaimedError = galen.ClaimedError

// Trouble of the store itself.
var (
	// ErrReadOnly: the file or its directory cannot be written.
	ErrReadOnly = errors.New("the journal cannot be written")
	// ErrFull: the disk is full.
	ErrFull = errors.New("the disk of the journal is full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the journal is closed")
)
