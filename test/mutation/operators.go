package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// mutate finds the mutants below a node: the body of a function, or a declaration outside of one.
func (s *source) mutate(in *ast.FuncDecl, root ast.Node) {
	w := walk{source: s, in: in}
	ast.PreorderStack(root, []ast.Node{s.syntax}, w.visit)
}

// walk goes through one declaration.
type walk struct {
	*source
	in *ast.FuncDecl
}

// replace a node by code that reads as given.
func (w walk) replace(n ast.Node, code, reads string) {
	w.add(w.in, change{w.offset(n.Pos()), w.offset(n.End()), code, w.code(n), reads})
}

// visit applies every operator to one node, and tells whether to go below it.
func (w walk) visit(n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.UnaryExpr:
		w.unary(n)
	case *ast.BasicLit:
		w.literal(n, stack)
	case *ast.Ident:
		w.ident(n, stack)
	case *ast.CompositeLit:
		w.elements(n)
	case *ast.ReturnStmt:
		w.returned(n, stack)
	case *ast.CallExpr:
		return w.call(n)
	case *ast.ArrayType:
		return false // a length is no constant to play with
	case ast.Stmt:
		w.statement(n, stack)
	}
	return true
}

// swaps are the operators that one operator becomes: across the boundary, and the opposite.
func swaps() map[token.Token][]token.Token {
	return map[token.Token][]token.Token{
		token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
		token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
		token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
		token.LAND: {token.LOR}, token.LOR: {token.LAND},
		token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
		token.SHL: {token.SHR}, token.SHR: {token.SHL}, token.AND: {token.OR}, token.OR: {token.AND},
		token.ADD_ASSIGN: {token.SUB_ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN},
		token.INC: {token.DEC}, token.DEC: {token.INC},
		token.BREAK: {token.CONTINUE}, token.CONTINUE: {token.BREAK},
	}
}

func (w walk) binary(n *ast.BinaryExpr) {
	x, y := w.code(n.X), w.code(n.Y)
	for _, op := range swaps()[n.Op] {
		w.replace(n, "(("+x+") "+op.String()+" ("+y+"))", x+" "+op.String()+" "+y)
	}
	if n.Op == token.LAND || n.Op == token.LOR {
		w.replace(n, "("+x+")", x)
		w.replace(n, "("+y+")", y)
	}
}

func (w walk) unary(n *ast.UnaryExpr) {
	if n.Op == token.NOT || n.Op == token.SUB {
		w.replace(n, "("+w.code(n.X)+")", w.code(n.X))
	}
}

// condition makes a condition true or false for ever; it is still computed, so that what it uses stays used.
func (w walk) condition(n ast.Expr, values ...bool) {
	for _, value := range values {
		code := "((" + w.code(n) + ") && false)"
		if value {
			code = "((" + w.code(n) + ") || true)"
		}
		w.replace(n, code, strconv.FormatBool(value))
	}
}

// literal makes a whole number one more, and the text of a case another one.
func (w walk) literal(n *ast.BasicLit, stack []ast.Node) {
	if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil && n.Kind == token.INT {
		one := strconv.FormatInt(v+1, 10)
		w.replace(n, one, one)
	}
	if _, is := stack[len(stack)-1].(*ast.CaseClause); is && n.Kind == token.STRING {
		w.replace(n, `"mutation"`, `"mutation"`)
	}
}

func (w walk) ident(n *ast.Ident, stack []ast.Node) {
	if kv, is := stack[len(stack)-1].(*ast.KeyValueExpr); is && kv.Key == n {
		return
	}
	switch n.Name {
	case "true":
		w.replace(n, "false", "false")
	case "false":
		w.replace(n, "true", "true")
	}
}

// elements leaves one element of a literal out.
func (w walk) elements(n *ast.CompositeLit) {
	for _, e := range n.Elts {
		begin, end := w.offset(e.Pos()), w.offset(e.End())
		rest := strings.TrimLeft(w.text[end:], " \t\n")
		if strings.HasPrefix(rest, ",") {
			end = len(w.text) - len(rest) + 1
		}
		w.add(w.in, change{begin, end, "", w.code(e), "(left out)"})
	}
}

// call swaps min and max. The capacity of a slice is a hint, and no mutant is made there.
func (w walk) call(n *ast.CallExpr) bool {
	name, is := n.Fun.(*ast.Ident)
	switch {
	case is && name.Name == "min":
		w.replace(name, "max", "max")
	case is && name.Name == "max":
		w.replace(name, "min", "min")
	case is && name.Name == "make":
		if len(n.Args) > 1 {
			w.mutate(w.in, n.Args[1])
		}
		return false
	}
	return true
}

// returned replaces each value that is returned.
func (w walk) returned(n *ast.ReturnStmt, stack []ast.Node) {
	types := w.results(stack)
	switch {
	case len(n.Results) == 0:
		w.replace(n, "", "(deleted)")
	case len(n.Results) == len(types):
		for i, r := range n.Results {
			if code, other := w.other(types[i], r); other {
				w.replace(r, code, code)
			}
		}
	default: // of a call with several results
		var zeros []string
		for _, t := range types {
			zeros = append(zeros, "*new("+w.code(t)+")")
		}
		code := strings.Join(zeros, ", ")
		w.add(w.in, change{w.offset(n.Results[0].Pos()), w.offset(n.End()), code, w.code(n.Results[0]), code})
	}
}

// results are the types that the innermost function returns.
func (w walk) results(stack []ast.Node) []ast.Expr {
	var f *ast.FuncType
	if w.in != nil {
		f = w.in.Type
	}
	for _, n := range stack {
		if lit, is := n.(*ast.FuncLit); is {
			f = lit.Type
		}
	}
	if f == nil || f.Results == nil {
		return nil
	}
	var out []ast.Expr
	for _, field := range f.Results.List {
		for range max(len(field.Names), 1) {
			out = append(out, field.Type)
		}
	}
	return out
}

// other is another value of a type than the given one.
func (w walk) other(t, value ast.Expr) (string, bool) {
	was := w.code(value)
	if was == "true" || was == "false" {
		return "", false // see ident
	}
	switch name := w.code(t); name {
	case "bool":
		return "!(" + was + ")", true
	case "error":
		if was == "nil" {
			return mutationError, true
		}
		return "nil", true
	case "string":
		if was == `""` {
			return `"mutation"`, true
		}
		return `""`, true
	case "int", "int32", "int64", "uint64":
		return "(" + was + ") + 1", true
	default:
		lit, is := value.(*ast.CompositeLit)
		return "*new(" + name + ")", was != "nil" && (!is || len(lit.Elts) > 0)
	}
}

// statement leaves a statement out, and changes what branches and counts.
func (w walk) statement(n ast.Stmt, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		w.condition(n.Cond, false, true)
	case *ast.ForStmt:
		if n.Cond != nil {
			w.condition(n.Cond, false)
		}
	case *ast.CaseClause:
		w.cases(n, stack)
	case *ast.IncDecStmt:
		w.operator(n, n.TokPos, n.Tok)
	case *ast.AssignStmt:
		w.operator(n, n.TokPos, n.Tok)
	case *ast.BranchStmt:
		w.operator(n, n.TokPos, n.Tok)
	}
	if listed(stack[len(stack)-1], n) {
		w.drop(n)
	}
}

// cases are conditions, where the switch is over nothing.
func (w walk) cases(n *ast.CaseClause, stack []ast.Node) {
	if sw, is := stack[len(stack)-2].(*ast.SwitchStmt); is && sw.Tag == nil {
		for _, e := range n.List {
			w.condition(e, false, true)
		}
	}
}

// listed tells whether a statement stands by itself in a block, and not in the head of another.
func listed(parent ast.Node, n ast.Stmt) bool {
	switch p := parent.(type) {
	case *ast.BlockStmt:
		return slices.Contains(p.List, n)
	case *ast.CaseClause:
		return slices.Contains(p.Body, n)
	case *ast.CommClause:
		return slices.Contains(p.Body, n)
	}
	return false
}

func (w walk) operator(n ast.Stmt, at token.Pos, is token.Token) {
	begin := w.offset(at)
	for _, op := range swaps()[is] {
		end := begin + len(is.String())
		to := w.text[w.offset(n.Pos()):begin] + op.String() + w.text[end:w.offset(n.End())]
		w.add(w.in, change{begin, end, op.String(), w.code(n), to})
	}
}

// drop leaves a statement out. What an assignment computes is still computed, so that what it uses stays used.
func (w walk) drop(n ast.Stmt) {
	switch n := n.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt, *ast.BranchStmt:
	case *ast.AssignStmt:
		isNil := func(e ast.Expr) bool { return w.code(e) == "nil" }
		if n.Tok == token.ASSIGN && !slices.ContainsFunc(n.Rhs, isNil) {
			blanks := strings.Repeat("_, ", len(n.Lhs)-1) + "_"
			rest := w.text[w.offset(n.TokPos):w.offset(n.End())]
			w.replace(n, blanks+" "+rest, "(deleted)")
			return
		}
		if n.Tok == token.DEFINE {
			return
		}
	default:
		return
	}
	w.replace(n, "", "(deleted)")
}
