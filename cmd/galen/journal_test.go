package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/app"
	store "github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// transcript is what a person typed and was told.
type transcript struct {
	t    *testing.T
	dir  string
	text strings.Builder
}

// say is a comment in it.
func (s *transcript) say(format string, args ...any) { fmt.Fprintf(&s.text, "# "+format+"\n", args...) }

func (s *transcript) galen(args ...string) { s.t.Helper(); s.on("", args...) }

func (s *transcript) on(server string, args ...string) {
	s.t.Helper()
	got := galenCLI(s.t, server, args...)
	fmt.Fprintf(&s.text, "$ galen %s\n%s%sexit %d\n\n", strings.Join(args, " "), got.out, got.errs, got.code)
}

// golden compares all of it, without what is another each time.
func (s *transcript) golden(name string) {
	s.t.Helper()
	text := strings.ReplaceAll(s.text.String(), s.dir, "DIR")
	text = regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(text, "HASH")
	text = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).ReplaceAllString(text, "http://ENGINE")
	golden(s.t, file(name), text)
}

func (s *transcript) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// config is a configuration whose data directory is that of the book; more is added to it.
func (s *transcript) config(name, data, more string) string {
	s.t.Helper()
	text := strings.Replace(fmt.Sprintf(configuration, "cassandra/orders", s.dir, ""), "data: data", "data: "+data, 1)
	return s.write(name, text+more)
}

// newTranscript has a journal with one run that an engine left, and the configuration of that engine.
func newTranscript(t *testing.T) (s *transcript, config string) {
	b := newBook(t)
	b.found()
	b.open()
	b.must(b.store.Close())
	s = &transcript{t: t, dir: filepath.Dir(b.path)}
	return s, s.config("galen.yaml", s.dir, "")
}

func TestBackupAndRestore(t *testing.T) {
	s, config := newTranscript(t)
	backup, other := filepath.Join(s.dir, "backup.db"), filepath.Join(s.dir, "other")
	s.galen("journal", "backup", backup, "--config", config)
	s.galen("journal", "backup", backup, "--config", config)
	s.galen("journal", "backup", "--config", config)
	s.galen("journal", "backup", filepath.Join(s.dir, "none", "b.db"), "--config", config)
	s.galen("journal", "backup", backup+"2", "--config", config+".none")
	s.galen("journal", "backup", backup+"2", "--config", s.config("other.yaml", other, ""))
	s.galen("journal", "verify", backup)

	s.say("restore")
	s.galen("journal", "restore", backup, "--config", config)
	s.galen("journal", "restore", backup+".none", "--config", config)
	s.galen("journal", "restore", config, "--config", config)
	release, err := app.Offline(other)
	if err != nil {
		t.Fatal(err)
	}
	s.say("while an engine works")
	s.galen("journal", "restore", backup, "--config", filepath.Join(s.dir, "other.yaml"))
	if err := release(); err != nil {
		t.Fatal(err)
	}
	s.galen("journal", "restore", backup, "--config", filepath.Join(s.dir, "other.yaml"))
	s.galen("journal", "verify", "--config", filepath.Join(s.dir, "other.yaml"))
	s.golden("journal-backup")
}

func TestVerify(t *testing.T) {
	s, config := newTranscript(t)
	journal := filepath.Join(s.dir, app.JournalFile)
	s.galen("journal", "verify", journal)
	s.galen("journal", "verify", "--config", config)
	s.galen("journal", "verify", "--config", config, "-o", "json")
	s.galen("journal", "verify", journal, "--config", config)
	s.galen("journal", "verify", journal, journal)
	s.galen("journal", "verify", journal+".none")
	s.galen("journal", "verify", config)
	s.galen("journal", "verify", "--config", s.config("other.yaml", filepath.Join(s.dir, "other"), ""))
	s.say("a journal with which no engine has worked")
	empty, err := store.Open(t.Context(), filepath.Join(s.dir, "empty.db"), store.Options{Now: noon})
	if err == nil {
		err = empty.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.galen("journal", "verify", filepath.Join(s.dir, "empty.db"))
	s.say("somebody changed a byte of an event")
	spoil(t, journal, "n2 (127.0.0.2) in dc1", "n3 (127.0.0.2) in dc1")
	s.galen("journal", "verify", journal)
	s.golden("journal-verify")
}

// spoil replaces a text in the pages of a file.
func spoil(t *testing.T, path, was, is string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(was)) {
		t.Fatalf("no %q in %s", was, path)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte(was), []byte(is), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMoveIntoPostgres(t *testing.T) {
	c := pgtest.Start(t, "-c", "fsync=on")
	s, config := newTranscript(t)
	url := s.write("journal.url", c.URL("galen")+"\n")
	postgres := s.config("postgres.yaml", s.dir, "journal: {url_file: "+url+"}\n")
	s.galen("journal", "move", "--config", config)
	s.galen("journal", "move", "--config", config, "--to-url-file", url+".none")
	s.galen("journal", "move", "--config", config, "--to-url-file", s.write("bad.url", "postgres://galen:secret@[bad"))
	s.galen("journal", "move", "--config", config, "--to-url-file", s.write("away.url", "host="+s.dir+"/away user=galen dbname=galen password=secret"))
	s.say("the database has no journal yet")
	s.galen("journal", "verify", "--config", postgres)
	s.galen("config", "check", "--config", postgres)
	s.galen("config", "check", "--config", config)
	s.say("everybody can read the connection string")
	if err := os.Chmod(url, 0o644); err != nil {
		t.Fatal(err)
	}
	s.galen("journal", "verify", "--config", postgres)
	s.galen("journal", "move", "--config", config, "--to-url-file", url)
	if err := os.Chmod(url, 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := app.Offline(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.say("while an engine works")
	s.galen("journal", "move", "--config", config, "--to-url-file", url)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	s.galen("journal", "move", "--config", config, "--to-url-file", url)
	s.galen("journal", "move", "--config", config, "--to-url-file", url)
	s.galen("journal", "move", "--config", postgres, "--to-url-file", url)
	s.galen("journal", "verify", "--config", postgres)
	s.galen("journal", "backup", filepath.Join(s.dir, "backup.db"), "--config", postgres)
	s.say("into a database with a journal")
	s.galen("journal", "restore", filepath.Join(s.dir, "backup.db"), "--config", postgres)
	s.say("somebody changed an event")
	c.SQL("ALTER TABLE galen.events DISABLE TRIGGER events_no_update")
	c.SQL("UPDATE galen.events SET by = 'mallory' WHERE seq = 1")
	s.galen("journal", "verify", "--config", postgres)
	s.golden("journal-move")
}

func TestRearm(t *testing.T) {
	s := &transcript{t: t, dir: t.TempDir()}
	c := &canned{answers: map[string]any{"POST /v1/rearm": http.StatusNoContent}}
	server := c.start(t)
	s.on(server, "rearm", "--why", "restored last night's backup; nothing was under way")
	if got := c.bodies["POST /v1/rearm"]; got != `{"why":"restored last night's backup; nothing was under way"}` {
		t.Errorf("asked %q", got)
	}
	s.on(server, "rearm", "--why", "x", "-o", "json")
	s.on(server, "rearm")
	s.on(server, "rearm", "now", "--why", "x")
	s.say("it is armed")
	s.on((&canned{answers: map[string]any{"POST /v1/rearm": http.StatusConflict}}).start(t), "rearm", "--why", "x")
	s.say("without a token")
	s.on((&canned{answers: map[string]any{"POST /v1/rearm": http.StatusUnauthorized}}).start(t), "rearm", "--why", "x")
	s.say("no engine")
	s.on("http://127.0.0.1:1", "rearm", "--why", "x")
	s.golden("rearm")
}

// TestLongWorkTellsHowFarItIs: on stderr, so that what is printed stays the answer.
func TestLongWorkTellsHowFarItIs(t *testing.T) {
	s, config := newTranscript(t)
	now := noon()
	var out, errs bytes.Buffer
	c := &cli{out: &out, errs: &errs, env: func(string) string { return "" }, now: func() time.Time { now = now.Add(time.Second); return now }}
	if code := c.run(t.Context(), []string{"journal", "backup", filepath.Join(s.dir, "backup.db"), "--config", config}); code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if len(lines) < 5 || !contains(errs.String(), "compare runs: 1 row\n") || contains(out.String(), "compare ") {
		t.Errorf("told %q, printed %q", errs.String(), out.String())
	}
}
