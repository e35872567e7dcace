package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/engine"
)

// built is the real galen, as `make build` leaves it.
func built(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../bin/galen")
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

// nonsense are the ways to a node that answers what nobody can read: a JMX agent and a CQL port.
func nonsense(t *testing.T) (jolokia, cql string) {
	t.Helper()
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"value":[[[{"`+strings.Repeat("\xff", 1000)) // who asks may hang up
	}))
	t.Cleanup(agent.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.0 200 OK\r\n\r\nnot CQL at all\n"))
			_ = conn.Close()
		}
	}()
	return agent.URL + "/jolokia", l.Addr().String()
}

// configured writes a configuration of one node that answers nonsense, changed by change, and returns an engine of it.
func configured(t *testing.T, data string, change func(map[string]any)) *engine.Engine {
	t.Helper()
	jolokia, cql := nonsense(t)
	dir := t.TempDir()
	config := map[string]any{
		"data": data, "listen": "127.0.0.1:0",
		"alerts": []any{map[string]any{"alertname": "CassandraDown", "code": "node-down", "member_label": "instance"}},
		"resources": []any{map[string]any{
			"resource": "cassandra/demo", "labels": map[string]any{"cluster": "demo"},
			"setup": map[string]any{"nodes": []any{map[string]any{
				"instance": "n1", "address": "127.0.0.1", "jolokia": jolokia, "cql": cql, "folder": dir, "start": filepath.Join(dir, "start"), "pid_file": filepath.Join(dir, "pid"),
			}}},
		}},
	}
	change(config)
	text, err := json.Marshal(config)
	must(t, err)
	e := &engine.Engine{Binary: built(t), Config: filepath.Join(dir, "galen.yaml"), Data: data, Log: filepath.Join(dir, "galen.log")}
	must(t, os.WriteFile(e.Config, text, 0o600))
	return e
}

// refuses runs galen serve and wants it to end by itself with a code and words.
func refuses(ctx context.Context, t *testing.T, e *engine.Engine, code int, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, e.Binary, "serve", "--config", e.Config).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != code {
		t.Errorf("galen serve ended with %v, want exit code %d; it said: %s", err, code, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			t.Errorf("galen serve said %q, want it to say %q", out, w)
		}
	}
}

func TestServeRefusesWhatItCannotUse(t *testing.T) {
	keep := func(map[string]any) {}
	t.Run("unknown field", func(t *testing.T) {
		e := configured(t, t.TempDir(), func(c map[string]any) { c["retention"] = "1d" })
		refuses(t.Context(), t, e, 2, `unknown field "retention"`, e.Config)
	})
	t.Run("unknown field of a node", func(t *testing.T) {
		e := configured(t, t.TempDir(), func(c map[string]any) {
			c["resources"].([]any)[0].(map[string]any)["setup"].(map[string]any)["nodes"].([]any)[0].(map[string]any)["Port"] = 1
		})
		refuses(t.Context(), t, e, 2, `unknown field "Port"`, "cassandra/demo")
	})
	t.Run("no such file", func(t *testing.T) {
		e := configured(t, t.TempDir(), keep)
		e.Config += ".gone"
		refuses(t.Context(), t, e, 2, "no such file", "--config")
	})
	t.Run("data directory is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "data")
		must(t, os.WriteFile(file, []byte("mine"), 0o600))
		refuses(t.Context(), t, configured(t, file, keep), 1, "data directory", file, "set data to another one")
		if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
			t.Errorf("the file now holds %q (%v)", b, err)
		}
	})
	t.Run("data directory cannot be made", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file, nil, 0o600))
		refuses(t.Context(), t, configured(t, filepath.Join(file, "data"), keep), 1, "data directory", file)
	})
}

// TestServeRefusesADataDirectoryThatItCannotWrite: root may write everywhere, so that root tries it as nobody.
func TestServeRefusesADataDirectoryThatItCannotWrite(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(data, 0o555))
	e := configured(t, data, func(map[string]any) {})
	cmd := exec.Command(e.Binary, "serve", "--config", e.Config)
	if os.Geteuid() == 0 {
		cmd = asNobody(t, e)
	}
	out, err := endsWithin(t, cmd, 20*time.Second)
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 1 {
		t.Errorf("galen serve ended with %v, want exit code 1", err)
	}
	for _, w := range []string{"data directory " + data + " cannot be written", "permission denied", "give it to the user that galen runs as"} {
		if !strings.Contains(out, w) {
			t.Errorf("galen serve said %q, want it to say %q", out, w)
		}
	}
	if left, err := os.ReadDir(data); err != nil || len(left) != 0 {
		t.Errorf("the data directory now holds %v (%v)", left, err)
	}
}

// asNobody is galen serve as a user who owns nothing, whom the folders of the test and a copy of the binary let in.
func asNobody(t *testing.T, e *engine.Engine) *exec.Cmd {
	t.Helper()
	const nobody = 65534
	for _, dir := range []string{filepath.Dir(e.Data), filepath.Dir(e.Config)} {
		for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			must(t, os.Chmod(dir, 0o755))
		}
	}
	must(t, os.Chmod(e.Config, 0o644))
	binary := filepath.Join(filepath.Dir(e.Config), "galen")
	from, err := os.Open(e.Binary)
	must(t, err)
	to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, errors.Join(err, from.Close(), to.Close()))
	cmd := exec.Command(binary, "serve", "--config", e.Config)
	cmd.Dir = filepath.Dir(e.Config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// endsWithin runs a command that must end by itself, and kills it if it does not.
func endsWithin(t *testing.T, cmd *exec.Cmd, limit time.Duration) (said string, err error) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() }) // Wait tells it
	defer late.Stop()
	err = cmd.Wait()
	return out.String(), err
}

// A living engine gets everything bad at once; it answers each with a clear error, loses nothing, and goes on.
func TestBadInputCostsNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := configured(t, filepath.Join(t.TempDir(), "data"), func(map[string]any) {})
	serve(ctx, t, e)
	t.Cleanup(func() { must(t, e.Kill()) })
	accepted(ctx, t, e, "10.0.0.1")
	second := configured(t, e.Data, func(map[string]any) {})
	refuses(ctx, t, second, 1, "another galen works on this data directory", e.Data)

	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	bad := []struct {
		name, method, path, token, body string
		status                          int
		says                            string
	}{
		{"no token", "GET", "/v1/status", "", "", http.StatusUnauthorized, "token"},
		{"wrong token", "GET", "/v1/status", "0123456789", "", http.StatusUnauthorized, "token"},
		{"alert, wrong token", "POST", "/v1/alerts/alertmanager", "0123456789", alert("10.0.0.9"), http.StatusUnauthorized, "token"},
		{"alert of 50 MB", "POST", "/v1/alerts/alertmanager", "good", `{"version":"4","x":"` + strings.Repeat("x", 50<<20) + `"}`, http.StatusRequestEntityTooLarge, "1048576"},
		{"deep alert", "POST", "/v1/alerts/alertmanager", "good", `{"version":"4","alerts":[` + deep + `]}`, http.StatusBadRequest, ""},
		{"alert that is no UTF-8", "POST", "/v1/alerts/alertmanager", "good", "{\"version\":\"4\",\"alerts\":[{\"labels\":{\"a\":\"\xff\"}}]}", http.StatusBadRequest, "UTF-8"},
		{"alert of another version", "POST", "/v1/alerts/alertmanager", "good", `{"version":"3","alerts":[]}`, http.StatusBadRequest, "version"},
		{"run of 50 MB", "POST", "/v1/runs", "good", `{"runbook":"` + strings.Repeat("x", 50<<20) + `"}`, http.StatusRequestEntityTooLarge, "1048576"},
		{"deep run", "POST", "/v1/runs", "good", deep, http.StatusBadRequest, ""},
		{"run that is no UTF-8", "POST", "/v1/runs", "good", "{\"runbook\":\"\xff\"}", http.StatusBadRequest, "UTF-8"},
		{"run with an unknown field", "POST", "/v1/runs", "good", `{"runbok":"cassandra/heal-node"}`, http.StatusBadRequest, "runbok"},
		{"unknown run", "GET", "/v1/runs/none", "good", "", http.StatusNotFound, "none"},
		{"unknown resource", "GET", "/v1/resources/cassandra/none", "good", "", http.StatusNotFound, "none"},
	}
	for _, b := range bad {
		t.Run(b.name, func(t *testing.T) {
			status, text := send(ctx, t, e, b.method, b.path, b.token, b.body)
			if status != b.status || !strings.Contains(text, b.says) || len(text) > 2000 {
				t.Errorf("answered %d %.300q, want %d with %q", status, text, b.status, b.says)
			}
			var told api.Error
			if err := json.Unmarshal([]byte(text), &told); err != nil || told.Detail == "" || told.Status != b.status {
				t.Errorf("%.300q is no error of the API (%v)", text, err)
			}
		})
	}
	accepted(ctx, t, e, "10.0.0.2")
	nothingLost(ctx, t, e)
}

// nothingLost: after a kill and a new start the two good alerts are in the journal and that the alerts of two sorts of calls are lost, no run was
// opened by all of it, and the journal is whole.
func nothingLost(ctx context.Context, t *testing.T, e *engine.Engine) {
	t.Helper()
	must(t, e.Kill())
	serve(ctx, t, e)
	c, err := e.Client()
	must(t, err)
	health, err := c.GetHealthWithResponse(ctx)
	if err != nil || health.StatusCode() != http.StatusOK {
		t.Errorf("health is %v (%v)", health.Status(), err)
	}
	runs, err := e.Runs(ctx)
	if err != nil || len(runs) > 0 {
		t.Errorf("runs %+v (%v), want none: nobody could see the node", runs, err)
	}
	text, err := e.Galen(ctx, "journal", "verify", filepath.Join(e.Data, app.JournalFile))
	if err != nil {
		t.Errorf("galen journal verify: %v\n%s", err, text)
	}
	store, err := journal.Open(ctx, filepath.Join(e.Data, app.JournalFile), journal.Options{Now: time.Now})
	must(t, err)
	defer store.Close()
	events, err := store.Events(ctx, journal.EventFilter{Kind: galen.EventAlert})
	large, unread := 0, 0
	for _, e := range events {
		switch {
		case strings.Contains(string(e.Body), "was larger than 1048576 bytes, and all of its alerts are lost"):
			large++
		case strings.Contains(string(e.Body), "could not be read, and all of its alerts are lost"):
			unread++
		}
	}
	if err != nil || len(events) != 4 || large != 1 || unread != 1 {
		t.Errorf("%d alerts in the journal, %d of them calls that were too large, and %d that could not be read (%v), want the two good ones and one of each", len(events), large, unread, err)
	}
}

func serve(ctx context.Context, t *testing.T, e *engine.Engine) {
	t.Helper()
	said, _, err := e.Start(ctx)
	must(t, err)
	_, rest, found := strings.Cut(said, "api http://")
	if !found {
		t.Fatalf("galen serve did not say its address: %s", said)
	}
	e.Listen, _, _ = strings.Cut(rest, " ")
}

func accepted(ctx context.Context, t *testing.T, e *engine.Engine, address string) {
	t.Helper()
	status, text, err := post(ctx, e, strings.NewReader(alert(address)))
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("a good alert was answered with %d %s (%v)", status, text, err)
	}
}

func send(ctx context.Context, t *testing.T, e *engine.Engine, method, path, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, e.Server()+path, bytes.NewReader([]byte(body)))
	must(t, err)
	if token == "good" {
		b, err := os.ReadFile(filepath.Join(e.Data, app.TokenFile))
		must(t, err)
		token = strings.TrimSpace(string(b))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "bad")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Sprint(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(text)
}
