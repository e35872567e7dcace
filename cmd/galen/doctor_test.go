package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// patient is a data directory with a journal and a configuration that names it; nothing runs.
type patient struct {
	t            *testing.T
	config, data string
	listen       string
	on           *machine // nil: this one
}

func newPatient(t *testing.T) patient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := written(t, "cassandra/orders", "")
	p := patient{t: t, config: path, data: filepath.Join(filepath.Dir(path), "data"), listen: l.Addr().String()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p.edit("listen: 127.0.0.1:0", "listen: "+p.listen)
	p.must(os.Mkdir(p.data, 0o700))
	p.in(func(*journal.Store) {})
	return p
}

func (p patient) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p patient) edit(old, is string) {
	p.t.Helper()
	text, err := os.ReadFile(p.config)
	p.must(err)
	p.must(os.WriteFile(p.config, []byte(strings.Replace(string(text), old, is, 1)), 0o600))
}

// in does something to the journal.
func (p patient) in(do func(*journal.Store)) {
	p.t.Helper()
	p.at(time.Now(), do)
}

// at does it by another clock.
func (p patient) at(now time.Time, do func(*journal.Store)) {
	p.t.Helper()
	s, err := journal.Open(p.t.Context(), filepath.Join(p.data, app.JournalFile), journal.Options{Now: func() time.Time { return now }})
	p.must(err)
	do(s)
	p.must(s.Close())
}

func (p patient) token(s *journal.Store, name string, expires time.Time) {
	p.t.Helper()
	_, err := s.CreateToken(p.t.Context(), galen.Token{Name: name, By: "ann", Expires: expires, Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "*/*"}}}, name)
	p.must(err)
}

// doctor calls the command, by the real clock.
func (p patient) doctor(args ...string) answered {
	p.t.Helper()
	var out, errs bytes.Buffer
	c := &cli{out: &out, errs: &errs, now: time.Now, on: p.on, env: func(string) string { return "" }, terminal: func() *terminal { return nil }}
	code := c.run(p.t.Context(), append([]string{"doctor", "--config", p.config}, args...))
	return answered{code: code, out: out.String(), errs: errs.String()}
}

// says wants a line of that check which is so and says so, with what to do.
func (p patient) says(check, is, what string) {
	p.t.Helper()
	p.saysTo(check, is, what)
}

// saysTo is says, with more arguments.
func (p patient) saysTo(check, is, what string, args ...string) {
	p.t.Helper()
	got := p.doctor(append(args, "-o", "json")...)
	var d diagnosis
	if err := json.Unmarshal([]byte(got.out), &d); err != nil {
		p.t.Fatalf("%v: %+v", err, got)
	}
	if code := map[string]int{isOK: exitWell, isWarn: exitWarn, isBad: exitBad}[d.Is]; got.code != code {
		p.t.Errorf("exit code %d, and the worst is %s", got.code, d.Is)
	}
	for _, s := range d.Symptoms {
		if s.Check == check && s.Is == is && strings.Contains(s.What+" "+s.About, what) && (is == isOK || s.Do != "") {
			return
		}
	}
	p.t.Errorf("no line %s %s %q in\n%s", check, is, what, got.out)
}

// TestDoctor breaks each thing that the doctor examines, and reads what he says of it.
func TestDoctor(t *testing.T) {
	for name, c := range map[string]struct {
		spoil           func(patient)
		check, is, what string
	}{
		"no configuration":    {func(p patient) { p.must(os.Remove(p.config)) }, "config", isBad, "no such file"},
		"a bad configuration": {func(p patient) { p.edit("mode: act", "mode: fast") }, "config", isBad, "fast"},
		"two faults of it":    {func(p patient) { p.edit("mode: act", "mode: fast"); p.edit("hold_for: 6s", "hold_for: -6s") }, "config", isBad, "; "},
		"rules with a name": {func(p patient) {
			p.edit("data: data", "data: data\nalerts: [{alertname: Down, code: node-down, member_label: instance}]")
			p.edit("    policy: demo", "    policy: demo\n    labels: {cluster: orders}")
		}, "config", isOK, "1 resource"},
		"rules for no labels": {func(p patient) {
			p.edit("data: data", "data: data\nalerts: [{alertname: Down, code: node-down, member_label: instance}]")
		}, "config", isWarn, "no alert can name cassandra/orders"},
		"a rule for every alert": {func(p patient) {
			p.edit("data: data", "data: data\nalerts: [{matchers: ['alertname=~\".+\"'], code: node-down, member_label: instance}]")
		}, "config", isWarn, "it is for every alert"},
		"a resource of every alert": {func(p patient) {
			p.edit("    policy: demo", "    policy: demo\n    matchers: ['alertname!=\"\"']")
		}, "config", isWarn, "every alert names cassandra/orders"},
		"a weak policy":           {func(p patient) { p.edit("hold_for: 6s", "replace_after: 1m") }, "config", isWarn, "replace_after is 1m0s, which is weaker than I-15"},
		"no URL for the dead man": {func(p patient) { p.edit("data: data", "data: data\ndead_man: {url_file: nowhere}") }, "config", isBad, "nowhere"},
		"no token for Alertmanager": {func(p patient) {
			p.edit("data: data", "data: data\nalertmanager: {url: 'http://127.0.0.1:9093', token_file: nowhere}")
		}, "config", isBad, "alertmanager.token_file: open "},

		"well enough":            {func(patient) {}, "disk", isOK, "free, the journal takes"},
		"a disk that answers":    {func(patient) {}, "disk", isOK, "was on disk after"},
		"no data directory":      {func(p patient) { p.must(os.RemoveAll(p.data)) }, "disk", isWarn, "not there yet"},
		"a file for a directory": {func(p patient) { p.must(os.RemoveAll(p.data)); p.must(os.WriteFile(p.data, nil, 0o600)) }, "disk", isBad, "no directory"},
		"a directory nobody makes": {func(p patient) {
			p.must(os.RemoveAll(p.data))
			p.must(os.Symlink(p.data+".gone", p.data)) // as /proc is for root: whoever asks, nothing can be made in it
			p.edit("data: data", "data: data/deep/down")
		}, "disk", isBad, "cannot be made"},
		"a link to nothing": {func(p patient) { p.must(os.RemoveAll(p.data)); p.must(os.Symlink(p.data+".gone", p.data)) }, "disk", isBad, "a link to what is not there"},
		"others may look":   {func(p patient) { p.must(os.Chmod(p.data, 0o755)) }, "disk", isWarn, "mode 0755"},

		"a journal":  {func(patient) {}, "journal", isOK, "event"},
		"no journal": {func(p patient) { p.must(os.Remove(filepath.Join(p.data, app.JournalFile))) }, "journal", isWarn, "no journal yet"},
		"a broken journal": {func(p patient) {
			p.must(os.WriteFile(filepath.Join(p.data, app.JournalFile), []byte(strings.Repeat("x", 8192)), 0o600))
		}, "journal", isBad, "not a database"},
		"in doubt": {func(p patient) { p.in(func(s *journal.Store) { p.must(s.Disarm(p.t.Context(), "the clock jumped")) }) }, "journal", isBad, "the clock jumped"},
		"no such database": {func(p patient) {
			p.must(os.WriteFile(filepath.Join(p.data, "url"), []byte("host=127.0.0.1 port=1 dbname=x user=x sslmode=disable connect_timeout=2"), 0o600))
			p.edit("data: data", "data: data\njournal: {url_file: data/url}")
		}, "journal", isBad, "PostgreSQL"},

		"the clock": {func(patient) {}, "clock", isOK, "UTC"},
		"a clock behind": {func(p patient) {
			p.at(time.Now().Add(time.Hour), func(s *journal.Store) { p.token(s, "later", time.Now().Add(24*time.Hour*365)) })
		}, "clock", isBad, "in the future"},

		"no engine":           {func(patient) {}, "engine", isWarn, "no engine runs"},
		"a stuck engine":      {func(p patient) { p.t.Cleanup(p.lock()) }, "engine", isBad, "has the data directory, and does not answer"},
		"an engine elsewhere": {func(p patient) { p.t.Cleanup(p.lock()) }, "engine", isBad, "it may listen elsewhere, if the configuration was changed since it started"},
		"a foreign server":    {func(p patient) { p.answer(http.StatusTeapot, "") }, "engine", isBad, "not the API of galen"},
		"an ill engine": {func(p patient) {
			p.answer(http.StatusServiceUnavailable, `{"ok":false,"version":"x","started":"2026-01-01T00:00:00Z","why":"the journal does not answer"}`)
		}, "engine", isBad, "the journal does not answer"},
		"an engine": {func(p patient) {
			p.t.Cleanup(p.lock())
			p.answer(http.StatusOK, `{"ok":true,"version":"x","started":"2026-01-01T00:00:00Z"}`)
		}, "engine", isOK, "answers, version x"},
		"one of another configuration": {func(p patient) { p.answer(http.StatusOK, `{"ok":true,"version":"x","started":"2026-01-01T00:00:00Z"}`) }, "engine", isBad, "no engine has the data directory"},

		"the embedded Temporal": {func(patient) {}, "temporal", isOK, "embedded"},
		"no Temporal":           {func(p patient) { p.edit("data: data", "data: data\ntemporal: {address: 127.0.0.1:1}") }, "temporal", isBad, "127.0.0.1:1"},

		"no node": {func(patient) {}, "node", isBad, "Jolokia: refused"},

		"no provider": {func(p patient) {
			p.edit("data: data", "data: data\noidc: {issuer: \"http://127.0.0.1:1\", client_id: galen, groups: {sre: [{scope: view, resource: \"*/*\"}]}}")
		}, "login", isBad, "does not answer"},

		"no token":          {func(patient) {}, "token", isWarn, "no named token counts"},
		"a token":           {func(p patient) { p.in(func(s *journal.Store) { p.token(s, "ann", time.Now().Add(30*24*time.Hour)) }) }, "token", isOK, "ann"},
		"a token that ends": {func(p patient) { p.in(func(s *journal.Store) { p.token(s, "ann", time.Now().Add(24*time.Hour)) }) }, "token", isWarn, "within a week"},
		"a token that ended": {func(p patient) {
			p.at(time.Now().Add(-48*time.Hour), func(s *journal.Store) { p.token(s, "ann", time.Now().Add(-24*time.Hour)) })
		}, "token", isWarn, "it ended"},
		"everybody's token":          {func(p patient) { p.must(os.WriteFile(filepath.Join(p.data, app.TokenFile), []byte("x"), 0o644)) }, "token", isBad, "mode 0644"},
		"the first token moved away": {func(p patient) { p.t.Cleanup(p.lock()) }, "token", isWarn, "the administrator's token is not there"},
		"the first token":            {func(p patient) { p.must(os.WriteFile(filepath.Join(p.data, app.TokenFile), []byte("x"), 0o600)) }, "token", isOK, "for its owner alone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			c.spoil(p)
			p.says(c.check, c.is, c.what)
		})
	}
}

// TestDoctorMakesNoDirectory: he finds out whether the data directory can be made, and leaves nothing behind.
func TestDoctorMakesNoDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		is, what string
	}{
		"it can":             {nil, isWarn, "not there yet"},
		"not by this user":   {&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EACCES}, isWarn, "this user may not make it"},
		"on what is no disk": {&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.ENOENT}, isBad, "cannot be made"},
		"read-only":          {&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EROFS}, isBad, "cannot be made"},
		"not permitted":      {&fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EPERM}, isBad, "cannot be made"},
	} {
		t.Run(name, func(t *testing.T) {
			root, asked := t.TempDir(), ""
			d := &doctor{cli: &cli{now: time.Now}, cfg: &config.Config{Data: filepath.Join(root, "deep", "data")}, on: thisMachine()}
			if c.err != nil {
				d.on.make = func(in string) error { asked = in; return c.err }
			}
			tells(t, d.disk(t.Context()), c.is, c.what)
			if left, err := os.ReadDir(root); err != nil || len(left) > 0 || c.err != nil && asked != root {
				t.Errorf("left behind: %v %v, asked in %q", left, err, asked)
			}
		})
	}
}

// TestDoctorKnowsWhomItAsked: an engine that somebody named is the configuration's if it is on this machine and has its port; another one is
// no proof that this one is well.
func TestDoctorKnowsWhomItAsked(t *testing.T) {
	p := newPatient(t)
	t.Cleanup(p.lock())
	p.answer(http.StatusOK, `{"ok":true,"version":"x","started":"2026-01-01T00:00:00Z"}`)
	_, port, err := net.SplitHostPort(p.listen)
	p.must(err)
	for _, same := range []string{p.listen, "http://" + p.listen + "/", "localhost:" + port} {
		p.saysTo("engine", isOK, "answers, version x", "--server", same)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true,"version":"other","started":"2026-01-01T00:00:00Z"}`)
	}))
	defer other.Close()
	p.saysTo("engine", isWarn, "which listens at http://"+p.listen, "--server", other.URL)
}

// TestDoctorOfAnEngineThatCanDoNothing: one that answers, and could not record what it would do, is not well.
func TestDoctorOfAnEngineThatCanDoNothing(t *testing.T) {
	p := newPatient(t)
	t.Cleanup(p.lock())
	p.serves(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/v1/ready" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"type":"urn:galen:problem:unavailable","title":"Not now","status":503,"detail":"the journal cannot be written"}`)
			return
		}
		fmt.Fprint(w, `{"ok":true,"version":"x","started":"2026-01-01T00:00:00Z"}`)
	})
	p.saysTo("engine", isBad, "answers, and can do nothing: the journal cannot be written")
}

// lock holds the data directory as an engine does.
func (p patient) lock() func() {
	p.t.Helper()
	release, err := app.Offline(p.data)
	p.must(err)
	return func() { p.must(release()) }
}

// answer serves one answer where the engine should be.
func (p patient) answer(status int, body string) {
	p.t.Helper()
	p.serves(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// serves has something answer where the engine should be.
func (p patient) serves(as http.HandlerFunc) {
	p.t.Helper()
	l, err := net.Listen("tcp", p.listen)
	p.must(err)
	s := httptest.NewUnstartedServer(as)
	p.must(s.Listener.Close())
	s.Listener = l
	s.Start()
	p.t.Cleanup(s.Close)
}

// TestDoctorTells: the table has each line with what to do, and the sum.
func TestDoctorTells(t *testing.T) {
	p := newPatient(t)
	got := p.doctor()
	for _, says := range []string{"bad   node cassandra/orders", "\n      do: ", "warn  engine ", "ok    disk ", " bad, "} {
		if !strings.Contains(got.out, says) {
			t.Errorf("no %q in\n%s", says, got.out)
		}
	}
	if got.code != exitBad || got.errs != "" {
		t.Errorf("exit code %d, %q", got.code, got.errs)
	}
	if files, err := filepath.Glob(filepath.Join(p.data, ".galen-doctor*")); err != nil || len(files) > 0 {
		t.Errorf("left behind: %q %v", files, err)
	}
}
