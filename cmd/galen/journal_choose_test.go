package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJournalAsksForWhatWasChosen: each flag of list and export reaches the API as the filter that it names.
func TestJournalAsksForWhatWasChosen(t *testing.T) {
	var asked url.Values
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		w.Header().Set("Content-Type", "application/json")
		answer := `{"events":[]}`
		if asked.Get("cursor") == "first" {
			answer = `{"events":[],"next":"second"}`
		}
		if _, err := io.WriteString(w, answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct {
		args, query, says string
		code              int
	}{
		{"list", "limit=50&newest=true", "no events, in what your token may view\n", exitOK},
		{"list --after 7 --limit 3 --run r1", "after=7&limit=3&newest=false&run=r1", "no events of run r1 after number 7, in what", exitOK},
		{"list --kind approved --resource cassandra/orders --cursor first", "cursor=first&kind=approved&limit=50&newest=true&resource=cassandra/orders", "more: --cursor second", exitOK},
		{"export --kind held --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z", "from=2026-11-01T00:00:00Z&kind=held&limit=1000&to=2026-12-01T00:00:00Z", "", exitOK},
		{"list --from 2026-12-01T00:00:00Z --to 2026-11-01T00:00:00Z", "", "nothing lies between", exitUsage},
		{"list --from yesterday", "", "such as 4h or 30d", exitUsage},
		{"export --to -3h", "", "such as 4h or 30d", exitUsage},
		{"list --kind approved --resource cassandra/orders --from 2026-11-01T00:00:00Z", "from=2026-11-01T00:00:00Z&kind=approved&limit=50&newest=true&resource=cassandra/orders", "no events of resource cassandra/orders of the kind approved from 2026-11-01T00:00:00Z, in what", exitOK},
	} {
		asked = nil
		got := galenCLI(t, s.URL, append([]string{"journal"}, strings.Fields(c.args)...)...)
		want, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if c.query == "" {
			want = nil
		}
		if got.code != c.code || !strings.Contains(got.out+got.errs, c.says) || contains(got.out, "SEQ") {
			t.Errorf("%s: exit %d: %s%s", c.args, got.code, got.out, got.errs)
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("%s asks otherwise:\n%s", c.args, diff)
		}
	}
}
