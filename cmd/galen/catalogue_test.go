package main

import (
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
