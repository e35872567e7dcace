package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/crash/victim"
)

// TestSilence: while a run works on a node, a real Alertmanager is silent about this node and about no other; the engine is killed in
// the middle, the next one goes on, and when the run has ended, nothing is silent any more.
func TestSilence(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	address := freeAddress(t)
	s := stage(ctx, t, victim.StageOptions{
		Policy: map[string]any{"hold_for": "8s"}, Config: map[string]any{"alertmanager": object{"url": "http://" + address}},
	})
	am := alertmanager(ctx, t, address, object{"url": s.Engine.Server() + "/v1/alerts/alertmanager"})
	var alerts []object
	for _, instance := range []string{"127.0.0.1:9404", "127.0.0.3:9404"} {
		alerts = append(alerts, object{"labels": object{"alertname": "CassandraNodeDown", "cluster": "demo", "instance": instance}})
	}
	body, err := json.Marshal(alerts)
	must(t, err)
	if said := call(ctx, http.MethodPost, "http://"+address+"/api/v2/alerts", body); !strings.HasPrefix(said, "200 ") {
		t.Fatal(said)
	}
	silent := func(want ...string) {
		t.Helper()
		am.await(ctx, t, fmt.Sprintf("Alertmanager is silent about %q", want), "/api/v2/alerts", func(body string) bool {
			var all []struct {
				Labels struct{ Instance string }
				Status struct{ State string }
			}
			if json.Unmarshal([]byte(body), &all) != nil || len(all) != len(alerts) {
				return false
			}
			var got []string
			for _, a := range all {
				if a.Status.State == "suppressed" {
					got = append(got, a.Labels.Instance)
				}
			}
			return strings.Join(got, " ") == strings.Join(want, " ")
		})
	}
	silent()
	must(t, s.Break(ctx, "n3", ring.Kill))
	silent("127.0.0.3:9404")
	must(t, s.Engine.Kill())
	silent("127.0.0.3:9404")
	_, err = s.Start(ctx, nil)
	must(t, err)
	_, err = s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	ended := time.Now()
	silent()
	t.Logf("lifted %s after the run had ended", time.Since(ended).Round(100*time.Millisecond))
}
