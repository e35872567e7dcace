package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const metricsText = `# HELP galen_open_runs Open runs by status.
# TYPE galen_open_runs gauge
galen_open_runs{status="held"} 2
galen_open_runs{status="asking"} 0
# HELP galen_look_seconds How long a look takes.
# TYPE galen_look_seconds histogram
galen_look_seconds_bucket{resource="cassandra/orders",le="1"} 3
galen_look_seconds_bucket{resource="cassandra/orders",le="+Inf"} 4
galen_look_seconds_sum{resource="cassandra/orders"} 2.5
galen_look_seconds_count{resource="cassandra/orders"} 4
# TYPE go_goroutines gauge
go_goroutines 31
`

func TestMetrics(t *testing.T) {
	text := metricsText
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	for name, args := range map[string]string{"metrics": "metrics", "metrics-json": "metrics galen_open -o json"} {
		got := galenCLI(t, s.URL, strings.Fields(args)...)
		if got.code != exitOK {
			t.Errorf("galen %s: %+v", args, got)
		}
		golden(t, file(name), got.out)
	}
	for _, args := range []string{"metrics nothing", "metrics nothing -o json"} {
		if got := galenCLI(t, s.URL, strings.Fields(args)...); got.code != exitNotDone || got.out != "" || !strings.Contains(got.errs, `no metric begins with "nothing": galen metrics lists`) {
			t.Errorf("galen %s: %+v", args, got)
		}
	}
	text = "<html>"
	if got := galenCLI(t, s.URL, "metrics"); got.code == exitOK || !strings.Contains(got.errs, "is this galen serve?") {
		t.Errorf("something else answers: %+v", got)
	}
}
