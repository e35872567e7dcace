package galen

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/words.json anew")

// words are all structs of this package that have a JSON form.
func words() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[Outlook](), reflect.TypeFor[Level](), reflect.TypeFor[Rolling](),
		reflect.TypeFor[Threat](), reflect.TypeFor[Doubt](), reflect.TypeFor[Advice](), reflect.TypeFor[Saved](),
		reflect.TypeFor[Finding](), reflect.TypeFor[Verdict](), reflect.TypeFor[Ledger](), reflect.TypeFor[HeldClaim](),
		reflect.TypeFor[Spend](), reflect.TypeFor[Recovery](), reflect.TypeFor[Fact](), reflect.TypeFor[Quarantine](),
		reflect.TypeFor[Hold](), reflect.TypeFor[Approval](), reflect.TypeFor[ApprovedStep](), reflect.TypeFor[Commit](),
		reflect.TypeFor[Settlement](), reflect.TypeFor[Standing](), reflect.TypeFor[Decision](), reflect.TypeFor[Step](),
		reflect.TypeFor[Plan](), reflect.TypeFor[Claim](), reflect.TypeFor[Policy](), reflect.TypeFor[Cooldown](),
		reflect.TypeFor[Target](), reflect.TypeFor[Run](), reflect.TypeFor[Event](), reflect.TypeFor[Member](),
		reflect.TypeFor[Observation](), reflect.TypeFor[Sample](), reflect.TypeFor[Effect](), reflect.TypeFor[Intent](),
		reflect.TypeFor[Window](), reflect.TypeFor[Token](), reflect.TypeFor[Grant](), reflect.TypeFor[ModeRule](), reflect.TypeFor[Suggestion](),
		reflect.TypeFor[Assent](), reflect.TypeFor[Lineage](), reflect.TypeFor[Change](), reflect.TypeFor[Schedule](), reflect.TypeFor[Firing](),
	} {
		out[t.Name()] = t
	}
	return out
}

// fill gives every field a value that its JSON form shows.
func fill(v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"raw":1}`))
		return
	case Duration:
		v.Set(reflect.ValueOf(Duration(90 * time.Second)))
		return
	case Mode:
		v.Set(reflect.ValueOf(ModeAct))
		return
	case Class:
		v.Set(reflect.ValueOf(Disruptive))
		return
	case Resource:
		v.Set(reflect.ValueOf(Resource{Kind: "fake", Name: "a"}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth)
			}
		}
	case reflect.Pointer:
		if depth < 1 { // a step has an undo, which is a step
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic("no value for a " + v.Type().String())
	}
}

// The JSON forms of the words are kept by journals, clients and goldens: a field that is renamed, dropped or written in
// another way fails here. Write them anew (-update) only for what is added.
func TestWordsHaveStableForms(t *testing.T) {
	const golden = "testdata/words.json"
	forms := map[string]any{}
	for name, word := range words() {
		v := reflect.New(word)
		fill(v.Elem(), 0)
		b, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again := reflect.New(word)
		if err := decodeStrict(b, again.Interface(), true); err != nil {
			t.Errorf("%s is written as %s, which is refused: %v", name, b, err)
		} else if !reflect.DeepEqual(again.Interface(), v.Interface()) {
			t.Errorf("%s is written as %s and read as %+v", name, b, again.Elem().Interface())
		}
		forms[name] = json.RawMessage(b)
	}
	got, err := json.MarshalIndent(forms, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]json.RawMessage
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, form := range forms {
		if HashJSON(form) != HashJSON(want[name]) {
			t.Errorf("%s is written as %s, its form was %s", name, form, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("the word %s is gone, or not listed in this test", name)
	}
}

// Every struct of this package with a JSON form is among the words.
func TestNoWordIsLeftOut(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is || !spec.Name.IsExported() {
				return true
			}
			if _, known := words()[spec.Name.Name]; hasForm(spec) && !known {
				t.Errorf("%s: the word %s has a JSON form and is not listed in this test", file, spec.Name.Name)
			}
			return true
		})
	}
}

// hasForm: a struct without type parameters, one of whose fields has a JSON name.
func hasForm(spec *ast.TypeSpec) bool {
	s, is := spec.Type.(*ast.StructType)
	if !is || spec.TypeParams != nil {
		return false
	}
	for _, f := range s.Fields.List {
		if f.Tag != nil && strings.Contains(f.Tag.Value, "json:") {
			return true
		}
	}
	return false
}
