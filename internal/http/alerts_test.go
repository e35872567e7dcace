package http

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/galenhq/galen"
)

// TestListAlerts: the list is read page by page, and what it is asked for is checked.
func TestListAlerts(t *testing.T) {
	h := Handler((&engine{}).options())
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"/v1/alerts", 200, `"number":1`},
		{"/v1/alerts?limit=2", 200, `"next":"YWxlcnRzOjI"`},
		{"/v1/alerts?limit=2&cursor=YWxlcnRzOjI", 200, `{"alerts":[{"duplicates":0,"fingerprint":"","id":"alert-1"`},
		{"/v1/alerts?state=unmatched&limit=1", 200, `"next":"YWxlcnRzOjM"`},
		{"/v1/alerts?state=matched", 200, `{"alerts":[]}`},
		{"/v1/alerts?state=lost", 400, "want pending, matched, unmatched or refused"},
		{"/v1/alerts?run=", 400, "run is empty: leave it out"},
		{"/v1/alerts?fingerprint=", 400, "fingerprint is empty: leave it out"},
		{"/v1/alerts?resource=", 400, "resource"},
		{"/v1/alerts?limit=0", 400, "limit 0"},
		{"/v1/alerts?limit=1001", 400, "limit 1001"},
		{"/v1/alerts?cursor=YWxlcnRzOng", 422, "none of this list"},
		{"/v1/alerts?cursor=cnVuczoy", 422, "none of this list"},
		{"/v1/alerts?cursor=2", 422, "none of this list"},
		{"/v1/alerts/alert-1", 200, `"id":"alert-1"`},
		{"/v1/alerts/alert-9", 404, "alert-9"},
	} {
		w := call(t, h, "GET", c.path, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %d with %s", c.path, w.Code, w.Body, c.status, c.want)
		}
	}
	e := &engine{runs: map[string]galen.Run{"r": {ID: "r", Resource: demo()}}}
	h = Handler(e.options())
	for query, want := range map[string]int{
		"?label=job%3Dn%3D1&label=i%3D&run=r&fingerprint=f&resource=fake/demo&from=2026-11-23T12:00:00Z": 200,
		"?label=job": 400, "?label==n": 400, "?label=": 400, "?label=a%3D1&label=a%3D2": 422, "?from=x": 400, "?from=": 422, "?resource=x": 400, "?resource=fake/nobody": 404,
		"?run=nobody&state=matched": 404, "?since=1h": 400,
	} {
		if w := call(t, h, "GET", "/v1/alerts"+query, ""); w.Code != want {
			t.Errorf("%s: %d %s, want %d", query, w.Code, w.Body, want)
		}
		if f := e.wanted; want == 200 && (f.Labels["job"] != "n=1" || f.Labels["i"] != "" || len(f.Labels) != 2 || f.Run != "r" || f.Fingerprint != "f" || f.Resource != demo() || !f.From.Equal(noon())) {
			t.Errorf("%s asks for %+v", query, f)
		}
	}
	if w := call(t, h, "GET", "/v1/alerts?run=r", ""); w.Code != 200 || e.wanted.Resource != demo() {
		t.Errorf("those of a run are looked for in %q, want its resource: %d %s", e.wanted.Resource, w.Code, w.Body)
	}
	if w := call(t, Handler((&engine{broken: errDisk}).options()), "GET", "/v1/alerts", ""); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestCutOffAlerts: what came cut off can be sent again, so it must not be answered with what Alertmanager gives up on.
func TestCutOffAlerts(t *testing.T) {
	e := &engine{}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/alerts/alertmanager", io.MultiReader(strings.NewReader(`{"version":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	Handler(e.options()).ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(e.stored) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAlertsAtWorkAreBounded: what is over the bound is asked to come again, before it is read.
func TestAlertsAtWorkAreBounded(t *testing.T) {
	e := &engine{}
	s := &server{o: e.options()}
	post := func(length int64) int {
		r := httptest.NewRequestWithContext(t.Context(), "POST", alertsPath, strings.NewReader("{}"))
		r.ContentLength = length
		w := httptest.NewRecorder()
		s.PostAlertmanager(w, r)
		return w.Code
	}
	if !s.alertBytes.take(alertBytesAtOnce - 2) {
		t.Fatal("no room")
	}
	for length, want := range map[int64]int{2: 202, 3: 503, -1: 503} {
		if got := post(length); got != want {
			t.Errorf("%d bytes: %d, want %d", length, got, want)
		}
	}
	s.alertBytes.give(alertBytesAtOnce - 2)
	if got := post(-1); got != 202 || s.alertBytes.now.Load() != 0 {
		t.Errorf("afterwards: %d, %d bytes kept", got, s.alertBytes.now.Load())
	}
}

// TestCallsThatAreToComeAgainAreCounted: each 503 of a sender of alerts once, whatever it is for; of one that nobody knows apart.
func TestCallsThatAreToComeAgainAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		e                      *engine
		secret                 string
		body                   io.Reader
		took                   int64
		status, away, stranger int
	}{
		"taken":            {&engine{}, testToken, strings.NewReader("{}"), 0, 202, 0, 0},
		"refused":          {&engine{broken: Bad(errDisk)}, testToken, strings.NewReader("{}"), 0, 400, 0, 0},
		"not stored":       {&engine{broken: errDisk}, testToken, strings.NewReader("{}"), 0, 503, 1, 0},
		"journal is away":  {&engine{broken: Unavailable(errDisk)}, testToken, strings.NewReader("{}"), 0, 503, 1, 0},
		"came cut off":     {&engine{}, testToken, iotest.ErrReader(io.ErrUnexpectedEOF), 0, 503, 1, 0},
		"too many at work": {&engine{}, testToken, strings.NewReader("{}"), alertBytesAtOnce, 503, 1, 0},
		"nobody knows it":  {&engine{}, secretOf("new"), strings.NewReader("{}"), 0, 503, 0, 1},
		"no credential":    {&engine{}, "changeme", strings.NewReader("{}"), 0, 401, 0, 0},
	} {
		o := c.e.options()
		o.Refusals = NewRefusals((&written{}).write)
		s, h := handler(o)
		s.alertBytes.take(c.took)
		r := httptest.NewRequestWithContext(t.Context(), "POST", alertsPath, c.body)
		r.Header.Set("Authorization", "Bearer "+c.secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || c.e.turnedAway != c.away || o.Refusals.Strangers() != int64(c.stranger) {
			t.Errorf("%s: %d, %d turned away, %d of nobody, want %d, %d, %d", name, w.Code, c.e.turnedAway, o.Refusals.Strangers(), c.status, c.away, c.stranger)
		}
	}
}

// TestATokenThatNobodyKnows: one that may have been ours (the journal was restored, the file was made anew) costs no alert, since its sender
// comes again after a 503; it is taken down, counted and limited like any other guess. What cannot be one of ours is a 401.
func TestATokenThatNobodyKnows(t *testing.T) {
	journal := &written{}
	e := &engine{}
	o := e.options()
	o.Refusals, o.Limits = NewRefusals(journal.write), Limits{PerAddress: 2}
	h := Handler(o)
	old := strings.Repeat("f", len(testToken))
	for i, c := range []struct {
		secret string
		status int
	}{
		{"", 401}, {"changeme", 401}, {secretOf("new"), 503}, {old, 503}, {old, 503}, {"changeme", 429}, {old, 503}, {"", 429}, {secretOf("new"), 503}, {testToken, 202},
	} {
		w := callAs(t, h, c.secret, "POST", alertsPath, "{}")
		if w.Code != c.status || (c.status == 503) != (w.Header().Get("Retry-After") == "5") {
			t.Errorf("%d, %q: %d %v %s, want %d", i, c.secret, w.Code, w.Header(), w.Body, c.status)
		}
	}
	if w := callAs(t, h, old, "GET", "/v1/alerts", ""); w.Code != 429 {
		t.Errorf("another call: %d", w.Code)
	}
	if err := o.Refusals.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := o.Refusals.Counts(); n[401] != 6 || n[503] != 1 || len(e.stored) != 1 || e.turnedAway != 0 || o.Refusals.Strangers() != 5 {
		t.Errorf("counted %v, stored %d, turned away %d, of nobody %d", n, len(e.stored), e.turnedAway, o.Refusals.Strangers())
	}
	if body := string(journal.events[0].Body); !strings.Contains(body, `{"status":401,"call":"POST /v1/alerts/alertmanager","from":"192.0.2.1","count":6}`) {
		t.Errorf("taken down %s", body)
	}
}

// TestBasicAlerts: whoever sends alerts may send the token as a password; nobody else may.
func TestBasicAlerts(t *testing.T) {
	for _, c := range []struct {
		method, path, password string
		status                 int
	}{
		{"POST", alertsPath, testToken, 202},
		{"POST", alertsPath, testToken + "x", 503},
		{"POST", alertsPath, "x", 401},
		{"POST", alertsPath, "", 401},
		{"GET", "/v1/alerts", testToken, 401},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader("{}"))
		r.SetBasicAuth("galen", c.password)
		w := httptest.NewRecorder()
		Handler((&engine{}).options()).ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %s with %q: %d %s", c.method, c.path, c.password, w.Code, w.Body)
		}
	}
}

// TestWhoseAlerts: a token sees the alerts that were matched to what it may view, and nothing of the others, be they there or not.
func TestWhoseAlerts(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/d*"}}, Expires: noon().Add(time.Hour)}
	h := e.handler()
	for path, c := range map[string]struct {
		status int
		want   string
	}{
		"": {200, "alert-demo"}, "?limit=1": {200, "alert-demo"}, "?resource=fake/demo": {200, "alert-demo"}, "?resource=fake/other": {403, ""}, "?run=run-other": {403, ""}, "?run=none": {403, ""},
		"/alert-demo": {200, "alert-demo"}, "/alert-other": {403, ""}, "/alert-nobody": {403, ""}, "/alert-none": {403, ""}, "/3": {403, ""},
	} {
		w := callAs(t, h, secretOf("me"), "GET", "/v1/alerts"+path, "")
		text := w.Body.String()
		tells := c.status == 200 && (strings.Contains(text, "other") || strings.Contains(text, "nobody") || strings.Contains(text, "next"))
		if w.Code != c.status || !strings.Contains(text, c.want) || tells {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	one, none := callAs(t, h, secretOf("me"), "GET", "/v1/alerts/alert-other", ""), callAs(t, h, secretOf("me"), "GET", "/v1/alerts/alert-none", "")
	if a, b := complaint(t, one), complaint(t, none); strings.ReplaceAll(a, "alert-other", "") != strings.ReplaceAll(b, "alert-none", "") {
		t.Errorf("it tells that there is one: %s, and of none: %s", a, b)
	}
}
