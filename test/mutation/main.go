package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	least  float64
	jobs   int
	sample int
	seed   uint64
	part   string
	memory int
	tags   string
	output string
	again  string
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	flags := flag.NewFlagSet("mutation", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.Float64Var(&o.least, "least", 90, "fail below so many percent killed")
	flags.IntVar(&o.jobs, "jobs", 2, "so many mutants at once")
	flags.IntVar(&o.sample, "sample", 0, "only so many mutants, drawn by -seed; 0: all")
	flags.Uint64Var(&o.seed, "seed", 1, "of the sample")
	flags.StringVar(&o.part, "part", "1/1", "only this part of them: 2/5 is the second fifth")
	flags.IntVar(&o.memory, "memory", 3072, "MB of addresses that a test may take")
	flags.StringVar(&o.tags, "tags", "mutation", "build tags of the tests")
	flags.StringVar(&o.output, "o", "text", "text, or json")
	flags.StringVar(&o.again, "again", "", "only those that a report in JSON names as survivors")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || o.output != "text" && o.output != "json" {
		return errors.New("give one folder of a package, or a pattern of files in one, from the root of the repository; -o is text or json")
	}
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	r, err := test(ctx, root, flags.Arg(0), o, progress)
	if err != nil {
		return err
	}
	wrong := unmask(r.Mutants)
	r.count()
	if o.output == "json" {
		err = r.writeJSON(out)
	} else {
		err = r.writeText(out)
	}
	if r.Score < o.least {
		err = errors.Join(err, fmt.Errorf("%s: %.1f %% killed, at least %.1f %% are wanted", r.Of, r.Score, o.least))
	}
	return errors.Join(err, wrong)
}

// repository is the folder of go.work.
func repository(ctx context.Context) (string, error) {
	work, err := exec.CommandContext(ctx, "go", "env", "GOWORK").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for the workspace: %w", err)
	}
	path := strings.TrimSpace(string(work))
	if path == "" || path == "off" {
		return "", errors.New("no go.work found: run it within the repository")
	}
	return filepath.Dir(path), nil
}

// find reads the files of a package that a folder or a pattern names, without its tests.
func find(root, pattern string) (dir string, sources []*source, err error) {
	path := filepath.Join(root, pattern)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "*.go")
	}
	names, err := filepath.Glob(path)
	if err != nil {
		return "", nil, fmt.Errorf("look for %s: %w", path, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		s, err := read(root, name)
		if err != nil {
			return "", nil, err
		}
		sources = append(sources, s)
	}
	if len(sources) == 0 {
		return "", nil, fmt.Errorf("no Go files at %s", path)
	}
	return filepath.Dir(path), sources, nil
}

// test makes the mutants, builds them, and runs the tests on each.
func test(ctx context.Context, root, pattern string, o options, progress io.Writer) (_ *report, err error) {
	dir, sources, err := find(root, pattern)
	if err != nil {
		return nil, err
	}
	if err := mark(equivalentList, sources); err != nil {
		return nil, err
	}
	mutants, err := choose(sources, o)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "mutation-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for test binaries: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	l := laboratory{
		builder: builder{dir: dir, temp: temp, tags: o.tags}, pkg: sources[0].syntax.Name.Name,
		runner: runner{dir: dir, temp: temp, memory: o.memory, patience: 10 * time.Second},
	}
	fmt.Fprintf(progress, "%s: %d mutants; building them\n", pattern, len(mutants))
	if err := l.prepare(ctx, sources); err != nil {
		return nil, err
	}
	began, done := time.Now(), 0
	err = l.tryAll(ctx, o.jobs, mutants, func(m *mutant) {
		if done++; done%50 == 0 {
			fmt.Fprintf(progress, "%s: %d of %d in %s, last: %s\n", pattern, done, len(mutants), time.Since(began).Round(time.Second), m.Status)
		}
	})
	if err != nil {
		return nil, err
	}
	return newReport(pattern, mutants), nil
}

// choose numbers all mutants and leaves in the sources those that are asked for.
func choose(sources []*source, o options) ([]*mutant, error) {
	var all []*mutant
	for _, s := range sources {
		all = append(all, s.mutants...)
	}
	for i, m := range all {
		m.id = i + 1
	}
	if o.again != "" {
		old, err := survivors(o.again)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(m *mutant) bool { return !old[m.name()] })
	}
	all, err := part(all, o.part)
	if err != nil {
		return nil, err
	}
	if o.sample > 0 && o.sample < len(all) {
		rand.New(rand.NewPCG(o.seed, o.seed)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:o.sample]
	}
	for _, s := range sources {
		s.mutants = slices.DeleteFunc(s.mutants, func(m *mutant) bool { return !slices.Contains(all, m) })
	}
	return all, nil
}

// part leaves every nth mutant, from the kth on.
func part(all []*mutant, which string) ([]*mutant, error) {
	var k, n int
	if _, err := fmt.Sscanf(which, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return nil, fmt.Errorf("-part is %q: want K/N with K from 1 to N", which)
	}
	var out []*mutant
	for i := k - 1; i < len(all); i += n {
		out = append(out, all[i])
	}
	return out, nil
}

// survivors are the names of those in a report.
func survivors(path string) (map[string]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the last report: %w", err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the last report %s: %w", path, err)
	}
	out := map[string]bool{}
	for _, m := range r.Mutants {
		if m.Status == survived || m.Status == uncovered {
			out[m.name()] = true
		}
	}
	return out, nil
}

// laboratory builds and runs the mutants of one package.
type laboratory struct {
	builder  builder
	runner   runner
	pkg      string
	binary   string
	covering covering
}

// prepare builds all mutants, and finds out which tests enter which functions.
func (l *laboratory) prepare(ctx context.Context, sources []*source) error {
	covered := filepath.Join(l.runner.temp, "covered.test")
	faults, err := l.builder.build(ctx, covered, nil, "-cover")
	if err == nil && faults != "" {
		err = fmt.Errorf("the tests of %s do not compile before anything is changed:\n%s", l.builder.dir, faults)
	}
	if err != nil {
		return err
	}
	if l.covering, err = l.runner.cover(ctx, covered); err != nil {
		return err
	}
	l.binary = filepath.Join(l.runner.temp, "mutants.test")
	return l.builder.buildAll(ctx, l.binary, l.pkg, sources)
}

// tryAll tries mutants, so many at once. One that was late may have been so because the machine is busy: it is tried again,
// alone and with much more time, before it passes for noticed.
func (l *laboratory) tryAll(ctx context.Context, jobs int, mutants []*mutant, told func(*mutant)) error {
	if err := each(ctx, jobs, mutants, l.try, told); err != nil {
		return err
	}
	late := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return m.Status != timedOut })
	patient := *l
	patient.runner.alone = true
	return each(ctx, 1, late, patient.try, told)
}

func (l *laboratory) try(ctx context.Context, m *mutant) (err error) {
	if m.Status == invalid {
		return nil
	}
	if m.in != nil {
		return l.runner.try(ctx, l.covering, l.binary, m)
	}
	temp, err := os.MkdirTemp(l.runner.temp, "alone-")
	if err != nil {
		return fmt.Errorf("make a folder for a test binary: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	binary := filepath.Join(temp, "mutant.test")
	b := l.builder
	b.temp = temp
	compiles, err := b.buildOne(ctx, binary, l.pkg, m)
	if err != nil {
		return err
	}
	if !compiles {
		m.Status = invalid
		return nil
	}
	return l.runner.try(ctx, l.covering, binary, m)
}
