package arch

import (
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

// A check that cannot fail checks nothing: each sample breaks one rule, and the checker must name it.

// sample is one file of a small tree and what must be said about it; want "" means nothing.
type sample struct {
	name, path, source, want string
}

func TestImportSamples(t *testing.T) {
	const module = `"` + modulePath
	rows := map[string]row{
		".":              {},
		"activities/one": {may: []string{"."}},
		"activities/two": {may: []string{"."}},
		"workflows":      {may: []string{".", "go.temporal.io/sdk/workflow"}},
		"internal/gate":  {may: []string{"."}, std: anyStd},
		"app":            {may: []string{"..."}, std: anyStd},
		"cmd/x":          {may: []string{"..."}, std: anyStd},
	}
	for _, s := range []sample{
		{"a kind uses the words", "activities/one/a.go", `import ` + module + `"`, ""},
		{"a kind imports another", "activities/one/a.go", `import ` + module + `/activities/two"`, "allows no such package"},
		{"so does its test", "activities/one/a_test.go", `import ` + module + `/activities/two"`, "allows no such package"},
		{"an outside test sees its package", "activities/one/a_test.go", `import ` + module + `/activities/one"`, ""},
		{"a test uses the test libraries", "activities/one/a_test.go", `import "pgregory.net/rapid"`, ""},
		{"other code does not", "activities/one/a.go", `import "pgregory.net/rapid"`, "no such other package"},
		{"the words do network", "a.go", `import "net/http"`, "pure"},
		{"the words read files", "a.go", `import "os"`, "pure"},
		{"the words read files in a test", "a_test.go", `import "os"`, ""},
		{"a kind parses an address", "activities/one/a.go", `import "net/netip"`, ""},
		{"a kind throws dice", "activities/one/a.go", `import "math/rand/v2"`, "pure"},
		{"the gate reads files", "internal/gate/a.go", `import "os"`, ""},
		{"the gate sees a foreign module", "internal/gate/a.go", `import "github.com/spf13/cobra"`, "no such other package"},
		{"app sees the gate", "app/a.go", `import ` + module + `/internal/gate"`, ""},
		{"app sees cmd", "app/a.go", `import ` + module + `/cmd/x"`, "nothing below cmd"},
		{"cmd sees app", "cmd/x/b.go", `import ` + module + `/app"`, ""},
		{"one file of workflows knows Temporal", "workflows/a.go", `import "go.temporal.io/sdk/workflow"`, ""},
		{"workflows sees more of Temporal", "workflows/a.go", `import "go.temporal.io/sdk/client"`, "no such other package"},
		{"a package without a row", "internal/new/a.go", ``, "a package without a row"},
	} {
		t.Run(s.name, func(t *testing.T) {
			source := fstest.MapFS{}
			for folder := range rows {
				source[path.Join(folder, "z.go")] = &fstest.MapFile{Data: []byte("package z\n")}
			}
			source[s.path] = &fstest.MapFile{Data: []byte("package z\n" + s.source + "\n")}
			expect(t, importFaults(parse(t, source), rows), s.want)
		})
	}

	t.Run("two files of workflows know Temporal", func(t *testing.T) {
		knows := &fstest.MapFile{Data: []byte("package z\nimport \"go.temporal.io/sdk/workflow\"\n")}
		source := fstest.MapFS{"workflows/a.go": knows, "workflows/b.go": knows}
		expect(t, importFaults(parse(t, source), map[string]row{"workflows": rows["workflows"]}), "only one file")
	})
	t.Run("a row without a package", func(t *testing.T) {
		expect(t, importFaults(parse(t, fstest.MapFS{}), map[string]row{"gone": {}}), "without a package")
	})
}

func TestLawSamples(t *testing.T) {
	for _, s := range []sample{
		{"a clean file", "a.go", "var errGone = errors.New(`x`)\nvar text = reflect.TypeFor[T]()\nvar word = regexp.MustCompile(`x`)\nvar _ I = T{}\n\n//go:embed x\nvar text string", ""},
		{"an error named again", "a.go", "var ErrGone = galen.ErrGone", ""},
		{"another variable named again", "a.go", "var Gone = galen.Gone", "package variable Gone"},
		{"init", "a.go", "func init() {}", "init"},
		{"a method named init", "a.go", "func (T) init() {}", ""},
		{"a package variable", "a.go", "var table = map[string]int{}", "package variable table"},
		{"the second of two", "a.go", "var errA, b = errors.New(`a`), 1", "package variable b"},
		{"a package variable in a test", "a_test.go", "var update = flag.Bool(`update`, false, ``)", ""},
		{"a local variable", "a.go", "func f() { var x int; _ = x }", ""},
		{"a long function", "a.go", "func f() {\n" + strings.Repeat("\n", maxFunctionLines+1) + "}", "f has 61 lines"},
		{"the longest function", "a.go", "func f() {\n" + strings.Repeat("\n", maxFunctionLines-1) + "}", ""},
		{"a long file", "a.go", strings.Repeat("\n", maxFileLines), "more than 500"},
		{"a generated file", "a.gen.go", "var x = 1" + strings.Repeat("\n", maxFileLines), ""},
		{"a fat interface", "a.go", "type I interface { A(); B(); C(); D(); E(); F() }", "interface of 6"},
		{"a context in a struct", "a.go", "type T struct { ctx context.Context }", "context in a struct"},
		{"a context second", "a.go", "func f(a int, ctx context.Context) {}", "not the first argument"},
		{"a context second in a method type", "a.go", "type F func(a int, ctx context.Context)", "not the first argument"},
		{"a context after the test", "a_test.go", "func f(t *testing.T, ctx context.Context) {}", ""},
		{"the real clock", "internal/gate/a.go", "func f() { _ = time.Now() }", "real clock"},
		{"the real clock as a value", "internal/gate/a.go", "func f() { g(time.Now) }", "real clock"},
		{"the real clock by its age", "internal/gate/a.go", "func f() { _ = time.Since(x) }", "real clock"},
		{"the real clock in app", "app/a.go", "func f() { _ = time.Now() }", ""},
		{"the real clock in cmd", "cmd/galen/a.go", "func f() { _ = time.Now() }", ""},
		{"a timer in an adapter", "internal/watch/a.go", "func f() { time.Sleep(1) }", ""},
		{"a timer in a kind", "activities/cassandra/a.go", "func f() { time.Sleep(1) }", "waits on the real clock"},
		{"a shell", "a.go", "func f() { exec.Command(`x`, \"sh\", \"-c\") }", "starts a shell"},
		{"a program", "a.go", "func f() { exec.Command(\"java\", \"-version\") }", ""},
	} {
		t.Run(s.name, func(t *testing.T) {
			source := fstest.MapFS{s.path: {Data: []byte("// Package z is a sample.\npackage z\n" + s.source + "\n")}}
			expect(t, lawFaults(parse(t, source)), s.want)
		})
	}
	t.Run("no package comment", func(t *testing.T) {
		expect(t, lawFaults(parse(t, fstest.MapFS{"a.go": {Data: []byte("package z\n")}})), "no package comment")
	})
	t.Run("a name that says nothing", func(t *testing.T) {
		expect(t, lawFaults(parse(t, fstest.MapFS{"a.go": {Data: []byte("// Package util is a sample.\npackage util\n")}})), "package util")
	})
}

func TestLoadLeavesOutWhatGoLeavesOut(t *testing.T) {
	source := fstest.MapFS{}
	for _, name := range []string{"a.go", "testdata/b.go", ".cache/c.go", "_old/d.go", "bin/e.go", "x/testdata/f.go", "readme.md"} {
		source[name] = &fstest.MapFile{Data: []byte("package z\n")}
	}
	if got := parse(t, source).names(); len(got) != 1 || got[0] != "." {
		t.Errorf("folders %q, want only the root", got)
	}
}

func TestLoadSaysWhichFileIsBroken(t *testing.T) {
	_, err := load(fstest.MapFS{"x/a.go": {Data: []byte("package")}})
	if err == nil || !strings.Contains(err.Error(), "x/a.go") {
		t.Errorf("error %v, want one that names x/a.go", err)
	}
}

func parse(t *testing.T, source fstest.MapFS) tree {
	t.Helper()
	parsed, err := load(source)
	if err != nil {
		t.Fatalf("parse the sample: %v", err)
	}
	return parsed
}

// expect wants exactly one fault with the given text, or none.
func expect(t *testing.T, faults []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(faults) > 0:
		t.Errorf("faults %q, want none", faults)
	case want != "" && (len(faults) != 1 || !strings.Contains(faults[0], want)):
		t.Errorf("faults %q, want one that says %q", faults, want)
	}
}
