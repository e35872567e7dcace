package intake

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestInHand: of a run that was opened for something else an alert does not say that it looks for what the alert is about.
func TestInHand(t *testing.T) {
	hint := galen.Finding{Resource: demo(), Code: "node-down", Domain: "dc1/r2"}
	mine := galen.Run{ID: "r", Key: hint.Key(), Runbook: "cassandra/heal-node", Status: galen.RunRunning}
	alert, person := mine, mine
	alert.Key, alert.Asked = "other", galen.AskedAlert+" 4711"
	person.Key, person.Runbook, person.Status, person.Asked = "k", "cassandra/restart-node", galen.RunHeld, galen.AskedBy("ann")
	over := person
	over.Status = galen.RunVerified
	for want, runs := range map[string][]galen.Run{
		"run r looks for node-down in dc1/r2 of cassandra/demo": {mine, alert, over},
		"run r (cassandra/restart-node, held) is at work there": {person},
	} {
		for _, run := range runs {
			if got := inHand(run, hint); !strings.HasPrefix(got, want) {
				t.Errorf("%+v: %s, want %s", run, got, want)
			}
		}
	}
}
