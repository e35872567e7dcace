package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// WitnessFile remembers, in the data directory, how the journal ends.
const WitnessFile = "witness"

// JournalFile is the journal's file in the data directory.
const JournalFile = "galen.db"

// MovedEnding is what the journal's file gets appended when the journal was moved into PostgreSQL.
const MovedEnding = ".moved"

// JournalPlace is where the journal of a configuration is.
func JournalPlace(c *config.Config) (journal.Place, error) {
	if c.Journal.URLFile == "" {
		return journal.Place{Path: filepath.Join(c.Data, JournalFile)}, nil
	}
	url, err := config.ConnectionString(c.Journal.URLFile)
	if err != nil {
		return journal.Place{}, fmt.Errorf("read where the journal is: %w; journal.url_file names a file with a PostgreSQL connection string", err)
	}
	return journal.Place{URL: url}, nil
}

// notMoved refuses to begin a new journal where there was one that went to PostgreSQL: the engine would know nothing of its runs.
func notMoved(place journal.Place) error {
	if place.URL != "" {
		return nil
	}
	if _, err := os.Lstat(place.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	moved := place.Path + MovedEnding
	if _, err := os.Lstat(moved); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return fmt.Errorf("the journal was moved into PostgreSQL (%s lies there) and the configuration does not say where: name the file with the connection string, journal.url_file. "+
		"To come back to a file: galen journal backup from PostgreSQL, then galen journal restore", moved)
}

// Offline locks a data directory for work on its journal while no engine has it.
func Offline(dir string) (release func() error, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return lock.release, nil
}
