package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// docs/cli.md is what --help says, so that neither can be wrong alone.
func TestDocs(t *testing.T) {
	c := &cli{}
	var b strings.Builder
	b.WriteString("# The command line\n\nThis page is what `galen --help` says, command by command; `go test ./cmd/galen -update` writes it.\n")
	commands := commandsOf(c.root())
	for _, cmd := range commands {
		document(&b, cmd)
	}
	golden(t, filepath.Join("..", "..", "docs", "cli.md"), b.String())
	if len(commands) < 23 {
		t.Errorf("%d commands, want at least 23", len(commands))
	}
}

func document(b *strings.Builder, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", cmd.CommandPath(), cmd.Short)
	if cmd.Long != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", cmd.Long)
	}
	flags := cmd.LocalFlags().FlagUsages()
	fmt.Fprintf(b, "\n```text\n%s\n\n%s```\n", cmd.UseLine(), flags)
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// A command that teaches says what it is for, how it is written and what it looks like.
func TestHelpTeaches(t *testing.T) {
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		if len(cmd.Commands()) == 0 && (cmd.Long == "" || cmd.Example == "") {
			t.Errorf("%s: no long text or no example", cmd.CommandPath())
		}
		if strings.HasSuffix(cmd.Short, ".") || cmd.Short == "" {
			t.Errorf("%s: short text %q", cmd.CommandPath(), cmd.Short)
		}
		for _, child := range cmd.Commands() {
			check(child)
		}
	}
	check((&cli{}).root())
}
