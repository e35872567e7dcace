package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestStatusShowsTheHolds: which they are, as many as one reads; who may not list them has their number.
func TestStatusShowsTheHolds(t *testing.T) {
	for n, c := range map[int]struct{ shown, beyond int }{0: {}, 1: {1, 0}, holdsShown: {holdsShown, 0}, holdsShown + 2: {holdsShown, 2}} {
		a := cannedAPI()
		status := a.answers["GET /v1/status"].(api.Status)
		var all []api.Held
		for i := range n {
			all = append(all, api.Held{Hold: galen.Hold{ID: fmt.Sprint("hold-", i), Pattern: "cassandra/*", Why: "disks are being swapped", By: "ann", At: noon(), Until: noon().Add(time.Hour)}})
		}
		status.Holds = n
		a.answers["GET /v1/status"], a.answers["GET /v1/holds"] = status, api.HoldList{Holds: all}
		server := a.start(t)
		got := galenCLI(t, server, "status")
		if strings.Count(got.out, "disks are being swapped") != c.shown || contains(got.out, fmt.Sprintf("and %d more: galen holds", c.beyond)) != (c.beyond > 0) {
			t.Errorf("%d holds: %d %s, want %d and %d more", n, got.code, got.out, c.shown, c.beyond)
		}
		a.answers["GET /v1/holds"] = http.StatusForbidden
		if got := galenCLI(t, server, "status"); !contains(got.out, some(n, "hold")) || contains(got.out, "HOLD ") {
			t.Errorf("%d holds that may not be seen: %d %s", n, got.code, got.out)
		}
	}
}

// TestStatusAsksForNoYesTwice: one that was given while the engine does not work is waited for by the engine, not by a person.
func TestStatusAsksForNoYesTwice(t *testing.T) {
	given := &api.StandingApproval{By: "ada", At: noon(), Expires: noon().Add(time.Hour), Steps: []galen.ApprovedStep{}}
	for name, c := range map[string]struct {
		works  bool
		given  *api.StandingApproval
		people *api.People
		asks   bool
	}{
		"none given":              {given: nil, asks: true},
		"given":                   {given: given},
		"given by one of two":     {given: given, people: &api.People{Wanted: 2, Said: []string{"ada"}}, asks: true},
		"given by two":            {given: given, people: &api.People{Wanted: 2, Said: []string{"ada", "bob"}, Enough: true}},
		"given, and not all that": {works: true, given: given, asks: true},
	} {
		a := cannedAPI()
		status := a.answers["GET /v1/status"].(api.Status)
		status.Health.Ok = c.works
		run := a.answers["GET /v1/runs/r2"].(api.RunDetail)
		run.Run.Status, run.Approval, run.People = galen.RunAsking, c.given, c.people
		a.answers["GET /v1/status"], a.answers["GET /v1/runs/r2"] = status, run
		got := galenCLI(t, a.start(t), "status")
		if contains(got.out, "galen runs approve r2") != c.asks || contains(got.out, "goes on once the engine works, with the yes of ada") == c.asks {
			t.Errorf("%s: %s", name, got.out)
		}
	}
}

// TestStatusTellsWhatIsLeft: with what ends it.
func TestStatusTellsWhatIsLeft(t *testing.T) {
	a := cannedAPI()
	status := a.answers["GET /v1/status"].(api.Status)
	gone := cannedRun("r7", galen.RunAsking, "yes?")
	gone.Resource = galen.Resource{Kind: "fake", Name: "old"}
	runs := a.answers["GET /v1/runs"].(api.RunList)
	runs.Runs = append([]galen.Run{gone}, runs.Runs...)
	a.answers["GET /v1/runs"], status.AskingRuns = runs, 2
	status.Orphans = &[]api.Orphan{{Resource: "fake/old", OpenRuns: 1, Holds: 2}, {Resource: "fake/older", Schedules: 1}}
	a.answers["GET /v1/status"] = status
	got := galenCLI(t, a.start(t), "status", "-o", "wide")
	for _, says := range []string{"no engine looks after fake/old, which has 1 open run, 2 holds", "galen runs list --open --resource fake/old", "no engine looks after fake/older, which has 1 schedule:"} {
		if !contains(got.out, says) {
			t.Errorf("it does not say %q: %s", says, got.out)
		}
	}
	if contains(got.out, "galen runs approve r7") || !contains(got.out, "galen runs approve r2") {
		t.Errorf("it asks for a yes that nobody would hear, or for none: %s", got.out)
	}
}

// TestStatusTellsOfWhatIsOnlySeen: where the mode lets a run do nothing, a person is to; one that waits and acts by itself needs nobody.
func TestStatusTellsOfWhatIsOnlySeen(t *testing.T) {
	a := cannedAPI()
	status := a.answers["GET /v1/status"].(api.Status)
	idle, waits, was := cannedRun("r7", galen.RunWaiting, "mode suggest, would start n2: it is down"), cannedRun("r8", galen.RunWaiting, "streams"), cannedRun("r9", galen.RunHeld, "a person's no")
	idle.Only, was.Only = galen.ModeSuggest, galen.ModeObserve
	runs := a.answers["GET /v1/runs"].(api.RunList)
	runs.Runs = append([]galen.Run{idle, waits, was}, runs.Runs...)
	a.answers["GET /v1/runs"], status.IdleRuns = runs, 1
	a.answers["GET /v1/status"] = status
	got := galenCLI(t, a.start(t), "status", "-o", "wide")
	if !contains(got.out, "mode suggest, would start n2: it is down") || !contains(got.out, "galen runs show r7") || contains(got.out, "galen runs show r8") {
		t.Errorf("it says %s", got.out)
	}
	a.answers["GET /v1/runs"] = http.StatusForbidden
	if got := galenCLI(t, a.start(t), "status", "-o", "wide"); !contains(got.out, "idle") {
		t.Errorf("to one who may not see runs it says %s", got.out)
	}
}

// TestStatusTellsOfWhatNobodyWorksOn: after its run was cancelled a problem is for people; and neither a note nor what is found of another
// member hides one that is down.
func TestStatusTellsOfWhatNobodyWorksOn(t *testing.T) {
	a := cannedAPI()
	list := a.answers["GET /v1/findings"].(api.FindingList)
	status := a.answers["GET /v1/status"].(api.Status)
	status.Findings, status.Resources[0].Bad = 2, 2
	a.answers["GET /v1/status"] = status
	url := a.start(t)
	got := galenCLI(t, url, "status", "-o", "wide")
	if contains(got.out, "no run is open about it") || !contains(got.out, "1 member seen bad, and no finding yet") {
		t.Errorf("two are bad, a run is about one: %s", got.out)
	}
	list.Findings[1].Runs = nil
	a.answers["GET /v1/findings"] = list
	if got := galenCLI(t, a.start(t), "status", "-o", "wide"); !contains(got.out, "and no run is open about it: n2 is down") || !contains(got.out, "galen explain node-down") {
		t.Errorf("no run is about it: %s", got.out)
	}
	list.Findings = list.Findings[:1] // the note alone
	a.answers["GET /v1/findings"], status.Resources[0].Bad = list, 1
	if got := galenCLI(t, a.start(t), "status", "-o", "wide"); !contains(got.out, "1 member seen bad, and no finding yet") {
		t.Errorf("a note hides it: %s", got.out)
	}
}

// TestStatusTellsOfWhatIsNotFoundYet: with a policy that lets people go first nothing is found for an hour, and a member is down all the same.
func TestStatusTellsOfWhatIsNotFoundYet(t *testing.T) {
	for name, c := range map[string]struct {
		bad, found int
		may, tells bool
	}{
		"bad, and not found yet":        {1, 0, true, true},
		"bad, and found":                {1, 1, true, false},
		"found, and nobody may see it":  {1, 1, false, false},
		"none found, and nobody may it": {1, 0, false, true},
		"none bad":                      {0, 0, true, false},
	} {
		a := cannedAPI()
		status := a.answers["GET /v1/status"].(api.Status)
		status.Resources[0].Bad, status.Findings = c.bad, c.found
		a.answers["GET /v1/status"] = status
		if !c.may {
			a.answers["GET /v1/findings"] = http.StatusForbidden
		}
		if got := galenCLI(t, a.start(t), "status"); contains(got.out, "1 member seen bad, and no finding yet") != c.tells {
			t.Errorf("%s: %s", name, got.out)
		}
	}
}
