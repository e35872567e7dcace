package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// builder makes test binaries of a package in which some files have other texts. Nothing is written to the package.
type builder struct {
	dir  string // of the package
	temp string
	tags string
}

// build makes a test binary. A package that does not compile is no error: faults are what the compiler says.
func (b builder) build(ctx context.Context, out string, files map[string]string, more ...string) (faults string, err error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range files {
		made := filepath.Join(b.temp, filepath.Base(path))
		if err := os.WriteFile(made, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write a mutated file: %w", err)
		}
		overlay.Replace[path] = made
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	list := filepath.Join(b.temp, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	args := append([]string{"test", "-c", "-vet=off", "-gcflags=-e", "-tags=" + b.tags, "-overlay=" + list, "-o", out}, more...)
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = b.dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil || cmd.ProcessState == nil {
			return "", fmt.Errorf("build the tests of %s: %w", b.dir, err)
		}
		return said.String(), nil
	}
	return "", nil
}

// maxRounds of building bound the search for mutants that do not compile: some faults show only when others are gone.
const maxRounds = 8

// buildAll builds all mutants that stand in functions into one binary, and marks those that do not compile.
func (b builder) buildAll(ctx context.Context, out, pkg string, sources []*source) error {
	for range maxRounds {
		files := map[string]string{preludePath(b.dir): prelude(pkg)}
		spans := map[string][]span{}
		for _, s := range sources {
			var mutants []*mutant
			for _, m := range s.mutants {
				if m.in != nil && m.Status != invalid {
					mutants = append(mutants, m)
				}
			}
			files[s.path], spans[filepath.Base(s.path)] = s.withCopies(mutants)
		}
		faults, err := b.build(ctx, out, files)
		if err != nil || faults == "" {
			return err
		}
		if exclude(faults, spans) == 0 {
			return fmt.Errorf("the tests of %s with mutants do not compile:\n%s", b.dir, faults)
		}
	}
	return fmt.Errorf("the tests of %s with mutants do not compile after %d rounds of leaving out", b.dir, maxRounds)
}

// exclude marks the mutants in which the compiler found faults, and counts them.
func exclude(faults string, spans map[string][]span) int {
	fault := regexp.MustCompile(`(?m)^(?:vet: )?(\S+\.go):(\d+):\d+: `)
	n := 0
	for _, f := range fault.FindAllStringSubmatch(faults, -1) {
		line, err := strconv.Atoi(f[2])
		if err != nil {
			continue // more digits than a line has
		}
		for _, at := range spans[filepath.Base(f[1])] {
			if at.first <= line && line <= at.last && at.mutant.Status != invalid {
				at.mutant.Status = invalid
				n++
			}
		}
	}
	return n
}

// buildOne builds a mutant that stands outside of functions.
func (b builder) buildOne(ctx context.Context, out, pkg string, m *mutant) (compiles bool, err error) {
	faults, err := b.build(ctx, out, map[string]string{preludePath(b.dir): prelude(pkg), m.source.path: m.source.alone(m)})
	if err == nil && faults != "" && !strings.Contains(faults, filepath.Base(m.source.path)) {
		return false, fmt.Errorf("the tests of %s do not compile:\n%s", b.dir, faults)
	}
	return faults == "", err
}
