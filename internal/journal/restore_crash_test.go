package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// restoreEnv has a child process restore a backup and tell each thing that it does: from, to, and "url" when to is in PostgreSQL.
const restoreEnv = "GALEN_JOURNAL_RESTORE"

func restoreChild(ctx context.Context, what string) error {
	from, to, _ := strings.Cut(what, "\n")
	place := journal.Place{Path: to}
	if url, is := strings.CutPrefix(to, "url "); is {
		place = journal.Place{URL: url}
	}
	_, err := journal.Restore(ctx, journal.Place{Path: from}, place, restored(), func(doing string, _ int64) {
		fmt.Println(doing)
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil { // goes on when it is told to
			panic(err)
		}
	})
	return err
}

func restored() journal.Restored {
	return journal.Restored{Why: "restored by a test", Elsewhere: true, Now: time.Now}
}

// TestKilledWhileItRestores: killed with -9 at many moments, a restore leaves nothing that an engine would act on: no journal, or one
// that is whole and observes only. The next try needs no hand.
func TestKilledWhileItRestores(t *testing.T) {
	dir := t.TempDir()
	backup, data := filepath.Join(dir, "backup.db"), filepath.Join(dir, "data", "galen.db")
	lived(t, backup, 12)
	moments := 0
	_, err := journal.Restore(t.Context(), journal.Place{Path: backup}, journal.Place{Path: filepath.Join(dir, "whole.db")}, restored(), func(string, int64) { moments++ })
	must(t, err)
	killed, finished := 0, 0
	for n := range 2 * moments {
		moment := 1 + n/2
		if n%8 > 0 && moment < moments-4 { // the end is where it matters
			continue
		}
		if killRestore(t, backup, data, moment, n%2 == 1) {
			killed++
		}
		if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		finished++
		observesOnly(t, journal.Place{Path: data})
		must(t, os.RemoveAll(filepath.Dir(data)))
	}
	t.Logf("killed %d times, %d were finished by then", killed, finished)
	if killed < 8 || finished == 0 {
		t.Errorf("killed only %d times, %d of them at the very end", killed, finished)
	}
	killRestore(t, backup, data, 5, false)
	_, err = journal.Restore(t.Context(), journal.Place{Path: backup}, journal.Place{Path: data}, restored(), nil)
	must(t, err)
	observesOnly(t, journal.Place{Path: data})
	onlyThese(t, filepath.Dir(data), "galen.db")
}

// TestKilledWhileItRestoresIntoPostgres is the same for a database.
func TestKilledWhileItRestoresIntoPostgres(t *testing.T) {
	c := pgtest.Start(t, "-c", "fsync=on") // the journal refuses a server without
	backup := filepath.Join(t.TempDir(), "backup.db")
	lived(t, backup, 5)
	finished := 0
	for n := 4; n <= 40; n += 9 {
		url := c.URL(fmt.Sprint("killed", n))
		place := journal.Place{URL: url}
		killRestore(t, backup, "url "+url, n, n%2 == 1)
		report, err := place.Verify(t.Context())
		must(t, err)
		if report.Events > 0 {
			finished++
			observesOnly(t, place)
			continue
		}
		_, err = journal.Restore(t.Context(), journal.Place{Path: backup}, place, restored(), nil)
		must(t, err)
		observesOnly(t, place)
	}
	t.Logf("%d of 5 were finished when they were killed", finished)
}

// killRestore starts a restore, kills it when it has told so many things, or soon after that, and says whether it died of it.
func killRestore(t *testing.T, from, to string, lines int, soonAfter bool) bool {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), restoreEnv+"="+from+"\n"+to)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	in, err := child.StdinPipe()
	must(t, err)
	must(t, child.Start())
	scanner := bufio.NewScanner(out)
	for n := 1; scanner.Scan(); n++ {
		if n != lines || soonAfter {
			if _, err := in.Write([]byte{'\n'}); err != nil && n < lines {
				t.Fatal(err)
			}
		}
		if n == lines {
			if err := child.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
	err = child.Wait()
	if err != nil && child.ProcessState.Exited() {
		t.Fatalf("the restore failed by itself: %v", err)
	}
	return err != nil
}

// observesOnly: an engine that opens this journal makes no call.
func observesOnly(t *testing.T, place journal.Place) {
	t.Helper()
	report, err := place.Verify(t.Context())
	must(t, err)
	if !report.OK() || report.Events == 0 {
		t.Fatalf("%d events, faults %+v", report.Events, report.Faults)
	}
	open := func() (*journal.Store, error) {
		if place.URL != "" {
			return journal.OpenPostgres(t.Context(), place.URL, journal.Options{})
		}
		return journal.Open(t.Context(), place.Path, journal.Options{Now: time.Now})
	}
	s, err := open()
	must(t, err)
	e, err := s.Epoch(t.Context())
	must(t, errors.Join(err, s.Close()))
	if e.Armed {
		t.Fatalf("a restore that was not finished left an armed journal of %d events", report.Events)
	}
}

func onlyThese(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var is []string
	for _, e := range entries {
		is = append(is, e.Name())
	}
	equal(t, "files of the directory", strings.Join(is, " "), strings.Join(names, " "))
}

// TestACopyThatFailsLeavesNothing: wherever a backup or a restore breaks off, its place is as empty as it was.
func TestACopyThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	backup, data := journal.Place{Path: filepath.Join(dir, "backup.db")}, filepath.Join(dir, "data")
	lived(t, backup.Path, 3)
	must(t, os.Mkdir(data, 0o700))
	to := journal.Place{Path: filepath.Join(data, "galen.db")}
	failed := 0
	for at := 1; ; at += 4 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		tell := func(string, int64) {
			if n++; n == at {
				cancel()
			}
		}
		var err error
		if at%8 == 1 {
			_, err = journal.Move(ctx, backup, to, tell)
		} else {
			_, err = journal.Restore(ctx, backup, to, restored(), tell)
		}
		cancel()
		if err == nil {
			break
		}
		failed++
		onlyThese(t, data)
	}
	if failed < 6 {
		t.Errorf("it broke off only %d times", failed)
	}
	onlyThese(t, data, "galen.db")
}

// TestTwoCopiesIntoOneFile: the second one is refused, and disturbs the first by nothing.
func TestTwoCopiesIntoOneFile(t *testing.T) {
	dir := t.TempDir()
	from, to := journal.Place{Path: filepath.Join(t.TempDir(), "a.db")}, journal.Place{Path: filepath.Join(dir, "b.db")}
	lived(t, from.Path, 3)
	tried := false
	_, err := journal.Move(t.Context(), from, to, func(string, int64) {
		if tried {
			return
		}
		tried = true
		if _, err := journal.Move(t.Context(), from, to, nil); err == nil || !strings.Contains(err.Error(), "is being written by another galen") {
			t.Errorf("the second: %v", err)
		}
	})
	must(t, err)
	sound(t, to.Path)
	onlyThese(t, dir, "b.db")
}

// TestWhatRootRestores belongs to the owner of the directory, as whom the engine works.
func TestWhatRootRestores(t *testing.T) {
	dir := t.TempDir()
	from, data := journal.Place{Path: filepath.Join(dir, "backup.db")}, filepath.Join(dir, "data")
	lived(t, from.Path, 1)
	must(t, os.Mkdir(data, 0o700))
	const nobody = 65534
	if os.Geteuid() == 0 {
		must(t, os.Chown(data, nobody, nobody))
	}
	to := journal.Place{Path: filepath.Join(data, "galen.db")}
	_, err := journal.Restore(t.Context(), from, to, restored(), nil)
	must(t, err)
	owners := map[string]*syscall.Stat_t{}
	for _, path := range []string{data, to.Path} {
		st, err := os.Stat(path)
		must(t, err)
		owners[path], _ = st.Sys().(*syscall.Stat_t)
	}
	equal(t, "user", owners[to.Path].Uid, owners[data].Uid)
	equal(t, "group", owners[to.Path].Gid, owners[data].Gid)
}
