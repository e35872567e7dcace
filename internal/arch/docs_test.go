package arch

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is one document of the repository.
type page struct{ name, text string }

// pages are all documents, except what recorded data and build output hold.
func pages(t *testing.T) []page {
	t.Helper()
	root := os.DirFS("../..")
	var out []page
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (name == "bin" || strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		out = append(out, page{name, string(text)})
		return err
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("found %d documents: %v", len(out), err)
	}
	return out
}

// prose is a document without its code blocks.
func (p page) prose() string {
	return regexp.MustCompile("(?s)```.*?```").ReplaceAllString(p.text, "")
}

// blocks are the code blocks of a language.
func (p page) blocks(language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(p.text, -1) {
		out = append(out, m[1])
	}
	return out
}

// Every relative link leads to a file, and to a heading of it where it names one.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.prose(), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target, heading, _ := strings.Cut(m[1], "#")
			name := p.name
			if target != "" {
				name = path.Join(path.Dir(p.name), target)
			}
			text, err := os.ReadFile(filepath.Join("../..", name))
			if heading == "" {
				_, err = os.Stat(filepath.Join("../..", name))
			}
			if err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", p.name, m[1], err)
			} else if heading != "" && !slices.Contains(anchors(string(text)), heading) {
				t.Errorf("%s: %s has no heading #%s", p.name, name, heading)
			}
		}
	}
}

// anchors are the names under which a page's headings can be linked.
func anchors(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(kept, " ", "-"))
	}
	return out
}

// Every command that a document tells is one that docs/cli.md has, which is written from --help.
func TestCommandsExist(t *testing.T) {
	reference, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (galen.*)$`).FindAllStringSubmatch(string(reference), -1) {
		known[m[1]] = true
	}
	command := regexp.MustCompile("(?m)(?:^|`|bin/|; )galen ([a-z]+(?:-[a-z]+)*)(?: ([a-z]+))?")
	for _, p := range pages(t) {
		quoted := strings.Join(regexp.MustCompile("`galen [^`]*`").FindAllString(p.prose(), -1), "\n")
		for _, m := range command.FindAllStringSubmatch(quoted+"\n"+strings.Join(p.blocks("sh"), "\n"), -1) {
			one, two := "galen "+m[1], "galen "+m[1]+" "+m[2]
			group := slices.Contains([]string{"runs", "journal", "config"}, m[1])
			if !known[one] || group && m[2] != "" && !known[two] {
				t.Errorf("%s tells the command %q, which docs/cli.md does not have", p.name, two)
			}
		}
	}
}

// No document names a place of the machine it was written on, nor a host that packages come from.
func TestDocumentsAreOfNoMachine(t *testing.T) {
	foreign := regexp.MustCompile(`/(work|tmp|root|home)/|(proxy|sum)\.golang|repo1?\.maven|deb\.debian`)
	for _, p := range pages(t) {
		if found := foreign.FindString(p.text); found != "" {
			t.Errorf("%s: %q", p.name, found)
		}
	}
}

// Every library that is imported has its line in docs/libraries.md.
func TestLibrariesAreListed(t *testing.T) {
	listed, err := os.ReadFile("../../docs/libraries.md")
	if err != nil {
		t.Fatal(err)
	}
	const galen = "github.com/galenhq/galen"
	missing := map[string]string{}
	for _, files := range repository(t).folders {
		for _, f := range files {
			for _, spec := range f.syntax.Imports {
				name := strings.Trim(spec.Path.Value, `"`)
				if strings.Contains(strings.Split(name, "/")[0], ".") && !strings.HasPrefix(name, galen) && !listsOneOf(string(listed), name) {
					missing[name] = f.path
				}
			}
		}
	}
	for name, where := range missing {
		t.Errorf("%s imports %s, which docs/libraries.md does not list", where, name)
	}
}

// listsOneOf tells whether a text names a package, or one that it lies below, as a word.
func listsOneOf(text, name string) bool {
	for ; strings.Contains(name, "/"); name = path.Dir(name) {
		if regexp.MustCompile(regexp.QuoteMeta(name) + `[,\s|]`).MatchString(text) {
			return true
		}
	}
	return false
}

// A runbook that a document shows is one that compiles beside the others.
func TestShownRunbooksCompile(t *testing.T) {
	shown := forShown(t, func(root, page, block string) bool {
		is := strings.Contains(block, "galen.Runbook[") && !strings.HasPrefix(block, shownTest)
		if is {
			compiles(t, root, page, block)
		}
		return is
	})
	if shown < 2 {
		t.Errorf("%d runbooks are shown, want one in README.md and one in runbooks/README.md", shown)
	}
}

// forShown gives each code block of Go that a document shows to a check, which tells whether it is of its sort, and counts those.
func forShown(t *testing.T, check func(root, page, block string) bool) (shown int) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		for _, block := range p.blocks("go") {
			if check(root, p.name, block) {
				shown++
			}
		}
	}
	return shown
}

// shownTest begins the test of an SRE's own module that a document shows.
const shownTest = "package mine_test\n"

// A test that a document shows is whole, and passes.
func TestShownTestsPass(t *testing.T) {
	shown := forShown(t, func(root, page, block string) bool {
		source, is := strings.CutPrefix(block, shownTest)
		if !is {
			return false
		}
		run := regexp.MustCompile(`func (Test\w+)`).FindStringSubmatch(source)[1]
		if said, err := with(t, root, "gym/shown_test.go", "package gym_test\n"+source, "test", "-run", "^"+run+"$", "./gym"); err != nil {
			t.Errorf("the test in %s: %v\n%s", page, err, said)
		}
		return true
	})
	if shown < 1 {
		t.Error("no test is shown, want one in runbooks/README.md")
	}
}

func compiles(t *testing.T, root, name, block string) {
	t.Helper()
	source := "package runbooks\n\nimport (\n\t\"github.com/galenhq/galen\"\n\t\"github.com/galenhq/galen/activities/cassandra\"\n)\n" +
		strings.TrimPrefix(block, "package runbooks\n")
	if said, err := with(t, root, "runbooks/shown.go", source, "build", "./runbooks"); err != nil {
		t.Errorf("the runbook in %s does not compile: %v\n%s", name, err, said)
	}
}

// with runs a command of go as if one more file were in the repository, and returns what it says.
func with(t *testing.T, root, name, source, command string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, filepath.Base(name)), filepath.Join(dir, "overlay.json")
	names, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, name): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{file: []byte(source), overlay: names} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{command, "-overlay", overlay}, args...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// The table of what Galen finds names the codes of the kind, and those that every resource can have: each, and no other.
func TestFindingsAreDocumented(t *testing.T) {
	codes := map[string]bool{}
	files, err := filepath.Glob("../../activities/cassandra/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../finding.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:const|\s+) *Code[A-Z]\w*(?:\s+(?:galen\.)?Code)?\s+= "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			codes[m[1]] = true
		}
	}
	if len(codes) < 6 {
		t.Fatalf("found only the codes %v", codes)
	}
	text, err := os.ReadFile("../../docs/cassandra.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## What Galen finds\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		if !codes[m[1]] {
			t.Errorf("docs/cassandra.md tells of the finding %s, which the kind does not have", m[1])
		}
		delete(codes, m[1])
	}
	for code := range codes {
		t.Errorf("docs/cassandra.md does not tell of the finding %s", code)
	}
}
