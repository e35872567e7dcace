package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// The limits of shape. A reader holds one function, one file, one interface in the head at a time.
const (
	maxFunctionLines    = 60
	maxFileLines        = 500
	maxInterfaceMethods = 5
)

func TestLaws(t *testing.T) {
	for _, fault := range lawFaults(repository(t)) {
		t.Error(fault)
	}
}

// lawFaults names every breach of a law in the tree. Generated files obey no law, only the table of imports.
func lawFaults(t tree) []string {
	var faults []string
	for _, folder := range t.names() {
		faults = append(faults, packageFaults(t, folder)...)
		for _, f := range t.folders[folder] {
			if f.generated {
				continue
			}
			faults = append(faults, fileFaults(f)...)
			for _, declaration := range f.syntax.Decls {
				faults = append(faults, declarationFaults(t, f, declaration)...)
			}
			faults = append(faults, nodeFaults(t, folder, f)...)
		}
	}
	return faults
}

// packageFaults: a name that says something, and a comment that says what the package is for.
func packageFaults(t tree, folder string) []string {
	var faults []string
	documented := false
	for _, f := range t.folders[folder] {
		documented = documented || f.syntax.Doc != nil
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "base", "types", "misc", "shared"}, name) {
			faults = append(faults, fmt.Sprintf("%s: package %s: name the thing, or put it with its type", f.path, name))
		}
	}
	if !documented {
		faults = append(faults, fmt.Sprintf("%s: no package comment", folder))
	}
	return faults
}

func fileFaults(f file) []string {
	if f.test || f.lines <= maxFileLines {
		return nil
	}
	return []string{fmt.Sprintf("%s: %d lines, more than %d: split it by noun or verb", f.path, f.lines, maxFileLines)}
}

func declarationFaults(t tree, f file, declaration ast.Decl) []string {
	switch declared := declaration.(type) {
	case *ast.FuncDecl:
		return functionFaults(t, f, declared)
	case *ast.GenDecl:
		if declared.Tok == token.VAR && !f.test {
			return variableFaults(t, declared)
		}
	}
	return nil
}

func functionFaults(t tree, f file, function *ast.FuncDecl) []string {
	var faults []string
	if function.Recv == nil && function.Name.Name == "init" {
		faults = append(faults, fmt.Sprintf("%s: an init function: call it from where it is needed", t.at(function)))
	}
	if lines := t.length(function); !f.test && lines > maxFunctionLines {
		faults = append(faults, fmt.Sprintf("%s: %s has %d lines, more than %d", t.at(function), function.Name.Name, lines, maxFunctionLines))
	}
	return faults
}

// variableFaults: no package variable that could be changed. What never is stays allowed: an error made by errors.New or
// named again, a compiled regular expression, a reflected type, an embedded file, and the assertion that a type has an
// interface.
func variableFaults(t tree, declared *ast.GenDecl) []string {
	var faults []string
	for _, spec := range declared.Specs {
		value := spec.(*ast.ValueSpec)
		for i, name := range value.Names {
			if name.Name != "_" && !(i < len(value.Values) && constant(value.Values[i])) && !embedded(declared.Doc) && !embedded(value.Doc) {
				faults = append(faults, fmt.Sprintf("%s: package variable %s: make it a constant, a function or a field", t.at(name), name.Name))
			}
		}
	}
	return faults
}

func constant(value ast.Expr) bool {
	if again, ok := value.(*ast.SelectorExpr); ok {
		return strings.HasPrefix(again.Sel.Name, "Err")
	}
	return isCall(value, "errors.New", "regexp.MustCompile", "reflect.TypeFor")
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(line *ast.Comment) bool {
		return strings.HasPrefix(line.Text, "//go:embed ")
	})
}

// nodeFaults looks at every node of a file.
func nodeFaults(t tree, folder string, f file) []string {
	var faults []string
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		why := ""
		switch n := node.(type) {
		case *ast.InterfaceType:
			why = interfaceFault(n)
		case *ast.StructType:
			why = structFault(n)
		case *ast.FuncType:
			why = contextFault(n)
		case *ast.SelectorExpr:
			why = clockFault(folder, f, n)
		case *ast.CallExpr:
			why = shellFault(n)
		}
		if why != "" {
			faults = append(faults, t.at(node)+": "+why)
		}
		return true
	})
	return faults
}

func interfaceFault(declared *ast.InterfaceType) string {
	if methods := declared.Methods.NumFields(); methods > maxInterfaceMethods {
		return fmt.Sprintf("an interface of %d methods, more than %d: declare where it is used what is used there", methods, maxInterfaceMethods)
	}
	return ""
}

func structFault(declared *ast.StructType) string {
	for _, field := range declared.Fields.List {
		if isName(field.Type, "context.Context") {
			return "a context in a struct: pass it as the first argument"
		}
	}
	return ""
}

// contextFault: the context comes first; in tests *testing.T may come before it.
func contextFault(declared *ast.FuncType) string {
	first := true
	for _, field := range declared.Params.List {
		if isName(field.Type, "context.Context") && !first {
			return "a context that is not the first argument"
		}
		first = first && isTesting(field.Type)
	}
	return ""
}

func isTesting(expression ast.Expr) bool {
	if pointer, ok := expression.(*ast.StarExpr); ok {
		expression = pointer.X
	}
	return isName(expression, "testing.T", "testing.B", "testing.F", "testing.TB", "rapid.T")
}

// clockFault: time is an argument in pure packages and an injected clock elsewhere, so that days can be run in
// milliseconds. Only app, cmd and test read the real clock; only packages with I/O may sleep on it.
func clockFault(folder string, f file, selector *ast.SelectorExpr) string {
	switch {
	case f.test || folder == "app" || !belowCmd(folder):
		return ""
	case isName(selector, "time.Now", "time.Since", "time.Until"):
		return "reads the real clock: take a time or a func() time.Time"
	case table()[folder].std == pure && isName(selector, "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker"):
		return "waits on the real clock in a pure package"
	}
	return ""
}

// shellFault: programs are started with their arguments, never through a shell that would read foreign text.
func shellFault(call *ast.CallExpr) string {
	if !isCall(call, "exec.Command", "exec.CommandContext") {
		return ""
	}
	for _, argument := range call.Args {
		if literal, ok := argument.(*ast.BasicLit); ok && slices.Contains([]string{`"sh"`, `"bash"`, `"/bin/sh"`, `"/bin/bash"`}, literal.Value) {
			return "starts a shell: give the program and its arguments"
		}
	}
	return ""
}

// isCall tells whether an expression calls one of the named functions.
func isCall(expression ast.Expr, names ...string) bool {
	call, ok := expression.(*ast.CallExpr)
	if !ok {
		return false
	}
	function := call.Fun
	if generic, instantiated := function.(*ast.IndexExpr); instantiated {
		function = generic.X
	}
	return isName(function, names...)
}

// isName tells whether an expression is one of the names, written as package.Name. Imports are not renamed here for
// these packages: goimports and review would both object.
func isName(expression ast.Expr, names ...string) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	qualifier, ok := selector.X.(*ast.Ident)
	return ok && slices.Contains(names, qualifier.Name+"."+selector.Sel.Name)
}
