package main

import (
	"fmt"
	"net/http"
	"time"
)

// silence is how long an answer may take before a person is told that it is waited for.
const silence = 5 * time.Second

// unhurried tells, once a call, that an answer takes long: an engine that hangs looks like nothing at all otherwise.
type unhurried struct {
	inner http.RoundTripper
	after time.Duration
	tell  func(r *http.Request)
}

// RoundTrip implements [http.RoundTripper].
func (p unhurried) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Has("wait") { // it was asked to take its time
		return p.inner.RoundTrip(r)
	}
	late := time.AfterFunc(p.after, func() { p.tell(r) })
	defer late.Stop()
	return p.inner.RoundTrip(r)
}

// patiently is the transport of calls to the engine. Who watches is told by the frame.
func (c *cli) patiently(inner http.RoundTripper) http.RoundTripper {
	if c.completing || c.watching {
		return inner
	}
	return unhurried{inner: inner, after: silence, tell: func(r *http.Request) {
		fmt.Fprintf(c.errs, "no answer from %s yet; galen waits for up to %s\n", r.URL.Host, callLimit)
	}}
}
