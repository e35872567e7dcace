package journal

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// Trouble of the store itself. What the journal refuses by rule are errors of the root package: galen.ErrNotFound,
// ErrMoved, ErrClaimed, ErrUnsettled, ErrHeld and ErrEnded.
var (
	// ErrReadOnly: the file or its directory cannot be written.
	ErrReadOnly = errors.New("the journal cannot be written")
	// ErrFull: the disk is full.
	ErrFull = errors.New("the disk of the journal is full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the journal is closed")
)

// The primary result codes of SQLite that a person can do something about.
const (
	codeError    = 1
	codePerm     = 3
	codeBusy     = 5
	codeReadOnly = 8
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// advise says what to do about an error of the store; other errors pass unchanged.
func advise(err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Code() & 0xff {
	case codePerm, codeReadOnly, codeCantOpen:
		return fmt.Errorf("%w: make the data directory and the files in it writable for the user that galen runs as: %w", ErrReadOnly, err)
	case codeFull:
		return fmt.Errorf("%w: free space on it; nothing was written, and galen goes on by itself then: %w", ErrFull, err)
	case codeBusy:
		return fmt.Errorf("another process writes the journal: stop the second galen, or whatever holds the file open for writing: %w", err)
	case codeIO:
		return fmt.Errorf("the disk of the journal fails: look at the system log: %w", err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("the journal's file is damaged: keep a copy, look with galen journal verify, restore a backup: %w", err)
	default:
		return err
	}
}

// storeFault tells errors of the store, after which a transaction may be gone, from refusals by rule.
func storeFault(err error) bool {
	var fault *sqlite.Error
	return errors.As(err, &fault)
}
