package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/runbooks"
)

func TestAnAlertThatWouldStartNothingIsAFault(t *testing.T) {
	rules := []config.AlertRule{{Alertname: "Down", Code: "node-down"}, {Alertname: "Typo", Code: "nodedown"}}
	errs := unhealed(rules, runbooks.All())
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), `alerts[1].code: no runbook heals "nodedown"`) {
		t.Errorf("faults %v, want one, of the second rule", errs)
	}
}

// TestEveryFaultAtOnce: who mends a configuration hears of all that can be found, in one go and the same order each time.
func TestEveryFaultAtOnce(t *testing.T) {
	node := func(name, address, folder string) string {
		return "{instance: " + name + ", address: " + address + ", jolokia: 'http://" + address + ":8778/jolokia', cql: '" + address + ":9042', folder: " + folder + "}"
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"what is read": {`
data: data
listen: here
alerts: [{alertname: Down, code: nodedown, member_label: instance}]
policies:
  demo: {mode: yolo}
  orders: {levels: [QUROUM], keyspace_levels: {k: [TWOO, TWO]}, cooldowns: [{cause: nodedown, class: reversible, for: 1h}]}
resources:
  - {resource: cassandra/demo, policy: demo, setup: {nodes: [` + node("n1", "127.0.0.1", "one") + `, ` + node("n2", "127.0.0.2", "two") + `]}}
  - {resource: cassandra/orders, policy: orders, setup: {nodes: []}}
  - {resource: rds/x, setup: {}}
`, []string{
			`listen: "here": want host:port`, `policies.demo: mode: `, `rds/x: this galen does not know the kind "rds": it has cassandra`,
			`policies.orders: cooldowns[0].cause: no runbook heals "nodedown", so that it would count for nothing: want one of node-down, node-flapping, node-frozen, undo-owed`,
			`policies.orders: levels: Cassandra has no consistency level "QUROUM"; it is one of ALL, ANY, EACH_QUORUM`,
			`policies.orders: keyspace_levels.k: Cassandra has no consistency level "TWOO"`, `alerts[0].code: no runbook heals "nodedown"`,
			`folder "one"`, `folder "two"`, `setup of cassandra/orders: nodes: at least one is required`,
		}},
		"what is only half read": {`
data: data
colour: red
listen: here
resources:
  - {resource: cassandra/demo, setup: {nodes: [` + node("n1", "127.0.0.1", "one") + `]}}
`, []string{`unknown field "colour"`, `listen: "here": want host:port`, `folder "one"`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "galen.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := galenCLI(t, "", "config", "check", "--config", path)
			if got.code != exitUsage {
				t.Errorf("exit code %d, want %d", got.code, exitUsage)
			}
			lines := strings.Split(strings.TrimSpace(got.errs), "\n")
			for i, want := range c.want {
				if i >= len(lines) || !strings.Contains(lines[i], want) {
					t.Errorf("fault %d: want %s in\n%s", i, want, got.errs)
				}
			}
			if len(lines) != len(c.want) {
				t.Errorf("%d faults, want %d:\n%s", len(lines), len(c.want), got.errs)
			}
		})
	}
}
