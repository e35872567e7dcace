package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestNothingIsAList: a list without items is empty for programs, not null.
func TestNothingIsAList(t *testing.T) {
	server := (&canned{answers: map[string]any{"GET /v1/runs": api.RunList{}, "GET /v1/alerts": api.AlertList{}, "GET /v1/approvals": api.ApprovalList{}}}).start(t)
	for command, list := range map[string]string{"runs list": `"runs": []`, "alerts list": `"alerts": []`, "approvals": `"approvals": []`} {
		if got := galenCLI(t, server, append(strings.Fields(command), "-o", "json")...); got.code != exitOK || !strings.Contains(got.out, list) {
			t.Errorf("%s: %+v, want %s", command, got, list)
		}
	}
}

// TestNothingIsToldWithItsFilter: a list without items says by what it was chosen, for that may be why.
func TestNothingIsToldWithItsFilter(t *testing.T) {
	server := (&canned{answers: map[string]any{"GET /v1/runs": api.RunList{}, "GET /v1/alerts": api.AlertList{}, "GET /v1/approvals": api.ApprovalList{}}}).start(t)
	for command, want := range map[string]string{
		"runs list --open=false":                              "no runs with --open=false\n",
		"alerts list --label a='b":                            "no alerts with --label 'a='\\''b'\n",
		"runs list":                                           "no runs\n",
		"runs list --limit 7 -o wide":                         "no runs\n",
		"runs list --open --status held":                      "no runs with --open --status held\n",
		"approvals --run r --state stands":                    "no approvals with --run r --state stands\n",
		"alerts list --label a=b --label c=d --state refused": "no alerts with --label a=b --label c=d --state refused\n",
	} {
		if got := galenCLI(t, server, strings.Fields(command)...); got.code != exitOK || got.out != want {
			t.Errorf("%s: %+v, want %q", command, got, want)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestAnAnswerThatCannotBeWritten is no success: a secret that nobody has counts all the same, and a yes that nobody read is no leave.
func TestAnAnswerThatCannotBeWritten(t *testing.T) {
	server := (&canned{answers: map[string]any{
		"GET /v1/runs": api.RunList{}, "GET /v1/resources": api.ResourceList{}, "POST /v1/tokens": api.NewToken{Token: galen.Token{Name: "ci"}, Secret: "galen_secret"},
	}}).start(t)
	saved, _ := savedRing(t, nil)
	for command, want := range map[string]struct {
		code int
		says string
	}{
		"runs list":    {exitError, "no space left"},
		"version":      {exitError, "no space left"},
		"explain I-02": {exitError, "no space left"},
		"token create ci --scope view --expires 1d":       {exitError, "galen token revoke ci"},
		"can-i stop cassandra/orders n3 --state " + saved: {exitUnasked, "no space left"},
	} {
		var errs bytes.Buffer
		c := &cli{out: fullDisk{}, errs: &errs, now: noon, env: func(name string) string { return map[string]string{envServer: server}[name] }, terminal: func() *terminal { return nil }}
		if code := c.run(t.Context(), strings.Fields(command)); code != want.code || !strings.Contains(errs.String(), want.says) {
			t.Errorf("%s: exit %d, %s; want %d, %q", command, code, errs.String(), want.code, want.says)
		}
	}
}

// TestWholeLists: what stands on the second page of a list is shown, too, and what of it needs a person is in the status.
func TestWholeLists(t *testing.T) {
	db := galen.Resource{Kind: "fake", Name: "demo"}
	past := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fault := "it panicked"
	second := map[string]any{
		"holds":       []galen.Hold{{ID: "hold-last", Resource: db, By: "ann", Why: "w", At: past, Until: past}},
		"quarantines": []galen.Quarantine{{Runbook: "fake/last", Verb: "start", At: past}},
		"runbooks":    []api.Runbook{{Name: "fake/last-book", Fault: &fault}},
		"findings":    []galen.Finding{{Resource: db, Code: "last-code", Why: "w", Since: past, Targets: []galen.Target{{ID: "db-1"}}}},
		"schedules":   []galen.Schedule{{Name: "last-schedule", Resource: db, Runbook: "fake/heal", Spec: "0 3 * * *", Next: past}},
		"resources":   []api.Resource{{Resource: "fake/last"}},
		"modes": []api.ModeRow{{
			Resource: "fake/last", Runbook: "fake/last-book", Policy: "p", Reversible: galen.ModeAct, Disruptive: galen.ModeSuggest, Destructive: galen.ModeObserve,
		}},
		"tokens":                      []galen.Token{{Name: "last-token", Expires: past}},
		"resources/fake/demo/members": []galen.Member{{Target: galen.Target{ID: "last-member"}}},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		name := strings.TrimPrefix(r.URL.Path, "/v1/")
		var answer any
		switch _, paged := second[name]; {
		case name == "status":
			answer = api.Status{Health: api.Health{Ok: true}, Holds: 1, Quarantines: 1, Findings: 1, Resources: []api.Resource{}, MoreResources: ptr(true)}
		case name == "alerts":
			answer = api.AlertList{Alerts: []api.Alert{}}
		case name == "resources/fake/demo":
			answer = api.ResourceDetail{
				Resource: api.Resource{Resource: "fake/demo", Seen: &past}, Members: []galen.Member{{Target: galen.Target{ID: "first-member"}}}, MoreMembers: ptr(true),
				Policy: galen.SafePolicy(), Differences: []api.Difference{},
			}
		case !paged:
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]string{"detail": "not found"}
		case r.URL.Query().Get("cursor") == "":
			answer = map[string]any{path.Base(name): []any{}, "next": "more"} // all of it was kept from this token
		default:
			answer = map[string]any{path.Base(name): second[name]}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct{ command, has string }{
		{"holds", "hold-last"},
		{"schedule list", "last-schedule"},
		{"modes", "fake/last  fake/last-book  act         suggest     observe      p"},
		{"findings", "last-code"},
		{"resources", "fake/last"},
		{"runbooks", "fake/last-book"},
		{"quarantine list", "fake/last"},
		{"token list --all", "last-token"},
		{"resources fake/demo -o wide", "last-member"},
		{"status", "fake/last  "},
		{"status", "hold-last"},
		{"status", "fake/last acts nowhere"},
		{"status", "fake/last-book decides no more"},
	} {
		got := galenCLI(t, s.URL, strings.Fields(c.command)...)
		if got.code != exitOK || !strings.Contains(got.out, c.has) {
			t.Errorf("galen %s: exit %d, want %q in\n%s%s", c.command, got.code, c.has, got.out, got.errs)
		}
	}
}
