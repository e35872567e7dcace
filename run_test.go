package galen

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestWhoAskedForARun: what a person asks for is not automatic (I-14), and needs another one's yes to delete for good (I-25); so
// nothing else may be taken for a person.
func TestWhoAskedForARun(t *testing.T) {
	for asked, want := range map[string]struct {
		by     string
		person bool
	}{
		AskedBy("ann"):            {"ann", true},
		AskedBy("ann of ops"):     {"ann of ops", true},
		"personnel-system 7":      {"", false},
		"personann":               {"", false},
		"alert 4711":              {"", false},
		"detector node-down":      {"", false},
		"detector person of ours": {"", false},
		"":                        {"", false},
	} {
		r := Run{Asked: asked}
		if r.AskedBy() != want.by || r.FromPerson() != want.person {
			t.Errorf("%q: by %q, from a person %t", asked, r.AskedBy(), r.FromPerson())
		}
	}
}

// TestEventKinds: each constant is one of those that a person may choose by.
func TestEventKinds(t *testing.T) { listsAll(t, "EventKind", "Event", EventKinds(), 20) }

func TestRunStatuses(t *testing.T) { listsAll(t, "RunStatus", "Run", RunStatuses(), 8) }

// listsAll: every constant of a type in run.go is in its list, once.
func listsAll[T ~string](t *testing.T, typ, prefix string, list []T, least int) {
	t.Helper()
	source, err := os.ReadFile("run.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?m)^\t`+prefix+`\w+ +`+typ+` = "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	for _, m := range named {
		if !slices.Contains(list, T(m[1])) {
			t.Errorf("%s is missing", m[1])
		}
	}
	if len(named) < least || len(named) != len(list) {
		t.Errorf("%d constants, %d in the list", len(named), len(list))
	}
}
