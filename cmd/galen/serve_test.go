package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/app"
)

const configuration = `
data: data
listen: 127.0.0.1:0
policies:
  demo: {mode: act, hold_for: 6s}
resources:
  - resource: %s
    policy: demo
    setup:
      nodes:
        - {instance: n1, address: 127.99.99.1, jolokia: "http://127.99.99.1:8778/jolokia", cql: "127.99.99.1:9042", folder: %s%s}
`

func written(t *testing.T, resource, more string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "galen.yaml")
	text := fmt.Sprintf(configuration, resource, filepath.Join(dir, "n1"), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigCheck(t *testing.T) {
	for _, test := range []struct {
		name, resource, more, says string
		code                       int
	}{
		{"good", "cassandra/orders", "", "hold_for  30s      6s", exitOK},
		{"unknown kind", "redis/orders", "", `does not know the kind "redis"`, exitUsage},
		{"unknown field of a setup", "cassandra/orders", ", colour: red", `unknown field "colour"`, exitUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := galenCLI(t, "", "config", "check", "--config", written(t, test.resource, test.more))
			if got.code != test.code || !contains(got.out+got.errs, test.says) {
				t.Errorf("%+v, want exit code %d and %q", got, test.code, test.says)
			}
		})
	}
}

// TestFilesThatAreMissed: the check and the engine tell of each file that the configuration names and that cannot be used, beside other
// faults, and the engine does not start.
func TestFilesThatAreMissed(t *testing.T) {
	path := written(t, "redis/orders", "")
	more(t, path, "alertmanager: {url: 'http://127.0.0.1:9093', token_file: am.token}\ntls: {cert_file: c, key_file: k}\n")
	dir := filepath.Dir(path)
	for _, command := range []string{"config check", "serve"} {
		got := galenCLI(t, "", append(strings.Fields(command), "--config", path)...)
		for _, says := range []string{
			`does not know the kind "redis"`, "tls.cert_file: open " + filepath.Join(dir, "c"), "tls.key_file: open ",
			"alertmanager.token_file: open " + filepath.Join(dir, "am.token") + ": no such file or directory; put the token for Alertmanager into ",
		} {
			if got.code != exitUsage || strings.Count(got.errs, says) != 1 {
				t.Errorf("%s: exit code %d, want %q once in\n%s", command, got.code, says, got.errs)
			}
		}
	}
}

// TestAConnectionStringThatIsNone is told before the engine starts, without what is in it.
func TestAConnectionStringThatIsNone(t *testing.T) {
	path := written(t, "cassandra/orders", "")
	more(t, path, "journal: {url_file: journal.url}\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "journal.url"), []byte("postgres://u:s3cret@h:99999999/db"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := galenCLI(t, "", "config", "check", "--config", path); got.code != exitUsage || !strings.Contains(got.errs, "it is not a PostgreSQL connection string") || strings.Contains(got.errs, "s3cret") {
		t.Errorf("%+v", got)
	}
}

// TestFilesAreElsewhere: in CI a configuration is checked without the secrets that it names.
func TestFilesAreElsewhere(t *testing.T) {
	path := written(t, "cassandra/orders", "")
	more(t, path, "alertmanager: {url: 'http://127.0.0.1:9093', token_file: am.token}\n")
	if got := galenCLI(t, "", "config", "check", "--config", path, "--no-files"); got.code != exitOK {
		t.Errorf("without the files: %+v", got)
	}
	if got := galenCLI(t, "", "config", "check", "--config", path); got.code != exitUsage || !strings.Contains(got.errs, "--no-files") {
		t.Errorf("with the files: %+v", got)
	}
}

// more adds to a file.
func more(t *testing.T, path, text string) {
	t.Helper()
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(was, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConfigCheckWarnsOfEveryAlert(t *testing.T) {
	path := written(t, "cassandra/orders", "")
	more(t, path, "alerts: [{matchers: ['alertname=~\".+\"'], code: node-down, member_label: instance}]\n")
	got := galenCLI(t, "", "config", "check", "--config", path)
	if says := "warning: alerts[0]: it is for every alert"; got.code != exitOK || !contains(got.errs, says) || contains(got.out, "warning") {
		t.Errorf("%+v, want exit code 0 and %q on stderr", got, says)
	}
	got = galenCLI(t, "", "config", "check", "--config", path, "-o", "json")
	if says := `"at": "alerts[0]"`; got.code != exitOK || !contains(got.out, says) {
		t.Errorf("%+v, want exit code 0 and %q", got, says)
	}
}

// TestConfigCheckWarnsOfSpares: what only the kind can see.
func TestConfigCheckWarnsOfSpares(t *testing.T) {
	for more, says := range map[string]string{", spare: true": "warning: resources[0].setup.nodes: each is a spare", "": ""} {
		got := galenCLI(t, "", "config", "check", "--config", written(t, "cassandra/orders", more))
		if got.code != exitOK || !strings.HasPrefix(got.errs, says) || says == "" && got.errs != "" {
			t.Errorf("%+v, want exit code 0 and %q on stderr", got, says)
		}
	}
}

func TestConfigCheckMarksWhatIsWeak(t *testing.T) {
	path := written(t, "cassandra/orders", "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("hold_for: 6s"), []byte("hold_for: 6s, replace_after: 1m, down_for: 9s"), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got := galenCLI(t, "", "config", "check", "--config", path)
	if says := "replace_after  10m0s    1m0s  weaker than I-15 promises"; got.code != exitOK || !contains(got.out, says) {
		t.Errorf("%+v, want %q", got, says)
	}
	if says := "down_for       10s      9s\n"; !contains(got.out, says) {
		t.Errorf("%+v, want %q", got, says)
	}
}

// The whole engine in this process: it says that it is ready, answers, keeps its data directory to itself, and stops.
func TestServe(t *testing.T) {
	path := written(t, "cassandra/orders", "")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, write := io.Pipe()
	var log bytes.Buffer
	c := &cli{out: write, errs: &log, now: time.Now, env: func(string) string { return "" }}
	ended := make(chan int, 1)
	go func() {
		ended <- c.run(ctx, []string{"serve", "--config", path, "--log-level", "error"})
		_ = write.Close() // of a pipe: no error
	}()
	said := ""
	lines := bufio.NewScanner(read)
	for !strings.HasPrefix(lines.Text(), "ready") && lines.Scan() {
		said += lines.Text() + "\n"
	}
	ready := strings.Fields(lines.Text())
	if len(ready) == 0 {
		t.Fatalf("exit code %d, said %q", <-ended, said)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }() // until the pipe is closed
	if !contains(said, "cassandra/orders  mode act, policy demo, 2 differences") {
		t.Errorf("said %q", said)
	}
	server, token := after(ready, "api"), after(ready, "token")
	if got := after(ready, "journal"); got != filepath.Join(after(ready, "data"), app.JournalFile) {
		t.Errorf("the journal is at %q", got)
	}
	if got := galenCLI(t, server, "status", "--token-file", token); got.code != exitNotDone || !contains(got.out, "works") || !contains(got.errs, "sees nothing") {
		t.Errorf("status: %+v", got)
	}
	if got := galenCLI(t, server, "status"); got.code != exitError || !contains(got.errs, token) {
		t.Errorf("without a token: %+v", got)
	}
	if got := galenCLI(t, "", "serve", "--config", path, "--log-level", "error"); got.code != exitError || !contains(got.errs, "another galen works on this data directory") {
		t.Errorf("a second engine on the data directory: %+v", got)
	}
	stop()
	select {
	case code := <-ended:
		if code != exitOK {
			t.Errorf("exit code %d: %s", code, log.String())
		}
	case <-time.After(stopWithin + 5*time.Second):
		t.Error("it does not stop")
	}
}

func after(words []string, word string) string {
	for i := range words[:len(words)-1] {
		if words[i] == word {
			return words[i+1]
		}
	}
	return ""
}

func TestStopIn(t *testing.T) {
	broken := errors.New("broken")
	if err := stopIn(func() error { return broken }, time.Minute); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	hang := make(chan struct{})
	defer close(hang)
	if err := stopIn(func() error { <-hang; return nil }, time.Millisecond); err == nil || !contains(err.Error(), "cut off") {
		t.Errorf("an engine that hangs: %v", err)
	}
}
