package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/runbooks"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func lineSeq(s string) iter.Seq[string] { return strings.Lines(s) }

func ptr[T any](v T) *T { return &v }

func orders() galen.Resource { return galen.Resource{Kind: "cassandra", Name: "orders"} }

func cannedResource() api.Resource {
	return api.Resource{Resource: "cassandra/orders", Mode: "act", Policy: "demo", Members: 3, Bad: 1, Seen: ptr(noon().Add(-1500 * time.Millisecond))}
}

func cannedRun(id string, status galen.RunStatus, why string) galen.Run {
	r := galen.Run{
		ID: id, Key: "k", Resource: orders(), Runbook: "cassandra/heal-node", Version: 1, Asked: "detector node-down", Urgency: galen.High,
		Created: noon().Add(-90 * time.Second), Status: status, Why: why, Plan: 3,
	}
	if !status.Open() {
		r.Ended = noon().Add(-10 * time.Second)
	}
	return r
}

func cannedPlan() galen.Decision {
	stop, start := step("stop", n2), step("start", n2)
	stop.Undo = &start
	return galen.Decision{
		Number: 3, Status: galen.RunWaiting, Why: "I-02 quorum: QUORUM of keyspace orders would be lost",
		Plan: galen.Plan{Steps: []galen.Step{stop}, Outline: []galen.Step{start}, Why: "drain and stop n2, then start it"},
		Verdicts: [][]galen.Verdict{
			append(allowed()[:3], galen.Verdict{Guard: "I-02 quorum", Answer: galen.LookAgain, Why: "QUORUM of keyspace orders would be lost", Margin: "-1 to spare: 1 of 3 replicas stays, 2 needed"}),
			allowed()[:2],
		},
	}
}

func cannedAPI() *canned {
	seen := noon().Add(-time.Second)
	return &canned{answers: map[string]any{
		"GET /v1/status": api.Status{
			Health: api.Health{Ok: true, Version: "0.1.0", Started: noon().Add(-26 * time.Hour)}, Resources: []api.Resource{cannedResource()},
			Findings: 1, OpenRuns: 2, HeldRuns: 1, AskingRuns: 1, Holds: 1, Quarantines: 1,
		},
		"GET /v1/resources": api.ResourceList{Resources: []api.Resource{cannedResource(), {Resource: "cassandra/logs", Mode: "approve", Policy: "default"}}},
		"GET /v1/resources/cassandra/orders": api.ResourceDetail{
			Resource: cannedResource(), Policy: galen.SafePolicy(), Differences: []api.Difference{{Field: "mode", Safe: "approve", Here: "act"}},
			Members: []galen.Member{
				{Target: galen.Target{ID: n2}, Instance: "instance/n2", Name: "127.0.0.2", Domain: "dc1/r2", Bad: true, Observations: []galen.Observation{
					{Observer: "n1", Kind: galen.Peer, Says: galen.Bad, At: seen}, {Observer: "n3", Kind: galen.Peer, Says: galen.Bad, At: seen},
					{Observer: "host n2", Kind: galen.Host, Says: galen.Unknown, At: seen},
				}},
				{Target: galen.Target{ID: n4}, Instance: n4, Name: "127.0.0.4", Domain: "dc1/r2", Spare: true},
			},
		},
		"GET /v1/findings": api.FindingList{Findings: []api.FoundProblem{
			{Finding: galen.Finding{Resource: orders(), Code: "stale-seed", Targets: []galen.Target{{ID: n2}}, Urgency: galen.Low, Since: seen, Why: "seeds name\nno node", Note: true, Evidence: []galen.Observation{}}},
			{
				Finding: galen.Finding{Resource: orders(), Code: "node-down", Targets: []galen.Target{{ID: n2}}, Domain: "dc1/r2", Urgency: galen.High, Since: seen, Why: "n2 is down", Evidence: []galen.Observation{}},
				Runs:    []api.InHand{{Run: "01a22be7-0d87-7000-b8b4-b67c29d1e001", Runbook: "cassandra/heal-node", Status: galen.RunAsking}, {Run: "r5", Runbook: "cassandra/heal-node", Status: galen.RunHeld}},
			},
		}},
		"GET /v1/alerts":   api.AlertList{Alerts: []api.Alert{cannedAlert(), {Id: "refused-77aa", Number: 3, State: api.Refused, Status: "on fire", Received: noon(), Why: ptr("alerts[0]: 65 labels")}}, Next: ptr("YWxlcnRzOjM")},
		"GET /v1/alerts/4": cannedAlert(),
		"GET /v1/runbooks": api.RunbookList{Runbooks: []api.Runbook{
			{Name: "cassandra/heal-node", Version: 1, About: "Brings a node back.", Heals: []string{"node-down", "node-frozen"}},
			{Name: "cassandra/restart-node", Version: 2, About: "Restarts one.", Heals: []string{}, ByHand: true, Params: &map[string]any{"node": ""}, Fault: ptr("it took longer than 1s to decide")},
		}},
		"GET /v1/runbooks/cassandra/tune-streaming": api.Runbook{Name: "cassandra/tune-streaming", Version: 1, About: "Lets nodes send streams faster.", Heals: []string{}, ByHand: true,
			Schema: galen.ListRunbook(runbooks.CassandraTuneStreaming()).Schema()},
		"GET /v1/runs":    api.RunList{Runs: []galen.Run{cannedRun("r2", galen.RunAsking, "mode approve: nobody has approved it yet"), cannedRun("r1", galen.RunVerified, "seen well")}},
		"GET /v1/runs/r1": api.RunDetail{Run: cannedRun("r1", galen.RunVerified, "seen well"), Plans: []galen.Decision{}, Intents: []galen.Intent{}, Events: []galen.Event{}},
		"GET /v1/runs/r2": api.RunDetail{Run: cannedRun("r2", galen.RunAsking, "yes?"), Plans: []galen.Decision{cannedPlan()}, Intents: []galen.Intent{}, Events: []galen.Event{}, Shown: ptr("1f0c9a2eb7")},
		"POST /v1/runs/r2/approve": api.Approved{Run: cannedRun("r2", galen.RunAsking, ""), People: &api.People{
			Wanted: 2, Said: []string{"ada"}, Why: optional("what is destructive needs the yes of 2 people, 1 so far (ada): another person must say yes"),
		}},
		"POST /v1/runs/r2/reject": cannedRun("r2", galen.RunHeld, ""),
		"POST /v1/runs/r2/cancel": cannedRun("r2", galen.RunWaiting, ""),
		"POST /v1/runs/r1/cancel": http.StatusConflict,
		"GET /v1/approvals":       api.ApprovalList{Approvals: cannedApprovals(), Next: ptr("YXBwcm92YWxzOjM")},
		"GET /v1/holds": api.HoldList{Holds: []api.Held{
			{Hold: galen.Hold{ID: "hold-1", Why: "change freeze", By: "operator", At: noon().Add(-50 * time.Hour), Until: noon().Add(-time.Hour)}},
			{Hold: galen.Hold{ID: "hold-2", Resource: orders(), Target: n2, Why: "forensics", By: "operator", At: noon().Add(-time.Minute), Until: noon().Add(72 * time.Hour)}, Called: "n2"},
			{Hold: galen.Hold{ID: "hold-3", Pattern: "cassandra/*-eu", Why: "set by an older release", By: "operator", At: noon().Add(-time.Hour)}},
		}},
		"POST /v1/holds":                galen.Hold{ID: "hold-3", Resource: orders(), Why: "disks", By: "operator", At: noon(), Until: noon().Add(4 * time.Hour)},
		"POST /v1/holds/hold-3/extend":  galen.Hold{ID: "hold-3", Resource: orders(), Why: "disks", By: "operator", At: noon(), Until: noon().Add(6 * time.Hour)},
		"POST /v1/holds/hold-1/release": http.StatusNoContent,
		"GET /v1/quarantines": api.QuarantineList{Quarantines: []galen.Quarantine{{
			Runbook: "cassandra/heal-node", Verb: "replace", Targets: []string{"cassandra/orders " + n2, "cassandra/logs " + n4}, Why: "twice", At: noon().Add(-time.Hour),
		}}},
		"POST /v1/quarantines/clear": http.StatusNoContent,
		"POST /v1/rearm":             http.StatusNoContent,
		"GET /v1/schedules": api.ScheduleList{Schedules: []galen.Schedule{
			{Name: "nightly", Runbook: "cassandra/restart-node", Resource: orders(), Spec: "30 2 * * *", Zone: "Europe/Berlin", By: "ann", Next: time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC),
				Last: &galen.Firing{Due: time.Date(2026, 11, 23, 1, 30, 0, 0, time.UTC), Is: galen.FiringRefused, Why: "the token of its author ann counts no more"}},
			{Name: "weekly", Runbook: "cassandra/restart-node", Resource: orders(), Spec: "@weekly", By: "operator", Paused: true},
		}},
		"POST /v1/schedules":                galen.Schedule{Name: "nightly", Runbook: "cassandra/restart-node", Resource: orders(), Next: time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)},
		"GET /v1/schedules/nightly":         cannedSchedule(),
		"POST /v1/schedules/nightly/pause":  galen.Schedule{Name: "nightly", Runbook: "cassandra/restart-node", Resource: orders(), Paused: true},
		"POST /v1/schedules/nightly/resume": galen.Schedule{Name: "nightly", Runbook: "cassandra/restart-node", Resource: orders(), Next: time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)},
		"DELETE /v1/schedules/nightly":      http.StatusNoContent,
		"GET /v1/tokens": api.TokenList{Tokens: []galen.Token{
			{Name: "alertmanager", Grants: []galen.Grant{{Scope: galen.ScopeAlerts, Resource: galen.Everything}}, By: "operator", At: noon().Add(-time.Hour), Expires: noon().Add(365 * 24 * time.Hour)},
			{Name: "ann", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}, {Scope: galen.ScopeOperate, Resource: "cassandra/orders-*"}}, By: "operator", At: noon().Add(-time.Minute), Expires: noon().Add(time.Hour)},
			{Name: "bob", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "cassandra/*"}}, By: "ann", At: noon().Add(-3 * time.Hour), Expires: noon().Add(-2 * time.Hour)},
			{Name: "ci", Grants: []galen.Grant{{Scope: galen.ScopePropose, Resource: "cassandra/*"}}, By: "ann", At: noon().Add(-3 * time.Hour), Expires: noon().Add(time.Hour), Revoked: noon().Add(-time.Minute), RevokedBy: "ann"},
		}},
		"POST /v1/tokens":           api.NewToken{Token: galen.Token{Name: "ci", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}, Secret: "galen_x"},
		"POST /v1/tokens/ci/revoke": http.StatusNoContent,

		"POST /v1/resources/cassandra/orders/acknowledge": api.Acknowledge{Target: n2},
		"POST /v1/runs":   api.RunAnswer{Run: ptr(cannedRun("r3", galen.RunOpened, ""))},
		"GET /v1/runs/r3": api.RunDetail{Run: cannedRun("r3", galen.RunHeld, "no spare")},
		"GET /v1/journal/events": api.EventList{Events: []galen.Event{
			{Seq: 2, At: noon(), Kind: galen.EventEngine, By: "galen 0.1.0", Body: []byte(`{"is":"started"}`)},
			{Seq: 1, At: noon(), Kind: galen.EventFound, Resource: orders(), Body: []byte(`{"cites":{"finding/x":"1f0c"},"finding":{"code":"node-down","evidence":[{"observer":"n1"}],"since":1,"why":"n2 is down"}}`)},
		}},
	}}
}

func cannedApprovals() []api.Approval {
	yes := api.Approval{
		Id: "y2", Number: 4, Run: "r2", Resource: "cassandra/orders", Runbook: "cassandra/replace-node", Plan: ptr(3), State: galen.ApprovalStands, By: "ben", With: ptr([]string{"ada"}),
		Why: ptr("the disk\x1b[2J is lost"), At: noon().Add(-time.Minute), Expires: noon().Add(29 * time.Minute), Intents: []string{},
		Steps: []galen.ApprovedStep{{Verb: "fence", Target: n2, Count: 1}, {Verb: "repair", Target: n2, Count: 2}},
	}
	before := yes
	before.Id, before.Number, before.State, before.By, before.With, before.Why, before.Ended = "y1", 3, galen.ApprovalReplaced, "ada", nil, nil, ptr(noon().Add(-time.Minute))
	before.At, before.Plan, before.Intents = noon().Add(-2*time.Minute), nil, []string{"in-1"}
	return []api.Approval{yes, before}
}

// cannedAlert has labels that would move a cursor.
func cannedAlert() api.Alert {
	return api.Alert{
		Id: "0123456789abcdef0123456789abcdef", Number: 4, State: api.Matched, Why: ptr("run r1 looks for node-down in dc1/r2 of cassandra/orders"), Run: ptr("r1"),
		Source: "alertmanager", Fingerprint: "c5b2f1", Status: "firing", Received: noon().Add(-time.Minute), Duplicates: 999, StartsAt: ptr(noon().Add(-time.Hour)),
		Labels: map[string]string{"alertname": "Cassandra\x1b[2JDown", "instance": "127.0.0.2:7070\nSTATE ok"}, Annotations: &map[string]string{"summary": "$(reboot) <b>"},
	}
}

// Each command against canned answers.
func TestTables(t *testing.T) {
	server := cannedAPI().start(t)
	for name, args := range map[string]string{
		"status": "status", "resources": "resources", "resource": "resources cassandra/orders", "findings": "findings", "runbooks": "runbooks",
		"alerts": "alerts list --limit 2", "alert": "alerts show 4",
		"runs": "runs list", "run-quiet": "runs show r1", "approvals": "approvals --limit 2", "approvals-wide": "approvals --limit 2 -o wide",
		"holds": "holds", "hold": "hold cassandra/orders --why disks --until 4h", "hold-extend": "hold extend hold-3 --why late --until 6h",
		"schedules": "schedule list", "schedule": "schedule show nightly", "schedule-pause": "schedule pause nightly --why sale", "schedule-resume": "schedule resume nightly", "schedule-delete": "schedule delete nightly",
		"schedule-create": "schedule create nightly cassandra/restart-node cassandra/orders --param node=n2 --spec @daily --zone Europe/Berlin --missed once",
		"tokens":          "token list", "tokens-all": "token list --all", "token-revoke": "token revoke ci",
		"quarantines": "quarantine list", "quarantine-clear": "quarantine clear cassandra/heal-node --why mended",
		"release": "release hold-1", "ack": "ack cassandra/orders 127.0.0.2", "approve": "runs approve r2 --plan 3", "approve-shown": "runs approve r2 --plan 3:1f0c9a2e",
		"reject": "runs reject r2 --why no", "cancel": "runs cancel r2 --why no",
		"run": "run cassandra/heal-node cassandra/orders", "journal": "journal list", "findings-json": "findings -o json",
	} {
		t.Run(name, func(t *testing.T) {
			got := galenCLI(t, server, strings.Fields(args)...)
			if got.code != exitOK {
				t.Fatalf("galen %s: exit code %d: %s", args, got.code, got.errs)
			}
			golden(t, file(name), got.out)
		})
	}
}

// TestOneRunbook: its parameters, for people and for programs.
func TestOneRunbook(t *testing.T) {
	server := cannedAPI().start(t)
	got := galenCLI(t, server, "runbooks", "cassandra/tune-streaming")
	for _, line := range []string{"cassandra/tune-streaming, version 1", "parameter for (string, 3h0m0s if it is left out)", "parameter nodes (array of string, required)", "MiB/s"} {
		if got.code != exitOK || !contains(got.out, line) {
			t.Errorf("%+v, want %q in it", got, line)
		}
	}
	if got = galenCLI(t, server, "runbooks", "cassandra/tune-streaming", "-o", "json"); !contains(got.out, "additionalProperties") {
		t.Errorf("no schema: %+v", got)
	}
	if got = galenCLI(t, server, "runbooks", "heal"); got.code != exitUsage || !contains(got.errs, "galen runbooks lists them") {
		t.Errorf("half a name: %+v", got)
	}
	if got = galenCLI(t, server, "explain", "cassandra/tune-streaming"); !contains(got.out, "parameter to (integer, required): the wanted stream throughput") {
		t.Errorf("explained without its parameters: %+v", got)
	}
}

func TestPlans(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	shown := galenCLI(t, server, "runs", "approve", "r2")
	if shown.code != exitNotDone || !contains(shown.errs, "galen runs approve r2 --plan 3:1f0c9a2e") || c.bodies["POST /v1/runs/r2/approve"] != "" {
		t.Errorf("an approval without a plan: %+v", shown)
	}
	ringOf(c)
	c.answers["POST /v1/runs"] = api.RunAnswer{Plan: ptr(cannedPlan())}
	got := galenCLI(t, server, "run", "cassandra/restart-node", "cassandra/orders", "--plan", "--param", "node=n2", "--param", "depth=3")
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	golden(t, file("plan"), got.out)
	if want := `{"params":{"depth":3,"node":"n2"},"plan_only":true,"resource":"cassandra/orders","runbook":"cassandra/restart-node"}`; strings.TrimSpace(c.bodies["POST /v1/runs"]) != want {
		t.Errorf("asked %s, want %s", c.bodies["POST /v1/runs"], want)
	}
}

func TestWait(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	got := galenCLI(t, server, "run", "cassandra/restart-node", "cassandra/orders", "--wait", "--key", "ticket-1")
	if got.code != exitNotDone || !contains(got.errs, "run r3 is held: no spare") || !contains(got.out, "held  no spare") {
		t.Errorf("a run that is held: %+v", got)
	}
	if !strings.HasPrefix(got.errs, "run r3 opened; follow it: galen runs show r3\n") {
		t.Errorf("who waits is not told at once for what: %q", got.errs)
	}
	c.answers["GET /v1/runs/r3"] = api.RunDetail{Run: cannedRun("r3", galen.RunVerified, "seen well")}
	if got = galenCLI(t, server, "run", "cassandra/restart-node", "cassandra/orders", "--wait"); got.code != exitOK || !contains(got.out, "verified  seen well") {
		t.Errorf("a run that ends well: %+v", got)
	}
}

// The exit codes are a promise to scripts.
func TestExitCodes(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"", exitOK, ""},
		{"nonsense", exitUsage, `galen has no command "nonsense"`},
		{"runz", exitUsage, "did you mean"},
		{"runs shwo r1", exitUsage, "did you mean show?"},
		{"status --nope", exitUsage, "unknown flag"},
		{"status -o xml", exitUsage, "want table, wide, json or yaml"},
		{"status --color blue", exitUsage, "want auto, always or never"},
		{"status more", exitUsage, "want no arguments"},
		{"runs show", exitUsage, "the ID of one run"},
		{"runs show none", exitNotDone, "not found"},
		{"runs cancel r1 --why x", exitNotDone, "Conflict, said the engine"},
		{"runs cancel r1", exitUsage, "--why is required"},
		{"hold", exitUsage, "--why is required"},
		{"runs approve r2 --plan third", exitUsage, "a plan's number"},
		{"runs approve r2 --plan 3:", exitUsage, "3:1f0c9a2e"},
		{"schedule create x cassandra/restart-node cassandra/orders", exitUsage, "--spec is required"},
		{"schedule create x cassandra/restart-node cassandra/orders --spec @daily --within {}", exitUsage, "--within"},
		{"schedule pause nightly", exitUsage, "--why is required"},
		{"schedule delete none", exitNotDone, "not found"},
		{"token create ci", exitUsage, "--scope and --expires are required"},
		{"token create ci --scope view --expires soon", exitUsage, "such as 4h"},
		{"token create ci --scope root --expires 90d", exitUsage, "want one of [view"},
		{"token create ci --scope admin --resource cassandra/* --expires 90d", exitUsage, "operate is the widest"},
		{"token create ci --scope view --expires 90d --grant operate", exitUsage, "want SCOPE:RESOURCE"},
		{"token revoke", exitUsage, "the name of one token"},
		{"token revoke nobody", exitNotDone, "not found"},
		{"hold --why x", exitUsage, "--until is required"},
		{"hold extend hold-1 --until 4h", exitUsage, "--why is required"},
		{"hold extend hold-1 --why x", exitUsage, "--until is required"},
		{"hold orders --why x --until 4h", exitUsage, "kind/name"},
		{"hold --why x --until soon", exitUsage, "or a duration such as 4h"},
		{"run a cassandra/orders --param x", exitUsage, "want name=value"},
		{"run a cassandra/orders --params [1]", exitUsage, "--params"},
		{"run a cassandra/orders --plan --wait", exitUsage, "--plan starts nothing"},
		{"can-i drain cassandra/orders -h", exitUnasked, ""},
		{"run a cassandra/orders --timeout 3m", exitUsage, "say --follow, too"},
		{"run a cassandra/orders --follow --timeout -1s", exitUsage, "0 for none"},
		{"journal verify no-such-file", exitError, "no-such-file"},
		{"config check --config no-such-file", exitUsage, "no-such-file"},
		{"serve --config no-such-file", exitUsage, "no-such-file"},
		{"serve --log-level loud", exitUsage, "want debug, info, warn or error"},
		{"serve --log xml", exitUsage, "want text or json"},
		{"status --token-file no-such-file", exitError, "galen serve prints the path"},
		{"status --server http://127.0.0.1:1", exitError, "is galen serve running there?"},
		{"status --server 127.0.0.1:1", exitError, "is galen serve running there?"},
		{"status --server ftp://127.0.0.1:1", exitUsage, "want http://, https://, or a host and port alone"},
		{"gym --n 0", exitUsage, "want at least 1 incident"},
		{"gym --n -3", exitUsage, "want at least 1 incident"},
		{"gym --seed -1", exitUsage, `invalid argument "-1" for "--seed" flag: invalid syntax`},
		{"runs list --limit x", exitUsage, `invalid argument "x" for "--limit" flag: invalid syntax`},
		{"gym --workers -1", exitUsage, "one for each core"},
		{"gym --runbook cassandra/nope", exitUsage, "there are cassandra/heal-node, cassandra/replace-node"},
		{"gym --runbook cassandra/restart-node", exitUsage, "heals nothing unasked"},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := galenCLI(t, server, strings.Fields(test.args)...)
			if got.code != test.code || !contains(got.errs, test.says) {
				t.Errorf("exit code %d, want %d; said %q, want %q in it", got.code, test.code, got.errs, test.says)
			}
		})
	}
	for status, code := range map[int]int{http.StatusBadRequest: exitUsage, http.StatusUnauthorized: exitError, http.StatusInternalServerError: exitError} {
		c.answers["GET /v1/status"] = status
		if got := galenCLI(t, server, "status"); got.code != code || !contains(got.errs, http.StatusText(status)) {
			t.Errorf("status %d: %+v, want exit code %d", status, got, code)
		}
	}
}

// TestRunsShowTellsThatGalenObserves: what held the run last is not why it stands still.
func TestRunsShowTellsThatGalenObserves(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	c.answers["GET /v1/status"] = api.Status{Observe: ptr("restored from an old backup")}
	for run, want := range map[string]bool{"r1": false, "r2": true} {
		got := galenCLI(t, server, "runs", "show", run)
		last := got.out[strings.LastIndex(strings.TrimSpace(got.out), "\n")+1:]
		if got.code != exitOK || contains(last, "Galen observes only") != want {
			t.Errorf("%s ends with %q (%d %s), want observe only %v", run, last, got.code, got.errs, want)
		}
	}
}

// TestTheNextLookIsToldInItsTime: one that should have been is not told as one to come.
func TestTheNextLookIsToldInItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		run        galen.Run
		show, tree string
	}{
		"to come":  {galen.Run{Status: galen.RunWaiting, Until: noon().Add(90 * time.Second)}, "looks again at 12:01:30 UTC at the latest", "in 1m30s at the latest"},
		"past":     {galen.Run{Status: galen.RunWaiting, Until: noon().Add(-90 * time.Second)}, "its next look is due since 11:58:30 UTC, for 1m30s", "due for 1m30s"},
		"none":     {galen.Run{Status: galen.RunWaiting}, "", ""},
		"held":     {galen.Run{Status: galen.RunHeld, Until: noon().Add(-90 * time.Second)}, "", ""},
		"has done": {galen.Run{Status: galen.RunVerified, Until: noon().Add(-90 * time.Second), Ended: noon()}, "to 12:00:00 UTC", ""},
	} {
		c.run.Created = noon().Add(-time.Hour)
		if got := when(c.run, noon()); !strings.Contains(got, c.show) || strings.Contains(got, "look") != strings.Contains(c.show, "look") {
			t.Errorf("%s: %q, want %q", name, got, c.show)
		}
		b := tree{detail: api.RunDetail{Run: c.run}, now: noon()}.stands()
		if got := fmt.Sprint(b.more); strings.Contains(got, "looks again") != (c.tree != "") || !strings.Contains(got, c.tree) {
			t.Errorf("%s: %s, want %q", name, got, c.tree)
		}
	}
}

// TestVersion: the flag says what the command says, in each form.
func TestVersion(t *testing.T) {
	for _, form := range []string{formTable, formJSON} {
		command, flag := galenCLI(t, "", "version", "-o", form), galenCLI(t, "", "--version", "-o", form)
		if command.code != exitOK || command != flag || !contains(command.out, runtime.Version()) {
			t.Errorf("%s: %+v and %+v", form, command, flag)
		}
	}
	if got := galenCLI(t, "", "--version", "stat"); got.code != exitUsage || !contains(got.errs, "did you mean state or status?") {
		t.Errorf("%+v", got)
	}
}

// TestListsAreCalledAsHere: where the engine names a list of the API, a person is told the command for it; there is one for every list
// whose items can be asked for.
func TestListsAreCalledAsHere(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	c.answers["POST /v1/holds/none/release"] = refused{http.StatusNotFound, `release hold none: not found; GET /v1/holds tells which there are`, "/v1/holds"}
	c.answers["GET /v1/runs/none"] = refused{http.StatusNotFound, `run none: not found; GET /v2/odd tells which there are`, "/v2/odd"}
	for args, want := range map[string]string{
		"release none":   "galen: release hold none: not found; galen holds tells which there are\n",
		"runs show none": "galen: read run none: not found; GET /v2/odd tells which there are\n",
	} {
		if got := galenCLI(t, server, strings.Fields(args)...); got.code != exitNotDone || got.errs != want {
			t.Errorf("galen %s: exit code %d, %q, want %q", args, got.code, got.errs, want)
		}
	}
	var file struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(api.Spec, &file); err != nil {
		t.Fatal(err)
	}
	commands := listCommands()
	for path := range file.Paths {
		list, _, item := strings.Cut(path, "/{")
		if _, lists := file.Paths[list]["get"]; item && lists && commands[list] == "" {
			t.Errorf("no command is named for %s", list)
		}
	}
	for list, command := range commands {
		found, rest, err := (&cli{}).root().Find(strings.Fields(command)[1:])
		if _, lists := file.Paths[list]["get"]; err != nil || len(rest) > 0 || !found.Runnable() || !lists {
			t.Errorf("%s: there is no command %s, or no such list", list, command)
		}
	}
}

// What was tried is said once, though both sides say it.
func TestErrorsSayItOnce(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	c.answers["POST /v1/holds/hold-9/release"] = refused{status: http.StatusNotFound, says: `release hold hold-9: hold "hold-9": not found`}
	c.answers["POST /v1/rearm"] = refused{status: http.StatusConflict, says: "re-arm: galen is armed: there is nothing to re-arm"}
	for args, want := range map[string]string{
		"runs show x":    "galen: read run x: not found\n",
		"release hold-9": "galen: release hold hold-9: hold \"hold-9\": not found\n",
		"rearm --why x":  "galen: re-arm: galen is armed: there is nothing to re-arm\n",
	} {
		if got := galenCLI(t, server, strings.Fields(args)...); got.code != exitNotDone || got.errs != want {
			t.Errorf("galen %s: exit code %d, %q, want %q", args, got.code, got.errs, want)
		}
	}
	host := strings.TrimPrefix(server, "http://")
	if got := galenCLI(t, server, "holds", "--server", host); got.code != exitOK {
		t.Errorf("a server without its scheme: %+v", got)
	}
}

// galen gym tells programs what it tells people, in words of the API.
func TestGymAnswers(t *testing.T) {
	got := galenCLI(t, "", "gym", "--n", "2", "--seed", "7", "-o", "json")
	for _, part := range []string{`"incidents": 2`, `"virtual": "`, `"failures": []`, `"runbook": "cassandra/heal-node"`, `"median": "`, `"held_for": [`} {
		if got.code != exitOK || !contains(got.out, part) {
			t.Errorf("exit code %d, %s%s, want %s in it", got.code, got.out, got.errs, part)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	c := &cli{out: &out, errs: &errs, now: noon, env: func(string) string { return "" }}
	if code := c.run(ctx, []string{"gym"}); code != exitError || !contains(errs.String(), "interrupted after 0 of 1000 incidents") || !contains(out.String(), "0 incidents") {
		t.Errorf("interrupted: exit code %d, %s%s", code, &out, &errs)
	}
}

// A runbook that does nothing fails the gym, and so does one that panics.
func TestGymFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		decide func(galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan
		args   string
		says   string
	}{
		{"does nothing", giveUp, "gym --n 20", "incidents with a single trouble were verified, want 95 %"},
		{"panics", func(galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan { panic("boom") }, "gym --n 3", "a runbook was at fault"},
	} {
		rb := runbooks.CassandraHealNode()
		rb.Decide = test.decide
		var out, errs bytes.Buffer
		c := &cli{out: &out, errs: &errs, now: noon, env: func(string) string { return "" }, books: []galen.ListedRunbook{galen.ListRunbook(rb)}}
		if code := c.run(t.Context(), strings.Fields(test.args)); code != exitNotDone || !contains(errs.String(), test.says) {
			t.Errorf("%s: exit code %d, want %d; %s%s", test.name, code, exitNotDone, &out, &errs)
		}
	}
}

func giveUp(galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan {
	return galen.Plan{End: galen.EndEscalate, Why: "not my trade"}
}

// Stories are what was asked for; beside JSON they stand where they break no answer.
func TestGymTellsStories(t *testing.T) {
	if got := galenCLI(t, "", "gym", "--n", "1", "--seed", "7", "--story"); got.code != exitOK || got.errs != "" || !contains(got.out, "seed 7") || !contains(got.out, "1 incident,") {
		t.Errorf("%+v", got)
	}
	got := galenCLI(t, "", "gym", "--n", "1", "--seed", "7", "--story", "-o", "json")
	if got.code != exitOK || !json.Valid([]byte(got.out)) || !contains(got.errs, "seed 7") {
		t.Errorf("%+v", got)
	}
}

func TestToken(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := galenCLI(t, server, "holds", "--token-file", path); got.code != exitOK || c.header.Get("Authorization") != "Bearer secret" {
		t.Errorf("%+v, sent %q", got, c.header.Get("Authorization"))
	}
}

func TestNotTheAPI(t *testing.T) {
	c := &canned{answers: map[string]any{"GET /v1/status": "hello"}}
	if got := galenCLI(t, c.start(t), "status"); got.code != exitError {
		t.Errorf("%+v", got)
	}
}
