package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

func (c *cli) journalBackupCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the whole journal into a file",
		Long: `Copies the journal that the configuration names, from its file or from PostgreSQL, into a new SQLite file: one consistent
moment of it, while the engine works. Then it reads the copy again: the chain, every cited row, and each table row by row.
Nothing is overwritten, and no folder is made. A copy that was killed leaves no more than FILE.partial, which is no journal
and which the next try takes over.`,
		Example: "  galen journal backup /backup/galen-$(date +%F).db --config /etc/galen/galen.yaml",
		Args:    takes(1, 1, "the new file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, from, err := journalOf(file)
			if err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Dir(args[0])); err != nil {
				return fmt.Errorf("back up into %s: %w; make the folder first: a mistyped one would hold a backup that nobody finds", args[0], err)
			}
			moved, err := journal.Move(cmd.Context(), from, journal.Place{Path: args[0]}, c.progress())
			if err != nil {
				return err
			}
			return c.printMoved(moved, "")
		},
	}
	cmd.Flags().StringVar(&file, "config", "galen.yaml", "the configuration file")
	return cmd
}

func (c *cli) journalRestoreCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the journal's place",
		Long: `Copies a backup to where the configuration says that the journal is; that place must be empty (move galen.db away with
galen.db-wal and galen.db-shm), and every engine that shares it stopped. The world may have gone on since the backup: the engine observes only and holds every open run, until a person
has looked and says galen rearm. A restore that failed or was killed leaves no journal; say it again.

In a data directory where no engine has worked the copy gets a name of its own in Temporal: the journal that it was copied
from may still be in use. Its open runs are then started again, held.`,
		Example: "  mkdir /var/lib/galen/broken && mv /var/lib/galen/galen.db* /var/lib/galen/broken/\n  galen journal restore /backup/galen-2026-01-05.db --config /etc/galen/galen.yaml",
		Args:    takes(1, 1, "the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, to, err := journalOf(file)
			if err != nil {
				return err
			}
			if err := looksLikeAJournal(args[0]); err != nil {
				return err
			}
			return offline(cfg, func() error { return c.journalRestore(cmd.Context(), cfg, args[0], to) })
		},
	}
	cmd.Flags().StringVar(&file, "config", "galen.yaml", "the configuration file")
	return cmd
}

func (c *cli) journalRestore(ctx context.Context, cfg *config.Config, file string, to journal.Place) error {
	_, err := os.Stat(filepath.Join(cfg.Data, app.WitnessFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look whether an engine has worked here: %w", err)
	}
	moved, err := journal.Restore(ctx, journal.Place{Path: file}, to, journal.Restored{
		Why:       "the journal was restored from " + filepath.Base(file) + ", the world may have gone on since",
		Elsewhere: err != nil, Now: c.now,
	}, c.progress())
	if err != nil {
		return err
	}
	return c.printMoved(moved, "The engine will observe only: start it, look at what happened since the backup, then galen rearm --why '…'\n")
}

func (c *cli) journalMoveCommand() *cobra.Command {
	var file, target string
	cmd := &cobra.Command{
		Use:   "move",
		Short: "Move the journal from its file into PostgreSQL",
		Long: `Copies the journal of a stopped engine from its file into the empty database whose connection string is in a file, and
proves that nothing was lost: the copy verifies, its chain has the same end, and every table has the same rows, by hash. The
old file gets the ending .moved; an engine does not begin a new one beside it. Afterwards name the file with the connection
string in the configuration: journal.url_file. It may hold a password, so others must not be able to read it (chmod 600).`,
		Example: "  galen journal move --config /etc/galen/galen.yaml --to-url-file /etc/galen/journal.url",
		Args:    takes(0, 0, "no arguments: name the target with --to-url-file"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.journalMove(cmd.Context(), file, target) },
	}
	cmd.Flags().StringVar(&file, "config", "galen.yaml", "the configuration file")
	cmd.Flags().StringVar(&target, "to-url-file", "", "the file with the connection string of the empty database (required)")
	return cmd
}

func (c *cli) journalMove(ctx context.Context, file, target string) error {
	if target == "" {
		return usage("--to-url-file is required: a file with a PostgreSQL connection string")
	}
	url, err := config.ConnectionString(target)
	if err != nil {
		return fmt.Errorf("read the connection string: %w", err)
	}
	cfg, from, err := journalOf(file)
	if err != nil {
		return err
	}
	if from.URL != "" {
		return usage("the configuration's journal is in PostgreSQL already; galen journal backup copies it into a file")
	}
	return offline(cfg, func() error {
		moved, err := journal.Move(ctx, from, journal.Place{URL: url}, c.progress())
		if err != nil {
			return err
		}
		for _, ending := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(from.Path+ending, from.Path+app.MovedEnding+ending); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the journal is moved, but its old file is still in place: %w; take it away before an engine starts", err)
			}
		}
		return c.printMoved(moved, "Now name that file in the configuration, journal.url_file, and start the engine.\n")
	})
}

// journalOf is the configuration and the place of its journal.
func journalOf(file string) (*config.Config, journal.Place, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return nil, journal.Place{}, err
	}
	place, err := app.JournalPlace(cfg)
	return cfg, place, err
}

// offline works while no engine has the data directory.
func offline(cfg *config.Config, work func() error) error {
	release, err := app.Offline(cfg.Data)
	if err != nil {
		return err
	}
	return errors.Join(work(), release())
}

// printMoved shows the proof of a copy, and what to do next.
func (c *cli) printMoved(moved journal.Moved, next string) error {
	return c.print(moved, func(w io.Writer) error {
		var rows int64
		for _, n := range moved.Rows {
			rows += n
		}
		_, err := fmt.Fprintf(w, "copied and compared: %s and %d rows of %d tables\nhead   %s\n%s", some(int(moved.Events), "event"), rows, len(moved.Rows), moved.Head, next)
		return err
	})
}

// progressEvery is how often long work says on stderr how far it is.
const progressEvery = 2 * time.Second

// progress tells of work that takes longer than that.
func (c *cli) progress() journal.Progress {
	last := c.now()
	return func(doing string, rows int64) {
		now := c.now()
		if now.Sub(last) < progressEvery {
			return
		}
		last = now
		if rows > 0 {
			doing += ": " + some(int(rows), "row")
		}
		fmt.Fprintln(c.errs, doing)
	}
}
