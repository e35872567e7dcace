package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

var update = flag.Bool("update", false, "write the golden files and docs/cli.md")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), go test -update accepts it:\n%s", path, diff)
	}
}

func file(name string) string { return filepath.Join("testdata", name+".golden") }

// noon is when the tests happen.
func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// answered is what one call of the command line printed.
type answered struct {
	code      int
	out, errs string
}

// galenCLI calls the command line against a server.
func galenCLI(t *testing.T, server string, args ...string) answered {
	t.Helper()
	return galenOn(t, nil, map[string]string{envServer: server}, args...)
}

// galenOn calls the command line on a terminal, or on none, with an environment.
func galenOn(t *testing.T, on *terminal, env map[string]string, args ...string) answered {
	t.Helper()
	var out, errs bytes.Buffer
	c := &cli{out: &out, errs: &errs, now: noon, env: func(name string) string { return env[name] }, terminal: func() *terminal { return on }}
	code := c.run(t.Context(), args)
	return answered{code: code, out: out.String(), errs: errs.String()}
}

// canned answers each path with a value, and remembers the newest request's body.
type canned struct {
	answers map[string]any // "GET /v1/status": value, or an int for an error of that status, or what the engine says besides
	bodies  map[string]string
	header  http.Header
	query   string
}

// refused is an answer of the engine with its own words.
type refused struct {
	status int
	says   string
	list   string
}

// opens: the engine answers that there is a run.
func opens(answer any) bool {
	run, is := answer.(api.RunAnswer)
	return is && run.Plan == nil
}

func (c *canned) start(t *testing.T) string {
	t.Helper()
	c.bodies = map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		c.bodies[what], c.header, c.query = body.String(), r.Header, r.URL.RawQuery
		w.Header().Set("Content-Type", "application/json")
		answer, known := c.answers[what]
		if no, is := answer.(refused); is {
			w.WriteHeader(no.status)
			answer, what = api.Error{Detail: no.says, List: optional(no.list)}, ""
		}
		switch status, refused := answer.(int); {
		case !known:
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]string{"detail": "run x: not found"}
		case refused:
			w.WriteHeader(status)
			answer = map[string]string{"detail": http.StatusText(status) + ", said the engine"}
			if status == http.StatusNoContent {
				return
			}
		case what == "POST /v1/holds" || what == "POST /v1/tokens" || what == "POST /v1/schedules" || what == "POST /v1/runs" && opens(answer):
			w.WriteHeader(http.StatusCreated)
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func cannedSchedule() galen.Schedule {
	return galen.Schedule{
		Name: "nightly", Runbook: "cassandra/restart-node", Resource: orders(), Params: json.RawMessage(`{"node":"n2"}`), Spec: "30 2 * * *", Zone: "Europe/Berlin", By: "ann",
		Next: time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC), Missed: "skip", Late: galen.Duration(5 * time.Minute), At: noon(),
		Within: []galen.Window{{Name: "night", From: "22:00", For: galen.Duration(6 * time.Hour)}},
	}
}
