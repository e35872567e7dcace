package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Colours come to terminals that want them, and nowhere else; who asks for them gets them.
func TestColor(t *testing.T) {
	server := cannedAPI().start(t)
	for _, test := range []struct {
		name string
		on   *terminal
		env  map[string]string
		args string
		want bool
	}{
		{"a terminal", &terminal{columns: 200}, nil, "status", true},
		{"a pipe", nil, nil, "status", false},
		{"NO_COLOR", &terminal{columns: 200}, map[string]string{"NO_COLOR": "1"}, "status", false},
		{"an empty NO_COLOR means nothing", &terminal{columns: 200}, map[string]string{"NO_COLOR": ""}, "status", true},
		{"a dumb terminal", &terminal{columns: 200, dumb: true}, nil, "status", false},
		{"never", &terminal{columns: 200}, nil, "status --color never", false},
		{"always, in a pipe and against NO_COLOR", nil, map[string]string{"NO_COLOR": "1"}, "status --color=always", true},
		{"a program's answer has none", nil, nil, "status -o json --color always", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{envServer: server}
			for k, v := range test.env {
				env[k] = v
			}
			got := galenOn(t, test.on, env, strings.Fields(test.args)...)
			if colored := contains(got.out, "\x1b["); got.code != exitOK || colored != test.want {
				t.Errorf("colours %v, want %v: %+v", colored, test.want, got)
			}
		})
	}
	plain := galenOn(t, nil, map[string]string{envServer: server}, "runs", "list")
	inked := galenOn(t, nil, map[string]string{envServer: server}, "runs", "list", "--color", "always")
	for _, i := range []ink{inkOff, inkBold, inkDim, inkGood, inkWarn, inkBad} {
		inked.out = strings.ReplaceAll(inked.out, i.sequence(), "")
	}
	if diff := cmp.Diff(plain.out, inked.out); diff != "" {
		t.Errorf("colours change more than colours:\n%s", diff)
	}
}

// Every list, at every width: no line is longer than a terminal in which each of its names and IDs has room, and what is piped or wide is whole.
func TestTablesFit(t *testing.T) {
	server := cannedAPI().start(t)
	env := map[string]string{envServer: server}
	lists := []string{"runs list", "approvals --limit 2", "findings", "alerts list", "holds", "resources", "resources cassandra/orders", "runbooks", "token list --all", "quarantine list", "journal list"}
	for _, args := range lists {
		whole := galenOn(t, nil, env, strings.Fields(args)...)
		if contains(whole.out, "…") && !contains(args, "alerts") { // an alert's short ID ends so
			t.Errorf("galen %s: something is cut in a pipe:\n%s", args, whole.out)
		}
		for _, columns := range []int{40, 60, 80, 100, 120, 160, 400} {
			got := galenOn(t, &terminal{columns: columns, dumb: true}, env, strings.Fields(args)...)
			for line := range lineSeq(got.out) {
				if w := widthOf(strings.TrimRight(line, "\n")); w > columns {
					t.Errorf("galen %s: %d columns on a terminal of %d:\n%s", args, w, columns, line)
				}
			}
			if columns == 400 && got.out != whole.out {
				t.Errorf("galen %s: a terminal with room shows not what a pipe does:\n%s", args, cmp.Diff(whole.out, got.out))
			}
		}
		wide := galenOn(t, &terminal{columns: 40, dumb: true}, env, append(strings.Fields(args), "-o", "wide")...)
		if wide.code != exitOK || contains(wide.out, "…") && !contains(args, "alerts") || len(wide.out) < len(whole.out) {
			t.Errorf("galen %s -o wide is cut, or tells less:\n%s%s", args, wide.out, wide.errs)
		}
	}
}

func TestTableOfAnyAlphabet(t *testing.T) {
	rows := [][]string{
		{"日本語", "held", "ノードは落ちています"},
		{"naïve", "verified", "e\u0301clair"},
		{"👩🏽 x", "asking", "one two three four five six seven eight nine ten eleven"},
	}
	heads := []string{"name", "status", "why"}
	for _, columns := range []int{0, 40, 30} {
		var b bytes.Buffer
		if err := table(&page{to: &b, width: columns}, heads, rows); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		at := strings.Index(lines[0], "STATUS")
		for i, line := range lines[1:] {
			before, _, found := strings.Cut(line, rows[i][1])
			if !found || widthOf(before) != at {
				t.Errorf("width %d: %q stands at column %d, want %d:\n%s", columns, rows[i][1], widthOf(before), at, b.String())
			}
			if columns > 0 && widthOf(line) > columns {
				t.Errorf("width %d: %d columns: %s", columns, widthOf(line), line)
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		in      string
		columns int
		want    string
	}{
		{"galen", 5, "galen"}, {"galens", 5, "gale…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"👩🏽👩🏽", 3, "👩🏽…"}, {"", 3, ""}, {"xy", 1, "…"},
	} {
		if got := cut(test.in, test.columns); got != test.want || widthOf(got) > test.columns {
			t.Errorf("cut(%q, %d) = %q, want %q", test.in, test.columns, got, test.want)
		}
	}
}

// hostile is what an alert, a label or a node may say.
const hostile = "x\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnp.exe\u2066\u200b\r\n\U000f0005RED\xff<b>"

// poison puts hostile text behind each text of an answer that people write or nodes say.
func poison(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			text, is := value.(string)
			switch {
			case is && slices.Contains([]string{
				"why", "about", "name", "observer", "detail", "by", "asked", "policy", "margin", "version", "alertname", "instance", "domain", "group", "of",
				"code", "verb", "source", "fingerprint", "summary", "fault", "reply", "id", "key", "guard", "Why", "status", "is", "runbook", "pattern", "here",
			}, name):
				v[name] = text + hostile
			default:
				v[name] = poison(value)
			}
		}
	case []any:
		for i, value := range v {
			if text, is := value.(string); is {
				value = text + hostile
			}
			v[i] = poison(value)
		}
	}
	return v
}

// What others wrote never reaches the terminal as it is: in no form, of no command, with colours or without.
func TestHostileTextIsEscaped(t *testing.T) {
	c := cannedAPI()
	c.answers["GET /v1/runs"] = api.RunList{Runs: []galen.Run{cannedRun("r2", galen.RunAsking, "yes?"), cannedRun("r5", galen.RunHeld, "no spare")}}
	c.answers["POST /v1/runs"] = api.RunAnswer{Plan: ptr(cannedPlan())}
	for what, answer := range c.answers {
		if _, refusal := answer.(int); refusal {
			continue
		}
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		var loose any
		if err := json.Unmarshal(text, &loose); err != nil {
			t.Fatal(err)
		}
		c.answers[what] = poison(loose)
	}
	c.answers["POST /v1/holds/hold-9/release"] = refused{status: http.StatusConflict, says: hostile}
	server := c.start(t)
	reached := 0
	for _, args := range []string{
		"status", "resources", "resources cassandra/orders", "findings", "alerts list", "alerts show 4", "runbooks", "runs list", "runs show r1", "runs show r2", "runs approve r2",
		"holds", "token list --all", "quarantine list", "journal list", "release hold-9", "run cassandra/restart-node cassandra/orders --plan", "run cassandra/restart-node cassandra/orders",
		"hold cassandra/orders --why x --until 4h", "runs cancel r2 --why x", "journal export",
	} {
		for _, form := range []string{"table", "wide", "json", "yaml"} {
			for _, on := range []*terminal{nil, {columns: 100}} {
				if on == nil && args == "journal export" {
					continue // a file gets the bytes that were hashed
				}
				got := galenOn(t, on, map[string]string{envServer: server}, append(strings.Fields(args), "-o", form)...)
				if contains(got.out+got.errs, "owned") {
					reached++
				}
				printed := got.out + got.errs
				for _, i := range []ink{inkOff, inkBold, inkDim, inkGood, inkWarn, inkBad} {
					printed = strings.ReplaceAll(printed, i.sequence(), "")
				}
				if i := strings.IndexFunc(printed, hiddenIn); i >= 0 {
					t.Errorf("galen %s -o %s: this reaches the terminal: %q", args, form, printed[max(0, i-30):min(len(printed), i+30)])
				}
			}
		}
	}
	if reached < 60 {
		t.Errorf("only %d answers had hostile text: the test proves little", reached)
	}
}

// TestPageShowsAnyText: a property; a fuzz target would have all of the embedded Temporal instrumented.
func TestPageShowsAnyText(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	from := []rune(nasty + hostile + " \n\u0301👩🏽日…")
	for range 3000 {
		text := make([]rune, dice.IntN(30))
		for i := range text {
			if text[i] = from[dice.IntN(len(from))]; dice.IntN(4) == 0 {
				text[i] = rune(dice.IntN(unicode.MaxRune + 1))
			}
		}
		s, columns := string(text), dice.IntN(60)
		var b bytes.Buffer
		if err := table(&page{to: &b, width: columns}, []string{"name?", "why"}, [][]string{{s, s + " " + s}}); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(b.String(), "\n"); lines != 2 {
			t.Fatalf("a table of %q has %d lines", s, lines)
		}
		fmt.Fprint(&page{to: &b}, s)
		if i := strings.IndexFunc(b.String(), hiddenIn); i >= 0 {
			t.Fatalf("%q shows %q", s, b.String())
		}
	}
}

// All that can need a person is there, what is most urgent first, and its commands are never cut.
func TestStatusTellsWhatNeedsYou(t *testing.T) {
	c := cannedAPI()
	status := c.answers["GET /v1/status"].(api.Status)
	status.Observe = ptr("restored from an old backup")
	status.Resources[0].Unknown = 2
	c.answers["GET /v1/status"] = status
	c.answers["GET /v1/alerts"] = api.AlertList{Alerts: []api.Alert{{
		Id: "a1", Number: 9, State: api.Unmatched, Status: "firing", Labels: map[string]string{"alertname": "DiskFull\x1b[2J"}, Received: noon().Add(-3 * time.Minute),
		Why: ptr("no rule: nothing under alerts in the configuration matches its labels"),
	}}}
	low := cannedRun("r6", galen.RunAsking, "yes?")
	low.Urgency = galen.Low
	c.answers["GET /v1/runs"] = api.RunList{Runs: []galen.Run{low, cannedRun("r2", galen.RunAsking, "yes?"), cannedRun("r5", galen.RunHeld, "no spare")}}
	c.answers["GET /v1/runs/r6"] = api.RunDetail{Run: low, Plans: []galen.Decision{cannedPlan()}, Intents: []galen.Intent{}, Events: []galen.Event{}}
	server := c.start(t)
	got := galenCLI(t, server, "status")
	golden(t, file("status-needs"), got.out)
	narrow := galenOn(t, &terminal{columns: 60, dumb: true}, map[string]string{envServer: server}, "status")
	golden(t, file("status-needs-60"), narrow.out)

	well := cannedResource()
	well.Bad = 0
	status = api.Status{Health: status.Health, Resources: []api.Resource{well}}
	for _, kept := range []string{"GET /v1/runs", "GET /v1/holds", "GET /v1/quarantines", "GET /v1/runbooks", "GET /v1/findings", "GET /v1/alerts"} {
		c.answers[kept] = http.StatusForbidden
	}
	c.answers["GET /v1/status"] = status
	if got := galenCLI(t, server, "status"); got.code != exitOK || !contains(got.out, "nothing needs you") || strings.Contains(got.out, "an alert") {
		t.Errorf("a healthy engine: %+v", got)
	}
	unheard := cannedResource()
	unheard.Members, unheard.Apart = 0, 3
	c.answers["GET /v1/status"] = api.Status{Health: status.Health, Resources: []api.Resource{unheard}}
	if got := galenCLI(t, server, "status"); got.code != exitNotDone || contains(got.out, "nothing needs you") || !contains(got.out, "galen doctor") || !contains(got.errs, "sees nothing") {
		t.Errorf("a resource of which nobody was heard: %+v", got)
	}
	dark, notYet := cannedResource(), cannedResource()
	dark.Unknown, notYet.Seen = dark.Members, nil
	for code, all := range map[int][]api.Resource{exitNotDone: {dark, unheard}, exitOK: {dark, cannedResource()}, exitOK + 10: {dark, notYet}} {
		c.answers["GET /v1/status"] = api.Status{Health: status.Health, Resources: all}
		if got := galenCLI(t, server, "status"); got.code != code%10 {
			t.Errorf("exit %d, want %d of %+v", got.code, code%10, all)
		}
	}
	status.AskingRuns, status.HeldRuns, status.Holds, status.Quarantines, status.Findings = 1, 1, 1, 1, 1
	c.answers["GET /v1/status"] = status
	if got := galenCLI(t, server, "status"); got.code != exitOK || contains(got.out, "nothing needs you") {
		t.Errorf("a token that may not see what needs a person is told that nothing does: %+v", got)
	}
}

// TestRunTellsOfItsApproval: who said yes and until when, and that there is more of it than was sent.
func TestRunTellsOfItsApproval(t *testing.T) {
	more := true
	d := api.RunDetail{Run: cannedRun("r7", galen.RunRunning, ""), More: &more, MoreIntents: &more, Intents: []galen.Intent{{Effect: galen.Effect{Status: galen.EffectDone}}}, Events: []galen.Event{{Seq: 41}}, Approval: &api.StandingApproval{By: "ada", At: noon(), Expires: noon().Add(time.Hour)}}
	for _, c := range []struct {
		people *api.People
		yes    string
	}{{nil, "approved"}, {&api.People{Wanted: 2, Said: []string{"ada"}}, "a yes"}} {
		d.People = c.people
		var out strings.Builder
		if err := printRun(&out, d, nil, noon()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\n  " + c.yes + " ", "by ada, counts until 2026-11-23 13:00:00", "galen journal list --run r7 --after 41\n", "the newest 1: 1 done"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is missing in\n%s", want, out.String())
			}
		}
	}
}
