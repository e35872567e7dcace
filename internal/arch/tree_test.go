package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// file is one parsed Go file.
type file struct {
	path      string // from the root of the repository, with slashes
	test      bool   // *_test.go
	generated bool   // *.gen.go
	lines     int
	syntax    *ast.File
}

// tree is the Go source of all three modules, by folder ("." is the root of the repository).
type tree struct {
	positions *token.FileSet
	folders   map[string][]file
}

// load parses every Go file below root, except what go itself leaves out (testdata, names with . or _) and build output.
func load(root fs.FS) (tree, error) {
	t := tree{positions: token.NewFileSet(), folders: map[string][]file{}}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.add(root, name)
	})
	return t, err
}

func skipped(folder string) bool {
	base := path.Base(folder)
	return folder == "bin" || base == "testdata" || base != "." && strings.ContainsAny(base[:1], "._")
}

func (t tree) add(root fs.FS, name string) error {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	syntax, err := parser.ParseFile(t.positions, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	t.folders[path.Dir(name)] = append(t.folders[path.Dir(name)], file{
		path:      name,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: strings.HasSuffix(name, ".gen.go"),
		lines:     strings.Count(string(source), "\n"),
		syntax:    syntax,
	})
	return nil
}

// names lists the folders in order, so that faults come out in the same order every time.
func (t tree) names() []string {
	names := make([]string, 0, len(t.folders))
	for name := range t.folders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// at says where a node stands, as file:line.
func (t tree) at(node ast.Node) string {
	position := t.positions.Position(node.Pos())
	return fmt.Sprintf("%s:%d", position.Filename, position.Line)
}

// length is the number of lines strictly between the first and the last line of a node.
func (t tree) length(node ast.Node) int {
	return t.positions.Position(node.End()).Line - t.positions.Position(node.Pos()).Line - 1
}

// repository is the tree of this checkout.
func repository(t *testing.T) tree {
	t.Helper()
	source, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatalf("read the repository's source: %v", err)
	}
	if len(source.folders) < 2 {
		t.Fatalf("found only the folders %q: is the test run in its own folder?", source.names())
	}
	return source
}
