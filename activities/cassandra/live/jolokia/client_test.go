package jolokia_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

// recorded is one answer of a real node, see ../testdata/README.md.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// asked is the list of requests that the recorded answer repeats.
func asked(t testing.TB, body []byte) []jolokia.Request {
	t.Helper()
	var elements []struct {
		Request jolokia.Request `json:"request"`
	}
	if err := json.Unmarshal(body, &elements); err != nil {
		t.Fatal(err)
	}
	out := make([]jolokia.Request, 0, len(elements))
	for _, e := range elements {
		out = append(out, e.Request)
	}
	return out
}

// node answers every request with one status and body and counts them.
func node(t testing.TB, status int, body []byte) (*jolokia.Client, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(srv.Close)
	return client(t, srv.URL, 5*time.Second), &calls
}

func client(t testing.TB, url string, limit time.Duration) *jolokia.Client {
	t.Helper()
	c, err := jolokia.New(url, limit, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func list(elements ...[]byte) []byte {
	texts := make([]string, len(elements))
	for i, e := range elements {
		texts[i] = string(e)
	}
	return []byte("[" + strings.Join(texts, ",") + "]")
}

func TestAWholePollOfARealNode(t *testing.T) {
	body := recorded(t, "steady-n1.json")
	c, _ := node(t, 200, body)
	got, err := c.Bulk(t.Context(), asked(t, body)...)
	if err != nil {
		t.Fatal(err)
	}
	var mode string
	var tokens map[string]string
	var pending map[string][]string
	for name, err := range map[string]error{
		"mode": got[0].Attr("OperationMode", &mode), "tokens": got[0].Attr("TokenToEndpointWithPortMap", &tokens),
		"pending": got[7].Into(&pending),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if mode != "NORMAL" || len(tokens) != 24 || len(pending) != 0 {
		t.Errorf("mode %s, %d tokens, %d pending ranges; want NORMAL, 24, 0", mode, len(tokens), len(pending))
	}
}

func TestOneUnknownAttributeCostsOnlyItself(t *testing.T) {
	body := recorded(t, "unknown-attribute-bulk.json")
	c, _ := node(t, 200, body)
	got, err := c.Bulk(t.Context(), asked(t, body)...)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	if err := got[0].Attr("ReleaseVersion", &s); err != nil || s != "5.0.9" {
		t.Errorf("ReleaseVersion: %q, %v", s, err)
	}
	err = got[0].Attr("NoSuchThing", &s)
	var e *jolokia.Error
	if !errors.As(err, &e) || e.Kind != jolokia.Failed || e.Type != "javax.management.AttributeNotFoundException" {
		t.Errorf("NoSuchThing: %v", err)
	}
	if err := got[1].Attr("A", &s); jolokia.KindOf(err) != jolokia.Failed {
		t.Errorf("an attribute of an MBean that is not there: %v", err)
	}
	if err := got[0].Attr("NotAsked", &s); jolokia.KindOf(err) != jolokia.BadAnswer {
		t.Errorf("an attribute that is not in the answer: %v", err)
	}
}

func TestWithoutIgnoreErrorsTheWholeListIsLost(t *testing.T) {
	c, _ := node(t, 200, list(recorded(t, "unknown-attribute-strict.json")))
	got, err := c.Bulk(t.Context(), jolokia.Request{Type: "read", MBean: jolokia.StorageService})
	if err != nil {
		t.Fatal(err)
	}
	if jolokia.KindOf(got[0].Err()) != jolokia.Failed {
		t.Errorf("got %v, want failed", got[0].Err())
	}
	if cfg := jolokia.ReadOf("m", "a").Config; !cfg["ignoreErrors"] {
		t.Errorf("our own reads must ask with ignoreErrors, got %v", cfg)
	}
}

func TestBootingIsNotAFailure(t *testing.T) {
	body := recorded(t, "boot-n1-404.json")
	c, _ := node(t, 200, body)
	got, err := c.Bulk(t.Context(), asked(t, body)...)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	for _, err := range []error{got[0].Err(), got[0].Attr("OperationMode", &s)} {
		if jolokia.KindOf(err) != jolokia.Booting {
			t.Errorf("StorageService is not there yet: got %v, want booting", err)
		}
	}
}

func TestCutOffJSONUnderHTTP200(t *testing.T) {
	for _, file := range []string{"snapshots-cut.json", "snapshots-cut-bulk.json"} {
		c, _ := node(t, 200, recorded(t, file))
		_, err := c.Bulk(t.Context(), jolokia.ReadOf(jolokia.StorageService, "OperationMode"),
			jolokia.ReadOf(jolokia.StorageService, "SnapshotDetails"))
		if jolokia.KindOf(err) != jolokia.BadAnswer {
			t.Errorf("%s: got %v, want bad-answer", file, err)
		}
	}
}

func TestAnswersThatAreNotAnswers(t *testing.T) {
	for body, want := range map[string]jolokia.Kind{
		``: jolokia.BadAnswer, `null`: jolokia.BadAnswer, `{}`: jolokia.BadAnswer, `[]`: jolokia.BadAnswer,
		`[{"status":200,"value":1},{"status":200,"value":1}]`: jolokia.BadAnswer,
		`<html>`: jolokia.BadAnswer, `{"status":500,"error_type":"java.lang.Exception","error":"no"}`: jolokia.Failed,
	} {
		c, _ := node(t, 200, []byte(body))
		if _, err := c.Exec(t.Context(), jolokia.StorageService, "drain()"); jolokia.KindOf(err) != want {
			t.Errorf("body %q: got %v, want %s", body, err, want)
		}
	}
	c, _ := node(t, 400, recorded(t, "exec-ambiguous.txt"))
	if _, err := c.Exec(t.Context(), jolokia.StorageService, "forceKeyspaceCleanup"); jolokia.KindOf(err) != jolokia.Failed {
		t.Errorf("HTTP 400: got %v, want failed", err)
	}
	c, _ = node(t, 307, nil)
	if _, err := c.Exec(t.Context(), jolokia.StorageService, "drain()"); jolokia.KindOf(err) != jolokia.Failed {
		t.Errorf("a redirect: got %v, want failed", err)
	}
}

func TestExecAndWriteOfARealNode(t *testing.T) {
	exec := func(file string) (json.RawMessage, error) {
		c, _ := node(t, 200, list(recorded(t, file)))
		return c.Exec(t.Context(), jolokia.StorageService, "op()")
	}
	for file, want := range map[string]string{"repair-start.json": "1", "repair-unknown.json": "null", "take-snapshot.json": "null",
		"repair-status.json": `["COMPLETED","Repair completed successfully"]`, "decommission-second.json": "null"} {
		if got, err := exec(file); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", file, got, err, want)
		}
	}
	for file, class := range map[string]string{"exec-set-nosuchmethod.json": "java.lang.NoSuchMethodException",
		"repair-bool-options.json": "java.lang.ClassCastException"} {
		var e *jolokia.Error
		if _, err := exec(file); !errors.As(err, &e) || e.Kind != jolokia.Failed || e.Type != class {
			t.Errorf("%s: got %v, want %s", file, err, class)
		}
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = client(t, "http://"+addr+"/jolokia", time.Second).Bulk(t.Context(), jolokia.ReadOf(jolokia.StorageService, "OperationMode"))
	if jolokia.KindOf(err) != jolokia.Refused {
		t.Errorf("nothing listens: got %v, want refused", err)
	}
}

// A node under SIGSTOP: the kernel accepts, nobody answers.
func TestHungIsATimeoutInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := client(t, "http://"+l.Addr().String(), 100*time.Millisecond)
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := c.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService, "OperationMode"))
			return err
		},
		func(ctx context.Context) error { _, err := c.Exec(ctx, jolokia.StorageService, "drain()"); return err },
	} {
		began := time.Now()
		if err := call(t.Context()); jolokia.KindOf(err) != jolokia.Timeout || time.Since(began) > 3*time.Second {
			t.Errorf("hung: got %v after %s, want timeout", err, time.Since(began))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService)); !errors.Is(err, context.Canceled) || jolokia.KindOf(err) != "" {
		t.Errorf("a caller that gives up learns nothing of the node: got %v", err)
	}
}

// An exec whose connection breaks is never sent a second time, however often the kept-alive reads went before it.
func TestABrokenExecIsNotRepeated(t *testing.T) {
	var execs atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"exec"`) {
			execs.Add(1)
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `[{"status":200,"value":{}}]`)
	}))
	defer srv.Close()
	c := client(t, srv.URL, 2*time.Second)
	for range 3 {
		if _, err := c.Bulk(t.Context(), jolokia.ReadOf(jolokia.StorageService)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Exec(t.Context(), jolokia.StorageService, "stopDaemon()"); jolokia.KindOf(err) != jolokia.BadAnswer {
		t.Errorf("a connection cut by stopDaemon: got %v, want bad-answer", err)
	}
	if n := execs.Load(); n != 1 {
		t.Errorf("the exec arrived %d times, want once", n)
	}
}

// A node that dies between two polls is refused at once, not a bad answer: the reads try a fresh connection.
func TestReadsTryAFreshConnection(t *testing.T) {
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `[{"status":200,"value":{}}]`)
	}))
	defer srv.Close()
	c := client(t, srv.URL, 2*time.Second)
	for range 2 {
		if _, err := c.Bulk(t.Context(), jolokia.ReadOf(jolokia.StorageService)); err != nil {
			t.Fatal(err)
		}
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestAnswerWithoutEndIsCut(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 20 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	_, err := client(t, srv.URL, 10*time.Second).Bulk(t.Context(), jolokia.ReadOf(jolokia.StorageService))
	if jolokia.KindOf(err) != jolokia.BadAnswer {
		t.Errorf("20 MiB: got %v, want bad-answer", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8778", "ftp://127.0.0.1", "http://", "http://%zz", "http://127.0.0.1:0", "http://127.0.0.1:65536"} {
		if _, err := jolokia.New(url, time.Second, time.Second); err == nil {
			t.Errorf("url %q was taken", url)
		}
	}
	if _, err := jolokia.New("http://127.0.0.1:8778", 0, time.Second); err == nil {
		t.Error("a client without a deadline was made")
	}
}
