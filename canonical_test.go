package galen

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// slowCanonical is what canonical means: read everything, and let encoding/json write it again.
func slowCanonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// values are any JSON values, those that only raw text can hold included.
func values() *rapid.Generator[any] {
	return rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e30, 1e30).AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil),
			rapid.SampledFrom([]json.RawMessage{
				json.RawMessage(`"\u00e9\/\u003c<\ud83d\ude00"`), json.RawMessage(` { "b" : 1.0 , "a":[ ], "\u0061":2, "b":{} } `), json.RawMessage(`[1E5,-0,{"":null}]`),
				json.RawMessage(`{"z\"":1,"z":2,"z!":3,"z\u0021":4}`), json.RawMessage(`"\u2028 \\ \" \t"`), json.RawMessage(`"\ud800"`),
				json.RawMessage(`"\" \\ \n \r \t \b \f"`), json.RawMessage(`"\u0022 \u005c \u000a \u0008 \u000c \/"`),
			}).AsAny(),
			rapid.SampledFrom([]string{"\xff", "a\xc3\x28", "\u2028<&>\"\\\n", "\x00"}).AsAny(),
			rapid.SliceOfN(values(), 0, 4).AsAny(), rapid.MapOfN(rapid.String(), values(), 0, 5).AsAny(),
		)
	})
}

func TestCanonicalIsWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { sameCanonical(t, values().Draw(t, "value")) })
}

func sameCanonical(t interface {
	Helper()
	Fatalf(string, ...any)
}, v any) {
	t.Helper()
	got, err := Canonical(v)
	want, failed := slowCanonical(v)
	if (err == nil) != (failed == nil) || !bytes.Equal(got, want) {
		t.Fatalf("of %#v: %s, %v; want %s, %v", v, got, err, want, failed)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":1,"a":{"d":[],"c":"\u00e9"}}`, `[{},{"":""}]`, `{"a":1,"a":2}`, `"x"`, `-1e5`, `{"\\":1,"\"":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if json.Valid(text) {
			sameCanonical(t, json.RawMessage(text))
		}
	})
}
