package http

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestProblems: a program tells refusals apart by their type, and each type is in the OpenAPI file.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		err  error
		name string
	}{
		{Bad(errDisk), "bad-request"}, {galen.ErrNotFound, "not-found"}, {markedError{errDisk, galen.ErrNotFound}, "not-found"},
		{galen.ErrEnded, "ended"}, {galen.ErrReleased, "released"}, {galen.ErrHeld, "held"}, {galen.ErrMoved, "moved"}, {galen.ErrClaimed, "claimed"}, {galen.ErrUnsettled, "unsettled"},
		{fmt.Errorf("approve then: %w", galen.ErrDisarmed), "observe-only"}, {Conflict(errDisk), "conflict"}, {Conflict(galen.ErrEnded), "ended"},
		{Unavailable(errDisk), "unavailable"}, {&http.MaxBytesError{}, "too-large"}, {errDisk, "internal"},
	} {
		if got := problemOf(c.err); got.name != c.name || got.title == "" {
			t.Errorf("%v: %+v, want %s", c.err, got, c.name)
		}
	}
	_, told, _ := bytes.Cut(api.Spec, []byte(problemBase))
	told, _, _ = bytes.Cut(told, []byte("\n"))
	all := []problem{noSuchCall(), wrongMethod(), problemOf(&http.MaxBytesError{}), problemOf(&tooManyError{}), problemOf(errors.New("x"))}
	for _, one := range rules() {
		all = append(all, one.is)
	}
	for _, p := range all {
		if !strings.Contains(string(told), p.name) {
			t.Errorf("openapi.yaml does not tell of %s", p.name)
		}
	}
}

// TestInstanceIsEscaped: what a caller wrote comes back as a URI.
func TestInstanceIsEscaped(t *testing.T) {
	w := call(t, Handler((&engine{}).options()), "GET", "/v1/%22%3Cb%3E%0a", "")
	if got, err := galen.Decode[api.Error](w.Body.Bytes()); err != nil || got.Instance != "/v1/%22%3Cb%3E%0a" {
		t.Errorf("%v: %s", err, w.Body)
	}
}
