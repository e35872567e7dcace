package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/galenhq/galen"
)

// written are the events that refusals became.
type written struct {
	mu     sync.Mutex
	broken error
	events []galen.Event
}

func (w *written) write(_ context.Context, e galen.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.events = append(w.events, e)
	}
	return w.broken
}

func (w *written) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

type toldRefusals struct {
	Refusals []countedOut `json:"refusals"`
	More     int64        `json:"more"`
}

// all is how many calls the events tell of.
func (w *written) all(t *testing.T) (events int, calls int64, last toldRefusals) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		last = toldRefusals{}
		if err := json.Unmarshal(e.Body, &last); err != nil || e.Kind != galen.EventKeptOut {
			t.Fatalf("%+v %v", e, err)
		}
		calls += last.More
		for _, one := range last.Refusals {
			calls += one.Count
		}
	}
	return len(w.events), calls, last
}

// TestAFloodOfRefusals: the first ones are told at once, the others by the minute, and none is lost, though the journal fails for a while.
func TestAFloodOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := &written{}
		r := NewRefusals(journal.write)
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		failed := 0
		ended.Go(func() { r.Run(ctx, func(error) { failed++ }) })
		synctest.Wait()
		r.note(keptOut{Status: 401, Call: "GET /v1/runs", From: "10.0.0.1"})
		synctest.Wait()
		if events, calls, last := journal.all(t); events != 1 || calls != 1 || last.Refusals[0].From != "10.0.0.1" {
			t.Errorf("the first: %d events of %d calls, %+v", events, calls, last)
		}
		r.note(keptOut{Status: 401, Call: "GET /v1/holds", From: "10.0.0.2"})
		synctest.Wait()
		if events, calls, last := journal.all(t); events != 2 || calls != 2 || last.Refusals[0].From != "10.0.0.2" {
			t.Errorf("the second: %d events of %d calls, %+v", events, calls, last)
		}
		for i := range 300 {
			for range 1000 {
				r.note(keptOut{Status: 401, Call: "GET /v1/runs", From: fmt.Sprint("10.0.0.", i)})
			}
			time.Sleep(time.Second)
		}
		journal.set(errDisk)
		r.note(keptOut{Status: 403, Call: "GET /v1/runs", Token: "ci", From: "10.0.0.1"})
		time.Sleep(5 * time.Minute)
		journal.set(nil)
		time.Sleep(2 * time.Minute)
		events, calls, last := journal.all(t)
		if calls != 300_003 || events > 10+10 || failed == 0 || failed > 7 || len(last.Refusals) > refusalsTold {
			t.Errorf("%d events of %d calls, %d failed, %+v", events, calls, failed, last)
		}
		r.note(keptOut{Status: 403, Call: "GET /v1/runs", Token: "ci", From: "10.0.0.1"})
		r.note(keptOut{Status: 429, Call: "GET /v1/runs", Token: "ci", From: "10.0.0.1"})
		cancel()
		ended.Wait()
		if _, calls, _ := journal.all(t); calls != 300_005 {
			t.Errorf("at the end: %d calls", calls)
		}
		if n := r.Counts(); n[401] != 300_002 || n[403] != 2 || n[429] != 1 {
			t.Errorf("counts %v", n)
		}
	})
}

// TestARefusalNamesTheResource: of what its caller has named, or may view; of another run it tells nothing.
func TestARefusalNamesTheResource(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon().Add(time.Hour)}
	for path, says := range map[string]string{
		"/v1/runs/run-demo/cancel":               "this needs the scope operate on fake/demo,",
		"/v1/runs/run-other/cancel":              "this needs the scope operate on anything,",
		"/v1/runs/run-none/cancel":               "this needs the scope operate on anything,",
		"/v1/resources/fake/other/acknowledge":   "this needs the scope operate on fake/other,",
		"/v1/resources/fake/nowhere/acknowledge": "this needs the scope operate on fake/nowhere,",
		"/v1/rearm":                              "this needs the scope admin on everything,",
	} {
		w := callAs(t, e.handler(), secretOf("me"), http.MethodPost, path, `{"why":"x"}`)
		if text := complaint(t, w); w.Code != http.StatusForbidden || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s, want %q", path, w.Code, text, says)
		}
	}
}

// TestRefusalsSayWho: the token where it is known, the call as the API has it, and nothing that the caller could write.
func TestRefusalsSayWho(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon().Add(time.Hour)}
	e.tokens[hashOf(secretOf("old"))] = galen.Token{Name: "old", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon()}
	journal := &written{}
	o := e.options()
	o.Runs, o.Records, o.World, o.Refusals = e, e, e, NewRefusals(journal.write)
	h := Handler(o)
	hostile := "/v1/%3Cscript%3E%1b[31m"
	callAs(t, h, "", "GET", hostile, "")
	callAs(t, h, secretOf("old"), "GET", "/v1/runs/run-demo", "")
	callAs(t, h, secretOf("me"), "POST", "/v1/runs/run-demo/cancel", `{"why":"x"}`)
	callAs(t, h, secretOf("me"), "GET", "/v1/resources/fake/other", "")
	callAs(t, h, secretOf("me"), "GET", "/v1/resources/fake/%1b%3Cb%3E", "")
	if err := o.Refusals.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := string(journal.events[0].Body)
	for _, want := range []string{
		`{"status":401,"call":"no call of the API","from":"192.0.2.1","count":1}`,
		`{"status":401,"call":"GET /v1/runs/{id}","token":"old","from":"192.0.2.1","count":1}`,
		`{"status":403,"call":"POST /v1/runs/{id}/cancel","token":"me","needs":"operate on fake/demo","from":"192.0.2.1","count":1}`,
		`{"status":403,"call":"GET /v1/resources/{kind}/{name}","token":"me","needs":"view on fake/other","from":"192.0.2.1","count":1}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s:\n%s", want, body)
		}
	}
	if strings.Contains(body, "script") || strings.Contains(body, `\u003cb`) || strings.Contains(body, secretPrefix) {
		t.Errorf("a caller's own words: %s", body)
	}
}

// TestTooManyCalls: who calls too often waits, alone, and alerts are let in.
func TestTooManyCalls(t *testing.T) {
	e := newTwo()
	now := noon()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	e.tokens[hashOf(secretOf("am"))] = galen.Token{Name: "am", Grants: []galen.Grant{{Scope: galen.ScopeAlerts, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	o := e.options()
	o.Runs, o.Records, o.World, o.Now, o.Limits = e, e, e, func() time.Time { return now }, Limits{PerToken: 5, PerAddress: 2}
	h := Handler(o)
	count := func(secret, method, path, from string) (n map[int]int) {
		n = map[int]int{}
		for range 30 {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
			r.Header.Set("Authorization", "Bearer "+secret)
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			n[w.Code]++
			if w.Code == http.StatusTooManyRequests && (w.Header().Get("Retry-After") != "1" || !strings.Contains(complaint(t, w), "try again in 1 s")) {
				t.Errorf("%v %s", w.Header(), w.Body)
			}
		}
		return n
	}
	for _, c := range []struct {
		name, secret, method, path, from string
		want                             map[int]int
	}{
		{"a token", secretOf("me"), "GET", "/v1/runs", "10.0.0.1:1", map[int]int{200: 10, 429: 20}},
		{"it from elsewhere", secretOf("me"), "GET", "/v1/runs", "10.0.0.2:1", map[int]int{429: 30}},
		{"another token", testToken, "GET", "/v1/runs", "10.0.0.1:1", map[int]int{200: 10, 429: 20}},
		{"no token", "wrong", "GET", "/v1/runs", "10.0.0.1:1", map[int]int{401: 4, 429: 26}},
		{"a good one beside it", secretOf("am"), "POST", "/v1/alerts/alertmanager", "10.0.0.1:1", map[int]int{202: 30}},
		{"one host of IPv6", "wrong", "GET", "/v1/runs", "[2001:db8::1]:1", map[int]int{401: 4, 429: 26}},
		{"its next address", "wrong", "GET", "/v1/runs", "[2001:db8::2]:1", map[int]int{429: 30}},
		{"health", "", "GET", "/v1/health", "10.0.0.1:1", map[int]int{200: 10, 429: 20}},
	} {
		if got := count(c.secret, c.method, c.path, c.from); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	now = now.Add(time.Second)
	if got := count(secretOf("me"), "GET", "/v1/runs", "10.0.0.1:1"); got[200] != 5 {
		t.Errorf("a second later: %v", got)
	}
}

// TestGuessesCostTheJournalLittle: the journal is asked for as many guessed tokens as an address may guess, and a good one passes beside.
func TestGuessesCostTheJournalLittle(t *testing.T) {
	e := newTwo()
	for _, name := range []string{"me", "am"} {
		e.tokens[hashOf(secretOf(name))] = galen.Token{Name: name, Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}, {Scope: galen.ScopeAlerts, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	}
	o := e.options()
	var later atomic.Int64
	o.Now = func() time.Time { return noon().Add(time.Duration(later.Load())) }
	asked := &countedTokens{tokens: o.Tokens}
	o.Runs, o.Records, o.World, o.Tokens, o.Limits = e, e, e, asked, Limits{PerAddress: 2}
	journal := &written{}
	o.Refusals = NewRefusals(journal.write)
	h := Handler(o)
	if w := callAs(t, h, secretOf("me"), "GET", "/v1/runs", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for range 500 {
		callAs(t, h, newSecret(), "GET", "/v1/runs", "")
	}
	if n := asked.lookups.Load(); n != 5 || asked.endless.Load() {
		t.Errorf("%d lookups, want 1 + 4; without a deadline: %t", n, asked.endless.Load())
	}
	if w := callAs(t, h, secretOf("me"), "GET", "/v1/runs", ""); w.Code != 200 {
		t.Errorf("a good one: %d %s", w.Code, w.Body)
	}
	if w := callAs(t, h, secretOf("am"), "POST", alertsPath, "{}"); w.Code != 202 {
		t.Errorf("a sender of alerts whose first call this is: %d %s", w.Code, w.Body)
	}
	e.tokens[hashOf(secretOf("new"))] = e.tokens[hashOf(secretOf("am"))] // by another engine
	if w := callAs(t, h, secretOf("new"), "POST", alertsPath, "{}"); w.Code != 503 {
		t.Errorf("a sender of alerts that was not known yet: %d %s", w.Code, w.Body)
	}
	if n := asked.listed.Load(); n != 1 {
		t.Errorf("all tokens were read %d times in a second", n)
	}
	later.Store(int64(knownEvery))
	for range 4 { // what may be guessed again by then
		callAs(t, h, newSecret(), "GET", "/v1/runs", "")
	}
	if w := callAs(t, h, secretOf("new"), "POST", alertsPath, "{}"); w.Code != 202 {
		t.Errorf("a second later: %d %s", w.Code, w.Body)
	}
	if err := o.Refusals.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `{"status":503,"call":"POST /v1/alerts/alertmanager","from":"192.0.2.1","count":1}`
	if n := o.Refusals.Counts(); n[503] != 1 || !strings.Contains(string(journal.events[0].Body), want) {
		t.Errorf("counted %v, taken down %s", n, journal.events[0].Body)
	}
}

// TestKnownHashesAreReadAgain: a hash that is known keeps nobody from learning that it was revoked, nor which are new.
func TestKnownHashesAreReadAgain(t *testing.T) {
	var k knownHashes
	count := []string{"old"}
	read := func() ([]string, error) { return count, nil }
	if !k.has("old", noon(), read) {
		t.Error("one that counts is not known")
	}
	count = []string{"new"}
	for n, want := range []struct{ old, fresh bool }{{true, false}, {false, true}} {
		now := noon().Add(time.Duration(n) * knownEvery)
		if old, fresh := k.has("old", now, read), k.has("new", now, read); old != want.old || fresh != want.fresh {
			t.Errorf("after %d readings: old %t, new %t, want %+v", n+1, old, fresh, want)
		}
	}
}

// countedTokens counts how often the journal is asked for one.
type countedTokens struct {
	tokens  Tokens
	lookups atomic.Int64
	listed  atomic.Int64
	endless atomic.Bool
}

func (c *countedTokens) Token(ctx context.Context, hash string) (galen.Token, time.Time, error) {
	c.lookups.Add(1)
	if _, bounded := ctx.Deadline(); !bounded {
		c.endless.Store(true)
	}
	return c.tokens.Token(ctx, hash)
}

func (c *countedTokens) CreateToken(ctx context.Context, t galen.Token, hash string) (galen.Token, error) {
	return c.tokens.CreateToken(ctx, t, hash)
}

func (c *countedTokens) TokenHashes(ctx context.Context) ([]string, error) {
	c.listed.Add(1)
	return c.tokens.TokenHashes(ctx)
}

func (c *countedTokens) Tokens(ctx context.Context) ([]galen.Token, error) {
	return c.tokens.Tokens(ctx)
}

func (c *countedTokens) RevokeToken(ctx context.Context, name, by string) error {
	return c.tokens.RevokeToken(ctx, name, by)
}

// TestBucketsAreBounded: callers without number cost no memory without bound.
func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1)
	for i := range 3 * bucketLimit {
		if err := b.take(fmt.Sprint(i), noon()); err != nil && i < bucketLimit {
			t.Fatal(err)
		}
	}
	if n := len(b.of); n > bucketLimit+1 {
		t.Errorf("%d buckets", n)
	}
	if err := b.take("new", noon().Add(time.Hour)); err != nil || len(b.of) > 2 {
		t.Errorf("an hour later: %v, %d buckets", err, len(b.of))
	}
	var tooMany *tooManyError
	for range 3 {
		if err := b.take("new", noon().Add(time.Hour)); err != nil && !errors.As(err, &tooMany) {
			t.Error(err)
		}
	}
	if tooMany == nil {
		t.Error("nobody is limited")
	}
}

// FuzzAuthorization: whatever a caller writes there, it is the secret of a token that counts, or the call is refused.
func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer " + testToken, "Bearer " + secretOf("ci"), "Basic " + testToken, "bearer " + testToken, "Bearer galen_\x00", "Bearer  " + testToken} {
		f.Add(header)
	}
	e := newTwo()
	h := e.handler()
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/runs", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		given := header
		if scheme, rest, found := strings.Cut(header, " "); found && strings.EqualFold(scheme, "bearer") { // RFC 9110: whatever its letters
			given = rest
		}
		given = strings.TrimSpace(given)
		good := given == testToken || given == secretOf("ci")
		if w.Code != http.StatusUnauthorized && w.Code != http.StatusOK || (w.Code == http.StatusOK) != good {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	})
}

// TestASenderWithoutTheScope: with another token its alerts can be taken in, so that it is told to come again; that is counted and taken down as
// what it is.
func TestASenderWithoutTheScope(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	o := e.options()
	o.Refusals = NewRefusals(func(context.Context, galen.Event) error { return nil })
	w := callAs(t, Handler(o), secretOf("me"), "POST", alertsPath, "{}")
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(complaint(t, w), "needs the scope alerts") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if n := o.Refusals.Counts(); n[403] != 1 || n[503] != 0 || e.turnedAway != 1 {
		t.Errorf("counted %v, %d turned away", n, e.turnedAway)
	}
}
