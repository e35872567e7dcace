package app

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
	galenhttp "github.com/galenhq/galen/internal/http"
)

// everyMetric is the names of all metrics that an engine may have of its own.
func everyMetric() []string {
	names := galenhttp.MetricNames(galenhttp.Measures{
		Beat: time.Now(), Tokens: []galen.Token{{Expires: time.Now().Add(time.Hour)}}, Findings: []galen.Finding{{Code: galen.CodeStorm}},
		LookAges: map[galen.Resource]time.Duration{demoDB(): 0}, Looks: map[galen.Resource]galenhttp.LookCounts{demoDB(): {}}, OpenIntents: map[galen.Resource]int{demoDB(): 0},
	}, galenhttp.NewTally(galenhttp.Known{Codes: []string{"storm"}, Runbooks: []string{"a/b"}, Guards: []string{"g"}, Answers: []string{"sent"}, Verbs: map[string][]string{"a": {"v"}}}))
	return append(names, "galen_build_info", "galen_streams")
}

// documentedMetrics are the names in the first column of the table in docs/operations.md.
func documentedMetrics(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Metrics\n")
	part, _, _ := strings.Cut(rest, "\n## ")
	names := map[string]bool{}
	for line := range strings.Lines(part) {
		if cell, _, found := strings.Cut(strings.TrimPrefix(line, "| "), " |"); found && strings.HasPrefix(line, "| `") {
			for _, name := range regexp.MustCompile(`galen_[a-z_]+`).FindAllString(cell, -1) {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// TestOperationsListTheMetrics: each metric of an engine is in the table, and each one in the table is an engine's.
func TestOperationsListTheMetrics(t *testing.T) {
	have := everyMetric()
	slices.Sort(have)
	if diff := cmp.Diff(have, documentedMetrics(t)); diff != "" {
		t.Errorf("metrics and rows of docs/operations.md (-metrics +rows):\n%s", diff)
	}
	c := served(t, engineWithoutTemporal(t))
	got, err := c.GetMetricsWithResponse(t.Context())
	want(t, "metrics", err, got.HTTPResponse, got.Body, 200, "galen_build_info")
	for _, of := range regexp.MustCompile(`(?m)^# TYPE (galen_\S+)`).FindAllStringSubmatch(string(got.Body), -1) {
		if !slices.Contains(have, of[1]) {
			t.Errorf("a running engine has %s, which is not in the list", of[1])
		}
	}
}

// scraped asks for one line of the metrics.
func (e *Engine) scraped(t *testing.T, line string) string {
	t.Helper()
	c := served(t, e)
	got, err := c.GetMetricsWithResponse(t.Context())
	want(t, "metrics", err, got.HTTPResponse, got.Body, 200, "galen_build_info")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + ` (\S+)$`).FindStringSubmatch(string(got.Body))
	if found == nil {
		t.Fatalf("no %s in\n%s", line, got.Body)
	}
	return found[1]
}

// TestTheHealerIsCounted: what passes the ports is counted once, whatever is told twice.
func TestTheHealerIsCounted(t *testing.T) {
	e := engineWithoutTemporal(t)
	ctx := t.Context()
	f := galen.Finding{Resource: demoDB(), Code: "instance-unavailable", Domain: "d", Urgency: galen.High, Targets: []galen.Target{{ID: "db-1"}}, Since: time.Now().Add(-time.Minute)}
	found := talliedFindings{e.journal, e.tally}
	for _, why := range []string{"it is down", "it is down", "it is down, others say"} { // the third changes it
		f.Why = why
		if _, _, err := found.SaveFindings(ctx, demoDB(), []galen.Finding{f}); err != nil {
			t.Fatal(err)
		}
	}
	var run galen.Run
	for range 2 {
		if taken, err := e.runs.Open(ctx, f); err != nil || !taken {
			t.Fatal(taken, err)
		}
	}
	run, err := e.journal.LastRun(ctx, demoDB(), f.Key())
	if err != nil {
		t.Fatal(err)
	}
	decide := talliedDecisions{e.journal, e.tally}
	for i, now := range []galen.Run{
		{Status: galen.RunRunning}, {Status: galen.RunHeld, Why: "it is odd"}, {Status: galen.RunHeld, Why: "it is odd"}, {Status: galen.RunHeld, Why: "so is another"},
		{Status: galen.RunAsking}, {Status: galen.RunAsking}, {Status: galen.RunRunning}, {Status: galen.RunAsking},
	} {
		d := galen.Decision{Run: run.ID, At: time.Now(), Plan: galen.Plan{Wait: 1, Why: fmt.Sprint(i)}, Status: now.Status, Why: now.Why, Finding: &f}
		if _, err := decide.Decide(ctx, d, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.journal.Reject(ctx, run.ID, "ann", "no"); err != nil { // ann knows
		t.Fatal(err)
	}
	e.tally.Judged("fake", galen.Step{Verb: "start"}, string(gate.Sent), []galen.Verdict{{Guard: "I-02 quorum", Answer: galen.Allow}, {Guard: `x"} evil`, Answer: galen.Deny}})
	e.tally.Judged("fake\n", galen.Step{Verb: "$(reboot)"}, string(gate.Denied), nil)
	e.tally.Found(galen.Finding{Code: "repair-owed", Note: true})
	ends := talliedRuns{e.journal, e.tally}
	for range 2 {
		if err := ends.VerifyRun(ctx, run.ID, "well again", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for line, n := range map[string]string{
		`galen_findings_total{code="other",note="false"}`:                "1", // no detector is in this catalogue
		`galen_findings_total{code="repair-owed",note="true"}`:           "1",
		`galen_runs_opened_total{asked="detector"}`:                      "1",
		`galen_runs_held_total{runbook="fake/heal"}`:                     "2",
		`galen_runs_asked_total{runbook="fake/heal"}`:                    "2",
		`galen_runs_asked_total{runbook="fake/tune"}`:                    "0",
		`galen_runs_ended_total{runbook="fake/heal",status="verified"}`:  "1",
		`galen_runs_ended_total{runbook="fake/heal",status="cancelled"}`: "0",
		`galen_run_seconds_count{asked="detector",stage="confirmed"}`:    "1",
		`galen_run_seconds_count{asked="detector",stage="verified"}`:     "1",
		`galen_run_seconds_count{asked="detector",stage="called"}`:       "0",
		`galen_trouble_seconds_bucket{le="30"}`:                          "0",
		`galen_trouble_seconds_bucket{le="120"}`:                         "1",
		`galen_guard_answers_total{answer="deny",guard="other"}`:         "1",
		`galen_steps_total{answer="denied",kind="other",verb="other"}`:   "1",
		`galen_runs_opened_total{asked="alert"}`:                         "0",
		`galen_guard_answers_total{answer="allow",guard="I-03 storm"}`:   "0",
		`galen_guard_answers_total{answer="deny",guard="I-03 storm"}`:    "0",
		`galen_steps_total{answer="denied",kind="fake",verb="reboot"}`:   "0",
	} {
		if got := e.scraped(t, line); got != n {
			t.Errorf("%s is %s, want %s", line, got, n)
		}
	}
}

// TestGuardsOfADecisionAreCounted: what a decision does not let through to the gate is counted when that changes, whatever is looked at.
func TestGuardsOfADecisionAreCounted(t *testing.T) {
	e := engineWithoutTemporal(t)
	run, _, err := e.journal.OpenRun(t.Context(), galen.Run{Key: "k", Resource: demoDB(), Runbook: "fake/heal", Version: 1, Asked: "detector x", Deadline: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	decide := talliedDecisions{e.journal, e.tally}
	const hold, floor, yes = "I-17 hold", "I-11 floor", "approval"
	verdict := func(guard string, answer galen.Answer, why string) galen.Verdict {
		return galen.Verdict{Guard: guard, Answer: answer, Why: why}
	}
	allowed := []galen.Verdict{verdict(hold, galen.Allow, ""), verdict(floor, galen.Allow, "")}
	ask := []galen.Verdict{verdict(hold, galen.Allow, ""), verdict(yes, galen.NeedYes, "nobody has")}
	for i, c := range []struct {
		status   galen.RunStatus
		verdicts [][]galen.Verdict
	}{
		{galen.RunRunning, [][]galen.Verdict{allowed, ask}}, // the gate is asked
		{galen.RunWaiting, [][]galen.Verdict{{verdict(hold, galen.LookAgain, "1 s"), verdict(floor, galen.Allow, "")}, ask}},
		{galen.RunWaiting, [][]galen.Verdict{{verdict(hold, galen.LookAgain, "2 s"), verdict(floor, galen.Allow, "")}, ask}},
		{galen.RunHeld, [][]galen.Verdict{{verdict(hold, galen.LookAgain, "3 s"), verdict(floor, galen.Deny, "too few")}}},
		{galen.RunRunning, [][]galen.Verdict{allowed, ask}},
		{galen.RunWaiting, [][]galen.Verdict{{verdict(hold, galen.LookAgain, "4 s"), verdict(floor, galen.Allow, "")}}},
		{galen.RunAsking, [][]galen.Verdict{allowed, ask}}, // for what follows
		{galen.RunAsking, [][]galen.Verdict{allowed, ask}},
	} {
		d := galen.Decision{Run: run.ID, At: time.Now(), Verdicts: c.verdicts, Status: c.status, Why: fmt.Sprint(i)}
		d.Plan = galen.Plan{Steps: []galen.Step{{Verb: "start", Target: galen.Target{ID: "db-1"}}}, Why: "it is down"}
		if _, err := decide.Decide(t.Context(), d, nil); err != nil {
			t.Fatal(i, err)
		}
	}
	for line, n := range map[string]string{
		`galen_guard_answers_total{answer="look-again",guard="I-17 hold"}`: "3",
		`galen_guard_answers_total{answer="allow",guard="I-17 hold"}`:      "0",
		`galen_guard_answers_total{answer="allow",guard="I-11 floor"}`:     "2",
		`galen_guard_answers_total{answer="deny",guard="I-11 floor"}`:      "1",
		`galen_guard_answers_total{answer="ask",guard="approval"}`:         "1",
	} {
		if got := e.scraped(t, line); got != n {
			t.Errorf("%s is %s, want %s", line, got, n)
		}
	}
}
