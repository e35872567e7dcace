package login

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/galenhq/galen/test/engine"
)

const person = "test-user2@zitadel.ch"

// scene is an engine whose people log in by a provider.
type scene struct {
	*testing.T
	*provider
	engine *engine.Engine
	file   string
}

func setup(t *testing.T) scene {
	t.Helper()
	p, dir := newProvider(t), t.TempDir()
	binary := filepath.Join(dir, "galen")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/galenhq/galen/cmd/galen").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	listen := l.Addr().String()
	must(t, l.Close())
	config := fmt.Sprintf(`
data: data
listen: %s
oidc:
  issuer: %s
  client_id: galen
  groups: {sre: [{scope: operate, resource: "*/*"}]}
resources:
  - resource: cassandra/orders
    setup:
      nodes:
        - {instance: n1, address: 127.99.99.1, jolokia: "http://127.99.99.1:8778/jolokia", cql: "127.99.99.1:9042", folder: %s}
`, listen, p.http.URL, filepath.Join(dir, "n1"))
	must(t, os.WriteFile(filepath.Join(dir, "galen.yaml"), []byte(config), 0o600))
	e := &engine.Engine{Binary: binary, Config: filepath.Join(dir, "galen.yaml"), Data: filepath.Join(dir, "data"), Log: filepath.Join(dir, "log"), Listen: listen}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, _, err := e.Start(ctx); err != nil {
		t.Fatalf("%v\n%s", err, engine.Tail(e.Log, 20))
	}
	t.Cleanup(func() { must(t, e.Kill()) })
	return scene{t, p, e, filepath.Join(dir, "login.json")}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// command is galen as the person calls it, whose only token is that of the login.
func (s scene) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.Context(), s.engine.Binary, args...)
	cmd.Env = append(os.Environ(), "GALEN_SERVER="+s.engine.Server(), "GALEN_LOGIN_FILE="+s.file, "GALEN_TOKEN_FILE=")
	return cmd
}

func (s scene) says(want string, args ...string) {
	s.Helper()
	out, err := s.command(args...).CombinedOutput()
	if !strings.Contains(string(out), want) {
		s.Errorf("galen %s: %v, want %q: %s", strings.Join(args, " "), err, want, out)
	}
}

// form logs in at a page as a browser would, and returns the status and text that it ends on.
func (s scene) form(page string, follow func(*http.Request) error) (int, string) {
	s.Helper()
	jar, err := cookiejar.New(nil)
	must(s.T, err)
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error { return follow(r) }}
	res, err := browser.Get(page)
	must(s.T, err)
	id := res.Request.URL.Query().Get("authRequestID")
	must(s.T, res.Body.Close())
	if id == "" {
		s.Fatalf("no login page at %s: %s", res.Request.URL, res.Status)
	}
	res, err = browser.PostForm(s.http.URL+"/login/username", url.Values{"id": {id}, "username": {"test-user2"}, "password": {"verysecure"}})
	must(s.T, err)
	body, err := io.ReadAll(res.Body)
	must(s.T, err)
	must(s.T, res.Body.Close())
	return res.StatusCode, string(body)
}

// login is galen login with a person at the form, and meanwhile what comes before them.
func (s scene) login(meanwhile func(page *url.URL)) (last *url.URL) {
	s.Helper()
	cmd := s.command("login", "--no-browser", "--wait", "30s")
	var out bytes.Buffer
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	must(s.T, err)
	must(s.T, cmd.Start())
	lines := bufio.NewScanner(errs)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "http") {
	}
	page, err := url.Parse(lines.Text())
	must(s.T, err)
	meanwhile(page)
	if status, body := s.form(page.String(), func(r *http.Request) error { last = r.URL; return nil }); status != http.StatusOK || !strings.Contains(body, "you can close this page") {
		s.Fatalf("%d: %s", status, body)
	}
	_, _ = io.Copy(io.Discard, errs)
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "as "+person) {
		s.Fatalf("galen login: %v: %s", err, out.String())
	}
	return last
}

// soon makes the kept token one that ends now, so that the next call renews it.
func (s scene) soon() {
	s.Helper()
	text, err := os.ReadFile(s.file)
	must(s.T, err)
	var kept map[string]any
	must(s.T, json.Unmarshal(text, &kept))
	kept["expires"] = time.Now()
	text, err = json.Marshal(kept)
	must(s.T, err)
	must(s.T, os.WriteFile(s.file, text, 0o600))
}

func (s scene) get(bearer string) int {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.engine.Server()+"/v1/status", nil)
	must(s.T, err)
	r.Header.Set("Authorization", "Bearer "+bearer)
	res, err := http.DefaultClient.Do(r)
	must(s.T, err)
	must(s.T, res.Body.Close())
	return res.StatusCode
}

// TestLogin is a person's day.
func TestLogin(t *testing.T) {
	s := setup(t)
	s.says("needs a token", "status")
	last := s.login(func(page *url.URL) {
		q := page.Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "" || q.Get("nonce") == "" {
			t.Errorf("the page %s lacks what protects the answer", page)
		}
		res, err := http.Get(q.Get("redirect_uri") + "?code=stolen&state=forged")
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("an answer with another state: %s", res.Status)
		}
	})
	if res, err := http.Get(last.String()); err == nil {
		_ = res.Body.Close()
		t.Errorf("the answer can be given again: %s", res.Status)
	}
	if st, err := os.Stat(s.file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	s.says("cassandra/orders", "status")
	s.says("", "hold", "--why", "a drill", "--until", "1h")
	s.says(person, "journal", "list", "--kind", "hold")
	s.says("needs the scope admin", "token", "list")

	s.change(func() { s.groups = []string{"staff"} })
	s.soon()
	s.says(`"groups" of `+person+` has ["staff"]`, "status")
	s.change(func() { s.groups = []string{"staff", "sre"} })
	s.rotate("k2")
	s.soon()
	s.says("cassandra/orders", "status")

	s.change(func() { s.down = true })
	s.says("cassandra/orders", "status") // its keys are known
	s.soon()
	s.says("a named token (--token-file) works without it", "status")
	s.says("cassandra/orders", "status", "--token-file", filepath.Join(s.engine.Data, "token"))
	s.change(func() { s.down = false })
	s.says("cassandra/orders", "status")

	s.says("logged out", "logout")
	if _, err := os.Stat(s.file); !os.IsNotExist(err) {
		t.Errorf("the login is still there: %v", err)
	}
	s.says("needs a token", "status")
}

// TestOthersTokens: what the provider gave to somebody else, or nobody signed, is no token here; and a code alone is worth nothing.
func TestOthersTokens(t *testing.T) {
	s := setup(t)
	code := func(client string) (oauth2.Config, string, string) {
		c := oauth2.Config{
			ClientID: client, RedirectURL: "http://127.0.0.1:1/callback", Scopes: []string{"openid"},
			Endpoint: oauth2.Endpoint{AuthURL: s.http.URL + "/auth", TokenURL: s.http.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
		}
		verifier := oauth2.GenerateVerifier()
		var got string
		s.form(c.AuthCodeURL("x", oauth2.S256ChallengeOption(verifier)), func(r *http.Request) error {
			if got = r.URL.Query().Get("code"); got != "" {
				return http.ErrUseLastResponse
			}
			return nil
		})
		return c, got, verifier
	}
	token := func(client string) string {
		c, got, verifier := code(client)
		out, err := c.Exchange(t.Context(), got, oauth2.VerifierOption(verifier))
		must(t, err)
		return out.Extra("id_token").(string)
	}
	c, got, _ := code("galen")
	if out, err := c.Exchange(t.Context(), got, oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Errorf("a code with another verifier is worth %+v", out)
	}
	good := token("galen")
	part := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	for name, raw := range map[string]string{
		"of another client": token("other"), "unsigned": part[0] + "." + part[1] + ".",
		"alg none": b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part[1] + ".",
		"changed":  part[0] + "." + b64([]byte(`{"iss":"`+s.http.URL+`","aud":"galen","sub":"id1","exp":9999999999,"groups":["sre"]}`)) + "." + part[2],
	} {
		if status := s.get(raw); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := s.get(good); status != http.StatusOK {
		t.Errorf("ours: %d", status)
	}
}
