package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// blanks tells the optional texts of a T that are written and empty. Left out, each has its default; written, something was to stand
// there: where the name of the journal's file was lost, a new journal would know of no hold.
func blanks[T any](text []byte) error {
	var in any
	_ = json.Unmarshal(text, &in) // what cannot be read is told by who reads all of it
	return errors.Join(blanksIn(reflect.TypeFor[T](), in, "")...)
}

// blanksIn walks what was read along its type. What reads itself, a setup or a policy, is left to its reader.
func blanksIn(t reflect.Type, in any, at string) (errs []error) {
	switch in := in.(type) {
	case []any:
		for i, one := range in {
			if t.Kind() == reflect.Slice {
				errs = append(errs, blanksIn(t.Elem(), one, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		if t.Kind() == reflect.Struct {
			return blankFields(t, in, at)
		}
		for _, key := range slices.Sorted(maps.Keys(in)) {
			if t.Kind() == reflect.Map {
				errs = append(errs, blanksIn(t.Elem(), in[key], below(at, key))...)
			}
		}
	}
	return errs
}

func blankFields(t reflect.Type, in map[string]any, at string) (errs []error) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() {
			continue
		}
		if in[name] != "" || f.Type.Kind() != reflect.String || !strings.Contains(opts, "omit") {
			errs = append(errs, blanksIn(f.Type, in[name], below(at, name))...)
			continue
		}
		do := "fill it in"
		if strings.HasSuffix(name, "_file") {
			do = "name the file"
		}
		errs = append(errs, fmt.Errorf("%s: empty; %s, or leave the field out", below(at, name), do))
	}
	return errs
}

func below(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
