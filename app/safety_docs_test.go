package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/gate"
)

// TestSafetyPageIsTrue: every guard is on it by its name, every invariant has its row, every test and policy field that it
// names is there, with the default that it gives.
func TestSafetyPageIsTrue(t *testing.T) {
	b, err := os.ReadFile("../docs/safety.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, g := range gate.CommonGuards() {
		if !strings.Contains(page, g.Name) {
			t.Errorf("the guard %q is not on the page", g.Name)
		}
	}
	for _, g := range cassandra.Guards() {
		if !strings.Contains(page, g.Name) {
			t.Errorf("the guard %q of a ring is not on the page", g.Name)
		}
	}
	for n := range 34 {
		if row := "| I-" + string(rune('0'+(n+1)/10)) + string(rune('0'+(n+1)%10)) + " |"; !strings.Contains(page, row) {
			t.Errorf("no row %s", row)
		}
	}
	have := testNames(t)
	for _, name := range regexp.MustCompile(`Test[A-Z][A-Za-z]+`).FindAllString(page, -1) {
		if !have[name] {
			t.Errorf("there is no test %s", name)
		}
	}
	safe, err := config.Differences(galen.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, d := range safe {
		defaults[d.Field] = d.Safe
	}
	for _, m := range regexp.MustCompile("`([a-z_]+)` ([0-9][0-9a-z.]*)").FindAllStringSubmatch(page, -1) {
		is, known := defaults[m[1]]
		short := regexp.MustCompile(`([a-z])0[ms]`).ReplaceAllString(regexp.MustCompile(`([hm])0s$`).ReplaceAllString(is, "$1"), "$1")
		if !known || short != m[2] {
			t.Errorf("%s: the page says %s, the safe policy %q", m[1], m[2], is)
		}
	}
}

// testNames are the tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	form := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range form.FindAllStringSubmatch(string(b), -1) {
			out[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
