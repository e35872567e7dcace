package jolokia

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Kind tells what went wrong with a call, as far as a caller must choose what to do next.
type Kind string

// The kinds of errors.
const (
	// Refused: nothing listens on the port; the machine answered. Usually the process is gone.
	Refused Kind = "refused"
	// Unreachable: no TCP connection came about and nobody refused it: the machine or the path is gone.
	Unreachable Kind = "unreachable"
	// Timeout: TCP connects, nothing answers in time. The process hangs, is stopped by a signal, or blocks.
	Timeout Kind = "timeout"
	// Booting: the agent answers, Cassandra has no StorageService yet (404 InstanceNotFoundException).
	Booting Kind = "booting"
	// BadAnswer: an answer came and cannot be read: invalid or cut-off JSON, also under HTTP 200, or not what was asked.
	BadAnswer Kind = "bad-answer"
	// Failed: the node answered with an error of its own, see Type and Message.
	Failed Kind = "failed"
)

// Error is what a call to one node ended with.
type Error struct {
	Kind Kind
	// Doing is the request in words: "read org.apache.cassandra.db:type=StorageService".
	Doing string
	// Type is the Java exception class of a Failed or Booting error, or "http 400".
	Type string
	// Message is the node's own text, shortened.
	Message string
	// Err is the cause on our side, if there is one.
	Err error
	// broken: a connection that had served before broke.
	broken bool
}

// Error is the text for people.
func (e *Error) Error() string {
	parts := []string{e.Doing, string(e.Kind)}
	for _, p := range []string{e.Type, e.Message} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return "jolokia: " + strings.Join(parts, ": ")
}

// Unwrap is the cause on our side.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first *Error in err's chain, "" if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// transportError sorts an error of net/http. connected tells whether a TCP connection was there, reused whether it had
// served before.
func transportError(doing string, err error, connected, reused bool) error {
	var timeout net.Error
	kind := Unreachable
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("jolokia: %s: given up by the caller: %w", doing, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		kind = Refused
	case !connected:
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind = Timeout
	default: // the connection broke before or within the answer
		kind = BadAnswer
	}
	return &Error{Kind: kind, Doing: doing, Err: err, broken: kind == BadAnswer && reused}
}

const instanceNotFound = "javax.management.InstanceNotFoundException"

// failure is the error of one element or attribute.
func failure(doing, mbean, class, message string) *Error {
	e := &Error{Kind: Failed, Doing: doing, Type: class, Message: short(message)}
	if class == instanceNotFound && mbean == StorageService {
		e.Kind = Booting
	}
	return e
}

func short(s string) string {
	const most = 300
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
