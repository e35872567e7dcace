package galen

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 64

// Decode reads our own JSON strictly: invalid UTF-8, unknown, duplicate and other-case fields, null, missing required
// fields and trailing data are errors. A field is required unless its tag says omitempty or omitzero. The error names
// the place, "nodes[2].address".
func Decode[T any](b []byte) (T, error) {
	var v T
	err := decodeStrict(b, &v, true)
	return v, err
}

// DecodeOver is [Decode] over a value that holds defaults: no field is required, what is absent stays as it is.
func DecodeOver(b []byte, v any) error { return decodeStrict(b, v, false) }

func decodeStrict(b []byte, v any, required bool) error {
	if !utf8.Valid(b) {
		return errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	c := checker{dec: dec, required: required}
	if err := c.value(reflect.TypeOf(v).Elem(), "", 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the end of the JSON value")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	return nil
}

// checker walks the tokens along the Go type, before encoding/json fills it.
type checker struct {
	dec      *json.Decoder
	required bool
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c *checker) value(t reflect.Type, at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: nested deeper than %d", place(at), maxDepth)
	}
	tok, err := c.dec.Token()
	if err != nil {
		return fmt.Errorf("%s: not JSON: %w", place(at), err)
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
		return c.scalar(t, tok, at, opaque)
	}
}

// isOpaque: the type takes any JSON as it is; only doubles and depth are checked inside.
func isOpaque(t reflect.Type) bool {
	return t == reflect.TypeFor[any]() || t.Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(jsonUnmarshaler)
}

func (c *checker) scalar(t reflect.Type, tok json.Token, at string, opaque bool) error {
	if tok == nil && t != reflect.TypeFor[any]() { // a null inside what is opaque is its reader's
		return fmt.Errorf("%s: null is not allowed; leave the field out", place(at))
	}
	if opaque {
		return nil
	}
	if _, isText := tok.(string); !isText && reflect.PointerTo(t).Implements(textUnmarshaler) {
		return fmt.Errorf("%s: want text", place(at))
	}
	return nil
}

func (c *checker) list(t reflect.Type, at string, depth int, opaque bool) error {
	elem := reflect.TypeFor[any]()
	if !opaque {
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return fmt.Errorf("%s: unexpected list", place(at))
		}
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
		return fmt.Errorf("%s: unexpected object", place(at))
	}
	seen := map[string]bool{}
	for c.dec.More() {
		if err := c.member(fields, elem, seen, at, depth); err != nil {
			return err
		}
	}
	for name, f := range fields {
		if c.required && f.required && !seen[name] {
			return fmt.Errorf("%s: field %q is missing", place(at), name)
		}
	}
	return c.end(at)
}

// member checks one name and its value. fields is nil for maps and opaque values, whose members are of type elem.
func (c *checker) member(fields map[string]field, elem reflect.Type, seen map[string]bool, at string, depth int) error {
	tok, err := c.dec.Token()
	if err != nil {
		return fmt.Errorf("%s: not JSON: %w", place(at), err)
	}
	name, _ := tok.(string)
	if seen[name] {
		return fmt.Errorf("%s: field %q stands twice", place(at), name)
	}
	seen[name] = true
	if fields != nil {
		f, known := fields[name]
		if !known {
			return fmt.Errorf("%s: unknown field %q%s", place(at), name, didYouMean(name, fields))
		}
		elem = f.typ
	}
	return c.value(elem, join(at, name), depth+1)
}

func (c *checker) end(at string) error {
	if _, err := c.dec.Token(); err != nil {
		return fmt.Errorf("%s: not JSON: %w", place(at), err)
	}
	return nil
}

type field struct {
	typ      reflect.Type
	required bool
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
		out[name] = field{typ: f.Type, required: !optional}
	}
	return out
}

func didYouMean(name string, fields map[string]field) string {
	for known := range fields {
		if strings.EqualFold(known, name) {
			return fmt.Sprintf(" (did you mean %q?)", known)
		}
	}
	return ""
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func place(at string) string {
	if at == "" {
		return "top level"
	}
	return at
}
