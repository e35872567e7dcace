package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/api"
)

// TestCompletes: what a shell is offered at each place.
func TestCompletes(t *testing.T) {
	c := cannedAPI()
	c.answers["GET /v1/schedules"] = api.ScheduleList{}
	server := c.start(t)
	for place, want := range map[string]string{
		"runs show ":                       "r2\tasking cassandra/heal-node cassandra/orders",
		"runs approve ":                    "r2\tasking",
		"resources ":                       "cassandra/logs\t",
		"can-i ":                           "decommission",
		"can-i stop ":                      "cassandra/orders\t3 members, 1 bad",
		"can-i stop cassandra/orders ":     "n4\t127.0.0.4 spare",
		"hold cassandra/orders ":           "n2\t127.0.0.2 BAD",
		"what-if cassandra/orders --down ": "n2\t127.0.0.2 BAD",
		"release ":                         "hold-2\t",
		"run ":                             "cassandra/restart-node\tRestarts one.",
		"run cassandra/restart-node ":      "cassandra/orders\t",
		"runs list --status ":              "held",
		"alerts list --state ":             "unmatched",
		"alerts show ":                     "4\tmatched",
		"status -o ":                       "wide",
		"status --color ":                  "never",
		"journal list --kind ":             "run-opened",
		"token revoke ":                    "ann\t",
		"quarantine clear ":                "cassandra/heal-node\t",
		"explain ":                         "I-02 quorum",
		"explain not":                      "not-confirmed",
		"":                                 "status\tDoes anything wait for me",
	} {
		args := strings.Split(place, " ")
		got := galenCLI(t, server, append([]string{"__complete"}, args...)...)
		if got.code != exitOK || !contains(got.out, want) {
			t.Errorf("galen %s: %+v, want %q in it", place, got, want)
		}
	}
	if got := galenCLI(t, server, "__complete", "runs", "approve", ""); contains(got.out, "r1\t") {
		t.Errorf("a run that has ended is offered for approval: %s", got.out)
	}
}

// TestCompletionIsQuick: no engine, one that refuses and one that hangs offer nothing, soon.
func TestCompletionIsQuick(t *testing.T) {
	done := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer hangs.Close()
	defer close(done)
	refuses := &canned{answers: map[string]any{"GET /v1/runs": http.StatusUnauthorized}}
	for _, server := range []string{"127.0.0.1:1", hangs.URL, refuses.start(t)} {
		began := time.Now()
		got := galenCLI(t, server, "__complete", "runs", "show", "")
		if took := time.Since(began); got.code != exitOK || strings.TrimSpace(got.out) != ":4" || took > 10*completeWithin {
			t.Errorf("%s: %+v after %s", server, got, took)
		}
	}
}

// TestHostileNamesAreNotOffered: a shell would put them on its command line.
func TestHostileNamesAreNotOffered(t *testing.T) {
	for _, name := range []string{"$(reboot)", "a b", "a`id`", "x\x1b[2J", "a;b", "a\nb", "", "a|b", "~root", "\u202e"} {
		if got := offer(name, "x"); got != nil {
			t.Errorf("%q is offered as %q", name, got)
		}
	}
	if got := offer("n2", "down\n\x1b[2J"); len(got) != 1 || string(got[0]) != `n2`+"\t"+`down \x1b[2J` {
		t.Errorf("offered as %q", got)
	}
}

// TestEveryPlaceCompletes: a new command with an argument gets its completion, or a reason here.
func TestEveryPlaceCompletes(t *testing.T) {
	own := "journal man metrics schedule-create token-create" // files, folders, and names that are new
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(strings.TrimPrefix(cmd.CommandPath(), "galen "), " ", "-")
		takes := strings.ContainsAny(strings.TrimPrefix(cmd.Use, cmd.Name()), "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		if takes && cmd.ValidArgsFunction == nil && !contains(own, strings.Split(name, "-")[0]) {
			t.Errorf("galen %s completes nothing: see completed in complete.go", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			check(child)
		}
	}
	check((&cli{}).root())
}

// TestCompletionScripts: each shell that is here reads its script.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		got := galenCLI(t, "", "completion", shell)
		if got.code != exitOK || !contains(got.out, "__complete") {
			t.Errorf("%s: %+v", shell, got)
		}
		program, err := exec.LookPath(shell)
		if err != nil {
			continue // its script is the library's own
		}
		cmd := exec.CommandContext(t.Context(), program, "-n")
		cmd.Stdin = strings.NewReader(got.out)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v\n%s", shell, err, out)
		}
	}
}

// TestOnlyTriedShellsAreOffered: what nobody has run is not promised.
func TestOnlyTriedShellsAreOffered(t *testing.T) {
	for _, args := range [][]string{{"completion", "--help"}, {"completion"}, {"__complete", "completion", ""}} {
		got := galenCLI(t, "", args...)
		if got.code != exitOK || !contains(got.out, "fish") || contains(got.out, "powershell") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := galenCLI(t, "", "completion", "powershell"); got.code != exitUsage || !contains(got.errs, `no command "powershell"`) {
		t.Errorf("%+v", got)
	}
}

// TestMan: a page for each command, in sound roff, that says what --help says, stars and layout included.
func TestMan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if got := galenCLI(t, "", "man", dir); got.code != exitOK || got.out != "" {
		t.Fatalf("%+v", got)
	}
	macro := regexp.MustCompile(`^\.(TH|SH|PP|EX|EE|RS|RE|nh|TP|IP|br|nf|fi)( |$)`)
	pages := 0
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		pages++
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		open := 0
		for line := range lineSeq(string(text)) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, ".") && !macro.MatchString(line) {
				t.Errorf("%s: %q is no macro", name, line)
			}
			open += map[string]int{".EX": 1, ".EE": -1, ".RS": 1, ".RE": -1}[line]
		}
		if open != 0 || !contains(string(text), ".SH NAME") || contains(string(text), "```") {
			t.Errorf("%s: %d blocks stay open, or it has no name, or Markdown is left:\n%s", name, open, text)
		}
		plain := strings.NewReplacer(`\-`, "-", `\&`, "", `\\`, `\`, `\e`, `\`).Replace(string(text))
		for line := range strings.Lines(cmd.Long) {
			if line = strings.TrimRight(line, "\n"); !contains(plain, line) {
				t.Errorf("%s does not say %q", name, line)
			}
		}
		for _, child := range cmd.Commands() {
			check(child)
		}
	}
	check((&cli{}).root())
	if pages < 40 {
		t.Errorf("%d pages", pages)
	}
	man, err := exec.LookPath("man")
	if err != nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), man, "--warnings", "-l", filepath.Join(dir, "galen-token-create.1"))
	cmd.Env = append(os.Environ(), "MANWIDTH=200", "MANPAGER=cat", "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil || contains(string(out), "warning") || !contains(string(out), "propose:cassandra/orders-*") {
		t.Errorf("man: %v\n%s", err, out)
	}
}
