package main

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// slow is an engine that takes its time.
type slow time.Duration

func (s slow) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(time.Duration(s)) // of the bubble
	return &http.Response{Body: http.NoBody}, nil
}

// TestAnEngineThatHangsIsTold: once, and not where a call was asked to take its time.
func TestAnEngineThatHangsIsTold(t *testing.T) {
	for _, c := range []struct {
		path  string
		takes time.Duration
		want  int
	}{
		{"/v1/runs", silence + time.Second, 1},
		{"/v1/runs", 10 * silence, 1},
		{"/v1/runs", silence - time.Second, 0},
		{"/v1/runs/a?wait=30s", 30 * time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			p := unhurried{inner: slow(c.takes), after: silence, tell: func(*http.Request) { told++ }}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1"+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := p.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // of the bubble
			synctest.Wait()
			if told != c.want {
				t.Errorf("%s in %s: told %d times, want %d", c.path, c.takes, told, c.want)
			}
		})
	}
}
