package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

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

// rules are the breaches that a program can tell apart; the first that fits counts.
func rules() []ruled {
	const conflict = http.StatusConflict
	unavailable := problem{"unavailable", "Not now, try again", http.StatusServiceUnavailable}
	return []ruled{
		{ErrUnauthorized, problem{"unauthorized", "The call needs a token that counts", http.StatusUnauthorized}},
		{ErrForbidden, problem{"forbidden", "The token does not grant it", http.StatusForbidden}},
		{ErrBad, problem{"bad-request", "The call cannot be understood", http.StatusBadRequest}},
		{ErrUnprocessable, problem{"unprocessable", "The call is well formed, and cannot be done as it stands", http.StatusUnprocessableEntity}},
		{galen.ErrNotFound, problem{"not-found", "It is not there", http.StatusNotFound}},
		{galen.ErrDisarmed, problem{"observe-only", "Galen only observes", conflict}},
		{galen.ErrEnded, problem{"ended", "The run has ended", conflict}},
		{galen.ErrReleased, problem{"released", "The hold was released", conflict}},
		{galen.ErrHeld, problem{"held", "A hold forbids it", conflict}},
		{galen.ErrMoved, problem{"moved", "The world has changed meanwhile", conflict}},
		{galen.ErrClaimed, problem{"claimed", "Another run is at work there", conflict}},
		{galen.ErrUnsettled, problem{"unsettled", "A call is under way whose effect is not known", conflict}},
		{ErrConflict, problem{"conflict", "The present state forbids it", conflict}},
		{ErrUnavailable, unavailable},
		{context.DeadlineExceeded, unavailable},
		{context.Canceled, unavailable},
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
	}
	for _, one := range rules() {
		if errors.Is(err, one.rule) {
			return one.is
		}
	}
	return problem{"internal", "A fault of galen or of what it stands on", http.StatusInternalServerError}
}

// resourcesPath is the list of what is looked after.
const resourcesPath = "/v1/resources"

// listedError is of a name that is not there, with the path of the list that has those that are.
type listedError struct {
	error
	list string
}

// Error names the call that lists them.
func (e listedError) Error() string {
	return e.error.Error() + "; GET " + e.list + " tells which there are"
}

// Unwrap is the error without the list.
func (e listedError) Unwrap() error { return e.error }

// tell answers with a problem; detail says what to do.
func (s *server) tell(w http.ResponseWriter, r *http.Request, p problem, detail string) {
	s.answerProblem(w, r, asError(r, p, detail))
}

func (s *server) answerProblem(w http.ResponseWriter, r *http.Request, is api.Error) {
	s.answerAs(w, r, "application/problem+json; charset=utf-8", is.Status, is)
}

// detailed adds what an error tells a program: where in the body it is, or what moved.
func detailed(out api.Error, err error) api.Error {
	var moved *movedError
	switch {
	case out.Status == http.StatusBadRequest || out.Status == http.StatusUnprocessableEntity:
		out.Errors = fieldErrors(galen.Faults(err))
	case errors.As(err, &moved) && len(moved.changes) > 0:
		out.Moved = &moved.changes
	}
	return out
}

// fieldErrors are where in the body it is, nil if nobody knows.
func fieldErrors(faults []*galen.Fault) *[]api.FieldError {
	if len(faults) == 0 {
		return nil
	}
	errs := make([]api.FieldError, 0, len(faults))
	for _, f := range faults {
		errs = append(errs, api.FieldError{Field: f.Field(), Detail: f.Err.Error()})
	}
	return &errs
}

func asError(r *http.Request, p problem, detail string) api.Error {
	return api.Error{Type: problemBase + p.name, Title: p.title, Status: p.status, Detail: detail, Instance: r.URL.EscapedPath()}
}

// misread says what is wanted of a parameter that cannot be read.
func misread(err error) error {
	var param *api.InvalidParamFormatError
	var number *strconv.NumError
	var at *time.ParseError
	switch {
	case !errors.As(err, &param):
	case errors.As(err, &number) && number.Func == "ParseBool":
		return badf("%s %.40q: want true or false", param.ParamName, number.Num)
	case errors.As(err, &number) && errors.Is(number.Err, strconv.ErrRange):
		return badf("%s %.40q: want a whole number of at most 18 digits", param.ParamName, number.Num)
	case errors.As(err, &number):
		return badf("%s %.40q: want a whole number", param.ParamName, number.Num)
	case errors.As(err, &at):
		return badf("%s %.40q: want a time such as 2026-11-24T10:00:00Z", param.ParamName, at.Value)
	}
	return Bad(err)
}

// words are those that may be said, for people.
func words[T ~string](all []T) string {
	out := make([]string, 0, len(all))
	for _, one := range all {
		out = append(out, string(one))
	}
	return strings.Join(out, ", ")
}
