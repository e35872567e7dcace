package galen

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 64

// Decode reads our own JSON strictly: invalid UTF-8, unknown, duplicate and other-case fields, null, missing required
// fields and trailing data are errors. A field is required unless its tag says omitempty or omitzero. The error tells
// every fault that can be told, each with its place, "nodes[2].address", on a line of its own.
func Decode[T any](b []byte) (T, error) {
	var v T
	err := decodeStrict(b, &v, true)
	return v, err
}

// DecodeOver is [Decode] over a value that holds defaults: no field is required, what is absent stays as it is.
func DecodeOver(b []byte, v any) error { return decodeStrict(b, v, false) }

// Fault is one thing that is wrong in JSON that was read.
type Fault struct {
	// At is its place, "nodes[2].address"; "" is the whole.
	At string
	// Key is the member of what stands there that should not be there, is there twice, or is missing; "" if it is none of that.
	Key string
	Err error
}

// Field is the place of what is wrong, with the key if that is what is wrong.
func (f *Fault) Field() string {
	if f.Key == "" {
		return f.At
	}
	return join(f.At, f.Key)
}

// Error has the place before what is wrong there.
func (f *Fault) Error() string {
	if f.At == "" {
		return f.Err.Error()
	}
	return f.At + ": " + f.Err.Error()
}

// Unwrap is what is wrong.
func (f *Fault) Unwrap() error { return f.Err }

// Faults are all that an error tells of, in its order.
func Faults(err error) []*Fault {
	switch e := err.(type) { //nolint:errorlint // it walks the whole tree
	case *Fault:
		return []*Fault{e}
	case interface{ Unwrap() []error }:
		var out []*Fault
		for _, one := range e.Unwrap() {
			out = append(out, Faults(one)...)
		}
		return out
	case interface{ Unwrap() error }:
		return Faults(e.Unwrap())
	}
	return nil
}

// within are the faults of an error at a place of what surrounds it.
func within(at string, err error) error {
	faults := Faults(err)
	if len(faults) == 0 {
		return err
	}
	out := make([]error, 0, len(faults))
	for _, f := range faults {
		place := at
		if f.At != "" {
			place = join(at, f.At)
		}
		out = append(out, &Fault{At: place, Key: f.Key, Err: f.Err})
	}
	return errors.Join(out...)
}

// maxFaults are told at most: what is not this form at all has no end of them.
const maxFaults = 20

func decodeStrict(b []byte, v any, required bool) error {
	if !utf8.Valid(b) {
		return errors.New("not valid UTF-8")
	}
	t := reflect.TypeOf(v).Elem()
	c := newChecker(b, required)
	if err := c.whole(t); err != nil {
		return err
	}
	failed := json.Unmarshal(b, v)
	if failed == nil {
		return nil
	}
	// Which text it was is worth another walk, now that nothing is to be read any more.
	again := newChecker(b, required)
	again.texts = true
	if err := again.whole(t); err != nil {
		return err
	}
	return fmt.Errorf("read JSON: %w", failed)
}

// checker walks the tokens along the Go type, before encoding/json fills it. It goes on after a fault, so that all are told.
type checker struct {
	dec      *json.Decoder
	required bool
	texts    bool // read the texts of those who read text themselves
	faults   []error
}

func newChecker(b []byte, required bool) *checker {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return &checker{dec: dec, required: required}
}

// whole walks one value and nothing after it; the error has all faults.
func (c *checker) whole(t reflect.Type) error {
	err := c.value(t, "", 0)
	if err == nil {
		if _, after := c.dec.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("data after the end of the JSON value")
		}
	}
	return errors.Join(append(c.faults, err)...)
}

// fault notes what is wrong at a place.
func (c *checker) fault(at, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, placed(at, format, args...))
	}
}

// faultOf notes what is wrong with a member at a place.
func (c *checker) faultOf(at, key, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, &Fault{At: at, Key: key, Err: fmt.Errorf(format, args...)})
	}
}

func placed(at, format string, args ...any) error {
	return &Fault{At: at, Err: fmt.Errorf(format, args...)}
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value checks one value; an error ends the walk, because what follows has no meaning.
func (c *checker) value(t reflect.Type, at string, depth int) error {
	if depth > maxDepth {
		return placed(at, "nested deeper than %d", maxDepth)
	}
	tok, err := c.dec.Token()
	if err != nil {
		return placed(at, "not JSON: %w", err)
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	opaque := isOpaque(t)
	switch tok {
	case json.Delim('{'):
		return c.object(t, at, depth, opaque)
	case json.Delim('['):
		return c.list(t, at, depth, opaque)
	default:
		c.scalar(t, tok, at, opaque)
		return nil
	}
}

// isOpaque: the type takes any JSON as it is; only doubles and depth are checked inside.
func isOpaque(t reflect.Type) bool {
	return t == reflect.TypeFor[any]() || t.Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(jsonUnmarshaler)
}

// null notes that there is nothing where something should be.
func (c *checker) null(at string) {
	if strings.HasSuffix(at, "]") { // an element of a list
		c.fault(at, "an empty entry; fill it in, or take it out")
		return
	}
	c.fault(at, "null is not allowed; give it a value, or leave the field out")
}

func (c *checker) scalar(t reflect.Type, tok json.Token, at string, opaque bool) {
	if tok == nil && t != reflect.TypeFor[any]() { // a null inside what is opaque is its reader's
		c.null(at)
		return
	}
	if opaque {
		return
	}
	if !reflect.PointerTo(t).Implements(textUnmarshaler) {
		if want := wanted(t, tok); want != "" {
			c.fault(at, "want %s", want)
		}
		return
	}
	text, isText := tok.(string)
	switch {
	case !isText && t == reflect.TypeFor[Duration]():
		c.fault(at, "want a duration with its unit, such as 20s or 5m")
	case !isText:
		c.fault(at, "want text")
	case c.texts:
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			c.fault(at, "%w", err)
		}
	}
}

// wanted says for people what a type takes, "" if it takes the token.
func wanted(t reflect.Type, tok json.Token) string {
	number, isNumber := tok.(json.Number)
	_, isText := tok.(string)
	_, isBool := tok.(bool)
	switch k := t.Kind(); {
	case t == reflect.TypeFor[json.Number]():
		return unless(isNumber, "a number")
	case k == reflect.String, k == reflect.Slice && t.Elem().Kind() == reflect.Uint8: // bytes are base64
		return unless(isText, "text")
	case k == reflect.Bool:
		return unless(isBool, "true or false")
	case k == reflect.Float32, k == reflect.Float64:
		return unless(isNumber, "a number")
	case k >= reflect.Int && k <= reflect.Uintptr:
		return unless(isNumber && !strings.ContainsAny(number.String(), ".eE"), "a whole number")
	case k == reflect.Slice, k == reflect.Array:
		return "a list"
	}
	return "an object"
}

func unless(ok bool, want string) string {
	if ok {
		return ""
	}
	return want
}

func (c *checker) list(t reflect.Type, at string, depth int, opaque bool) error {
	elem := reflect.TypeFor[any]()
	switch {
	case opaque:
	case t.Kind() != reflect.Slice && t.Kind() != reflect.Array:
		c.fault(at, "unexpected list")
	default:
		elem = t.Elem()
	}
	for i := 0; c.dec.More(); i++ {
		if err := c.value(elem, fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
			return err
		}
	}
	return c.end(at)
}

func (c *checker) object(t reflect.Type, at string, depth int, opaque bool) error {
	var fields map[string]field
	elem := reflect.TypeFor[any]()
	switch {
	case opaque:
	case t.Kind() == reflect.Struct:
		fields = fieldsOf(t)
	case t.Kind() == reflect.Map:
		elem = t.Elem()
	default:
		c.fault(at, "unexpected object")
	}
	seen := map[string]bool{}
	for c.dec.More() {
		if err := c.member(fields, elem, seen, at, depth); err != nil {
			return err
		}
	}
	if c.required {
		c.missing(fields, seen, at)
	}
	return c.end(at)
}

func (c *checker) missing(fields map[string]field, seen map[string]bool, at string) {
	var lacks []string
	for name, f := range fields {
		if f.required && !seen[name] {
			lacks = append(lacks, name)
		}
	}
	slices.Sort(lacks)
	for _, name := range lacks {
		c.faultOf(at, name, "field %q is missing", name)
	}
}

// member checks one name and its value. fields is nil for maps and opaque values, whose members are of type elem.
func (c *checker) member(fields map[string]field, elem reflect.Type, seen map[string]bool, at string, depth int) error {
	tok, err := c.dec.Token()
	if err != nil {
		return placed(at, "not JSON: %w", err)
	}
	name, _ := tok.(string)
	if seen[name] {
		c.faultOf(at, name, "field %q stands twice", name)
	}
	seen[name] = true
	if fields != nil {
		f, known := fields[name]
		if elem = f.typ; !known {
			c.faultOf(at, name, "unknown field %q%s", name, didYouMean(name, fields))
			elem = reflect.TypeFor[any]()
		}
	}
	return c.value(elem, join(at, name), depth+1)
}

func (c *checker) end(at string) error {
	if _, err := c.dec.Token(); err != nil {
		return placed(at, "not JSON: %w", err)
	}
	return nil
}

type field struct {
	typ      reflect.Type
	required bool
	index    []int
	doc      string // for people, the tag doc
}

// fieldsOf are the JSON fields of a struct, embedded structs without a name flattened.
func fieldsOf(t reflect.Type) map[string]field {
	out := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, hasTag := f.Tag.Lookup("json")
		name, opts, _ := strings.Cut(tag, ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			for n, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				out[n] = inner
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if !hasTag || name == "" {
			name = f.Name
		}
		optional := strings.Contains(opts, "omitempty") || strings.Contains(opts, "omitzero")
		out[name] = field{typ: f.Type, required: !optional, index: f.Index, doc: f.Tag.Get("doc")}
	}
	return out
}

// didYouMean names the field that is nearest, if one is near enough.
func didYouMean(name string, fields map[string]field) string {
	const near = 2
	best, least := "", near+1
	for _, known := range slices.Sorted(maps.Keys(fields)) {
		if d := distance(strings.ToLower(name), strings.ToLower(known)); d < least && d < len(known) {
			best, least = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// longestName that is compared: a hostile one costs nothing.
const longestName = 64

// distance is how many letters must be put in, left out or changed (Levenshtein).
func distance(a, b string) int {
	if len(a) > longestName || len(b) > longestName {
		return longestName
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, changed)
		}
	}
	return row[len(b)]
}

// fieldValues are the values of a struct's JSON fields, the empty ones too.
func fieldValues(v reflect.Value) map[string]any {
	out := map[string]any{}
	for name, f := range fieldsOf(v.Type()) {
		value := v.FieldByIndex(f.index)
		if value.Kind() == reflect.Slice && value.IsNil() {
			value = reflect.MakeSlice(value.Type(), 0, 0) // [] for people, not null
		}
		out[name] = value.Interface()
	}
	return out
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
