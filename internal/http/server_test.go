package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func TestToken(t *testing.T) {
	h := Handler((&engine{}).options())
	cases := []struct {
		name, path, header string
		status             int
		says               string
	}{
		{"none", "/v1/runs", "", 401, "in the file token where"},
		{"none, on the same machine", "/v1/runs", "", 401, "in the file /var/lib/galen/token where"},
		{"wrong", "/v1/runs", "Bearer " + strings.Repeat("0", 32), 401, "is none of the API's"},
		{"cut", "/v1/runs", "Bearer " + testToken[:31], 401, "is none of the API's"},
		{"longer", "/v1/runs", "Bearer " + testToken + "0", 401, "is none of the API's"},
		{"basic", "/v1/runs", "Basic " + testToken, 401, "is none of the API's"},
		{"unknown path tells nothing", "/v1/nothing", "", 401, "needs a token of the API"},
		{"metrics", "/metrics", "", 401, "needs a token of the API"},
		{"right", "/v1/runs", "Bearer " + testToken, 200, ""},
		{"health is open", "/v1/health", "", 200, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "GET", c.path, nil)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			if strings.HasSuffix(c.name, "on the same machine") {
				r.RemoteAddr = "127.0.0.1:1234"
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if c.status == 401 && (!strings.Contains(complaint(t, w), c.says) || w.Header().Get("WWW-Authenticate") == "") {
				t.Errorf("says %s, want %q", w.Body, c.says)
			}
			if strings.Contains(w.Body.String(), testToken) {
				t.Error("an answer holds the token")
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("headers %v lack those for browsers", w.Header())
			}
		})
	}
}

// TestEveryOperationIsServed reads the operations from the file that we serve.
func TestEveryOperationIsServed(t *testing.T) {
	h := Handler((&engine{runs: map[string]galen.Run{}}).options())
	pathLine, methodLine := regexp.MustCompile(`^  (/\S+):$`), regexp.MustCompile(`^    (get|post|put|delete|patch):$`)
	path, served := "", 0
	for s := bufio.NewScanner(bytes.NewReader(api.Spec)); s.Scan(); {
		if m := pathLine.FindStringSubmatch(s.Text()); m != nil {
			path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(m[1], "x")
		}
		m := methodLine.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		served++
		w := call(t, h, strings.ToUpper(m[1]), path, "{}")
		if w.Code == 405 || w.Code == 404 && strings.Contains(w.Body.String(), "there is no") || w.Code >= 500 {
			t.Errorf("%s %s: %d %s", m[1], path, w.Code, w.Body)
		}
	}
	if served < 18 {
		t.Errorf("read %d operations from the file", served)
	}
}

// TestRunbooksSayWhoStartsThem: not every runbook can be asked for, and one at fault is started by nobody.
func TestRunbooksSayWhoStartsThem(t *testing.T) {
	o := (&engine{faults: map[string]string{"fake/tune": "it panicked"}}).options()
	asked := o.Runbooks[0]
	asked.Name, asked.ByHand = "fake/tune", true
	o.Runbooks = append(o.Runbooks, asked)
	w := call(t, Handler(o), "GET", "/v1/runbooks", "")
	got, err := galen.Decode[api.RunbookList](w.Body.Bytes())
	if err != nil || len(got.Runbooks) != 2 || got.Runbooks[0].ByHand || !got.Runbooks[1].ByHand ||
		got.Runbooks[0].Fault != nil || got.Runbooks[1].Fault == nil || *got.Runbooks[1].Fault != "it panicked" {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// TestOneRunbook: by its name, with the schema of its parameters.
func TestOneRunbook(t *testing.T) {
	h := Handler((&engine{}).options())
	w := call(t, h, "GET", "/v1/runbooks/fake/heal", "")
	got, err := galen.Decode[api.Runbook](w.Body.Bytes())
	if properties, _ := got.Schema["properties"].(map[string]any); err != nil || got.Name != "fake/heal" || properties["reboots"] == nil {
		t.Errorf("%v: %s", err, w.Body)
	}
	if w = call(t, h, "GET", "/v1/runbooks/fake/none", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "GET /v1/runbooks tells which there are") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestFaultsHaveTheirPlaces: a program is told which field it is.
func TestFaultsHaveTheirPlaces(t *testing.T) {
	e := &engine{broken: Unprocessable(fmt.Errorf("parameters: %w", &galen.Fault{At: "params.nodes[0]", Err: errors.New("want text")}))}
	h := Handler(e.options())
	for body, want := range map[string]struct {
		status int
		errs   []api.FieldError
	}{
		`{"runbook":"fake/heal","resource":"fake/demo","params":{"nodes":[1]}}`: {422, []api.FieldError{{Field: "params.nodes[0]", Detail: "want text"}}},
		`{"runbook":"a","runbook":"b"}`:                                         {400, []api.FieldError{{Field: "runbook", Detail: `field "runbook" stands twice`}, {Field: "resource", Detail: `field "resource" is missing`}}},
		`{"runbook":1,"resource":"fake/demo","plan_onli":true}`: {400, []api.FieldError{
			{Field: "runbook", Detail: "want text"}, {Field: "plan_onli", Detail: `unknown field "plan_onli" (did you mean "plan_only"?)`}}},
	} {
		w := call(t, h, "POST", "/v1/runs", body)
		got, err := galen.Decode[api.Error](w.Body.Bytes())
		if err != nil || w.Code != want.status || got.Errors == nil || !slices.Equal(*got.Errors, want.errs) {
			t.Errorf("%s: %v: %d %s", body, err, w.Code, w.Body)
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	h := Handler((&engine{}).options())
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/", 404, "there is no /"}, {"GET", "/v2/runs", 404, "openapi.yaml"}, {"POST", "/v1/health", 405, "use GET"},
		{"DELETE", "/v1/runs", 405, "GET, HEAD, POST"}, {"GET", "/v1/runs/x/approve", 405, "use POST"},
	} {
		w := call(t, h, c.method, c.path, "")
		if w.Code != c.status || !strings.Contains(complaint(t, w), c.says) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.method, c.path, w.Code, w.Body, c.status, c.says)
		}
		if c.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
}

func TestBadInput(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	cases := []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"not JSON", "POST", "/v1/runs", "runbook", 400, "not JSON"},
		{"empty", "POST", "/v1/runs", "", 400, "not JSON"},
		{"unknown field", "POST", "/v1/runs", `{"runbook":"a","resource":"fake/demo","colour":1}`, 400, `unknown field "colour"`},
		{"missing field", "POST", "/v1/runs", `{"resource":"fake/demo"}`, 400, `"runbook" is missing`},
		{"twice", "POST", "/v1/runs", `{"runbook":"a","runbook":"b","resource":"fake/demo"}`, 400, "stands twice"},
		{"null", "POST", "/v1/runs", `{"runbook":null,"resource":"fake/demo"}`, 400, "null is not allowed"},
		{"trailing", "POST", "/v1/runs", `{"runbook":"a","resource":"fake/demo"} {}`, 400, "data after the end"},
		{"not UTF-8", "POST", "/v1/runs", "{\"runbook\":\"\xff\",\"resource\":\"fake/demo\"}", 400, "UTF-8"},
		{"deep", "POST", "/v1/runs", `{"runbook":"a","resource":"fake/demo","params":` + deep + `}`, 400, "nested deeper"},
		{"resource form", "POST", "/v1/runs", `{"runbook":"a","resource":"demo"}`, 400, "kind/name"},
		{"unknown resource", "POST", "/v1/runs", `{"runbook":"a","resource":"fake/other"}`, 404, "GET /v1/resources"},
		{"long body", "POST", "/v1/runs", strings.Repeat(" ", bodyLimit+1), 413, "larger than 1048576"},
		{"limit", "GET", "/v1/runs?limit=0", "", 400, "1 to 1000"},
		{"limit no number", "GET", "/v1/runs?limit=many", "", 400, `limit "many": want a whole number`},
		{"after out of range", "GET", "/v1/journal/events?after=99999999999999999999", "", 400, "want a whole number of at most 18 digits"},
		{"neither true nor false", "GET", "/v1/runs?open=perhaps", "", 400, "want true or false"},
		{"from no time", "GET", "/v1/journal/events?from=yesterday", "", 400, "want a time such as 2026-11-24T10:00:00Z"},
		{"no status", "GET", "/v1/runs?status=", "", 400, "verified"},
		{"no kind of event", "GET", "/v1/journal/events?kind=", "", 400, "want one of found"},
		{"no resource", "GET", "/v1/findings?resource=", "", 400, "kind/name"},
		{"hold until the year one", "POST", "/v1/holds", `{"why":"x","until":"0001-01-01T00:00:00Z"}`, 422, "until"},
		{"status", "GET", "/v1/runs?status=asleep", "", 400, "verified"},
		{"cursor", "GET", "/v1/runs?cursor=cnVuczpub2JvZHk", "", 404, "not found"},
		{"resource in query", "GET", "/v1/findings?resource=x", "", 400, "kind/name"},
		{"resource in path", "GET", "/v1/resources/Fake/demo", "", 400, "kind/name"},
		{"events limit", "GET", "/v1/journal/events?limit=10001", "", 400, "1 to 10000"},
		{"events of an empty run", "GET", "/v1/journal/events?run=", "", 400, "run is empty: leave it out"},
		{"events of no kind", "GET", "/v1/journal/events?kind=polcy", "", 400, "want one of found"},
		{"events of no run", "GET", "/v1/journal/events?run=typo", "", 404, "not found"},
		{"no reason", "POST", "/v1/holds", `{"why":"  ","until":"2026-11-24T00:00:00Z"}`, 400, "reason"},
		{"long reason", "POST", "/v1/holds", `{"why":"` + strings.Repeat("é", 1001) + `","until":"2026-11-24T00:00:00Z"}`, 400, "1000"},
		{"hold without resource", "POST", "/v1/holds", `{"why":"x","target":"n1","until":"2026-11-24T00:00:00Z"}`, 422, "name its one resource"},
		{"hold in the past", "POST", "/v1/holds", `{"why":"x","until":"2020-01-01T00:00:00Z"}`, 422, "is past"},
		{"hold until nonsense", "POST", "/v1/holds", `{"why":"x","until":"soon"}`, 400, "soon"},
		{"cancel without reason", "POST", "/v1/runs/a/cancel", `{}`, 400, `"why" is missing`},
		{"acknowledge nobody", "POST", "/v1/resources/fake/demo/acknowledge", `{"target":"nobody"}`, 422, "has not been seen yet"},
		{"acknowledge elsewhere", "POST", "/v1/resources/fake/other/acknowledge", `{"target":"db-1"}`, 404, "fake/other"},
		{"unknown run", "GET", "/v1/runs/nobody", "", 404, "not found"},
		{"hold without end", "POST", "/v1/holds", `{"why":"x"}`, 400, "until"},
		{"hold of a pattern that means nothing", "POST", "/v1/holds", `{"why":"x","resource":"fake/x*","until":"2026-11-24T00:00:00Z"}`, 422, "means no resource"},
		{"hold of what is no pattern", "POST", "/v1/holds", `{"why":"x","resource":"fake/[","until":"2026-11-24T00:00:00Z"}`, 422, "is no pattern"},
		{"target of a pattern", "POST", "/v1/holds", `{"why":"x","resource":"fake/*","target":"db-1","until":"2026-11-24T00:00:00Z"}`, 422, "its one resource"},
		{"extend an unknown hold", "POST", "/v1/holds/nobody/extend", `{"why":"x","until":"2026-11-24T00:00:00Z"}`, 404, "not found"},
		{"extend without end", "POST", "/v1/holds/nobody/extend", `{"why":"x"}`, 400, "until"},
		{"extend into the past", "POST", "/v1/holds/nobody/extend", `{"why":"x","until":"2020-01-01T00:00:00Z"}`, 422, "is past"},
		{"unknown hold", "POST", "/v1/holds/nobody/release", "", 404, "not found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := &engine{}
			w := call(t, Handler(e.options()), c.method, c.path, c.body)
			if w.Code != c.status || !strings.Contains(complaint(t, w), c.says) {
				t.Errorf("%d %.300s, want %d with %q", w.Code, w.Body, c.status, c.says)
			}
			if len(e.asked)+len(e.holds) > 0 {
				t.Error("something was done all the same")
			}
		})
	}
}

// endless is a body that would never end; it counts what was read of it.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read += int64(len(b))
	return len(b), nil
}

func TestHugeBodyIsNotRead(t *testing.T) {
	e := newTwo()
	e.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: noon().Add(time.Hour)}
	h := Handler(e.options())
	for name, length := range map[string]int64{"said": 50 << 20, "unsaid": -1} {
		body := &endless{}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/alerts/alertmanager", body)
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 413 || body.read > 2*bodyLimit || length > 0 && body.read > 0 {
			t.Errorf("%s: %d after %d bytes: %s", name, w.Code, body.read, w.Body)
		}
	}
	callAs(t, h, secretOf("me"), "POST", "/v1/alerts/alertmanager", strings.Repeat(" ", bodyLimit+1)) // may send no alerts, so none are lost
	callAs(t, h, testToken, "POST", "/v1/runs", strings.Repeat(" ", bodyLimit+1))
	if e.tooLarge != 2 {
		t.Errorf("%d calls with alerts that are lost are taken down, want 2", e.tooLarge)
	}
}

// TestHugeBodyOverTCP sends 50 MB to a real server: the sender hears 413 long before the end.
func TestHugeBodyOverTCP(t *testing.T) {
	address := serve(t, (&engine{}).options())
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: galen\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		testToken, 50<<20, strings.Repeat(" ", 1000))
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	said, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode != 413 || !got.Close {
		t.Errorf("%d close=%v %s %v", got.StatusCode, got.Close, said, err)
	}
}

func serve(t *testing.T, o Options) string {
	t.Helper()
	return serveOn(t, New(o))
}

func serveOn(t *testing.T, s *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(s, l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestTroubleOfOurs(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		broken                   error
		status                   int
		says                     string
	}{
		{"list", "GET", "/v1/runs", "", errDisk, 500, "free space"},
		{"observes only", "POST", "/v1/runs/a/cancel", `{"why":"x"}`, fmt.Errorf("approve then: %w", galen.ErrDisarmed), 409, "observe only"},
		{"metrics", "GET", "/metrics", "", errDisk, 500, "free space"},
		{"ended", "POST", "/v1/runs/a/cancel", `{"why":"x"}`, galen.ErrEnded, 409, "ended"},
		{"alerts ask for another try", "POST", "/v1/alerts/alertmanager", "{}", errDisk, 503, "free space"},
		{"bad alerts do not", "POST", "/v1/alerts/alertmanager", "{}", Bad(errDisk), 400, "free space"},
		{"late", "GET", "/v1/findings", "", context.DeadlineExceeded, 503, "deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := call(t, Handler((&engine{broken: c.broken}).options()), c.method, c.path, c.body)
			if w.Code != c.status || !strings.Contains(complaint(t, w), c.says) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, c.status, c.says)
			}
			if c.status == 503 && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	w := call(t, Handler((&engine{broken: errDisk}).options()), "GET", "/v1/health", "")
	h, err := galen.Decode[api.Health](w.Body.Bytes())
	if err != nil || w.Code != 503 || h.Ok || h.Why == nil {
		t.Errorf("health: %d %s %v", w.Code, w.Body, err)
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	o := (&engine{}).options()
	o.Records = nil
	w := call(t, Handler(o), "GET", "/v1/findings", "")
	if w.Code != 500 || !strings.Contains(complaint(t, w), "fault in galen itself") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLogHoldsNoSecret(t *testing.T) {
	var log bytes.Buffer
	o := (&engine{}).options()
	o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	call(t, Handler(o), "GET", "/v1/runs?status="+testToken, "")
	if !strings.Contains(log.String(), `"path":"/v1/runs"`) || strings.Contains(log.String(), testToken) {
		t.Errorf("log: %s", log.String())
	}
}

func TestTokenFile(t *testing.T) {
	path := t.TempDir() + "/token"
	first, made, err := Token(path)
	if err != nil || !made || len(first) != 2*tokenBytes {
		t.Fatalf("%q %v %v", first, made, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	if again, made, err := Token(path); again != first || made || err != nil {
		t.Errorf("the second start: %v %v", made, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Token(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others can read: %v", err)
	}
	if err := errors.Join(os.WriteFile(path, []byte("short\n"), 0o600), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Token(path); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a short token: %v", err)
	}
}

// TestAroundKnowsTheStatus: what goes around a call learns how it was answered, and lets it be flushed.
func TestAroundKnowsTheStatus(t *testing.T) {
	o := (&engine{}).options()
	got := make(chan int, 1)
	o.Around = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			status := 0
			if s, is := w.(interface{ Status() int }); is {
				status = s.Status()
			}
			got <- status
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		})
	}
	at := "http://" + serve(t, o)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r, err := http.NewRequestWithContext(t.Context(), method, at+"/v1/runs", strings.NewReader("{"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		if status := <-got; status != res.StatusCode {
			t.Errorf("%s: status %d, it was answered with %d", method, status, res.StatusCode)
		}
	}
}
