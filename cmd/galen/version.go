package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "The version of this binary",
		Long:    "Prints the version of this binary, as galen --version does. `galen status` tells that of the running engine.",
		Example: "  galen version\n  galen --version",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(*cobra.Command, []string) error { return c.printVersion() },
	}
}

// versionFlag lets --version do what the command version does.
func (c *cli) versionFlag(root *cobra.Command) {
	asked := root.Flags().Bool("version", false, "print the version of this binary")
	alone := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked && len(args) == 0 {
			return c.printVersion()
		}
		return alone(cmd, args)
	}
}

func (c *cli) printVersion() error {
	return c.print(map[string]string{"version": version(), "go": runtime.Version()}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "galen %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	})
}

// version is the module's version, or else the commit that the binary was built from, or "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	out := info.Main.Version
	if out == "" || out == "(devel)" {
		out = "devel"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && out == "devel":
			out += " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			out += " modified"
		}
	}
	return out
}
