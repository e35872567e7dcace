package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func alertsOf(rules string) string { return good + "alerts:\n" + rules }

func TestMatchers(t *testing.T) {
	c, err := Parse([]byte(strings.Replace(alertsOf(`
  - {matchers: ['severity=~"page|critical"', 'env!="test"', job!~"node.*"], code: node-down, member_label: instance}
  - {alertname: Down, code: node-down, member_label: instance}
  - {alertname: Both, matchers: [dc=eu], code: node-down, member_label: instance}
`), "policy: demo", "policy: demo\n    labels: {cluster: demo}\n    matchers: ['env=~\"prod|live\"']", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		labels string
		rule   int // -1: none
	}{
		{`{}`, -1},
		{`{"severity":"page"}`, 0},
		{`{"severity":"page","env":"prod","job":"cassandra"}`, 0},
		{`{"severity":"pager"}`, -1}, // the whole value
		{`{"severity":"page\nx"}`, -1},
		{`{"severity":"page","env":"test"}`, -1},
		{`{"severity":"page","job":"node-exporter"}`, -1},
		{`{"severity":"page","env":"test","alertname":"Down"}`, 1},
		{`{"alertname":"down"}`, -1},
		{`{"alertname":"Both"}`, -1},
		{`{"alertname":"Both","dc":"eu"}`, 2},
	} {
		var of map[string]string
		if err := json.Unmarshal([]byte(one.labels), &of); err != nil {
			t.Fatal(err)
		}
		got := -1
		for i, r := range c.Alerts {
			if r.Matches(of) {
				got = i
				break
			}
		}
		if got != one.rule {
			t.Errorf("%s: rule %d, want %d", one.labels, got, one.rule)
		}
	}
	for labels, want := range map[string]bool{"prod": true, "live": true, "test": false, "": false, "prod-2": false} {
		if got := c.Resources[0].Named(map[string]string{"cluster": "demo", "env": labels}); got != want {
			t.Errorf("env %q: %v", labels, got)
		}
	}
	if (Resource{}).Named(map[string]string{"a": "b"}) || (AlertRule{}).Matches(map[string]string{"a": "b"}) || matchAll([]Matcher{{}}, nil) {
		t.Error("what says nothing matches something")
	}
	text, err := json.Marshal(c.Alerts[0].Matchers)
	if err != nil || string(text) != `["severity=~\"page|critical\"","env!=\"test\"","job!~\"node.*\""]` {
		t.Errorf("%s %v", text, err)
	}
}

// TestInbox: what is left out is the default, what is written counts.
func TestInbox(t *testing.T) {
	for text, want := range map[string][2]int{"": {0, DefaultRunsPerSecond}, "inbox: {}\n": {0, DefaultRunsPerSecond}, "inbox: {max_pending: 1, runs_per_second: 1}\n": {1, 1}, "inbox: {max_pending: 1000000, runs_per_second: 1000}\n": {1_000_000, 1000}} {
		c, err := Parse([]byte(good + text))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int{c.Inbox.Pending(), c.Inbox.PerSecond()}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestAlertFaults(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"no matcher":            {alertsOf("  - {code: x, member_label: i}\n"), "alerts[0]: it matches every alert"},
		"matcher of everything": {alertsOf("  - {matchers: ['a!=b'], code: x, member_label: i}\n"), "alerts[0]: it matches every alert"},
		"regexp of everything":  {alertsOf("  - {matchers: ['a=~\".*\"'], code: x, member_label: i}\n"), "alerts[0]: it matches every alert"},
		"broken regexp":         {alertsOf("  - {matchers: ['a=~\"(\"'], code: x, member_label: i}\n"), "write it as Alertmanager does"},
		"no operator":           {alertsOf("  - {matchers: [page], code: x, member_label: i}\n"), "write it as Alertmanager does"},
		"a number":              {alertsOf("  - {matchers: [1], code: x, member_label: i}\n"), "a matcher is text"},
		"every alert names it":  {strings.Replace(good, "policy: demo", "matchers: ['env!=test']", 1), "resources[0].matchers: every alert names cassandra/demo"},
		"an empty name":         {alertsOf("  - {alertname: '', matchers: [a=b], code: x, member_label: i}\n"), "alerts[0].alertname: empty; fill it in, or leave the field out"},
		"an empty label":        {alertsOf("  - {alertname: Down, code: x, member_label: ' '}\n"), "alerts[0].member_label: empty; name the label"},
		"inbox":                 {good + "inbox: {max_pending: -1}\n", "inbox.max_pending: -1"},
		"large inbox":           {good + "inbox: {max_pending: 1000001}\n", "inbox.max_pending: 1000001"},
		"an inbox for none":     {good + "inbox: {max_pending: 0, runs_per_second: 0}\n", "inbox.max_pending: 0: want 1 to 1000000, or leave it out for the default\ninbox.runs_per_second: 0: want 1 to 1000, or leave it out for 100"},
		"no URL":                {good + "alertmanager: {url: 127.0.0.1}\n", "alertmanager.url"},
		"a token for nobody":    {good + "alertmanager: {token_file: x}\n", "alertmanager.url"},
		"a password":            {good + "alertmanager: {url: 'http://a:b@c'}\n", "alertmanager.token_file"},
		"unknown":               {good + "inbox: {size: 1}\n", `unknown field "size"`},
	} {
		if _, err := Parse([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
