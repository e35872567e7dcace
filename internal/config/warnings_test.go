package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestBroad: what fits whatever Alertmanager sends is told, and nothing else.
func TestBroad(t *testing.T) {
	for matcher, broad := range map[string]bool{
		`alertname=~".+"`: true, `alertname!=""`: true, `alertname!~""`: true,
		`alertname=Down`: false, `alertname=~"Cassandra.+"`: false, `severity!=""`: false, `severity=~".+"`: false, `alertname=~"[A-Z].*"`: false, `alertname=~"[0-9a-z].*"`: false,
	} {
		c, err := Parse([]byte(strings.Replace(alertsOf("  - {alertname: Down, code: x, member_label: i}\n  - {matchers: ['"+matcher+"'], code: x, member_label: i}\n"), "policy: demo", "policy: demo\n    matchers: ['"+matcher+"']", 1)))
		if err != nil {
			t.Fatal(err)
		}
		got := c.broad()
		if !broad && len(got) > 0 || broad && (len(got) != 2 || got[0].At != "alerts[1]" || got[1].At != "resources[0].matchers") {
			t.Errorf("%s: %q", matcher, got)
		}
		c.Alerts[1].Matchers = append(c.Alerts[1].Matchers, c.Alerts[1].Matchers...)
		c.Alerts[1].Alertname, c.Resources[0].Labels = "Down", map[string]string{"cluster": "demo"}
		if got := c.broad(); len(got) > 0 {
			t.Errorf("%s beside a name and a label: %q", matcher, got)
		}
	}
}

// healedBy is where a test's codes are healed.
func healedBy(code galen.Code) []string {
	return map[galen.Code][]string{"node-down": {"cassandra"}, "slow": {"cassandra"}, "instance-unavailable": {"rds"}}[code]
}

func TestWarnings(t *testing.T) {
	const one = "data: data\npolicies: {demo: {mode: act}, default: {mode: observe}}\nresources:\n  - {resource: cassandra/demo, policy: demo, labels: {cluster: demo}, setup: {}}\n"
	const two = one + "  - {resource: cassandra/other, setup: {}}\n"
	down := func(more string) string {
		return "alerts:\n  - {alertname: Down, code: node-down, member_label: i}\n" + more
	}
	for name, c := range map[string]struct{ text, at, what string }{
		"no rules":                      {one, "", ""},
		"no rules, and a bare resource": {two, "", ""},
		"a rule":                        {one + down(""), "", ""},
		"rules that lie apart":          {one + down("  - {alertname: Slow, code: slow, member_label: i}\n  - {matchers: [severity=page], code: slow, member_label: i}\n"), "", ""},
		"the narrower first":            {one + "alerts:\n  - {alertname: Down, matchers: [severity=page], code: node-down, member_label: i}\n  - {alertname: Down, code: slow, member_label: i}\n", "", ""},
		"the same twice":                {one + down("  - {alertname: Down, code: slow, member_label: i}\n"), "alerts[1]", "alerts[0] fits too"},
		"the wider first":               {one + down("  - {alertname: Down, matchers: [severity=page], code: slow, member_label: i}\n"), "alerts[1]", "alerts[0] fits too"},
		"the wider first, by regexp":    {one + "alerts:\n  - {matchers: ['alertname=~\"Down|Slow\"'], code: node-down, member_label: i}\n  - {alertname: Slow, code: slow, member_label: i}\n", "alerts[1]", "alerts[0] fits too"},
		"the wider first, by exclusion": {one + "alerts:\n  - {matchers: [alertname=~\"Down.*\", env!=test], code: node-down, member_label: i}\n  - {alertname: DownHard, matchers: [env=prod], code: slow, member_label: i}\n", "alerts[1]", "alerts[0] fits too"},
		"regexps may differ":            {one + "alerts:\n  - {matchers: ['alertname=~\"Down.*\"'], code: node-down, member_label: i}\n  - {matchers: ['alertname=~\"Down.+\"'], code: slow, member_label: i}\n", "", ""},
		"never":                         {one + down("  - {alertname: Slow, matchers: [alertname=Quick], code: slow, member_label: i}\n"), "alerts[1]", `no alert fits alertname="Slow" and alertname="Quick"`},
		"of another kind":               {one + down("  - {alertname: Gone, code: instance-unavailable, member_label: i}\n"), "alerts[1]", "instance-unavailable is healed on resources of the kind rds, and there is none"},
		"of another cluster":            {one + down("  - {alertname: Slow, matchers: [cluster=orders], code: slow, member_label: i}\n"), "alerts[1]", "its alerts can name no resource"},
		"of this cluster":               {one + down("  - {alertname: Slow, matchers: [cluster=demo], code: slow, member_label: i}\n"), "", ""},
		"a resource without labels":     {two + down(""), "resources[1]", "no alert can name cassandra/other: it has neither labels nor matchers"},
		"one that nothing fits":         {strings.Replace(one, "setup", "matchers: [cluster!=demo], setup", 1) + down(""), "resources[0]", `none fits cluster="demo" and cluster!="demo"`},
		"a policy of nobody":            {strings.Replace(one, "demo: {mode: act}", "demo: {mode: act}, careful: {}", 1), "policies.careful", "no resource has it"},
		"a policy by pattern":           {strings.Replace(two, "demo: {mode: act}", "demo: {mode: act}, careful: {}", 1) + "policy_for: [{match: cassandra/*, policy: careful}]\n", "", ""},
		"a pattern too late":            {two + "policy_for: [{match: cassandra/*, policy: demo}, {match: cassandra/o*, policy: default}]\n", "policy_for[1]", `by "cassandra/o*"`},
		"brings nothing back":           {strings.Replace(one, "mode: act", "mode: act, modes: [{class: reversible, mode: suggest}]", 1), "policies.demo.modes[0]", "disruptive steps may go as far as act, and reversible ones, which bring back what was taken away, as far as suggest"},
		"brings nothing back of some":   {strings.Replace(one, "mode: act", "mode: suggest, modes: [{runbook: cassandra/r*, class: destructive, mode: act}]", 1), "policies.demo.modes[0]", "destructive steps"},
		"takes nothing away":            {strings.Replace(one, "mode: act", "mode: act, modes: [{class: destructive, mode: approve}, {class: disruptive, mode: suggest}]", 1), "", ""},
		"brings more back":              {strings.Replace(one, "mode: act", "mode: suggest, modes: [{runbook: cassandra/heal-node, mode: act}, {class: reversible, mode: act}]", 1), "", ""},
		"a namespace of our own":        {one + "temporal: {namespace: prod}\n", "temporal.namespace", "no address is named, so that an embedded server is started"},
		"a namespace of a server":       {one + "temporal: {address: '127.0.0.1:7233', namespace: prod}\n", "", ""},
		"gives up before it is down":    {strings.Replace(one, "mode: act", "mode: act, down_for: 5m1s", 1), "policies.demo.confirm_for", "for 5m0s, and a node is a finding once it was seen down for 5m1s"},
		"looks on until it is down":     {strings.Replace(one, "mode: act", "mode: act, down_for: 20s, confirm_for: 20s", 1), "", ""},
		"ends before its steps do":      {strings.Replace(one, "mode: act", "mode: act, run_deadline: 9m", 1), "policies.demo.run_deadline", "held after 9m0s, so that no step is refused for as long as step_deadline (10m0s)"},
		"ends with its steps":           {strings.Replace(one, "mode: act", "mode: act, run_deadline: 10m", 1), "", ""},
		"a pattern of one with its own": {one + "policy_for: [{match: cassandra/*, policy: default}]\n", "policy_for[0]", "has one of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			read, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got := read.Warnings(healedBy)
			if c.at == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || got[0].At != c.at || c.at == "" || !strings.Contains(got[0].What, c.what) || got[0].Do == "" {
				t.Fatalf("%v, want %s: %s", got, c.at, c.what)
			}
		})
	}
}

// TestIdleModes: a row that never counts, since the first that fits does, is told with those before it.
func TestIdleModes(t *testing.T) {
	const heal = "runbook: cassandra/heal-node, "
	for name, c := range map[string]struct {
		rows   []string
		at, by string // "": no warning
	}{
		"all runbooks before":           {[]string{"runbook: '*', class: reversible, mode: act", heal + "class: reversible, mode: observe"}, "modes[1]", "modes[0] (*, reversible)"},
		"all runbooks, unsaid":          {[]string{"class: reversible, mode: act", heal + "class: reversible, mode: observe"}, "modes[1]", "modes[0] (*, reversible)"},
		"all of all kinds":              {[]string{"runbook: '*/*', class: reversible, mode: act", "class: reversible, mode: observe"}, "modes[1]", "modes[0] (*/*, reversible)"},
		"all classes before":            {[]string{"runbook: cassandra/heal-*, mode: approve", heal + "class: destructive, mode: act"}, "modes[1]", "modes[0] (cassandra/heal-*, all classes)"},
		"the same twice":                {[]string{heal + "mode: act", "runbook: cassandra/r*, mode: approve", heal + "mode: observe"}, "modes[2]", "modes[0] (cassandra/heal-node, all classes)"},
		"the same pattern twice":        {[]string{"runbook: 'cassandra/[a-h]*', mode: act", "runbook: 'cassandra/[a-h]*', mode: observe"}, "modes[1]", "modes[0] (cassandra/[a-h]*, all classes)"},
		"a wider pattern before":        {[]string{"runbook: cassandra/*, mode: act", "runbook: 'cassandra/h?al-*', mode: observe"}, "modes[1]", "modes[0] (cassandra/*, all classes)"},
		"each class before":             {[]string{"class: reversible, mode: act", heal + "class: disruptive, mode: act", "class: destructive, mode: act", heal + "mode: observe"}, "modes[3]", "modes[0] (*, reversible), modes[1] (cassandra/heal-node, disruptive), modes[2] (*, destructive)"},
		"two classes before":            {[]string{"class: reversible, mode: act", "class: disruptive, mode: act", heal + "mode: act"}, "", ""},
		"the narrower first":            {[]string{heal + "class: reversible, mode: act", "runbook: cassandra/heal-*, class: reversible, mode: act", "runbook: '*', class: reversible, mode: act"}, "", ""},
		"another class":                 {[]string{"runbook: '*', class: reversible, mode: act", heal + "class: destructive, mode: act"}, "", ""},
		"all classes after one":         {[]string{"runbook: '*', class: reversible, mode: act", heal + "mode: act"}, "", ""},
		"all runbooks after some":       {[]string{"runbook: cassandra/*, class: reversible, mode: act", "runbook: '*/*', class: reversible, mode: act"}, "", ""},
		"another runbook":               {[]string{heal + "mode: act", "runbook: cassandra/restart-node, mode: act"}, "", ""},
		"patterns that overlap":         {[]string{"runbook: cassandra/heal-*, mode: act", "runbook: cassandra/*-node, mode: act"}, "", ""},
		"a pattern for one letter":      {[]string{"runbook: 'cassandra/heal-nod?', mode: act", "runbook: cassandra/heal-nod*, mode: act"}, "", ""},
		"one letter before its runbook": {[]string{"runbook: 'cassandra/heal-nod?', mode: act", heal + "mode: act"}, "modes[1]", "modes[0] (cassandra/heal-nod?, all classes)"},
	} {
		t.Run(name, func(t *testing.T) {
			read, err := Parse([]byte("data: data\npolicies: {demo: {mode: act, modes: [{" + strings.Join(c.rows, "}, {") + "}]}}\nresources:\n  - {resource: cassandra/demo, policy: demo, setup: {}}\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := read.idleModes()
			if c.at == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || c.at == "" || got[0].At != "policies.demo."+c.at || !strings.Contains(got[0].What, c.by+" before it") || got[0].Do == "" || !slices.Contains(read.Warnings(healedBy), got[0]) {
				t.Fatalf("%v, want %s: %s", got, c.at, c.by)
			}
		})
	}
}

// TestNoWarningOfTheExamples: what the pages show is what is meant.
func TestNoWarningOfTheExamples(t *testing.T) {
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	c, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings(healedBy); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
