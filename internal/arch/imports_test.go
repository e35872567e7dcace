package arch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/galenhq/galen"

func TestImports(t *testing.T) {
	for _, fault := range importFaults(repository(t), table()) {
		t.Error(fault)
	}
}

// importFaults names every forbidden import, every package without a row and every row without a package.
func importFaults(t tree, rows map[string]row) []string {
	var faults []string
	for _, folder := range t.names() {
		rule, known := rows[folder]
		if !known {
			faults = append(faults, fmt.Sprintf("%s: a package without a row: say in internal/arch/table_test.go what it may import", folder))
			continue
		}
		faults = append(faults, folderFaults(t, folder, rule)...)
	}
	for folder := range rows {
		if len(t.folders[folder]) == 0 {
			faults = append(faults, fmt.Sprintf("%s: a row in internal/arch/table_test.go without a package: take the row out or bring the package back", folder))
		}
	}
	slices.Sort(faults)
	return faults
}

func folderFaults(t tree, folder string, rule row) []string {
	var faults []string
	interpreter := ""
	for _, f := range t.folders[folder] {
		for _, spec := range f.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				faults = append(faults, fmt.Sprintf("%s: unreadable import %s", t.at(spec), spec.Path.Value))
				continue
			}
			if why := forbidden(imported, folder, f.test, rule); why != "" {
				faults = append(faults, fmt.Sprintf("%s: imports %s: %s", t.at(spec), imported, why))
			}
			if folder == "workflows" && !f.test && strings.HasPrefix(imported, "go.temporal.io/") {
				if interpreter != "" && interpreter != f.path {
					faults = append(faults, fmt.Sprintf("%s: imports %s: only one file of workflows may know Temporal, and %s already does", t.at(spec), imported, interpreter))
				}
				interpreter = f.path
			}
		}
	}
	return faults
}

// forbidden says why a package in folder may not import a path, or "".
func forbidden(imported, folder string, test bool, rule row) string {
	own, isOwn := ours(imported)
	switch {
	case isOwn && (own == "internal/arch" || belowCmd(folder) && !belowCmd(own)):
		return "nothing below cmd and test may see them"
	case isOwn && test && own == folder:
		return ""
	case isOwn:
		return allowed(own, test, rule, "")
	case !strings.Contains(strings.Split(imported, "/")[0], "."):
		if test || rule.std == anyStd || matches(imported, pureAnyway()) || !matches(imported, impure()) {
			return ""
		}
		return "this package is pure: no I/O, no chance, no logging"
	case test && matches(imported, testLibraries()):
		return ""
	default:
		return allowed(imported, test, rule, "other ")
	}
}

func allowed(imported string, test bool, rule row, other string) string {
	if matches(imported, rule.may) || test && matches(imported, rule.tests) {
		return ""
	}
	return fmt.Sprintf("its row in internal/arch/table_test.go allows no such %spackage, only %q (tests also %q)", other, rule.may, rule.tests)
}

// ours gives the folder of an import path of this repository.
func ours(imported string) (string, bool) {
	if imported == modulePath {
		return ".", true
	}
	return strings.CutPrefix(imported, modulePath+"/")
}

// belowCmd tells whether a folder lies below cmd and test in the order of imports.
func belowCmd(folder string) bool {
	return !strings.HasPrefix(folder, "cmd/") && !strings.HasPrefix(folder, "test/")
}

// matches tells whether a path is one of the patterns, or below one that ends in "/...".
func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		above, deep := strings.CutSuffix(pattern, "...")
		return name == pattern || deep && (name+"/" == above || strings.HasPrefix(name, above))
	})
}
