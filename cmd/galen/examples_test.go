package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"mvdan.cc/sh/v3/syntax"
)

// Each example of --help is a line of shell whose galen commands are understood: the command, its flags, the number of its arguments.
func TestEveryExampleIsUnderstood(t *testing.T) {
	for _, cmd := range commandsOf((&cli{}).root()) {
		file, err := syntax.NewParser().Parse(strings.NewReader(cmd.Example), cmd.CommandPath())
		if err != nil {
			t.Errorf("%s: %v", cmd.CommandPath(), err)
			continue
		}
		about := cmd.HasSubCommands() // it shows those
		syntax.Walk(file, func(n syntax.Node) bool {
			if call, is := n.(*syntax.CallExpr); is && len(call.Args) > 0 && literal(call.Args[0]) == "galen" {
				args := make([]string, 0, len(call.Args))
				for _, w := range call.Args[1:] {
					args = append(args, literal(w))
				}
				about = understood(t, cmd, args) || about
			}
			return true
		})
		if !about {
			t.Errorf("no example of %s shows it:\n%s", cmd.CommandPath(), cmd.Example)
		}
	}
}

// understood complains of a command line that galen does not understand, and tells whether it is about cmd.
func understood(t *testing.T, cmd *cobra.Command, args []string) bool {
	t.Helper()
	found, rest, err := (&cli{}).root().Find(args) // a root of its own: flags keep what they were given
	if err == nil {
		err = found.ParseFlags(rest)
	}
	if err == nil && found.Args != nil {
		err = found.ValidateArgs(found.Flags().Args())
	}
	if err == nil && found.HasSubCommands() && !found.Runnable() {
		err = usage("it is a group, and does nothing")
	}
	if err != nil {
		t.Errorf("%s: galen %s: %v", cmd.CommandPath(), strings.Join(args, " "), err)
		return true
	}
	return found.CommandPath() == cmd.CommandPath()
}

// literal is a word without its quotes; what the shell would fill in is a placeholder.
func literal(w *syntax.Word) string {
	var b strings.Builder
	var add func(parts []syntax.WordPart)
	add = func(parts []syntax.WordPart) {
		for _, p := range parts {
			switch p := p.(type) {
			case *syntax.Lit:
				b.WriteString(p.Value)
			case *syntax.SglQuoted:
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				add(p.Parts)
			default:
				b.WriteString("1")
			}
		}
	}
	add(w.Parts)
	return b.String()
}

// commandsOf are a command and all below it, but for what cobra itself brings.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		if !child.Hidden && child.Name() != "help" && child.Name() != "completion" {
			all = append(all, commandsOf(child)...)
		}
	}
	return all
}
