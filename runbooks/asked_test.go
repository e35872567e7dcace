package runbooks_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/runbooks"
)

// TestAskedForWhatNobodyAllows: what no policy allows opens no run that would end with a page.
func TestAskedForWhatNobodyAllows(t *testing.T) {
	listed := galen.ListRunbook(runbooks.CassandraTuneStreaming())
	ring := cassandra.Ring{Name: "orders", Nodes: []cassandra.Node{{HostID: "host-1", Instance: "n1"}}}
	for params, says := range map[string]string{
		`{"nodes":["n1"],"to":100,"for":"1h"}`: "",
		`{"nodes":["n1"],"to":0}`:              "params: to: 0 MiB/s",
		`{"nodes":["n1"],"to":-5}`:             "params: to: -5 MiB/s",
		`{"nodes":["n1"],"to":9,"for":"0s"}`:   "params: for: 0s: want a time",
		`{"nodes":["n9"],"to":100}`:            "no target",
	} {
		_, err := listed.Scope(ring, json.RawMessage(params))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", params, err, says)
		}
	}
}

// TestParametersAreShort: each list of runs has them.
func TestParametersAreShort(t *testing.T) {
	listed := galen.ListRunbook(runbooks.CassandraHealNode())
	for n, fits := range map[int]bool{1000: true, 16 << 10: false, 1 << 20: false} {
		_, err := listed.Params(fmt.Appendf(nil, `{"node":%q}`, strings.Repeat("n", n)))
		if (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "at most 16384 are allowed") {
			t.Errorf("%d: %v", n, err)
		}
	}
	_, err := listed.Scope(cassandra.Ring{Name: "orders"}, fmt.Appendf(nil, `{"node":%q}`, strings.Repeat("n", 1000)))
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("it is echoed whole: %v", err)
	}
}
