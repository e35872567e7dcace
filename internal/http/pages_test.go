package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestPagesAreTheWhole: one after the other, the pages of one item each are the list, and the last one has no next.
func TestPagesAreTheWhole(t *testing.T) {
	h := newTwo().handler()
	for path, field := range map[string]string{
		"/v1/resources": "resources", "/v1/findings": "findings", "/v1/runbooks": "runbooks", "/v1/holds": "holds",
		"/v1/quarantines": "quarantines", "/v1/tokens": "tokens", "/v1/approvals": "approvals", "/v1/alerts": "alerts",
	} {
		items := func(query string) (all []any, next string) {
			w := call(t, h, "GET", path+query, "")
			var out map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
				t.Fatalf("%s: %d %s", path+query, w.Code, w.Body)
			}
			next, _ = out["next"].(string)
			return out[field].([]any), next
		}
		whole, next := items("")
		if next != "" || len(whole) == 0 {
			t.Errorf("%s: %d items, next %q", path, len(whole), next)
		}
		var paged []any
		for query := "?limit=1"; ; {
			page, next := items(query)
			paged = append(paged, page...)
			if next == "" || len(paged) > len(whole) {
				break
			}
			query = "?limit=1&cursor=" + next
		}
		if fmt.Sprint(paged) != fmt.Sprint(whole) {
			t.Errorf("%s: pages %v, whole %v", path, paged, whole)
		}
	}
}

// TestPagesOfARun: all plans and intents of a run are there, page by page, newest first; with the run itself come the newest, oldest first.
func TestPagesOfARun(t *testing.T) {
	const most = 2500
	e := &engine{runs: map[string]galen.Run{"r": {ID: "r", Resource: demo(), Status: galen.RunRunning}}, older: most}
	for n := range most {
		e.past = append(e.past, galen.Intent{ID: fmt.Sprintf("r-%d", n+1), Class: galen.Disruptive})
	}
	h := Handler(e.options())
	get := func(path string) map[string]any {
		t.Helper()
		w := call(t, h, "GET", path, "")
		var out map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return out
	}
	is := func(item any) string {
		one := item.(map[string]any)
		if n, plan := one["number"]; plan {
			return fmt.Sprint("r-", n)
		}
		return fmt.Sprint(one["id"])
	}
	whole := get("/v1/runs/r")
	for _, field := range []string{"plans", "intents"} {
		path := "/v1/runs/r/" + field + "?limit=999"
		n := most
		for query := ""; ; {
			page := get(path + query)
			for _, item := range page[field].([]any) {
				if got, want := is(item), fmt.Sprint("r-", n); got != want {
					t.Fatalf("%s has %s, want %s", path+query, got, want)
				}
				n--
			}
			next, more := page["next"].(string)
			if !more {
				break
			}
			query = "&cursor=" + next
		}
		all := whole[field].([]any)
		if n != 0 || len(all) != 1000 || is(all[0]) != "r-1501" || is(all[999]) != "r-2500" || whole["more_"+field] != true {
			t.Errorf("%s: %d are missing in the pages; with the run come %d, from %s on", field, n, len(all), is(all[0]))
		}
		if w := call(t, h, "GET", "/v1/runs/nobody/"+field, ""); w.Code != 404 {
			t.Errorf("of a run that is not there: %d", w.Code)
		}
		if w := call(t, h, "GET", "/v1/runs/r/"+field+"?cursor=eA", ""); w.Code != 422 {
			t.Errorf("by a cursor of something else: %d", w.Code)
		}
	}
}

// TestManyMembers: with a resource come the first 1,000 members, as with a small one all of them; the pages have each once.
func TestManyMembers(t *testing.T) {
	for _, n := range []int{0, 3, 1000, 2500} {
		e := &engine{members: []galen.Member{}}
		for i := range n {
			e.members = append(e.members, galen.Member{Target: galen.Target{ID: fmt.Sprintf("n%04d", n-i)}, Observations: []galen.Observation{{Says: galen.Good}}})
		}
		h := Handler(e.options())
		w := call(t, h, "GET", "/v1/resources/fake/demo", "")
		whole, err := galen.Decode[api.ResourceDetail](w.Body.Bytes())
		if err != nil || len(whole.Members) != min(n, 1000) || deref(whole.MoreMembers) != (n > 1000) || whole.Resource.Members != n {
			t.Errorf("%d: %d come with it, more: %t, %v", n, len(whole.Members), deref(whole.MoreMembers), err)
		}
		seen := map[string]bool{}
		for query := "?limit=999"; query != ""; {
			w := call(t, h, "GET", "/v1/resources/fake/demo/members"+query, "")
			page, err := galen.Decode[api.MemberList](w.Body.Bytes())
			if err != nil || len(page.Members) > 999 {
				t.Fatalf("%s: %d %v", query, len(page.Members), err)
			}
			for _, m := range page.Members {
				if seen[m.Target.ID] {
					t.Errorf("%s twice", m.Target.ID)
				}
				seen[m.Target.ID] = true
			}
			if query = ""; page.Next != nil {
				query = "?limit=999&cursor=" + *page.Next
			}
		}
		if len(seen) != n {
			t.Errorf("%d: %d in the pages", n, len(seen))
		}
	}
	if w := call(t, Handler((&engine{}).options()), "GET", "/v1/resources/fake/none/members", ""); w.Code != 404 {
		t.Errorf("of none: %d", w.Code)
	}
	w := call(t, Handler((&engine{}).options()), "GET", "/v1/resources/fake/demo/members", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"members":[]`) {
		t.Errorf("before the first look: %d %s", w.Code, w.Body)
	}
}

// manyResources is an engine that looks after so many.
type manyResources struct {
	*engine
	n int
}

func (m manyResources) Watched() (out []Watched) {
	for i := range m.n {
		out = append(out, Watched{Resource: galen.Resource{Kind: "fake", Name: fmt.Sprint("r", i)}, Policy: galen.SafePolicy()})
	}
	return out
}

// TestManyResources: with the status come the first 1,000.
func TestManyResources(t *testing.T) {
	for _, n := range []int{1, 1000, 1001} {
		e := &engine{}
		o := e.options()
		o.World = manyResources{e, n}
		w := call(t, Handler(o), "GET", "/v1/status", "")
		got, err := galen.Decode[api.Status](w.Body.Bytes())
		if err != nil || len(got.Resources) != min(n, 1000) || deref(got.MoreResources) != (n > 1000) {
			t.Errorf("%d: %d, more: %t, %v", n, len(got.Resources), deref(got.MoreResources), err)
		}
	}
}

// TestExportEndsWithItsToken: between two pages of a long export the token is asked about again.
func TestExportEndsWithItsToken(t *testing.T) {
	e := newTwo()
	for range exportPage + 1 {
		e.happened = append(e.happened, galen.Event{Seq: int64(len(e.happened) + 1), Kind: galen.EventEngine})
	}
	o := e.options()
	o.Runs, o.Records, o.World = e, e, e
	s := &server{o: o}
	ctx := withCaller(t.Context(), galen.Token{Name: galen.Operator, Grants: []galen.Grant{{Scope: galen.ScopeAdmin, Resource: galen.Everything}}})
	revoked := errors.New("it was revoked")
	w := httptest.NewRecorder()
	begun, err := s.export(ctx, s.streamTo(w), EventFilter{}, math.MaxInt64, func() error { return revoked })
	if !begun || !errors.Is(err, revoked) || strings.Count(w.Body.String(), "\n") != len(e.happened) {
		t.Errorf("begun %t, %v, %d lines", begun, err, strings.Count(w.Body.String(), "\n"))
	}
}

// TestHowManyExport: an export has a page in memory for as long as its reader is slow, so that there are few at once.
func TestHowManyExport(t *testing.T) {
	e := newTwo()
	o := e.options()
	o.Runs, o.Records, o.World = e, e, e
	s, h := handler(o)
	want := func(when string, status int) {
		t.Helper()
		if w := call(t, h, http.MethodGet, "/v1/journal/export", ""); w.Code != status || status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", when, w.Code, w.Body)
		}
	}
	enter := func(caller string) (leave func()) {
		t.Helper()
		leave, err := s.crowd.enter(caller, formExport)
		if err != nil {
			t.Fatalf("%s: %v", caller, err)
		}
		return leave
	}
	var mine, others []func()
	for range exportsPerToken {
		mine = append(mine, enter(galen.Operator))
	}
	want("one more of a token", http.StatusTooManyRequests)
	mine[0]()
	want("one less", http.StatusOK)
	for n := range exportsTotal - exportsPerToken + 1 {
		others = append(others, enter(fmt.Sprint("other-", n)))
	}
	want("one more of all", http.StatusTooManyRequests)
	for _, leave := range append(others, mine[1:]...) {
		leave()
	}
	want("none", http.StatusOK)
	if s.crowd.total != 0 || len(s.crowd.of) != 0 || s.crowd.count(formExport) != 0 {
		t.Errorf("left: %d %v", s.crowd.total, s.crowd.of)
	}
}

// TestExport: lines of canonical JSON over a real connection, of what the token may view, and no more than the limit.
func TestExport(t *testing.T) {
	e := newTwo()
	o := e.options()
	o.Runs, o.Records, o.World, o.Now = e, e, e, time.Now
	server := httptest.NewServer(Handler(o))
	defer server.Close()
	get := func(query string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/journal/export"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+o.Token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	status, body := get("")
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if status != 200 || len(lines) != len(e.happened) {
		t.Fatalf("%d %s", status, body)
	}
	for i, line := range lines {
		want, err := galen.Canonical(e.happened[i])
		if err != nil || line != string(want) {
			t.Errorf("line %d: %s, want %s (%v)", i, line, want, err)
		}
	}
	for query, want := range map[string]int{"?kind=none": 400, "?limit=0": 400, "?run=nobody": 404, "?run=": 400, "?after=-1": 400, "?to=": 422, "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": 422} {
		if status, body := get(query); status != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}
