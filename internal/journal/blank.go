package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// blank is an empty place that is filled in one transaction. It becomes a journal when all of it is proved: a copy that broke
// off, by an error or by kill -9, is none, and no engine can start with it.
type blank interface {
	backend() backend
	// prove verifies what was written, commits it and makes it the journal of its place; with faults it does not.
	prove(ctx context.Context, tell Progress) (Report, error)
	// close leaves a place that was not proved as empty as it was.
	close() error
}

const fullForACopy = "the disk that it is copied to is full, nothing of the copy is left: free space or name another disk, then say it again"

// blank opens the place; now is the clock of what is written, nil for that of the database.
func (p Place) blank(ctx context.Context, now func() time.Time) (blank, error) {
	if p.URL != "" {
		db, err := openPostgres(ctx, p.URL, Options{})
		if err != nil {
			return nil, err
		}
		db.onFull = fullForACopy
		return blankDatabase{db}, nil
	}
	return newPartial(ctx, p.Path, now)
}

// empty refuses a store that has a journal; in the transaction that fills it, so that nobody comes in between.
func empty(ctx context.Context, q querier) error {
	end, err := chainOf(ctx, q)
	if err == nil && end.seq > 0 {
		err = fmt.Errorf("this database has a journal of %d events: name an empty one, nothing is overwritten", end.seq)
	}
	return err
}

// blankDatabase is verified before its one transaction is committed.
type blankDatabase struct{ db *postgres }

func (b blankDatabase) backend() backend { return b.db }

func (b blankDatabase) prove(ctx context.Context, tell Progress) (Report, error) {
	tell("verify", 0)
	c := &checker{cites: map[string]citation{}}
	if err := c.all(ctx, b.db, part{"the triggers", c.pgTriggers}); err != nil || !c.report.OK() {
		return c.report, err
	}
	tell("commit", 0)
	_, err := b.db.exec(ctx, "COMMIT")
	return c.report, err
}

// close ends the connection, and with it a transaction that was not committed.
func (b blankDatabase) close() error { return b.db.close() }

// partial is the file beside a journal's place in which it is filled; proved, it gets the journal's name.
type partial struct {
	path string // of the journal
	lock *os.File
	file *sqliteFile // nil when nothing is to be written any more
	done bool
}

const partialEnding = ".partial"

func newPartial(ctx context.Context, path string, now func() time.Time) (p *partial, err error) {
	if err := vacant(path); err != nil {
		return nil, err
	}
	if err := writable(path + partialEnding); err != nil {
		return nil, err
	}
	p = &partial{path: path}
	if p.lock, err = lockPartial(path + partialEnding); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	// Under the lock: another copy may have been finished meanwhile, or was killed and left something.
	if err := vacant(path); err != nil {
		return p, err
	}
	if err := errors.Join(p.lock.Truncate(0), p.remove("-journal")); err != nil {
		return p, fmt.Errorf("take over what an earlier copy left: %w", err)
	}
	if err := GiveToOwner(p.lock); err != nil {
		return p, err
	}
	p.file = &sqliteFile{clock: now}
	if err := p.file.openToFill(ctx, path+partialEnding); err != nil {
		return p, p.file.advise(err)
	}
	return p, nil
}

// vacant refuses a place that has a journal, or what would be taken for a part of the new one.
func vacant(path string) error {
	for _, path := range []string{path, path + "-wal", path + "-journal"} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there already: move it aside first, with the -wal and -shm files beside it; nothing is overwritten", path), err)
		}
	}
	return nil
}

// lockPartial opens the file for this process alone, until it is closed.
func lockPartial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the copy: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// Whoever had it may have given it its name, or taken it away.
		mine, mineErr := f.Stat()
		is, isErr := os.Lstat(path)
		if err = errors.Join(mineErr, isErr); err == nil && !os.SameFile(mine, is) {
			err = syscall.EWOULDBLOCK
		}
	}
	if err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is being written by another galen: wait for that one")
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// GiveToOwner gives a file that root made to the owner of its directory: the engine works as that user, and must be able to write it.
// Whoever is not root makes files of its own.
func GiveToOwner(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	st, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return fmt.Errorf("whose is the directory of %s: %w", f.Name(), err)
	}
	if owner, is := st.Sys().(*syscall.Stat_t); is {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("give the file to the owner of its directory: %w", err)
		}
	}
	return nil
}

func (p *partial) backend() backend { return p.file }

// prove reads the file again as it is on the disk, and then gives it its name.
func (p *partial) prove(ctx context.Context, tell Progress) (Report, error) {
	tell("sync", 0)
	if _, err := p.file.exec(ctx, "COMMIT"); err != nil {
		return Report{}, p.file.advise(err)
	}
	file := p.file
	p.file = nil
	if err := errors.Join(file.close(), p.lock.Sync()); err != nil {
		return Report{}, fmt.Errorf("sync the copy: %w", err)
	}
	tell("verify", 0)
	report, err := Verify(ctx, p.path+partialEnding)
	if err != nil || !report.OK() {
		return report, err
	}
	tell("put in its place", 0)
	if err := errors.Join(ctx.Err(), vacant(p.path)); err != nil {
		return report, err
	}
	if err := os.Rename(p.path+partialEnding, p.path); err != nil {
		return report, fmt.Errorf("give the copy its name: %w", err)
	}
	p.done = true
	tell("sync its name", 0)
	return report, syncDir(filepath.Dir(p.path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync the copy's name: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync the copy's name: %w", err)
	}
	return nil
}

func (p *partial) close() error {
	var errs []error
	if p.file != nil {
		errs = append(errs, p.file.close())
	}
	if !p.done {
		errs = append(errs, p.remove(""), p.remove("-journal"))
	}
	return errors.Join(append(errs, p.lock.Close())...) // last: what is locked is ours to remove
}

func (p *partial) remove(ending string) error {
	if err := os.Remove(p.path + partialEnding + ending); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
