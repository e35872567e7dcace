package journal

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the tables up to date, with the migrations of that folder.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	known, err := newest(folder)
	if err != nil {
		return err
	}
	has, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the tables: %w", err)
	}
	if has > known {
		return fmt.Errorf("its tables have version %d, this galen knows up to %d: start the galen that wrote it, or a newer one", has, known)
	}
	if has == known {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables from version %d to %d: %w", has, known, err)
	}
	return nil
}

// errNoJournal: the place holds something else, or nothing.
var errNoJournal = errors.New("there is no journal in it")

// newest is the version of the tables that this release makes.
func newest(folder string) (int64, error) {
	files, err := fs.ReadDir(migrations, "migrations/"+folder)
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("embedded migrations: %d files: %w", len(files), err)
	}
	number, _, _ := strings.Cut(files[len(files)-1].Name(), "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("embedded migrations: %w", err)
	}
	return version, nil
}
