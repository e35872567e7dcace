// Command galen is the whole engine in one file, and the way for people and scripts to talk to it. Each command has its
// own file; all but serve, gym, explain, man, version, `config check` and what works on a journal itself use only the API.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // windows and schedules have zones, and a bare container knows none

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
)

// The exit codes. A script can tell "galen or the engine is broken" from "you asked wrongly" from "it works, and did not
// do it".
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitNotDone = 3
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
	// clear: the error says all; how the command is written is not the trouble.
	clear bool
	// said: the answer that was printed says all.
	said bool
}

// Error is the text of the error inside.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap is the error inside.
func (f *failure) Unwrap() error { return f.err }

func usage(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func notDone(format string, args ...any) error {
	return &failure{code: exitNotDone, err: fmt.Errorf(format, args...)}
}

// cli is what the commands share. Tests fill it with their own.
type cli struct {
	out, errs io.Writer
	env       func(string) string
	now       func() time.Time
	books     []galen.ListedRunbook // that the gym plays instead of the listed ones; nil: those
	on        *machine              // that doctor examines; nil: this one
	terminal  func() *terminal      // of out, asked anew each time since its size changes; nil: there is none

	// completing: a shell waits for names.
	completing bool
	// watching: what is shown is shown again, and says itself how old it is.
	watching bool
	// warned: it was told that others can read the token.
	warned bool

	// Set by global flags.
	server    string
	tokenFile string
	tls       tlsFiles
	output    string
	color     string
}

func main() {
	c := &cli{out: os.Stdout, errs: os.Stderr, env: os.Getenv, now: time.Now}
	c.terminal = func() *terminal { return terminalOf(os.Stdout, os.Getenv) }
	os.Exit(c.run(context.Background(), os.Args[1:]))
}

// run is one call of the command line; it returns the exit code.
func (c *cli) run(ctx context.Context, args []string) int {
	out := &outlet{to: c.out}
	c.out = out
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.errs)
	shells(root)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("not all of the answer could be written: %w", out.err)
	}
	if err == nil {
		return helped(cmd)
	}
	f := &failure{code: exitError}
	errors.As(err, &f)
	if f.said {
		return f.code
	}
	fmt.Fprintf(c.errs, "galen: %s\n", shown(err.Error()))
	if f.code == exitUsage && !f.clear {
		fmt.Fprintf(c.errs, "\nusage: %s\nhelp:  %s --help\n", cmd.UseLine(), cmd.CommandPath())
	}
	if _, question := cmd.Annotations[asks]; question {
		return exitUnasked
	}
	return f.code
}

// helped is the exit code of what went well. Help that somebody got for a question is no answer: a script would take it for a yes.
func helped(cmd *cobra.Command) int {
	_, question := cmd.Annotations[asks]
	if help := cmd.Flags().Lookup("help"); question && help != nil && help.Changed && cmd.Flags().NArg() > 0 {
		return exitUnasked
	}
	return exitOK
}

// outlet is where answers go; the first error of writing them stays.
type outlet struct {
	to  io.Writer
	err error
}

func (o *outlet) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "galen",
		Short: "The physician for data infrastructure",
		Long: `Galen watches data infrastructure (today: Apache Cassandra), finds what is wrong, and heals it step by step. Every
step passes guards, and everything that was seen, decided, refused and done is in a journal.

galen serve is the engine. These need none and no token: config check and doctor; journal verify, backup, restore and move, which work
on the journal itself; completion, explain, gym, man and version. The others ask a running engine through its API.

The engine makes a token on its first start, in the file "token" of its data directory; who can read that file is an
administrator. galen serve prints its path. galen token makes named tokens that may do less.

galen completion bash, zsh or fish prints what a shell needs to complete commands, and names of resources, members, runs, runbooks and holds
from the engine; galen completion bash --help tells where it goes.

Exit codes:
  0  done
  1  error: galen, the engine or the way to it is broken
  2  usage: the command or what it names cannot be understood
  3  not done: refused, held, rejected, not found; a run that was waited for did not end well
can-i and what-if have others: 0 yes, 1 no, 2 unknown, 3 no answer; so has doctor: 0 well, 1 to look at, 2 bad`,
		Example: `  galen serve --config galen.yaml               # the engine
  export GALEN_TOKEN_FILE=/var/lib/galen/token  # for all that follows
  galen status                                  # how is everything
  galen runs list --open                        # what is going on
  galen runs show ID                            # what happened, line by line
  galen run cassandra/restart-node cassandra/orders --param node=n2 --plan
  galen can-i stop cassandra/orders n7          # may I, before I touch it
  galen hold cassandra/orders --why "disks are being swapped" --until 4h`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	c.versionFlag(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%s", plainFlag(err)) })
	flags := root.PersistentFlags()
	flags.StringVar(&c.server, "server", "", "address of the engine's API (env GALEN_SERVER; default "+defaultServer+")")
	flags.StringVar(&c.tokenFile, "token-file", "", "file with the API's token (env GALEN_TOKEN_FILE)")
	flags.StringVar(&c.tls.ca, "ca-file", "", "certificate of who signed the engine's, for https; absent, those of the system (env GALEN_CA_FILE)")
	flags.StringVar(&c.tls.cert, "cert-file", "", "your own certificate, if the engine wants one (env GALEN_CERT_FILE)")
	flags.StringVar(&c.tls.key, "key-file", "", "the key of --cert-file (env GALEN_KEY_FILE)")
	flags.StringVarP(&c.output, "output", "o", formTable, "table; wide: all columns, nothing cut; json: the API's answer as it is; or yaml: the same")
	flags.StringVar(&c.color, "color", colorAuto, "auto: colours on a terminal, unless NO_COLOR is set; always; or never")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkForm(); err != nil {
			return err
		}
		return filled(cmd)
	}
	root.AddCommand(
		c.serveCommand(), c.statusCommand(), c.metricsCommand(), c.resourcesCommand(), c.modesCommand(), c.canICommand(), c.whatIfCommand(), c.stateCommand(), c.findingsCommand(), c.alertsCommand(), c.runbooksCommand(), c.runsCommand(), c.runCommand(), c.approvalsCommand(),
		c.holdCommand(), c.holdsCommand(), c.releaseCommand(), c.ackCommand(), c.quarantineCommand(), c.rearmCommand(), c.tokenCommand(), c.loginCommand(), c.logoutCommand(), c.scheduleCommand(), c.journalCommand(),
		c.explainCommand(), c.doctorCommand(), c.gymCommand(), c.configCommand(), c.manCommand(), c.versionCommand(),
	)
	c.completed(root)
	return root
}

// parsed is how Go's own parsers begin their complaint.
var parsed = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": |time: `)

// plainFlag is what is wrong with a flag in words of the command line.
func plainFlag(err error) string { return parsed.ReplaceAllString(err.Error(), "") }

// group makes a command that only holds others: alone it shows its help, and a word that it does not know is a usage
// error with the nearest ones.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usage("%s has no command %q; did you mean %s?", cmd.CommandPath(), args[0], strings.Join(near, " or "))
		}
		return usage("%s has no command %q", cmd.CommandPath(), args[0])
	}
	return cmd
}

// takes checks the number of arguments; what names them for the error.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage("want %s, got %d", what, len(args))
		}
		return nil
	}
}
