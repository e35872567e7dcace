package main

import (
	"strings"
	"testing"
)

// TestTokenCreate: the secret alone goes to stdout, so that it can go into a file.
func TestTokenCreate(t *testing.T) {
	c := cannedAPI()
	server := c.start(t)
	got := galenCLI(t, server, "token", "create", "ci", "--scope", "view", "--resource", "cassandra/a", "--resource", "cassandra/b*", "--grant", "operate:cassandra/c", "--expires", "90d")
	if got.code != exitOK || got.out != "galen_x\n" || !contains(got.errs, "not shown again") || strings.Contains(got.errs, "galen_x") {
		t.Errorf("%+v", got)
	}
	want := `{"expires":"2027-02-21T12:00:00Z","grants":[{"scope":"view","resource":"cassandra/a"},{"scope":"view","resource":"cassandra/b*"},{"scope":"operate","resource":"cassandra/c"}],"name":"ci"}`
	if asked := strings.TrimSpace(c.bodies["POST /v1/tokens"]); asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
	got = galenCLI(t, server, "token", "create", "ci", "--scope", "view", "--expires", "2027-01-01T00:00:00Z", "-o", "json")
	if got.code != exitOK || !contains(got.out, `"secret": "galen_x"`) || !contains(c.bodies["POST /v1/tokens"], `"resource":"*/*"`) {
		t.Errorf("%+v asked %s", got, c.bodies["POST /v1/tokens"])
	}
}
