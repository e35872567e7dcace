package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

const good = `
data: data
policies:
  demo: {mode: act, hold_for: 6s}
resources:
  - resource: cassandra/demo
    policy: demo
    setup: {nodes: []}
`

func TestParse(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"good", good, ""},
		{"empty", "", "it is empty"},
		{"unknown field", good + "colour: red\n", `unknown field "colour"`},
		{"duplicate", good + "data: x\n", "already defined"},
		{"other case", strings.Replace(good, "data:", "Data:", 1), `did you mean "data"`},
		{"null", strings.Replace(good, "data: data", "data:", 1), "null is not allowed"},
		{"missing", strings.Replace(good, "data: data", "", 1), `"data" is missing`},
		{"unknown policy", strings.Replace(good, "policy: demo", "policy: demon", 1), `no policy "demon"`},
		{"unknown policy field", strings.Replace(good, "mode: act", "mood: act", 1), `policies.demo: unknown field "mood" (did you mean "mode"?)`},
		{"bad mode", strings.Replace(good, "mode: act", "mode: yolo", 1), "observe, suggest, approve or act"},
		{"bad number", strings.Replace(good, "mode: act", "unhealthy_share: 3", 1), "not a share"},
		{"bad resource", strings.Replace(good, "cassandra/demo", "demo", 1), "kind/name"},
		{"no resources", "data: x\nresources: []\n", "nothing to look after"},
		{"bad listen", good + "listen: here\n", "host:port"},
		{"empty listen", good + "listen: ''\n", "listen: empty; fill it in, or leave the field out"},
		{"a journal in no file", good + "journal: {url_file: ''}\n", "journal.url_file: empty; name the file, or leave the field out"},
		{"a watcher in no file", good + "dead_man: {url_file: ''}\n", "dead_man.url_file: empty"},
		{"no certificate and no key", good + "tls: {cert_file: '', key_file: ''}\n", "tls.cert_file: empty; name the file, or leave the field out\ntls.key_file: empty"},
		{"Alertmanager nowhere", good + "alertmanager: {url: ''}\n", "alertmanager.url: empty; fill it in"},
		{"Temporal nowhere", good + "temporal: {address: ''}\n", "temporal.address: empty; fill it in"},
		{"an empty namespace", good + "temporal: {address: '127.0.0.1:7233', namespace: ''}\n", "temporal.namespace: empty"},
		{"an empty policy's name", strings.Replace(good, "policy: demo", "policy: ''", 1), "resources[0].policy: empty"},
		{"a window in no zone", strings.Replace(good, "mode: act", "windows: [{name: x, from: '22:00', for: 1h, zone: ''}]", 1), "policies.demo: windows[0].zone: empty; fill it in, or leave the field out"},
		{"a mode of no runbook", strings.Replace(good, "mode: act", "modes: [{runbook: '', class: destructive, mode: act}]", 1), "policies.demo: modes[0].runbook: empty"},
		{"a class of none", strings.Replace(good, "mode: act", "modes: [{class: '', mode: act}]", 1), "policies.demo: modes[0].class"},
		{"empty values beside other faults", good + "colour: red\njournal: {url_file: ''}\n", "unknown field \"colour\"\njournal.url_file: empty"},
		{"no data beside an empty value", strings.Replace(good, "data: data", "data: ''", 1) + "journal: {url_file: ''}\n", "journal.url_file: empty; name the file, or leave the field out\ndata: empty"},
		{"nothing in a section", good + "journal: {}\ndead_man: {}\ntemporal: {}\ntls: {}\nalertmanager: {}\ninbox: {}\nlimits: {}\n", ""},
		{"what may be empty", strings.Replace(good, "policy: demo\n    setup: {nodes: []}", "labels: {env: ''}\n    setup: {text: ''}", 1), ""},
		{"why no engine needs it", strings.Replace(good, "mode: act", "engine_needs: ''", 1), ""},
		{"a port too high", good + "listen: 127.0.0.1:65536\n", `listen: "127.0.0.1:65536": port "65536": want a number from 0 to 65535`},
		{"a negative port", good + "listen: '127.0.0.1:-1'\n", "want a number from 0 to 65535"},
		{"the name of a port", good + "listen: 127.0.0.1:http\n", `port "http": want a number`},
		{"no port", good + "listen: '127.0.0.1:'\n", `port "": want a number`},
		{"highest port", good + "listen: 127.0.0.1:65535\n", ""},
		{"any port", good + "listen: localhost:0\n", ""},
		{"no address", good + "listen: 127.0.0.256:7170\n", `"127.0.0.256" is neither an IP address nor the name of a host`},
		{"no name", good + "listen: 'my host:7170'\n", `"my host" is neither`},
		{"Temporal without a port", good + "temporal: {address: temporal.example}\n", `temporal.address: "temporal.example": want host:port, such as 127.0.0.1:7233`},
		{"Temporal without a host", good + "temporal: {address: ':7233'}\n", `temporal.address: ":7233": "" is neither`},
		{"Temporal on any port", good + "temporal: {address: '127.0.0.1:0'}\n", "want a number from 1 to 65535"},
		{"Temporal by name", good + "temporal: {address: 'temporal-frontend.temporal.svc.cluster.local:7233'}\n", ""},
		{"a key for no Temporal", good + "temporal: {namespace: prod, api_key_file: key}\n", "temporal.api_key_file: the embedded Temporal has no use for it: name a server as temporal.address, or leave the field out"},
		{"all files for no Temporal", good + "temporal: {ca_file: a, cert_file: b, key_file: c}\n", "temporal.ca_file: the embedded Temporal has no use for it: name a server as temporal.address, or leave the field out\ntemporal.cert_file: the"},
		{"half of Temporal's pair", good + "temporal: {address: '127.0.0.1:7233', key_file: c}\n", "temporal: want cert_file and key_file, or neither"},
		{"the other half of it", good + "temporal: {address: '127.0.0.1:7233', cert_file: c}\n", "temporal: want cert_file and key_file, or neither"},
		{"half of a pair beside no port", good + "temporal: {address: temporal.example, cert_file: c}\n", "such as 127.0.0.1:7233\ntemporal: want"},
		{"Temporal's files", good + "temporal: {address: '127.0.0.1:7233', ca_file: a, cert_file: b, key_file: c, api_key_file: d}\n", ""},
		{"Alertmanager on no port", good + "alertmanager: {url: 'http://127.0.0.1:99999'}\n", "alertmanager.url: port 99999: want a number from 1 to 65535"},
		{"Alertmanager at no host", good + "alertmanager: {url: 'http://:9093'}\n", `alertmanager.url: "" is neither`},
		{"Alertmanager by IPv6", good + "alertmanager: {url: 'http://[::1]:9093/am'}\n", ""},
		{"a provider on no port", good + "oidc: {issuer: 'https://x.example:65536', client_id: g, groups: {a: [{scope: view, resource: '*/*'}]}}\n", "oidc.issuer: port 65536"},
		{"reached in the clear", good + "listen: 0.0.0.0:7170\n", "tokens would go there in the clear"},
		{"reached in the clear by name", good + "listen: galen.example:7170\n", "in the clear"},
		{"reached in the clear on every address", good + "listen: ':7170'\n", "in the clear"},
		{"reached in the clear, and it is said so", good + "listen: 0.0.0.0:7170\nplain_http: true\n", ""},
		{"loopback of IPv6", good + "listen: '[::1]:7170'\n", ""},
		{"reached by TLS", good + "listen: 0.0.0.0:7170\ntls: {cert_file: a, key_file: b}\n", ""},
		{"half of a pair", good + "tls: {cert_file: a}\n", "want cert_file and key_file"},
		{"TLS and plain", good + "plain_http: true\ntls: {cert_file: a, key_file: b}\n", "leave one of them out"},
		{"a limit below nothing", good + "limits: {per_token: -1}\n", "limits.per_token: -1"},
		{"an unknown limit", good + "limits: {per_day: 1}\n", `unknown field "per_day"`},
		{"pattern without a policy", good + "policy_for: [{match: cassandra/*, policy: demon}]\n", `policy_for[0]: policy: no policy "demon"`},
		{"pattern that matches nothing", good + "policy_for: [{match: rds/*, policy: demo}]\n", `match: "rds/*" matches no resource`},
		{"pattern without a kind", good + "policy_for: [{match: '*', policy: demo}]\n", `"*" is no pattern`},
		{"broken pattern", good + "policy_for: [{match: 'cassandra/[', policy: demo}]\n", `is no pattern`},
		{"pattern", good + "policy_for: [{match: cassandra/d*o, policy: demo}]\n", ""},
		{"depends on a stranger", good + "depends_on: [rds/x]\n", "depends_on: rds/x is not looked after"},
		{"a resource depends on a stranger", strings.Replace(good, "policy: demo", "depends_on: [rds/x]", 1), "cassandra/demo.depends_on: rds/x is not"},
		{"bad window", strings.Replace(good, "mode: act", "windows: [{name: x, from: '25:00', for: 1h}]", 1), "policies.demo: windows[0]: from"},
		{"all faults of a window", strings.Replace(good, "mode: act", "windows: [{name: '', days: [fri, Sat, so], from: '25:00', for: 25h, zone: Utopia}]", 1),
			"policies.demo: windows[0]: name: empty; say what happens then\npolicies.demo: windows[0]: days: [\"Sat\" \"so\"]: want mon, tue, wed, thu, fri, sat or sun\n" +
				"policies.demo: windows[0]: from: \"25:00\": want a time of day such as 22:30\npolicies.demo: windows[0]: for: 25h0m0s is not more than 0s and at most 24h0m0s: what lasts longer is a hold\npolicies.demo: windows[0]: zone: \"Utopia\""},
		{"unknown field of a window", strings.Replace(good, "mode: act", "windows: [{name: x, from: '22:00', for: 1h, until: x}]", 1), `unknown field "until"`},
		{"a number for a duration", strings.Replace(good, "mode: act", "restart_after: 20", 1), "policies.demo: restart_after: want a duration with its unit, such as 20s"},
		{"nearly a field", strings.Replace(good, "mode: act", "restart_aftr: 20s", 1), `unknown field "restart_aftr" (did you mean "restart_after"?)`},
		{"many faults at once", strings.Replace(good, "mode: act", "kinds: 0, observers: 0", 1) + "listen: here\ncolour: red\npolicy_for: [{match: rds/*, policy: demon}]\n",
			"unknown field \"colour\"\nlisten: \"here\": want host:port, such as 127.0.0.1:7170\npolicies.demo: observers: 0 is less than 1\n" +
				"policies.demo: kinds: 0 is less than 1\npolicy_for[0]: policy: no policy \"demon\""},
		{"not utf-8", good + "\xff", "UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.in))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "galen.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "data"); c.Data != want {
		t.Errorf("data = %s, want %s", c.Data, want)
	}
	p := c.Policy(galen.Resource{Kind: "cassandra", Name: "demo"})
	if p.Mode != galen.ModeAct || p.HoldFor.D() != 6*time.Second || p.Observers != galen.SafePolicy().Observers {
		t.Errorf("policy = %+v", p)
	}
	diffs, err := Differences(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(diffs) != 2 || diffs[0].Field != "hold_for" || diffs[0].Safe != "30s" || diffs[1].Here != "act" {
		t.Errorf("differences = %v", diffs)
	}
	if other := c.Policy(galen.Resource{Kind: "rds", Name: "x"}); other.Mode != galen.ModeApprove {
		t.Errorf("a resource that is not configured has mode %s", other.Mode)
	}
}

// A field that cannot be read hides no other fault.
func TestAllFaultsOfAPolicy(t *testing.T) {
	_, faults := policyOf([]byte(`{"mode":"yolo","cooldown":"soon","view_age":"30s","observers":0,"unhealthy_share":7,"hold_looks":5}`))
	said := errors.Join(faults...).Error()
	for _, want := range []string{"mode", "cooldown", "view_age", "observers", "unhealthy_share"} {
		if strings.Count(said, want+":") != 1 {
			t.Errorf("%s is told %d times, want once, in\n%s", want, strings.Count(said, want+":"), said)
		}
	}
	if len(faults) != 5 {
		t.Errorf("%d faults, want 5:\n%s", len(faults), said)
	}
}

// TestPolicyByPattern: a resource's own policy goes before the first pattern that matches, that before the default.
func TestPolicyByPattern(t *testing.T) {
	c, err := Parse([]byte(`
data: x
policies:
  default: {cooldown: 2h}
  eu: {cooldown: 3h}
  all: {cooldown: 4h}
  own: {cooldown: 5h}
policy_for:
  - {match: cassandra/*-eu, policy: eu}
  - {match: cassandra/*, policy: all}
resources:
  - {resource: cassandra/orders-eu, setup: {}}
  - {resource: cassandra/orders-us, setup: {}}
  - {resource: cassandra/mine-eu, policy: own, setup: {}}
  - {resource: rds/billing, setup: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[galen.Resource]string{
		{Kind: "cassandra", Name: "orders-eu"}: "eu 3h0m0s", {Kind: "cassandra", Name: "orders-us"}: "all 4h0m0s",
		{Kind: "cassandra", Name: "mine-eu"}: "own 5h0m0s", {Kind: "rds", Name: "billing"}: "default 2h0m0s",
	} {
		if got := c.PolicyName(r) + " " + c.Policy(r).Cooldown.String(); got != want {
			t.Errorf("%s: %s, want %s", r, got, want)
		}
	}
}

// TestWhatTheEngineNeeds: what it depends on, and what that depends on, needs a person's yes; a circle ends.
func TestWhatTheEngineNeeds(t *testing.T) {
	c, err := Parse([]byte(`
data: x
depends_on: [cassandra/temporal]
policies: {metrics: {engine_needs: its metrics live here}}
resources:
  - {resource: cassandra/temporal, depends_on: [ec2/rack], setup: {}}
  - {resource: ec2/rack, depends_on: [cassandra/temporal, cassandra/metrics], setup: {}}
  - {resource: cassandra/metrics, policy: metrics, setup: {}}
  - {resource: cassandra/orders, depends_on: [ec2/rack], setup: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[galen.Resource]string{
		{Kind: "cassandra", Name: "temporal"}: "the engine depends on cassandra/temporal",
		{Kind: "ec2", Name: "rack"}:           "the engine depends on cassandra/temporal, which depends on ec2/rack",
		{Kind: "cassandra", Name: "metrics"}:  "its metrics live here",
		{Kind: "cassandra", Name: "orders"}:   "",
	} {
		if got := c.Policy(r).EngineNeeds; got != want {
			t.Errorf("%s: %q, want %q", r, got, want)
		}
	}
}

// TestFilesOfTemporal: a file is where the configuration is, wherever the engine was started from.
func TestFilesOfTemporal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "galen.yaml")
	text := good + "temporal: {address: 127.0.0.1:7233, ca_file: ca.pem, cert_file: tls/cert.pem, key_file: /etc/galen/key.pem, api_key_file: ../key}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	for _, name := range []string{path, filepath.Join(filepath.Base(dir), "galen.yaml")} {
		c, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		want := Temporal{
			Address: "127.0.0.1:7233", Namespace: "galen", CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "tls", "cert.pem"),
			KeyFile: "/etc/galen/key.pem", APIKeyFile: filepath.Join(filepath.Dir(dir), "key"),
		}
		if c.Temporal != want {
			t.Errorf("%s: %+v, want %+v", name, c.Temporal, want)
		}
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path); err != nil || c.Temporal != (Temporal{Namespace: "galen"}) {
		t.Errorf("without files: %+v %v", c.Temporal, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? {a: b}\n: c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := Parse(b); err == nil && (c.Data == "" || len(c.Resources) == 0) {
			t.Fatalf("accepted %q", b)
		}
	})
}
