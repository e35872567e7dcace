package main

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// TestTokenCreateWarns: of a grant on what is not there, once.
func TestTokenCreateWarns(t *testing.T) {
	server := cannedAPI().start(t)
	for args, warned := range map[string][]string{
		"": nil, "--resource cassandra/orders": nil, "--resource cassandra/*": nil, "--resource cassandra/order": {"cassandra/order"}, "--resource rds/* --resource cassandra/l*": {"rds/*"},
		"--resource cassandra/logs --grant propose:rds/x --grant operate:rds/x": {"rds/x"},
	} {
		got := galenCLI(t, server, append(strings.Fields("token create ci --scope view --expires 90d"), strings.Fields(args)...)...)
		if got.code != exitOK || got.out != "galen_x\n" || strings.Count(got.errs, "warning: ") != len(warned) {
			t.Errorf("%s: %+v, want warnings of %q", args, got, warned)
		}
		for _, pattern := range warned {
			if !contains(got.errs, "warning: "+pattern+" matches no resource now") {
				t.Errorf("%s: %q, want a warning of %s", args, got.errs, pattern)
			}
		}
	}
}

// TestATokenThatOthersCanRead: is used, and told of, once, on stderr.
func TestATokenThatOthersCanRead(t *testing.T) {
	server := cannedAPI().start(t)
	file := filepath.Join(t.TempDir(), "token")
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o644: true, 0o604: true} {
		if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		for _, args := range []string{"holds", "token create ci --scope view --expires 90d"} {
			got := galenOn(t, nil, map[string]string{envServer: server, envTokenFile: file}, strings.Fields(args)...)
			if got.code != exitOK || strings.Count(got.errs, "warning: "+file) != map[bool]int{true: 1}[warns] {
				t.Errorf("%04o, %s: %+v, want a warning: %t", mode, args, got, warns)
			}
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLSOfTheCommandLine: an engine by HTTPS is asked only if its certificate is known, and may ask for one itself.
func TestTLSOfTheCommandLine(t *testing.T) {
	engine := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write([]byte(`{"holds":[]}`)); err != nil {
			t.Error(err)
		}
	}))
	engine.Config.ErrorLog = log.New(io.Discard, "", 0)
	engine.StartTLS()
	defer engine.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: engine.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(engine.URL, "https://")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"holds --server " + engine.URL + " --ca-file " + ca, exitOK, ""},
		{"holds --server " + address + " --ca-file " + ca, exitOK, ""},
		{"holds --server " + engine.URL, exitError, "certificate"},
		{"holds --server " + engine.URL + " --ca-file none", exitError, "none"},
		{"holds --server " + engine.URL + " --ca-file " + os.Args[0], exitUsage, "no certificate in it"},
		{"holds --server " + engine.URL + " --ca-file " + ca + " --cert-file " + ca, exitError, "--key-file"},
	} {
		if got := galenCLI(t, "", strings.Fields(c.args)...); got.code != c.code || !contains(got.errs, c.says) {
			t.Errorf("%s: %+v, want %d with %q", c.args, got, c.code, c.says)
		}
	}
}

// TestMayNot: what a token does not grant is not done, other than what is broken.
func TestMayNot(t *testing.T) {
	c := cannedAPI()
	c.answers["GET /v1/tokens"] = refused{status: http.StatusForbidden, says: "this needs the scope admin on everything"}
	got := galenCLI(t, c.start(t), "token", "list")
	if got.code != exitNotDone || !contains(got.errs, "needs the scope admin") {
		t.Errorf("%+v", got)
	}
}
