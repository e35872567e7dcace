package http

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestListApprovals: the filters of the list are checked, and it shows what the token may view.
func TestListApprovals(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon().Add(time.Hour)}
	h := e.handler()
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"?state=stands", 200, `"run":"run-demo","runbook":"","state":"stands","steps":[]`},
		{"?state=given", 400, "want one of stands, used"},
		{"?run=run-other", 200, `"state":"voided"`},
		{"?run=nobody", 404, "not found"},
		{"?run=", 400, "run is empty: leave it out"},
		{"?resource=fake/demo", 200, `"run":"run-demo"`},
		{"?resource=nobody", 400, "resource"},
		{"?limit=0", 400, "limit 0"},
		{"?limit=1", 200, `"next":`},
		{"?cursor=2", 422, "none of this list"},
	} {
		w := call(t, h, http.MethodGet, "/v1/approvals"+c.query, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d with %s", c.query, w.Code, w.Body, c.status, c.want)
		}
	}
	for query, want := range map[string]int{"": 200, "?run=run-demo": 200, "?run=run-other": 403, "?run=nobody": 403, "?resource=fake/other": 403} {
		w := callAs(t, h, secretOf("me"), http.MethodGet, "/v1/approvals"+query, "")
		if w.Code != want || strings.Contains(w.Body.String(), "voided") || want == 200 && !strings.Contains(w.Body.String(), "stands") {
			t.Errorf("as one who may view fake/demo, %q: %d %s", query, w.Code, w.Body)
		}
	}
}
