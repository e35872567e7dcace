package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/galenhq/galen"
)

// answer writes v as JSON. It is encoded whole before the first byte goes out, so that a fault is a clean 500.
func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	s.answerAs(w, r, "application/json; charset=utf-8", status, v)
}

func (s *server) answerAs(w http.ResponseWriter, r *http.Request, form string, status int, v any) {
	var body bytes.Buffer
	to := json.NewEncoder(&body)
	to.SetEscapeHTML(false) // no browser takes it for HTML, see secured, and people read it
	if err := to.Encode(v); err != nil {
		s.fail(w, r, fmt.Errorf("encode the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", form)
	s.write(w, r, status, body.Bytes())
}

func (s *server) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.o.Logger.Debug("the caller is gone", "path", r.URL.Path, "error", err.Error())
	}
}

// passing marks an error that goes away by itself as one after which to try again.
func (s *server) passing(err error) error {
	if s.o.Away != nil && s.o.Away(err) {
		return Unavailable(err)
	}
	return err
}

// fail answers with an error in the API's form.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	err = s.passing(err)
	p := problemOf(err)
	var listed listedError
	if list := s.listFor(r, err); p.status == http.StatusNotFound && list != "" && !errors.As(err, &listed) {
		err = listedError{err, list}
	}
	text := err.Error()
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		s.keepOut(w, r, p.status, err)
	case http.StatusRequestEntityTooLarge:
		text = fmt.Sprintf("the body is larger than %d bytes: send less at once", bodyLimit)
		s.lost(r)
		w.Header().Set("Connection", "close") // what is still to come is not read
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case http.StatusInternalServerError:
		s.o.Logger.Error("a call failed", "method", r.Method, "path", r.URL.Path, "error", text)
	}
	is := detailed(asError(r, p, text), err)
	if errors.As(err, &listed) {
		is.List = &listed.list
	}
	s.answerProblem(w, r, is)
}

// listFor is the path of the list that has what was looked for in vain.
func (s *server) listFor(r *http.Request, err error) string {
	var stranger strangerError
	if errors.As(err, &stranger) {
		return resourcesPath + "/" + stranger.of.String() + "/members"
	}
	return s.listOf(r)
}

// listOf is the path of the list that has what there is, of a call about one of its items; "" of another.
func (s *server) listOf(r *http.Request) string {
	_, path, _ := strings.Cut(r.Pattern, " ")
	list, _, _ := strings.Cut(path, "/{")
	list = strings.TrimSuffix(list, "/clear")
	if _, has := s.operations["GET "+list]; !has || list == path {
		return ""
	}
	return list
}

// keepOut tells whoever may not call how and when to call instead, and takes it down.
func (s *server) keepOut(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.refused(r, status, err)
	var tooMany *tooManyError
	switch {
	case errors.As(err, &tooMany):
		w.Header().Set("Retry-After", tooMany.seconds())
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="galen"`)
	}
}

// body reads the whole body within the limit.
func body(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, badf("read the body: %w", err)
	}
	return b, err
}

// read reads the body strictly into T.
func read[T any](r *http.Request) (T, error) {
	b, err := body(r)
	if err != nil {
		var none T
		return none, err
	}
	v, err := galen.Decode[T](b)
	if err != nil {
		return v, Bad(bodyError{err})
	}
	return v, nil
}

// bodyError tells what is wrong with a body on one line.
type bodyError struct{ error }

func (e bodyError) Error() string {
	return fmt.Sprintf("the body: %s; GET /v1/openapi.yaml has its form", strings.ReplaceAll(e.error.Error(), "\n", "; "))
}

func (e bodyError) Unwrap() error { return e.error }

// list never encodes as null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// resourceOr reads an optional kind/name.
func resourceOr(text *string) (galen.Resource, error) {
	if text == nil {
		return galen.Resource{}, nil
	}
	r, err := galen.ParseResource(*text)
	if err != nil {
		return r, Bad(err)
	}
	return r, nil
}

// given is a filter as the call has it.
type given struct {
	name  string
	value *string
}

// filtered reads the resource of a filter, and refuses another filter that is there and empty, such as one whose variable was never set in a
// script: its answer would be that of a call without it.
func filtered(resource *string, more ...given) (galen.Resource, error) {
	for _, g := range more {
		if g.value != nil && *g.value == "" {
			return galen.Resource{}, badf("%s is empty: leave it out, or say what you mean", g.name)
		}
	}
	return resourceOr(resource)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
