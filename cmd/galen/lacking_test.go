package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestALackingParameterIsNamed: with what it is and how it is given, below what the engine said; a refusal for something else stays as it is.
func TestALackingParameterIsNamed(t *testing.T) {
	const nodes = `missing parameter nodes (array of string, required): the nodes that are to send faster: host IDs, addresses or instances; for example --param nodes='["n3"]'`
	for name, c := range map[string]struct {
		args   string
		status int
		code   int
		want   []string
	}{
		"all of a run":         {"run cassandra/tune-streaming cassandra/orders --plan", http.StatusNotFound, exitNotDone, []string{"run cassandra/tune-streaming on cassandra/orders: what the engine said\n" + nodes, "to (integer, required)", "--param to=10"}},
		"one of a run":         {"run cassandra/tune-streaming cassandra/orders --param to=400", http.StatusUnprocessableEntity, exitUsage, []string{nodes}},
		"one of a schedule":    {"schedule create x cassandra/tune-streaming cassandra/orders --spec @daily --param to=400", http.StatusUnprocessableEntity, exitUsage, []string{"create the schedule x: what the engine said\n" + nodes}},
		"none is lacking":      {`run cassandra/tune-streaming cassandra/orders --param to=400 --param nodes=["n9"]`, http.StatusUnprocessableEntity, exitUsage, []string{"what the engine said"}},
		"refused for else":     {"run cassandra/tune-streaming cassandra/orders", http.StatusConflict, exitNotDone, []string{"what the engine said"}},
		"an unknown runbook":   {"run cassandra/tune-stream cassandra/orders", http.StatusUnprocessableEntity, exitUsage, []string{"what the engine said"}},
		"no name of a runbook": {"run tune-streaming cassandra/orders", http.StatusUnprocessableEntity, exitUsage, []string{"what the engine said"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := cannedAPI()
			no := refused{status: c.status, says: "what the engine said"}
			a.answers["POST /v1/runs"], a.answers["POST /v1/schedules"] = no, no
			got := galenCLI(t, a.start(t), strings.Fields(c.args)...)
			for _, want := range c.want {
				if got.code != c.code || !strings.Contains(got.errs, want) {
					t.Errorf("exit code %d, %q, want %d with %q", got.code, got.errs, c.code, want)
				}
			}
		})
	}
	for want, form := range map[string]map[string]any{
		"x=n3": {"type": "string"}, "x=10": {"type": "integer"}, "x=true": {"type": "boolean"}, "x=fast": {"type": "string", "enum": []any{"fast", "slow"}},
		"x=10m": {"type": "string", "default": "0s", "pattern": "^[0-9]+m$"}, `x='[10]'`: {"type": "array", "items": map[string]any{"type": "number"}}, "x='{}'": {"type": "object"},
	} {
		if got := (lack{"x", form}).example(); got != want {
			t.Errorf("%v: %s, want %s", form, got, want)
		}
	}
}
