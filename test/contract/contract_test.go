package contract

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// schemathesis is the program that build/setup has installed.
func schemathesis(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", ".cache", "schemathesis", "bin", "schemathesis"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run build/setup schemathesis", err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// withEnds is schemathesis.toml with ends of holds that are not past and not too far, of which no random time is one.
func withEnds(dir string) (string, error) {
	text, err := os.ReadFile("schemathesis.toml")
	if err != nil {
		return "", err
	}
	end := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	file := filepath.Join(dir, "schemathesis.toml")
	return file, os.WriteFile(file, fmt.Appendf(text, "\n[dictionaries.until]\nvalues = [%q]\n", end), 0o600)
}

// TestTheAPIKeepsItsFile: whatever Schemathesis makes of the OpenAPI file that the engine serves, each answer is one that the file
// tells of, none is a server error, and what the file forbids is refused. The token is that of an administrator.
func TestTheAPIKeepsItsFile(t *testing.T) {
	examples, seed := flag.Lookup("examples").Value, flag.Lookup("seed").Value
	program, dir := schemathesis(t), t.TempDir()
	s, err := victim.SetStage(t.Context(), victim.StageOptions{Dir: dir, Config: map[string]any{"limits": map[string]any{"per_token": 0, "per_address": 0}}})
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(s.End(), s.Ring.Close())) })
	_, err = s.Start(t.Context(), nil)
	must(t, err)
	must(t, s.AwaitHealth(t.Context()))
	token, err := os.ReadFile(filepath.Join(s.Engine.Data, "token"))
	must(t, err)
	config, err := withEnds(dir)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 55*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--config-file", config, "run", s.Engine.Server()+"/v1/openapi.yaml",
		"-H", "Authorization: Bearer "+strings.TrimSpace(string(token)), "--checks", "all", "--continue-on-failure", "-w", "1", // Python 3.11 parses source in one thread at a time only
		"-n", examples.String(), "--seed", seed.String())
	cmd.Dir = dir // where it keeps what it found
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "COLUMNS=160")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("schemathesis: %v\n%s\nthe engine's log ends with:\n%s", err, said, engine.Tail(s.Engine.Log, 20))
	}
	_, summary, found := strings.Cut(string(said), "API Operations:")
	if !found || !strings.Contains(summary, "No issues found") {
		t.Fatalf("schemathesis ended well and did not say what it tested:\n%s", said)
	}
	t.Log(fmt.Sprint("API Operations:", summary))
}
