package runbooks_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/runbooks"
)

var update = flag.Bool("update", false, "write the situations of scenes_test.go and the plans that follow from them to testdata")

// situation is the file of a golden case: all that a runbook is told.
type situation struct {
	About  string          `json:"about"`
	Now    time.Time       `json:"now"`
	Scope  []galen.Target  `json:"scope"`
	Params json.RawMessage `json:"params,omitempty"`
	Stop   string          `json:"stop,omitempty"`
	Policy json.RawMessage `json:"policy,omitempty"` // over the safe one
	Past   []galen.Intent  `json:"past,omitempty"`
	// LastYes is when a person approved the run last.
	LastYes time.Time             `json:"last_yes,omitzero"`
	Facts   map[string]galen.Fact `json:"facts,omitempty"`
	State   cassandra.Ring        `json:"state"`
}

const (
	situationFile = "situation.json"
	planFile      = "plan.golden"
)

// TestGolden decides every case of testdata/<runbook>/<case> and compares the plan with the one that was reviewed. The
// situation of a scene must be the one that it plays today. With -update it writes those that -run names:
// -run 'Golden/cassandra/heal-node/^well$'.
func TestGolden(t *testing.T) {
	played := map[string]scene{}
	for _, s := range scenes() {
		played[s.dir()] = s
	}
	dirs := slices.Concat(caseDirs(t), slices.Collect(maps.Keys(played)))
	slices.Sort(dirs)
	cases := map[string]int{}
	for _, dir := range slices.Compact(dirs) {
		name, rb := runbookOf(t, dir)
		cases[name]++
		t.Run(dir, func(t *testing.T) {
			if s, is := played[dir]; is {
				fresh(t, filepath.Join("testdata", dir, situationFile), s.written(t))
			}
			got := decide(t, rb, readSituation(t, dir))
			path := filepath.Join("testdata", dir, planFile)
			if *update {
				writeFile(t, path, []byte(got))
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: run the test with -update, then read the plan", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the plan is another one (-want +got); if it is right, run the test with -update:\n%s", diff)
			}
		})
	}
	for _, rb := range runbooks.All() {
		if cases[rb.Name] == 0 {
			t.Errorf("runbook %s has no golden case below testdata/%s", rb.Name, rb.Name)
		}
	}
}

// fresh compares the file of a situation with what its scene plays today, or writes it.
func fresh(t *testing.T, path string, played []byte) {
	t.Helper()
	if *update {
		writeFile(t, path, played)
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run this test with -update, then read the plan", err)
	}
	if diff := cmp.Diff(string(have), string(played)); diff != "" {
		t.Errorf("%s is not what its scene plays today (-committed +played); if that is right, run this test with -update, and read the plan:\n%s", path, diff)
	}
}

// TestEveryRunbookIsListed: a constructor of a runbook that All leaves out is dead.
func TestEveryRunbookIsListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source, list []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if f == "runbooks.go" {
			list = b
		} else if !strings.HasSuffix(f, "_test.go") {
			source = append(source, b...)
		}
	}
	for line := range strings.Lines(string(source)) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "func "), "(")
		if strings.HasPrefix(line, "func ") && strings.Contains(rest, ") galen.Runbook[") && !bytes.Contains(list, []byte("galen.ListRunbook("+name+"())")) {
			t.Errorf("runbook %s is not in runbooks.All", name)
		}
	}
}

func TestRunbookNamesDiffer(t *testing.T) {
	names := map[string]bool{}
	for _, rb := range runbooks.All() {
		if names[rb.Name] {
			t.Errorf("runbook %s is listed twice", rb.Name)
		}
		names[rb.Name] = true
	}
}

func caseDirs(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("testdata", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == situationFile {
			dir, relErr := filepath.Rel("testdata", filepath.Dir(path))
			out = append(out, dir)
			return relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func runbookOf(t *testing.T, dir string) (string, galen.ListedRunbook) {
	t.Helper()
	name := filepath.ToSlash(filepath.Dir(dir))
	i := slices.IndexFunc(runbooks.All(), func(rb galen.ListedRunbook) bool { return rb.Name == name })
	if i < 0 {
		t.Fatalf("testdata/%s: no runbook %s is listed", dir, name)
	}
	return name, runbooks.All()[i]
}

func readSituation(t *testing.T, dir string) situation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", dir, situationFile))
	if err != nil {
		t.Fatal(err)
	}
	s, err := galen.Decode[situation](b)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return s
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func policyOf(t *testing.T, over json.RawMessage) galen.Policy {
	t.Helper()
	p := galen.SafePolicy()
	if len(over) > 0 {
		if err := galen.DecodeOver(over, &p); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func decide(t *testing.T, rb galen.ListedRunbook, s situation) string {
	t.Helper()
	p, err := rb.Decide(galen.Situation[galen.State, json.RawMessage]{
		World: galen.World[galen.State]{Now: s.Now, State: s.State, Facts: s.Facts},
		Scope: s.Scope, Params: s.Params, Policy: policyOf(t, s.Policy), Past: s.Past, LastYes: s.LastYes, Stop: s.Stop,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Valid(); err != nil {
		t.Error(err)
	}
	verbs := map[string]galen.Verb[cassandra.Ring]{}
	for _, v := range cassandra.Verbs() {
		verbs[v.Name] = v
	}
	for _, step := range p.Steps {
		if err := verbs[step.Verb].Check(s.State, step); err != nil {
			t.Errorf("its step does not pass its own check: %v", err)
		}
	}
	return "# " + s.About + "\n" + render(p)
}

// render is a plan as a person reads it in a review.
func render(p galen.Plan) string {
	var b strings.Builder
	switch {
	case p.End != "":
		fmt.Fprintf(&b, "end %s: %s\n", p.End, p.Why)
	case len(p.Steps) == 0:
		fmt.Fprintf(&b, "wait %s: %s\n", p.Wait, p.Why)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "do %s", renderStep(s))
		fmt.Fprintf(&b, "  because %s\n", s.Why)
	}
	for _, s := range p.Outline {
		fmt.Fprintf(&b, "then %s", renderStep(s))
	}
	for _, c := range p.Keep {
		fmt.Fprintf(&b, "keep %s, shared %t\n", c.Name, c.Shared)
	}
	return b.String()
}

func renderStep(s galen.Step) string {
	out := fmt.Sprintf("%s within %s\n  %s\n", s, s.Within, s.Args)
	if s.Undo != nil {
		out += fmt.Sprintf("  undo %s %s\n", s.Undo, s.Undo.Args)
	}
	return out
}
