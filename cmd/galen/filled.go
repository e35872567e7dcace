package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// filled refuses a flag of the command that is given and empty, such as one whose variable was never set in a script: without it the command
// would list everything, or open another run. Flags of all commands may be empty, as their variables may, and a cursor is, for the first page.
func filled(cmd *cobra.Command) error {
	empty := ""
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if empty == "" && f.Changed && f.Name != "cursor" && slices.Contains(texts(f), "") {
			empty = f.Name
		}
	})
	if empty != "" {
		return usage("--%s is empty: leave it out, or say what you mean", empty)
	}
	return nil
}

// texts are those of a flag that takes text; none of another one.
func texts(f *pflag.Flag) []string {
	many, is := f.Value.(pflag.SliceValue)
	switch {
	case f.Value.Type() == "string":
		return []string{f.Value.String()}
	case is && len(many.GetSlice()) == 0:
		return []string{""}
	case is:
		return many.GetSlice()
	}
	return nil
}
