package galen

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// schemaDialect is the dialect of [ListedRunbook.Schema].
const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// formed is a type that reads text itself and says its form: a JSON Schema's enum or pattern.
type formed interface{ Schema() map[string]any }

// schemaOf is the JSON Schema of what the strict reader takes over v, which holds the defaults. above are the structs that it stands in.
// A field is required as in [Decode], unless it has a default.
func schemaOf(v reflect.Value, above []reflect.Type) map[string]any {
	v = pointed(v)
	t := v.Type()
	switch {
	case t == reflect.TypeFor[any]():
		return map[string]any{}
	case t == reflect.TypeFor[json.Number]():
		return map[string]any{"type": "number"}
	case reflect.PointerTo(t).Implements(textUnmarshaler): // before what is opaque: a time is both
		return textSchema(v)
	case isOpaque(t):
		return map[string]any{"not": map[string]any{"type": "null"}}
	}
	return plainSchema(v, above)
}

// pointed is what a pointer leads to, the zero value for nil.
func pointed(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = reflect.New(v.Type().Elem())
		}
		v = v.Elem()
	}
	return v
}

// plainSchema is that of a type which does not read itself.
func plainSchema(v reflect.Value, above []reflect.Type) map[string]any {
	switch t := v.Type(); t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": schemaOf(reflect.Zero(t.Elem()), above)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(reflect.Zero(t.Elem()), above)}
	case reflect.Struct:
		return structSchema(v, above)
	default:
		return wholeSchema(t)
	}
}

func textSchema(v reflect.Value) map[string]any {
	out := map[string]any{"type": "string"}
	if f, says := v.Interface().(formed); says {
		for word, of := range f.Schema() {
			out[word] = of
		}
	} else if v.Type().String() == "time.Time" {
		out["format"] = "date-time"
	}
	return out
}

// wholeSchema bounds whole numbers by what the type holds.
func wholeSchema(t reflect.Type) map[string]any {
	bits := t.Bits()
	least, most := strconv.FormatInt(math.MinInt64>>(64-bits), 10), strconv.FormatInt(math.MaxInt64>>(64-bits), 10)
	if t.Kind() >= reflect.Uint {
		least, most = "0", strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
	}
	return map[string]any{"type": "integer", "minimum": json.Number(least), "maximum": json.Number(most)}
}

func structSchema(v reflect.Value, above []reflect.Type) map[string]any {
	t := v.Type()
	if slices.Contains(above, t) { // one that holds itself: its fields are told above
		return map[string]any{"type": "object"}
	}
	properties, required := map[string]any{}, []string{}
	for name, f := range fieldsOf(t) {
		one := schemaOf(v.FieldByIndex(f.index), append(slices.Clone(above), t))
		if f.doc != "" {
			one["description"] = f.doc
		}
		if is := v.FieldByIndex(f.index); !empty(is) {
			one["default"] = is.Interface()
		} else if f.required {
			required = append(required, name)
		}
		properties[name] = one
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if slices.Sort(required); len(required) > 0 {
		out["required"] = required
	}
	return out
}

// empty: nothing that could be a default.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

// lacking are the required fields of a schema that a value of its form has not.
func lacking(schema map[string]any, v any, at string) []error {
	var out []error
	switch v := v.(type) {
	case map[string]any:
		required, _ := schema["required"].([]string)
		for _, name := range required {
			if _, has := v[name]; !has {
				out = append(out, &Fault{At: at, Key: name, Err: fmt.Errorf("field %q is missing", name)})
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		each, _ := schema["additionalProperties"].(map[string]any)
		for name, in := range v {
			of, known := properties[name].(map[string]any)
			if !known {
				of = each
			}
			out = append(out, lacking(of, in, join(at, name))...)
		}
	case []any:
		of, _ := schema["items"].(map[string]any)
		for i, in := range v {
			out = append(out, lacking(of, in, at+"["+strconv.Itoa(i)+"]")...)
		}
	}
	return out
}
