package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/runbooks"
)

// examples of each runbook's parameters.
const examples = 2_000

// part and rich have a field of every sort that parameters can have.
type part struct {
	Name string         `json:"name"`
	Size uint8          `json:"size,omitempty"`
	Wait galen.Duration `json:"wait,omitzero"`
}

type rich struct {
	Text     string                    `json:"text"`
	Preset   string                    `json:"preset"`
	Whole    int64                     `json:"whole,omitempty"`
	Tiny     int8                      `json:"tiny,omitempty"`
	Much     float64                   `json:"much,omitempty"`
	On       bool                      `json:"on,omitempty"`
	Mode     galen.Mode                `json:"mode,omitempty"`
	Class    galen.Class               `json:"class,omitzero"`
	Resource galen.Resource            `json:"resource,omitzero"`
	For      galen.Duration            `json:"for"`
	Names    []string                  `json:"names"`
	Parts    []part                    `json:"parts,omitempty"`
	Held     *part                     `json:"held,omitempty"`
	Inline   part                      `json:"inline,omitzero"`
	ByName   map[string]part           `json:"by_name,omitempty"`
	Counts   map[string]int            `json:"counts,omitempty"`
	Raw      json.RawMessage           `json:"raw,omitempty"`
	Deep     map[string]map[string]any `json:"deep,omitempty"`
}

func books() []galen.ListedRunbook {
	return append(runbooks.All(), galen.ListRunbook(galen.Runbook[galen.State, rich]{Name: "fake/everything", Defaults: rich{Preset: "x", For: 5}}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// compiled is the schema as any reader of JSON Schema has it.
func compiled(t *testing.T, rb galen.ListedRunbook) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	text, err := json.Marshal(rb.Schema())
	must(t, err)
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	must(t, err)
	c := jsonschema.NewCompiler()
	must(t, c.AddResource("urn:"+rb.Name, read))
	s, err := c.Compile("urn:" + rb.Name)
	must(t, err)
	return s, read.(map[string]any)
}

// TestTheSchemaTakesWhatTheReaderTakes: whatever JSON it is, the JSON Schema of a runbook's parameters takes it if and only if the strict reader
// does. Left out is what JSON Schema cannot tell apart: a field that stands twice, 1.0 for 1, a number or a duration of hundreds of years that
// fits nowhere.
func TestTheSchemaTakesWhatTheReaderTakes(t *testing.T) {
	for _, rb := range books() {
		t.Run(rb.Name, func(t *testing.T) {
			schema, form := compiled(t, rb)
			taken, refused := 0, 0
			for seed := range uint64(examples) {
				text, err := json.Marshal(drawn(rand.New(rand.NewPCG(seed, 0)), form, true))
				must(t, err)
				v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
				must(t, err)
				bySchema := schema.Validate(v)
				_, byReader := rb.Params(text)
				if (bySchema == nil) != (byReader == nil) {
					t.Fatalf("seed %d: %s\nthe schema: %v\nthe reader: %v", seed, text, bySchema, byReader)
				}
				if byReader == nil {
					taken++
				} else {
					refused++
				}
			}
			t.Logf("%d taken, %d refused", taken, refused)
			if taken == 0 || refused == 0 && len(form["properties"].(map[string]any)) > 0 {
				t.Errorf("%d were taken and %d refused: this compares nothing", taken, refused)
			}
		})
	}
}

// TestParametersAreDescribed: a program that asks a person for them can say what they are.
func TestParametersAreDescribed(t *testing.T) {
	for _, rb := range runbooks.All() {
		_, form := compiled(t, rb)
		properties, _ := form["properties"].(map[string]any)
		for name, of := range properties {
			if about, _ := of.(map[string]any)["description"].(string); about == "" {
				t.Errorf("%s: parameter %s has no tag doc that says what it is", rb.Name, name)
			}
		}
		if defaults, err := json.Marshal(rb.Defaults()); err != nil {
			t.Error(err)
		} else if _, err := rb.Params(defaults); err != nil {
			t.Errorf("%s: its own defaults %s: %v", rb.Name, defaults, err)
		}
	}
}

// drawn is a value of a schema's form, now and then one that is not.
func drawn(r *rand.Rand, form map[string]any, whole bool) any {
	if !whole && r.IntN(25) == 0 {
		return oneOf(r, nil, true, "text", "", 7, -1, 1.5, 300, []any{}, []any{1}, map[string]any{}, map[string]any{"x": nil})
	}
	switch form["type"] {
	case "object":
		return object(r, form)
	case "array":
		items, _ := form["items"].(map[string]any)
		out := []any{}
		for range r.IntN(3) {
			out = append(out, drawn(r, items, false))
		}
		return out
	case "boolean":
		return r.IntN(2) == 0
	case "number":
		return r.Float64() * 1e9
	case "integer":
		return r.IntN(128) + 200*(r.IntN(20)/19)
	case "string":
		return text(r, form)
	}
	return oneOf(r, "any", 1, []any{nil}, map[string]any{"a": []any{1, nil}})
}

func oneOf(r *rand.Rand, of ...any) any { return of[r.IntN(len(of))] }

// text is mostly of the form; "-0s", which the reader takes for 0, is left out.
func text(r *rand.Rand, form map[string]any) any {
	words, _ := form["enum"].([]any)
	pattern, _ := form["pattern"].(string)
	odd := r.IntN(12) == 0
	switch {
	case len(words) > 0 && !odd:
		return oneOf(r, words...)
	case pattern == "" || odd:
		return oneOf(r, "", "text", "true", "observe", "é\x00", "-5s", "5", "s", ".s", "1 s", "1d", "a/b/c", "A/b", "a/-b", "a/b\n", "1s\n", "\u0661s")
	case strings.Contains(pattern, "/"):
		return oneOf(r, "cassandra/orders", "a/b", "0/9._-")
	}
	return oneOf(r, "1h30m", "90s", "0", "+5s", "1.s", ".5h", "3us", "3µs", "3μs", "0.5ms7ns")
}

// object has most of the fields, at times one that there is not.
func object(r *rand.Rand, form map[string]any) any {
	out := map[string]any{}
	properties, _ := form["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if r.IntN(8) > 0 {
			of, _ := properties[name].(map[string]any)
			out[name] = drawn(r, of, false)
		}
	}
	if each, is := form["additionalProperties"].(map[string]any); is {
		for i := range r.IntN(3) {
			out[fmt.Sprint("key", i)] = drawn(r, each, false)
		}
	} else if r.IntN(20) == 0 {
		out[fmt.Sprint(oneOf(r, "nope", "Node", "node ", "NODE", "$schema"))] = 1
	}
	return out
}
