package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func (c *cli) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write a man page for each command",
		Long: `Writes galen.1 and a page for each command, such as galen-runs-approve.1, into a folder, which it makes. They say what --help
says. make build writes them to share/man/man1.`,
		Example: "  galen man /usr/local/share/man/man1\n  man galen-runs-approve",
		Args:    takes(1, 1, "a folder"),
		RunE:    func(_ *cobra.Command, args []string) error { return c.man(args[0]) },
	}
}

func (c *cli) man(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody reads manuals
		return fmt.Errorf("write the man pages: %w; name a folder that you may write to", err)
	}
	now := c.now()
	root := (&cli{}).root()
	asMarkdown(root)
	header := doc.GenManHeader{Section: "1", Source: "galen " + version(), Manual: "Galen", Date: &now}
	if err := doc.GenManTree(root, &header, dir); err != nil {
		return fmt.Errorf("write the man pages: %w", err)
	}
	return nil
}

// asMarkdown keeps the layout of texts that the generator takes for Markdown, and their stars and underscores.
func asMarkdown(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	if cmd.Long != "" {
		cmd.Long = "```\n" + cmd.Long + "\n```"
	}
	plain := func(f *pflag.Flag) {
		mark := strings.NewReplacer("*", `\*`, "_", `\_`, "[", `\[`, "<", `\<`)
		f.Usage, f.DefValue = mark.Replace(f.Usage), mark.Replace(f.DefValue)
	}
	cmd.LocalNonPersistentFlags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, child := range cmd.Commands() {
		asMarkdown(child)
	}
}
