package lab

import (
	"bytes"
	"context"
	_ "embed" // the list of jars
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Version is the release of Cassandra that the lab runs.
const Version = "5.0.9"

//go:embed pom.xml
var pom []byte

// Native libraries of other systems, left out to fetch 60 MB instead of 75 MB.
const foreignNatives = "osx-aarch_64,osx-x86_64,windows-x86_64,linux-aarch_64,linux-aarch_64-fedora,linux-riscv64"

// Fetch makes sure that all jars of one node are in the cache and returns their folder.
//
// home is the cache folder; empty means $GALEN_CACHE/cassandra/5.0.9, or ~/.cache/galen/cassandra/5.0.9. The jars come by Maven,
// once: a file lock keeps other processes waiting, and the folder appears complete or not at all. progress, if not nil, is told
// what happens in one line at a time.
func Fetch(ctx context.Context, home string, progress func(string)) (lib string, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	if home == "" {
		if home, err = cacheFolder(); err != nil {
			return "", err
		}
	}
	lib = filepath.Join(home, "lib")
	if fetched(lib) {
		return lib, nil
	}
	if err := os.MkdirAll(home, 0o750); err != nil {
		return "", fmt.Errorf("make the jar cache: %w; set GALEN_CACHE to a folder that can be written", err)
	}
	lock, err := waitLock(ctx, filepath.Join(home, "fetch.lock"), progress)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if fetched(lib) {
		return lib, nil // another process fetched while we waited
	}
	return lib, download(ctx, home, lib, progress)
}

func cacheFolder() (string, error) {
	if root := os.Getenv("GALEN_CACHE"); root != "" {
		return filepath.Abs(filepath.Join(root, "cassandra", Version))
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the home folder for the jar cache: %w; set GALEN_CACHE", err)
	}
	return filepath.Join(user, ".cache", "galen", "cassandra", Version), nil
}

// fetched compares the list of jars that a folder was made from: a newer list means another fetch.
func fetched(lib string) bool {
	made, err := os.ReadFile(filepath.Join(lib, "pom.xml"))
	return err == nil && bytes.Equal(made, pom)
}

func download(ctx context.Context, home, lib string, progress func(string)) (err error) {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("find Maven, which fetches Cassandra: %w; install it: apt-get install maven", err)
	}
	if err := removeStale(home); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return fmt.Errorf("make a folder for the download: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), pom, 0o600); err != nil {
		return fmt.Errorf("write the list of jars: %w", err)
	}
	progress("fetching Cassandra " + Version + " by Maven (60 MB, 10-60 s, only this once)")
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-f", filepath.Join(tmp, "pom.xml"),
		"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
		"-DincludeScope=runtime", "-DexcludeClassifiers="+foreignNatives, "-DoutputDirectory="+filepath.Join(tmp, "lib"))
	out, err := runTied(cmd, tell(filepath.Join(tmp, "lib"), progress))
	if err != nil {
		return fmt.Errorf("fetch Cassandra by Maven: %w; is the registry reachable? Maven's last lines:\n%s", err, lastLines(out, 8))
	}
	if err := os.Rename(filepath.Join(tmp, "pom.xml"), filepath.Join(tmp, "lib", "pom.xml")); err != nil {
		return fmt.Errorf("stamp the jars: %w", err)
	}
	if err := os.RemoveAll(lib); err != nil {
		return fmt.Errorf("remove outdated jars: %w", err)
	}
	if err := os.Rename(filepath.Join(tmp, "lib"), lib); err != nil {
		return fmt.Errorf("put the jars in place: %w", err)
	}
	return nil
}

// removeStale removes what fetches left behind that were killed. It needs the file lock.
func removeStale(home string) error {
	stale, err := filepath.Glob(filepath.Join(home, "fetch-*"))
	if err != nil {
		return fmt.Errorf("look for interrupted downloads: %w", err)
	}
	var faults []error
	for _, folder := range stale {
		faults = append(faults, os.RemoveAll(folder))
	}
	return errors.Join(faults...)
}

// runTied runs a command that dies with this process, even if that is killed, and calls stop when it has ended.
func runTied(cmd *exec.Cmd, stop func()) ([]byte, error) {
	defer stop()
	runtime.LockOSThread() // the signal comes when the starting thread ends
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	return cmd.CombinedOutput()
}

// tell reports every few seconds how many jars have arrived, until stop is called.
func tell(folder string, progress func(string)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		began := time.Now()
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				jars, _ := filepath.Glob(filepath.Join(folder, "*.jar")) // the only error is a bad pattern
				progress(fmt.Sprintf("fetching Cassandra: %.0f s, %d of about 90 jars in place", time.Since(began).Seconds(), len(jars)))
			}
		}
	}()
	return func() { close(done); <-ended }
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
