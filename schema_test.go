package galen

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

type knob struct {
	Size  uint8          `json:"size" doc:"how large"`
	Class Class          `json:"class,omitempty"`
	Waits []Duration     `json:"waits,omitempty"`
	Tags  map[string]int `json:"tags,omitempty"`
	Deep  *knob          `json:"deep,omitempty"`
}

type knobs struct {
	Name  string          `json:"name"`
	Much  float64         `json:"much"`
	On    bool            `json:"on,omitempty"`
	Knobs []knob          `json:"knobs,omitempty"`
	Raw   json.RawMessage `json:"raw,omitempty"`
	inner
}

func knobbed() ListedRunbook {
	return ListRunbook(Runbook[State, knobs]{Name: "fake/turn-knobs", Defaults: knobs{Much: 1.5, inner: inner{Wait: Duration(3)}}})
}

func TestSchemaOfParameters(t *testing.T) {
	got, err := json.MarshalIndent(knobbed().Schema(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Required   []string
		Properties map[string]map[string]any
		Additional *bool `json:"additionalProperties"`
	}
	if err := json.Unmarshal(got, &s); err != nil {
		t.Fatal(err)
	}
	if want := []string{"name"}; !slices.Equal(s.Required, want) {
		t.Errorf("required are %q, want %q: much has a default", s.Required, want)
	}
	if s.Additional == nil || *s.Additional {
		t.Error("it takes parameters that there are not")
	}
	if much, wait := s.Properties["much"], s.Properties["wait"]; much["default"] != 1.5 || wait["default"] != "3ns" {
		t.Errorf("the defaults are %v and %v", much["default"], wait["default"])
	}
	for _, part := range []string{`"description": "how large"`, `"maximum": 255`, `"destructive"`, `"$schema": "https://json-schema.org/draft/2020-12/schema"`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("the schema lacks %s:\n%s", part, got)
		}
	}
}

// What is wrong with parameters is told with its place in a request.
func TestBadParametersTellTheirPlace(t *testing.T) {
	for in, want := range map[string]struct{ text, field string }{
		`{"name":"x","knobs":[{"size":1},{"size":"big"}]}`: {"params.knobs[1].size: want a whole number", "params.knobs[1].size"},
		`{"name":"x","knobs":[{"class":"read"}]}`:          {`params.knobs[0]: field "size" is missing`, "params.knobs[0].size"},
		`{"name":"x","knobs":[{"size":1,"waits":["x"]}]}`:  {"params.knobs[0].waits[0]: duration", "params.knobs[0].waits[0]"},
		`{"name":"x","knobs":[{"size":1,"sice":1}]}`:       {`params.knobs[0]: unknown field "sice"`, "params.knobs[0].sice"},
		`{"name":"x","wait":"soon"}`:                       {"params.wait: duration", "params.wait"},
		`{"much":2,"name":"x","much":2}`:                   {`params: field "much" stands twice`, "params.much"},
		`{"much":2}`:                                       {`params: field "name" is missing`, "params.name"},
		`{"name":"x","nam":"y"}`:                           {`params: unknown field "nam" (did you mean "name"?)`, "params.nam"},
		`[]`:                                               {"params: unexpected list", "params"},
	} {
		_, err := knobbed().Params(json.RawMessage(in))
		if err == nil || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v, want %s", in, err, want.text)
		}
		faults := Faults(err)
		if len(faults) == 0 || faults[0].Field() != want.field {
			t.Errorf("%s: the faults are %v, want one of %s", in, faults, want.field)
		}
	}
	if whole, err := knobbed().Params(json.RawMessage(`{"name":"x","knobs":[{"size":7}]}`)); err != nil {
		t.Error(err)
	} else if again, err := knobbed().Params(whole); err != nil || string(again) != string(whole) {
		t.Errorf("what was read is not read again: %s, %v", again, err)
	}
}
