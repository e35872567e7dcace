package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// board takes the figures of `make bench`, prints them and keeps them for the table in docs.
type board struct {
	cache  string // the folder .cache
	slack  float64
	rounds int           // of each program in turns
	long   time.Duration // a round
	rows   []line
}

type line struct {
	what, is, goal string
	met            bool
}

// row adds a figure; one that misses its goal is an error.
func (b *board) row(what, is, goal string, met bool) error {
	b.rows = append(b.rows, line{what, is, goal, met})
	fmt.Printf("%-64s %14s   %s\n", what, is, goal)
	if met {
		return nil
	}
	return errors.New(what + " is " + is + ", its goal " + goal)
}

// save writes the table.
func (b *board) save(path string) error {
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	var t strings.Builder
	fmt.Fprintf(&t, head, strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOARCH, processor(), load())
	for _, r := range b.rows {
		mark := ""
		if !r.met {
			mark = " **missed**"
		}
		fmt.Fprintf(&t, "| %s | %s | %s%s |\n", strings.TrimSpace(r.what), r.is, r.goal, mark)
	}
	if err := os.WriteFile(path, []byte(t.String()), 0o600); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err.Error()
	}
	_, rest, _ := strings.Cut(string(b), "model name")
	name, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(name, "\t :")
}

const head = `# Benchmarks

` + "`make bench`" + ` writes this page. It measures a whole engine as a child process, as ` + "`galen serve`" + ` runs it with the embedded Temporal server and a journal in
SQLite (WAL, synchronous FULL, group commit: synced before the 2xx), over 200 small resources of the kind *fake*. Who posts runs on the same machine. Programs that are compared
take turns, the empty handler before and after each of the others, and post alerts that are each a new one, which begins as it is posted; Alertmanager is Debian's 0.25.0, ansible-rulebook 1.3.2 with its
webhook source and one rule that does nothing. Neither stores what it takes. A figure of a machine that does other things at the same time says little but the ratios.

Commit %s, %s; %d processors (%s, %s); load before the table was written: %s.

| what | is | goal |
|---|---|---|
`
