package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestNoFlagIsEmpty: of each command, each flag that takes text; no engine is asked before.
func TestNoFlagIsEmpty(t *testing.T) {
	var walk func(*cobra.Command)
	tried := 0
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		least := leastArgs(t, cmd)
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if texts(f) == nil || f.Name == "cursor" { // of the first page there is none
				return
			}
			tried++
			args := append(strings.Fields(cmd.CommandPath())[1:], append(least, "--"+f.Name, "")...)
			want := exitUsage
			if _, question := cmd.Annotations[asks]; question {
				want = exitUnasked
			}
			if got := galenCLI(t, "http://127.0.0.1:1", args...); got.code != want || !contains(got.errs, "--"+f.Name+" is empty: leave it out, or say what you mean") {
				t.Errorf("%q: exit %d, want %d: %s", args, got.code, want, got.errs)
			}
		})
	}
	walk((&cli{}).root())
	if tried < 50 {
		t.Errorf("only %d flags were tried", tried)
	}
}

// leastArgs are as many arguments as a command wants.
func leastArgs(t *testing.T, cmd *cobra.Command) []string {
	t.Helper()
	args := []string{}
	for range 4 {
		if cmd.Args == nil || cmd.Args(cmd, args) == nil {
			return args
		}
		args = append(args, "x")
	}
	t.Fatalf("%s takes no number of arguments", cmd.CommandPath())
	return nil
}

// TestEmptyFlags: one of several values counts, too; what holds for all commands may be empty, as its variable may.
func TestEmptyFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"one of several":   {[]string{"alerts", "list", "--label", "a=b", "--label", ""}, exitUsage, "--label is empty"},
		"one in a list":    {[]string{"what-if", "--down", "n1,"}, exitUnasked, "--down is empty"},
		"for all commands": {[]string{"version", "--server", "", "--token-file="}, exitOK, ""},
		"not given":        {[]string{"version"}, exitOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := galenCLI(t, "", c.args...); got.code != c.code || !contains(got.errs, c.says) {
				t.Errorf("exit %d, want %d: %s", got.code, c.code, got.errs)
			}
		})
	}
}

// TestTheFirstPagesCursorChoosesNothing: a list is gone on with by the flags that chose it, and an empty cursor is none.
func TestTheFirstPagesCursorChoosesNothing(t *testing.T) {
	cmd := &cobra.Command{}
	for _, name := range []string{"cursor", "state"} {
		cmd.Flags().String(name, "", "")
	}
	if err := cmd.ParseFlags([]string{"--cursor", "", "--state", "unmatched"}); err != nil {
		t.Fatal(err)
	}
	if got := chosen(cmd); got != " --state unmatched" {
		t.Errorf("%q", got)
	}
}
