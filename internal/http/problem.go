package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// problemBase begins the type of every problem: a name for programs, which nothing has to be fetched for.
const problemBase = "urn:galen:problem:"

// problem is a sort of trouble, as RFC 9457 tells it.
type problem struct {
	name, title string
	status      int
}

// The problems that are no error of what is behind the API.
func noSuchCall() problem {
	return problem{"no-such-call", "There is no such call", http.StatusNotFound}
}

func wrongMethod() problem {
	return problem{"method-not-allowed", "The call takes another method", http.StatusMethodNotAllowed}
}

// ruled is a rule with what its breach is told as.
type ruled struct {
	rule error
	is   problem
}

// conflicts are the rules that may forbid a call for now, so that a program can tell them apart; the first that fits counts.
func conflicts() []ruled {
	const status = http.StatusConflict
	return []ruled{
		{galen.ErrDisarmed, problem{"observe-only", "Galen only observes", status}},
		{galen.ErrEnded, problem{"ended", "The run has ended", status}},
		{galen.ErrHeld, problem{"held", "A hold forbids it", status}},
		{galen.ErrMoved, problem{"moved", "The world has changed meanwhile", status}},
		{galen.ErrClaimed, problem{"claimed", "Another run is at work there", status}},
		{galen.ErrUnsettled, problem{"unsettled", "A call is under way whose effect is not known", status}},
		{ErrConflict, problem{"conflict", "The present state forbids it", status}},
	}
}

// problemOf tells a program what sort of trouble an error is.
func problemOf(err error) problem {
	var tooLarge *http.MaxBytesError
	var tooMany *tooManyError
	switch {
	case errors.As(err, &tooLarge):
		return problem{"too-large", "The body is too large", http.StatusRequestEntityTooLarge}
	case errors.As(err, &tooMany):
		return problem{"too-many-calls", "Too many calls at once", http.StatusTooManyRequests}
	case errors.Is(err, ErrUnauthorized):
		return problem{"unauthorized", "The call needs a token that counts", http.StatusUnauthorized}
	case errors.Is(err, ErrForbidden):
		return problem{"forbidden", "The token does not grant it", http.StatusForbidden}
	case errors.Is(err, ErrBad):
		return problem{"bad-request", "The call cannot be understood", http.StatusBadRequest}
	case errors.Is(err, galen.ErrNotFound):
		return problem{"not-found", "It is not there", http.StatusNotFound}
	}
	for _, one := range conflicts() {
		if errors.Is(err, one.rule) {
			return one.is
		}
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return problem{"unavailable", "Not now, try again", http.StatusServiceUnavailable}
	}
	return problem{"internal", "A fault of galen or of what it stands on", http.StatusInternalServerError}
}

// tell answers with a problem; detail says what to do.
func (s *server) tell(w http.ResponseWriter, r *http.Request, p problem, detail string) {
	s.answerAs(w, r, "application/problem+json; charset=utf-8", p.status, api.Error{
		Type: problemBase + p.name, Title: p.title, Status: p.status, Detail: detail, Instance: r.URL.EscapedPath(),
	})
}
