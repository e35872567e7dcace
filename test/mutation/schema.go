package main

import (
	"fmt"
	"go/ast"
	"path/filepath"
	"slices"
	"strings"
)

// The names that mutants add to a package, and the variable of the environment that chooses one of them.
const (
	mutationChosen = "mutationChosen"
	mutationError  = "errMutation"
	mutationEnv    = "GALEN_MUTANT"
)

// prelude is the file that each mutated package gets.
func prelude(pkg string) string {
	return fmt.Sprintf(`package %s

import (
	"errors"
	"os"
	"strconv"
)

var %s, _ = strconv.Atoi(os.Getenv(%q))

var %s = errors.New("mutation")
`, pkg, mutationChosen, mutationEnv, mutationError)
}

// span is where the code of a mutant stands in a file that was made.
type span struct {
	first, last int // lines, from 1
	mutant      *mutant
}

// withCopies is the file with a copy of a function for each of its mutants, behind all that was there. The functions
// stand in their old lines.
func (s *source) withCopies(mutants []*mutant) (string, []span) {
	byFunc := map[*ast.FuncDecl][]*mutant{}
	for _, m := range mutants {
		byFunc[m.in] = append(byFunc[m.in], m)
	}
	type insertion struct {
		at   int
		text string
	}
	var inserted []insertion
	var copies strings.Builder
	var spans []span
	line := strings.Count(s.text, "\n") + 1
	for _, d := range s.syntax.Decls {
		f, is := d.(*ast.FuncDecl)
		if !is || len(byFunc[f]) == 0 {
			continue
		}
		call, names := s.forward(f)
		for at, name := range names {
			inserted = append(inserted, insertion{at, name})
		}
		var chosen strings.Builder
		fmt.Fprintf(&chosen, " switch %s {", mutationChosen)
		for _, m := range byFunc[f] {
			fmt.Fprintf(&chosen, " case %d: %s;", m.id, fmt.Sprintf(call, m.id))
			text := s.copied(f, m, names)
			fmt.Fprintf(&copies, "\n%s\n", text)
			spans = append(spans, span{line + 1, line + 1 + strings.Count(text, "\n"), m})
			line += 2 + strings.Count(text, "\n")
		}
		chosen.WriteString(" };")
		inserted = append(inserted, insertion{s.offset(f.Body.Lbrace) + 1, chosen.String()})
	}
	slices.SortFunc(inserted, func(a, b insertion) int { return b.at - a.at })
	out := s.text
	for _, i := range inserted {
		out = out[:i.at] + i.text + out[i.at:]
	}
	return out + copies.String(), spans
}

// copied is the function with the mutant in it, under a name of its own.
func (s *source) copied(f *ast.FuncDecl, m *mutant, names map[int]string) string {
	type edit struct {
		begin, end int
		text       string
	}
	edits := []edit{{m.begin, m.end, m.code}, {s.offset(f.Name.End()), s.offset(f.Name.End()), fmt.Sprintf("Mutation%d", m.id)}}
	for at, name := range names {
		edits = append(edits, edit{at, at, name})
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.begin - a.begin })
	begin, out := s.offset(f.Pos()), s.text[:s.offset(f.End())]
	for _, e := range edits {
		out = out[:e.begin] + e.text + out[e.end:]
	}
	return out[begin:]
}

// forward is the call of a copy, with a %d for its number, and the names that parameters without one need for that, by
// where they are to be written.
func (s *source) forward(f *ast.FuncDecl) (call string, names map[int]string) {
	names = map[int]string{}
	var args []string
	for _, field := range f.Type.Params.List {
		_, variadic := field.Type.(*ast.Ellipsis)
		for _, arg := range s.named(field, names) {
			if variadic {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	target := f.Name.Name + "Mutation%d(" + strings.Join(args, ", ") + ")"
	if f.Recv != nil {
		target = s.named(f.Recv.List[0], names)[0] + "." + target
	}
	if f.Type.Results == nil {
		return target + "; return", names
	}
	return "return " + target, names
}

// named are the names of a parameter, with new ones where there was none.
func (s *source) named(field *ast.Field, names map[int]string) []string {
	if len(field.Names) == 0 {
		at := s.offset(field.Type.Pos())
		name := fmt.Sprintf("mutationArg%d", at)
		names[at] = name + " "
		return []string{name}
	}
	var out []string
	for _, id := range field.Names {
		if id.Name != "_" {
			out = append(out, id.Name)
			continue
		}
		at := s.offset(id.Pos())
		name := fmt.Sprintf("mutationArg%d", at)
		names[at] = name // the underscore after it belongs to the new name
		out = append(out, name+"_")
	}
	return out
}

// alone is the file with one mutant in its place.
func (s *source) alone(m *mutant) string { return s.text[:m.begin] + m.code + s.text[m.end:] }

func preludePath(dir string) string { return filepath.Join(dir, "zz_mutation.go") }
