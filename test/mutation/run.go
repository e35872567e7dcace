package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// runner runs test binaries in the folder of their package.
type runner struct {
	dir      string
	temp     string
	memory   int // of each process, in MB of addresses: a mutant may ask for more and more
	patience time.Duration
	alone    bool // nothing else runs, and what is late now never ends
}

// Of what is tried alone, as the multiple of its time before, and the bound of that.
const (
	aloneTimes = 10
	aloneMost  = 5 * time.Minute
)

// within is how long tests may take that took so long before anything was changed.
func (r runner) within(took time.Duration) time.Duration {
	within := r.patience + 5*took
	if r.alone {
		return max(2*within, min(aloneTimes*within, aloneMost))
	}
	return within
}

// outcome is how a run of tests ended.
type outcome struct {
	passed bool
	late   bool
	output string
	took   time.Duration
}

func (r runner) run(ctx context.Context, within time.Duration, chosen int, binary string, args ...string) (outcome, error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(limited, "prlimit", append([]string{fmt.Sprintf("--as=%d", r.memory<<20), binary}, args...)...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), mutationEnv+"="+strconv.Itoa(chosen))
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	err := cmd.Run()
	out := outcome{passed: err == nil, late: limited.Err() != nil, output: said.String(), took: time.Since(began)}
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); err != nil && !out.late && !errors.As(err, &exit) {
		return out, fmt.Errorf("run the tests of %s: %w", r.dir, err)
	}
	return out, nil
}

// covering is, by file and line, which tests come by, and how long each test takes.
type covering struct {
	tests []string
	lines map[string]map[int]map[string]bool
	took  map[string]time.Duration
}

// cover runs each test of a binary that was built with -cover by itself.
func (r runner) cover(ctx context.Context, binary string) (covering, error) {
	c := covering{lines: map[string]map[int]map[string]bool{}, took: map[string]time.Duration{}}
	list, err := r.run(ctx, time.Minute, 0, binary, "-test.list=.")
	if err != nil {
		return c, err
	}
	for name := range strings.Lines(list.output) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example") {
			c.tests = append(c.tests, name)
		}
	}
	for _, name := range c.tests {
		profile := filepath.Join(r.temp, "profile")
		out, err := r.run(ctx, 10*time.Minute, 0, binary, "-test.run=^"+name+"$", "-test.coverprofile="+profile)
		if err != nil {
			return c, err
		}
		if !out.passed {
			return c, fmt.Errorf("%s fails before anything is changed:\n%s", name, out.output)
		}
		c.took[name] = out.took
		if err := c.add(name, profile); err != nil {
			return c, err
		}
	}
	return c, nil
}

// add reads a profile: "import/path/file.go:line.column,line.column statements count".
func (c covering) add(test, profile string) error {
	f, err := os.Open(profile)
	if err != nil {
		return fmt.Errorf("read what %s covers: %w", test, err)
	}
	defer f.Close()
	block := regexp.MustCompile(`^.*/([^/]+\.go):(\d+)\.\d+,(\d+)\.\d+ \d+ (\d+)$`)
	for in := bufio.NewScanner(f); in.Scan(); {
		part := block.FindStringSubmatch(in.Text())
		if part == nil || part[4] == "0" {
			continue
		}
		first, err1 := strconv.Atoi(part[2])
		last, err2 := strconv.Atoi(part[3])
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("read what %s covers: %w", test, err)
		}
		lines := c.lines[part[1]]
		if lines == nil {
			lines = map[int]map[string]bool{}
			c.lines[part[1]] = lines
		}
		for line := first; line <= last; line++ {
			if lines[line] == nil {
				lines[line] = map[string]bool{}
			}
			lines[line][test] = true
		}
	}
	return nil
}

// of are the tests that can notice a mutant: those that enter its function, in two batches. The first are the quick ones,
// which together take no more than the slowest alone: most mutants die of them. A profile knows lines, too, but not all (the
// condition of a case is in none). Declarations outside of functions are in no profile.
func (c covering) of(m *mutant) (batches [][]string) {
	var tests []string
	for _, name := range c.tests {
		if m.in == nil || c.enters(name, m) {
			tests = append(tests, name)
		}
	}
	slices.SortStableFunc(tests, func(a, b string) int { return cmp.Compare(c.took[a], c.took[b]) })
	quick, took := 0, time.Duration(0)
	for quick < len(tests) {
		if took += c.took[tests[quick]]; took > c.took[tests[len(tests)-1]] {
			break
		}
		quick++
	}
	for _, batch := range [][]string{tests[:quick], tests[quick:]} {
		if len(batch) > 0 {
			batches = append(batches, batch)
		}
	}
	return batches
}

func (c covering) enters(test string, m *mutant) bool {
	first, last := m.source.set.Position(m.in.Pos()).Line, m.source.set.Position(m.in.End()).Line
	lines := c.lines[filepath.Base(m.File)]
	for line := first; line <= last; line++ {
		if lines[line][test] {
			return true
		}
	}
	return false
}

// try runs the tests that cover a mutant.
func (r runner) try(ctx context.Context, c covering, binary string, m *mutant) error {
	m.Status, m.Killer = uncovered, ""
	for _, tests := range c.of(m) {
		m.Status = survived
		var took time.Duration
		for _, name := range tests {
			took += c.took[name]
		}
		within := r.within(took)
		out, err := r.run(ctx, within, m.id, binary, "-test.failfast", "-test.timeout="+(within+time.Minute).String(), "-test.run=^("+strings.Join(tests, "|")+")$")
		switch {
		case err != nil:
			return err
		case out.late:
			m.Status = timedOut
			return nil
		case !out.passed:
			m.Status = killed
			if failed := regexp.MustCompile(`(?m)^--- FAIL: (\S+)`).FindStringSubmatch(out.output); failed != nil {
				m.Killer = failed[1]
			}
			return nil
		}
	}
	return nil
}

// each tries mutants, so many at once, and tells of each that has been tried.
func each(ctx context.Context, jobs int, mutants []*mutant, try func(context.Context, *mutant) error, told func(*mutant)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *mutant)
	var wait sync.WaitGroup
	var tell sync.Mutex
	for range jobs {
		wait.Go(func() {
			for m := range next {
				if err := try(ctx, m); err != nil {
					cancel(err)
					return
				}
				tell.Lock()
				told(m)
				tell.Unlock()
			}
		})
	}
	for _, m := range mutants {
		select {
		case next <- m:
		case <-ctx.Done():
		}
	}
	close(next)
	wait.Wait()
	return context.Cause(ctx)
}
