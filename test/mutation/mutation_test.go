package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOperators shows every operator on the smallest code that has it.
func TestOperators(t *testing.T) {
	for _, c := range []struct {
		code string
		want []string
	}{
		{`func f(a, b int) bool { return a < b }`, []string{"a < b => !(a < b)", "a < b => a <= b", "a < b => a >= b"}},
		{`func f(a, b bool) { if a && b { g() } }`, []string{"a && b => a", "a && b => a || b", "a && b => b", "a && b => false", "a && b => true", "g() => (deleted)"}},
		{`func f(a bool) { for a { break } }`, []string{"a => false", "break => (deleted)", "break => continue"}},
		{`func f(a int) { switch { case a == 0: g() } }`, []string{"0 => 1", "a == 0 => a != 0", "a == 0 => false", "a == 0 => true", "g() => (deleted)"}},
		{`func f(a string) { switch a { case "x": g() } }`, []string{`"x" => "mutation"`, "g() => (deleted)"}},
		{`func f() (bool, error) { return true, g() }`, []string{"g() => nil", "true => false"}},
		{`func f() (bool, error) { return g() }`, []string{"g() => *new(bool), *new(error)"}},
		{`func f() (string, error) { return "", nil }`, []string{`"" => "mutation"`, "nil => errMutation"}},
		{`func f(a int) (T, int) { return T{a}, a }`, []string{"T{a} => *new(T)", "a => (a) + 1", "a => (left out)"}},
		{`func f() T { return T{} }`, nil},
		{`func f(a []int) { a = append(a, 1) }`, []string{"1 => 2", "a = append(a, 1) => (deleted)"}},
		{`func f(a []int) { a = nil }`, []string{"a = nil => (deleted)"}},
		{`func f(a int) { a++; a += 1 }`, []string{"1 => 2", "a += 1 => (deleted)", "a += 1 => a -= 1", "a++ => (deleted)", "a++ => a--"}},
		{`func f(a bool) bool { g := func() int { return 1 }; return !a }`, []string{"!a => !(!a)", "!a => a", "1 => (1) + 1", "1 => 2"}},
		{`func f(a int) { g(min(a, -a), make([]int, 0, 7), [3]int{}) }`, []string{"-a => a", "0 => 1", "g(min(a, -a), make([]int, 0, 7), [3]int{}) => (deleted)", "min => max"}},
		{`const c = 2 * d`, []string{"2 * d => 2 / d", "2 => 3"}},
	} {
		s, err := parse("f.go", "f.go", "package p\n"+c.code)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range s.mutants {
			got = append(got, m.From+" => "+m.To)
			if m.Line != 2 {
				t.Errorf("%s is said to be in line %d", m.name(), m.Line)
			}
			if _, err := parse("f.go", "f.go", s.alone(m)); err != nil {
				t.Errorf("%s is no Go: %v", m.name(), err)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.code, d)
		}
	}
}

const small = `package small

const limit = 10

type box struct{ n int }

// Full is tested well, but for its limit.
func (b box) Full() bool { return b.n > limit }

// Sum has parameters of every form.
func Sum(_ string, more ...int) (n int) {
	for i := 0; i < len(more); i++ {
		n += more[i]
	}
	return n
}

// Forgotten is called by no test.
func Forgotten(int) bool { return true }

// Weak is called, and nobody looks at what it did.
func (box) Weak(on *bool) {
	*on = true
}
`

const smallTest = `package small

import "testing"

func TestAll(t *testing.T) {
	if (box{3}).Full() || !(box{30}).Full() {
		t.Error("full")
	}
	if Sum("", 1, 2) != 3 || Sum("") != 0 {
		t.Error("sum")
	}
	on := false
	box{}.Weak(&on)
}
`

// laid lays a package out for a test.
func laid(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.test\n\ngo 1.26\n", "small/small.go": small, "small/small_test.go": smallTest} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestWhatTestsNotice(t *testing.T) {
	t.Setenv("GOWORK", "off")
	r, err := test(t.Context(), laid(t), "small", options{jobs: 2, memory: 4096, part: "1/1"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]status{}
	for _, m := range r.Mutants {
		got[fmt.Sprintf("%s: %s => %s", m.Func, m.From, m.To)] = m.Status
	}
	for name, want := range map[string]status{
		": 10 => 11":                            survived,
		"box.Full: b.n > limit => b.n >= limit": survived,
		"box.Full: b.n > limit => b.n <= limit": killed,
		"Sum: i < len(more) => i <= len(more)":  killed,
		"Sum: i < len(more) => false":           killed,
		"Sum: 0 => 1":                           killed,
		"Sum: i++ => i--":                       killed,
		"Sum: n => (n) + 1":                     killed,
		"Forgotten: true => false":              uncovered,
		"box.Weak: true => false":               survived,
		"box.Weak: *on = true => (deleted)":     survived,
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if alive := r.Counts[survived] + r.Counts[uncovered]; r.Score <= 0 || r.Score >= 100 || alive != 5 {
		t.Errorf("score %.1f, %d alive: %v", r.Score, alive, r.Counts)
	}
	var text strings.Builder
	if err := r.writeText(&text); err != nil || !strings.Contains(text.String(), "small/small.go:8") || !strings.Contains(text.String(), "b.n >= limit") {
		t.Errorf("%v:\n%s", err, text.String())
	}
}

// TestWhatIsLateIsTriedAgain: alone and with more time, and only what is late then, too, counts as noticed.
func TestWhatIsLateIsTriedAgain(t *testing.T) {
	const patience = time.Second
	for name, c := range map[string]struct {
		patience time.Duration
		again    string // what the tests do from the second time on
		want     status
		killer   string
	}{
		"passes":   {patience, `mkdir alone && sleep 0.1 && rmdir alone`, survived, ""},
		"fails":    {patience, `echo "--- FAIL: TestA (0.1s)"; exit 1`, killed, "TestA"},
		"is late":  {patience / 10, `exec sleep 60`, timedOut, ""},
		"had time": {patience, `sleep 2`, survived, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := parse("f.go", "f.go", "package p\n\nfunc f(a int) bool { return a < 1 }\n")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			binary := filepath.Join(dir, "mutants.test")
			script := "#!/bin/sh\nif mkdir seen$" + mutationEnv + " 2>/dev/null; then exec sleep 60; fi\n" + c.again + "\n"
			if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			for i, m := range s.mutants {
				m.id = i + 1
			}
			l := laboratory{
				binary: binary, runner: runner{dir: dir, temp: dir, memory: 4096, patience: c.patience},
				covering: covering{tests: []string{"TestA"}, lines: map[string]map[int]map[string]bool{"f.go": {3: {"TestA": true}}}},
			}
			if err := l.tryAll(t.Context(), 2, s.mutants, func(*mutant) {}); err != nil {
				t.Fatal(err)
			}
			for _, m := range s.mutants {
				if m.Status != c.want || m.Killer != c.killer {
					t.Errorf("%s is %q by %q, want %q by %q", m.name(), m.Status, m.Killer, c.want, c.killer)
				}
			}
		})
	}
}

// TestAConstantIsTriedAgain: it is built anew.
func TestAConstantIsTriedAgain(t *testing.T) {
	t.Setenv("GOWORK", "off")
	dir, sources, err := find(laid(t), "small")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(sources[0].mutants, func(m *mutant) bool { return m.in == nil })
	temp := t.TempDir()
	l := laboratory{
		builder: builder{dir: dir, temp: temp}, runner: runner{dir: dir, temp: temp, memory: 4096, patience: time.Minute}, pkg: "small",
		covering: covering{tests: []string{"TestAll"}},
	}
	for range 2 {
		m := sources[0].mutants[i]
		if m.Status = ""; l.try(t.Context(), m) != nil || m.Status != survived {
			t.Errorf("%s: %q, %v", m.name(), m.Status, l.try(t.Context(), m))
		}
	}
}

// TestPatience: who is alone has ten times as long, at most some minutes, but more than before.
func TestPatience(t *testing.T) {
	for took, want := range map[time.Duration][2]time.Duration{
		0:                {10 * time.Second, 100 * time.Second},
		2 * time.Second:  {20 * time.Second, 200 * time.Second},
		time.Minute:      {310 * time.Second, 620 * time.Second},
		10 * time.Second: {time.Minute, aloneMost},
	} {
		r := runner{patience: 10 * time.Second}
		first := r.within(took)
		r.alone = true
		if got := [2]time.Duration{first, r.within(took)}; got != want {
			t.Errorf("%s: %v, want %v", took, got, want)
		}
	}
}

// TestAReportTellsTimeOutsApart from failures.
func TestAReportTellsTimeOutsApart(t *testing.T) {
	var mutants []*mutant
	for _, s := range []status{killed, killed, timedOut, survived, equivalent, invalid} {
		mutants = append(mutants, &mutant{File: string(s), Status: s})
	}
	r := newReport("p", mutants)
	if r.Score != 75 || r.Failed != 50 {
		t.Errorf("score %v, %v failed", r.Score, r.Failed)
	}
	var text strings.Builder
	if err := r.writeText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"75.0 % of 4 mutants killed: 2 failed a test (50.0 %), 1 timed out, again when alone; 1 survived", "timed out  timed out:0"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

// TestWhatDoesNotCompile is left out, wherever it stands.
func TestWhatDoesNotCompile(t *testing.T) {
	s, err := parse("f.go", "f.go", "package p\n\nfunc f(a string) string {\n\treturn a + \"x\"\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range s.mutants {
		m.id = i + 1
	}
	text, spans := s.withCopies(s.mutants)
	for _, at := range spans {
		lines := strings.Split(text, "\n")[at.first-1 : at.last]
		if code := strings.Join(lines, "\n"); !strings.Contains(code, at.mutant.code) || !strings.HasPrefix(lines[0], fmt.Sprintf("func fMutation%d(", at.mutant.id)) {
			t.Errorf("%s is not in its lines:\n%s", at.mutant.name(), code)
		}
		fault := fmt.Sprintf("# example\n./f.go:%d:9: invalid operation\n", at.first+1)
		if n := exclude(fault, map[string][]span{"f.go": spans}); n != 1 || at.mutant.Status != invalid {
			t.Errorf("%d left out, %s is %q", n, at.mutant.name(), at.mutant.Status)
		}
	}
	if len(spans) == 0 {
		t.Error("no mutants")
	}
}

func TestParts(t *testing.T) {
	var all []*mutant
	for i := range 7 {
		all = append(all, &mutant{id: i})
	}
	seen := map[*mutant]bool{}
	for k, want := range []int{3, 2, 2} {
		got, err := part(slices.Clone(all), fmt.Sprintf("%d/3", k+1))
		if err != nil || len(got) != want {
			t.Errorf("part %d: %d, %v", k+1, len(got), err)
		}
		for _, m := range got {
			seen[m] = true
		}
	}
	if len(seen) != len(all) {
		t.Errorf("the parts have %d of %d", len(seen), len(all))
	}
	for _, bad := range []string{"", "0/3", "4/3", "x"} {
		if _, err := part(all, bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestTheListOfEquivalentsIsHonest(t *testing.T) {
	s, err := parse("f.go", "f.go", "package p\n\nfunc f(a int) bool { return a < 1 }\n")
	if err != nil {
		t.Fatal(err)
	}
	entry := func(to, why string) string {
		return fmt.Sprintf(`[{"file": "f.go", "func": "f", "text": "func f(a int) bool { return a < 1 }", "from": "a < 1", "to": %q, "why": %q}]`, to, why)
	}
	for _, bad := range []string{entry("a == 1", "it is gone"), entry("a <= 1", ""), `[{"fil": "f.go"}]`} {
		if err := mark([]byte(bad), []*source{s}); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
	if err := mark([]byte(entry("a <= 1", "a is never 1")), []*source{s}); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.mutants, func(m *mutant) bool { return m.Why != "" })
	m := s.mutants[i]
	for st, ok := range map[status]bool{survived: true, uncovered: true, killed: false, timedOut: false, invalid: false} {
		m.Status = st
		if err := unmask(s.mutants); (err == nil) != ok {
			t.Errorf("%s: %v", st, err)
		}
		if ok && m.Status != equivalent {
			t.Errorf("%s became %s", st, m.Status)
		}
	}
}

// TestEveryEquivalentIsThere: who changes a line looks at what is said of it.
func TestEveryEquivalentIsThere(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"internal/gate", "activities/cassandra/quorum*.go"} {
		_, sources, err := find(root, pattern)
		if err != nil {
			t.Fatal(err)
		}
		if err := mark(equivalentList, sources); err != nil {
			t.Error(err)
		}
	}
}
