package galen

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name string   `json:"name"`
	Wait Duration `json:"wait,omitzero"`
}

type outer struct {
	Resource Resource          `json:"resource"`
	Items    []inner           `json:"items,omitempty"`
	Args     json.RawMessage   `json:"args,omitempty"`
	At       time.Time         `json:"at,omitzero"`
	Map      map[string]string `json:"map,omitempty"`
	Many     int               `json:"many,omitempty"`
	Much     float64           `json:"much,omitempty"`
	On       bool              `json:"on,omitempty"`
}

func TestDecodeIsStrict(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"good", `{"resource":"fake/a","items":[{"name":"x","wait":"3s"}],"args":{"any":null},"at":"2026-01-02T03:04:05Z","map":{"a":"b"}}`, ""},
		{"unknown field", `{"resource":"fake/a","nope":1}`, `unknown field "nope"`},
		{"other case", `{"Resource":"fake/a"}`, `did you mean "resource"?`},
		{"twice", `{"resource":"fake/a","resource":"fake/b"}`, `"resource" stands twice`},
		{"twice inside opaque", `{"resource":"fake/a","args":{"x":1,"x":2}}`, `"x" stands twice`},
		{"null", `{"resource":null}`, "null is not allowed"},
		{"null for an element", `{"resource":"fake/a","items":[null]}`, "items[0]: an empty entry; fill it in, or take it out"},
		{"null for an opaque field", `{"resource":"fake/a","args":null}`, "args: null is not allowed"},
		{"null for an element that reads itself", `{"resource":"fake/a","items":[{"name":"x","wait":null}]}`, "items[0].wait: null is not allowed"},
		{"missing", `{}`, `"resource" is missing`},
		{"missing deep", `{"resource":"fake/a","items":[{}]}`, `items[0]: field "name" is missing`},
		{"trailing", `{"resource":"fake/a"} {}`, "after the end"},
		{"not utf-8", "{\"resource\":\"fake/\xff\"}", "UTF-8"},
		{"cut off", `{"resource":"fake/a"`, "not JSON"},
		{"bad resource", `{"resource":"fake"}`, "kind/name"},
		{"bad duration", `{"resource":"fake/a","items":[{"name":"x","wait":"soon"}]}`, "90s"},
		{"negative duration", `{"resource":"fake/a","items":[{"name":"x","wait":"-1s"}]}`, "negative"},
		{"number for text", `{"resource":7}`, "resource: want text"},
		{"number for plain text", `{"resource":"fake/a","items":[{"name":3}]}`, "items[0].name: want text"},
		{"number for a duration", `{"resource":"fake/a","items":[{"name":"x","wait":20}]}`, "items[0].wait: want a duration with its unit, such as 20s"},
		{"text for a list", `{"resource":"fake/a","items":"x"}`, "items: want a list"},
		{"text for an object", `{"resource":"fake/a","map":"x"}`, "map: want an object"},
		{"text for a number", `{"resource":"fake/a","much":"x"}`, "much: want a number"},
		{"part for a count", `{"resource":"fake/a","many":1.5}`, "many: want a whole number"},
		{"text for a switch", `{"resource":"fake/a","on":"yes"}`, "on: want true or false"},
		{"too large", `{"resource":"fake/a","many":99999999999999999999}`, "many"},
		{"place of a bad text", `{"resource":"fake/a","items":[{"name":"x","wait":"soon"}]}`, "items[0].wait: "},
		{"nearly", `{"resource":"fake/a","itmes":[]}`, `unknown field "itmes" (did you mean "items"?)`},
		{"not nearly", `{"resource":"fake/a","colour":[]}`, `unknown field "colour"` + "$"},
		{"all faults", `{"nope":{"x":[1]},"items":[{"name":1},{"more":2}],"map":[]}`, "unknown field \"nope\"\nitems[0].name: want text\n" +
			"items[1]: unknown field \"more\"\nitems[1]: field \"name\" is missing\nmap: unexpected list\nfield \"resource\" is missing$"},
		{"object for list", `{"resource":"fake/a","items":{}}`, "unexpected object"},
		{"list for object", `[]`, "unexpected list"},
		{"deep", `{"resource":"fake/a","args":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "nested deeper"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode[outer]([]byte(c.in))
			switch {
			case c.want == "" && err != nil:
				t.Fatalf("Decode(%s): %v", c.in, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error()+"$", c.want)):
				t.Fatalf("Decode(%s) = %v, want an error with %q", c.in, err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"resource":"fake/a","items":[{"name":"x"}]}`))
	f.Add([]byte(`{"resource":`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode[outer](b)
		if err != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("accepted %q but cannot write it: %v", b, err)
		}
		if _, err := Decode[outer](again); err != nil {
			t.Fatalf("accepted %q, wrote %q, then refused it: %v", b, again, err)
		}
	})
}

// TestDefaultsAreWhole: who reads what a runbook takes sees each parameter, those too that may be left out.
func TestDefaultsAreWhole(t *testing.T) {
	type base struct {
		Node string `json:"node"`
	}
	type params struct {
		base
		Spare string   `json:"spare,omitempty"`
		Many  []string `json:"many,omitempty"`
		For   Duration `json:"for,omitzero"`
	}
	rb := ListRunbook(Runbook[State, params]{Name: "fake/x", Defaults: params{For: Duration(time.Minute)}})
	got, err := json.Marshal(rb.Defaults())
	if want := `{"for":"1m0s","many":[],"node":"","spare":""}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
