// Package pgtest starts PostgreSQL clusters of their own for tests: from Debian's package, in a temporary directory, on a
// Unix socket, as an unprivileged user, never as a service of the machine. They die with the test, however it ends.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
)

// User owns every cluster and database.
const User = "galen"

// within bounds every step: a machine that compiles at the same time is slow.
const within = time.Minute

// nobody is the user that a test of root starts the server as: it refuses root.
const nobody = 65534

// Cluster is a running server.
type Cluster struct {
	t       testing.TB
	bin     string
	dir     string // of data and socket
	options []string
	cmd     *exec.Cmd
	exited  chan error
	out     *bytes.Buffer // read after exited
}

// Start makes a cluster and starts it, with more options for the server if need be. It ends with the test.
func Start(t testing.TB, options ...string) *Cluster {
	t.Helper()
	c := prepare(t)
	c.options = options
	c.tool("initdb", "-D", c.data(), "-U", User, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	c.Boot()
	return c
}

// Standby copies the cluster into a second one that follows it, and makes every commit wait for the copy.
func (c *Cluster) Standby() *Cluster {
	c.t.Helper()
	s := prepare(c.t)
	s.tool("pg_basebackup", "-D", s.data(), "-h", c.dir, "-U", User, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
	s.Boot()
	c.SQL("ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.SQL("SELECT pg_reload_conf()")
	c.until("the standby follows in step", func(ctx context.Context, db *sql.DB) (bool, error) {
		var n int
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&n)
		return n == 1, err
	})
	return s
}

// Promote makes a standby the primary.
func (c *Cluster) Promote() {
	c.t.Helper()
	c.SQL("ALTER SYSTEM RESET synchronous_standby_names") // of the copied configuration
	c.tool("pg_ctl", "promote", "-w", "-D", c.data())
}

// URL is a connection string for a schema of the cluster, which is made if need be.
func (c *Cluster) URL(schema string) string {
	c.t.Helper()
	c.SQL("CREATE SCHEMA IF NOT EXISTS " + schema)
	return "host=" + c.dir + c.rest(schema)
}

// URLs is URL for whichever of the clusters can be written.
func URLs(schema string, all ...*Cluster) string {
	var hosts []string
	for _, c := range all {
		hosts = append(hosts, c.dir)
	}
	return "host=" + strings.Join(hosts, ",") + all[0].rest(schema)
}

func (c *Cluster) rest(schema string) string {
	return " user=" + User + " dbname=postgres sslmode=disable search_path=" + schema
}

// Socket is the Unix socket that the cluster listens on.
func (c *Cluster) Socket() string { return filepath.Join(c.dir, ".s.PGSQL.5432") }

// Through is URL by way of another directory with a socket: of a proxy.
func (c *Cluster) Through(dir, schema string) string { return "host=" + dir + c.rest(schema) }

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// prepare finds the programs and makes a directory that the server's user owns.
func prepare(t testing.TB) *Cluster {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "galen-pg-") // short: a socket's path is at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return &Cluster{t: t, bin: bin, dir: dir}
}

// programs finds the folder with initdb: what build/setup linked, or Debian's.
func programs() (string, error) {
	var tried []string
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("where are we: %w", err)
	}
	for ; folder != "/"; folder = filepath.Dir(folder) {
		tried = append(tried, filepath.Join(folder, ".cache", "postgres", "bin"))
	}
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	for _, bin := range append(tried, debian...) {
		if _, err := os.Stat(filepath.Join(bin, "initdb")); err == nil {
			return bin, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for PostgreSQL: %w", err)
		}
	}
	return "", errors.New("PostgreSQL is not installed: run build/setup postgres")
}

func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + c.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// tool runs a program of PostgreSQL to its end.
func (c *Cluster) tool(name string, args ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	runtime.LockOSThread() // Pdeathsig means the death of the thread
	defer runtime.UnlockOSThread()
	if out, err := c.command(ctx, name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Boot starts the server on its data, after a kill too, and waits until it answers.
func (c *Cluster) Boot() {
	c.t.Helper()
	c.out, c.exited = new(bytes.Buffer), make(chan error, 1)
	// What a kill of the server can lose is the operating system's to keep: fsync is for a machine that dies.
	c.cmd = c.command(context.Background(), "postgres", append([]string{"-D", c.data(), "-k", c.dir, "-h", "", "-F", "-c", "max_connections=40",
		"-c", "shared_buffers=32MB", "-c", "wal_keep_size=64MB"}, c.options...)...)
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	started := make(chan error, 1)
	cmd, exited := c.cmd, c.exited
	go func() {
		runtime.LockOSThread() // the thread stays as long as the server
		err := cmd.Start()
		started <- err
		if err == nil {
			exited <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.end(cmd, exited) })
	c.until("the server answers", func(ctx context.Context, db *sql.DB) (bool, error) { return true, db.PingContext(ctx) })
}

// until polls, and shows the server's log when it takes too long.
func (c *Cluster) until(what string, is func(context.Context, *sql.DB) (bool, error)) {
	c.t.Helper()
	db := c.open()
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		var ok bool
		if ok, err = is(ctx, db); ok && err == nil {
			return
		}
		select {
		case exit := <-c.exited:
			c.exited <- exit
			c.t.Fatalf("%s: the server ended: %v\n%s", what, exit, c.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
	c.t.Fatalf("%s: not within %s: %v", what, within, err)
}

func (c *Cluster) open() *sql.DB {
	c.t.Helper()
	db, err := sql.Open("pgx", "host="+c.dir+c.rest("public"))
	if err != nil {
		c.t.Fatal(err)
	}
	return db
}

// SQL runs one statement as the owner.
func (c *Cluster) SQL(text string) {
	c.t.Helper()
	db := c.open()
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if _, err := db.ExecContext(ctx, text); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
}

// Kill ends the server and all its processes as a power cut would.
func (c *Cluster) Kill() {
	c.t.Helper()
	c.end(c.cmd, c.exited)
}

func (c *Cluster) end(cmd *exec.Cmd, exited chan error) {
	c.t.Helper()
	children := childrenOf(cmd.Process.Pid)
	for _, pid := range append([]int{cmd.Process.Pid}, children...) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			c.t.Error(err)
		}
	}
	err := <-exited
	exited <- err // for whoever asks again
}

// childrenOf lists the processes that a process has started.
func childrenOf(parent int) []int {
	var out []int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state ppid …: the name may hold anything but is closed by the last bracket.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out
}
