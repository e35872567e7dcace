package main

import (
	"github.com/galenhq/galen"

	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestEveryWordIsExplained: a guard, code or runbook that is added is explained, or this fails; no Markdown is left in the text.
func TestEveryWordIsExplained(t *testing.T) {
	all := topics(catalogue())
	seen := map[string]bool{}
	for _, topic := range all {
		text := strings.Join(append([]string{topic.About}, topic.More...), "\n")
		if topic.About == "" || strings.ContainsAny(text, "|`[") || strings.Contains(text, "**") || strings.Contains(text, "(Test") || strings.Contains(text, ", Test") {
			t.Errorf("%s %s: %q", topic.Sort, topic.Name, text)
		}
		if seen[topic.Sort+topic.Name] {
			t.Errorf("%s %s is listed twice", topic.Sort, topic.Name)
		}
		seen[topic.Sort+topic.Name] = true
	}
	sorts := map[string]int{}
	for _, topic := range all {
		sorts[topic.Sort]++
	}
	if can := catalogue(); sorts["runbook"] != len(can.Runbooks) || sorts["guard"] < 40 || sorts["finding"] == 0 || sorts["promise"] == 0 {
		t.Errorf("%v", sorts)
	}
	codes := []galen.Code{galen.CodeUndoOwed, galen.CodeStorm, galen.CodeDetectorFault}
	for _, d := range catalogue().Detectors {
		codes = append(codes, d.Codes...)
	}
	for _, status := range galen.RunStatuses() {
		if !seen["status"+string(status)] {
			t.Errorf("the status %s is not explained", status)
		}
	}
	if sorts["status"] != len(galen.RunStatuses()) {
		t.Errorf("%d statuses are explained", sorts["status"])
	}
	for _, code := range codes {
		if !seen["finding"+string(code)] {
			t.Errorf("the finding %s is not explained", code)
		}
	}
}

func TestExplain(t *testing.T) {
	for word, want := range map[string]string{
		"i-2":                 "I-02 repair owed (guard)\n  quorum stays",
		"I-02":                "I-02 repair owed (guard)\n  quorum stays",
		"i-02 QUORUM":         "I-02 quorum (guard)\n  quorum stays",
		"L-3":                 "L-3 (promise)\n  a dead engine is noticed",
		"corpse":              "corpse (guard)\n  what was fenced or replaced",
		"N4 alive":            "held by: cassandra I-15 patience, N4 alive",
		"N12":                 "N12 silence (guard)\n  Missed writes",
		"node-down":           "cassandra/heal-node starts for it",
		"approval":            "approval (guard)\n  An approval (approval) names run",
		"observers-disagree":  "no runbook starts for it",
		"storm":               "what follows: for people; Galen only observes until it is over",
		"repair-owed":         "a run has ended, cancelled mostly",
		"cassandra/heal-node": "starts by itself for: node-down",
		"joiner only":         "joiner only (guard)\n  what an instance holds is deleted only after live nodes of every rack have said that it never joined\n",
		"quorum":              "I-02 quorum (guard)",
		"open run":            "is told beside the answer",
		"held":                "held (status)\n  It has stopped for a person",
		"Not-Confirmed":       "not-confirmed (status)\n  It has ended: nothing confirmed the alert",
		"":                    "WORD ",
	} {
		args := []string{"explain"}
		if word != "" {
			args = append(args, word)
		}
		if got := galenCLI(t, "", args...); got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("%q: %d %s%s, want %q", word, got.code, got.out, got.errs, want)
		}
	}
	for word, meant := range map[string]string{
		"": "", " ": "", "nonsense": "", "nodedown": "node-down", "node down": "node-down", "quorom": "I-02 quorum", "heal-nod": "cassandra/heal-node", "casandra/heal-node": "cassandra/heal-node",
		"node": "node-down or node-frozen or node-flapping", "undo-owd": "undo owed or undo-owed", "canceled": "cancelled",
	} {
		got := galenCLI(t, "", "explain", word)
		says := "galen explain lists them all"
		if meant != "" {
			says += "; did you mean " + meant
		}
		if got.code != exitUsage || !strings.Contains(got.errs, says) || meant == "" && strings.Contains(got.errs, "did you mean") {
			t.Errorf("%q: %d %s, want %q", word, got.code, got.errs, says)
		}
	}
	if got := galenCLI(t, "", "explain", "I-02", "-o", "json"); got.code != exitOK || !strings.HasPrefix(got.out, "[\n") {
		t.Errorf("%d %s", got.code, got.out)
	}
}

// TestYAML: the same fields and values as JSON, in the same order, without its braces; text that would be read as something else keeps its quotes.
func TestYAML(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"explain", "node-down"}, {"explain"}} {
		asJSON, asYAML := galenCLI(t, "", append(args, "-o", "json")...), galenCLI(t, "", append(args, "-o", "yaml")...)
		var a, b any
		if err := errors.Join(json.Unmarshal([]byte(asJSON.out), &a), yaml.Unmarshal([]byte(asYAML.out), &b)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, b); diff != "" || strings.HasPrefix(asYAML.out, "{") || strings.HasPrefix(asYAML.out, "[") {
			t.Errorf("%q: %s\n%s", args, diff, asYAML.out)
		}
	}
	var out bytes.Buffer
	value := map[string]any{"time": "2026-11-29T03:00:00Z", "number": "007", "yes": "yes", "text": "a: b # c\n\x1b[2J", "none": "", "list": []any{}, "n": 1.5}
	if err := printYAML(&out, value); err != nil {
		t.Fatal(err)
	}
	back := map[string]any{}
	if err := yaml.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	// A reader of YAML 1.1 takes these for truths and numbers, if they are not quoted.
	for _, text := range []string{"yes", "No", "on", "y", "22:00", "1:30:00.5"} {
		out.Reset()
		if err := printYAML(&out, map[string]string{"a": text}); err != nil || out.String() != "a: \""+text+"\"\n" {
			t.Errorf("%q, %v", out.String(), err)
		}
	}
	if diff := cmp.Diff(value, back); diff != "" || bytes.ContainsRune(out.Bytes(), 0x1b) {
		t.Errorf("%s\n%q", diff, out.String())
	}
}
