package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one change of the source.
type mutant struct {
	// File is its path from the root of the repository, Func the function or method, "" outside of one.
	File string `json:"file"`
	Line int    `json:"line"`
	Func string `json:"func"`
	// Text is the line in which it begins, From and To what changes: they name a mutant when lines have moved.
	Text string `json:"text"`
	From string `json:"from"`
	To   string `json:"to"`
	// Nth tells mutants of one function apart that look alike, from 1.
	Nth int `json:"nth"`

	Status status `json:"status"`
	Killer string `json:"killer,omitempty"` // the first test that failed
	Why    string `json:"why,omitempty"`    // it is equivalent
	id     int    // from 1
	begin  int    // the bytes of the file that are replaced by code
	end    int
	code   string
	in     *ast.FuncDecl // nil outside of functions
	source *source
}

// status is what became of a mutant.
type status string

const (
	killed     status = "killed"
	timedOut   status = "timed out" // alone and with much more time, too: as good as killed
	survived   status = "survived"
	uncovered  status = "not covered" // no test comes by
	equivalent status = "equivalent"
	invalid    status = "does not compile"
)

func (m *mutant) name() string {
	return fmt.Sprintf("%s, %s, %q, %s => %s, %d", m.File, m.Func, m.Text, m.From, m.To, m.Nth)
}

// source is one file.
type source struct {
	path     string // on disk
	name     string // from the root of the repository
	text     string
	syntax   *ast.File
	set      *token.FileSet
	mutants  []*mutant
	repeated map[string]int // by what mutants look like
	have     map[string]bool
}

// read parses a file and finds its mutants.
func read(root, path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read what is to be mutated: %w", err)
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return nil, fmt.Errorf("find %s below %s: %w", path, root, err)
	}
	return parse(path, filepath.ToSlash(name), string(text))
}

func parse(path, name, text string) (*source, error) {
	s := &source{path: path, name: name, text: text, set: token.NewFileSet(), repeated: map[string]int{}, have: map[string]bool{}}
	syntax, err := parser.ParseFile(s.set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse what is to be mutated: %w", err)
	}
	s.syntax = syntax
	for _, d := range syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body != nil && d.Type.TypeParams == nil {
				s.mutate(d, d.Body)
			}
		case *ast.GenDecl:
			if d.Tok == token.CONST || d.Tok == token.VAR {
				s.mutate(nil, d)
			}
		}
	}
	return s, nil
}

func (s *source) offset(p token.Pos) int { return s.set.Position(p).Offset }

func (s *source) code(n ast.Node) string { return s.text[s.offset(n.Pos()):s.offset(n.End())] }

// line is the text of a line, from 1.
func (s *source) line(n int) string { return strings.TrimSpace(strings.Split(s.text, "\n")[n-1]) }

// change is a mutant before it is counted: the bytes to replace, and how to show it.
type change struct {
	begin, end int
	code       string
	from, to   string
}

func (s *source) add(in *ast.FuncDecl, c change) {
	key := fmt.Sprint(c.begin, c.end, c.code)
	if s.have[key] || s.text[c.begin:c.end] == c.code {
		return
	}
	s.have[key] = true
	line := strings.Count(s.text[:c.begin], "\n") + 1
	m := &mutant{
		File: s.name, Line: line, Text: s.line(line), From: short(c.from), To: short(c.to),
		begin: c.begin, end: c.end, code: c.code, in: in, source: s,
	}
	if in != nil {
		m.Func = funcName(in)
	}
	s.repeated[m.name()]++
	m.Nth = s.repeated[m.name()]
	s.mutants = append(s.mutants, m)
}

// funcName is Name, or Type.Name of a method.
func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, is := t.(*ast.StarExpr); is {
		t = star.X
	}
	if id, is := t.(*ast.Ident); is {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// short puts code on one line of bearable length.
func short(code string) string {
	code = strings.Join(strings.Fields(code), " ")
	const most = 100
	if runes := []rune(code); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return code
}
