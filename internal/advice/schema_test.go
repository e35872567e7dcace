package advice

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestSchemaIsTrue: docs/schema/state.md names every field of a saved ring that a person may write, and its example can be asked.
func TestSchemaIsTrue(t *testing.T) {
	b, err := os.ReadFile("../../docs/schema/state.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for _, form := range []reflect.Type{reflect.TypeFor[galen.Saved](), reflect.TypeFor[cassandra.Ring](), reflect.TypeFor[cassandra.Node](), reflect.TypeFor[cassandra.Keyspace]()} {
		for i := range form.NumField() {
			name, _, _ := strings.Cut(form.Field(i).Tag.Get("json"), ",")
			if name != "-" && !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%s: the field `%s` is not told of", form, name)
			}
		}
	}
	_, rest, _ := strings.Cut(doc, "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	v, err := Load([]byte(example), kinds)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]galen.Opinion{"00000001-0000-4000-8000-000000000000": galen.Yes, "00000002-0000-4000-8000-000000000000": galen.Yes} {
		if a := asked(t, v, "stop", id); a.Answer != want {
			t.Errorf("stop %s: %s (%s)", id, a.Answer, a.Why)
		}
	}
	if a := WhatIf(v, []string{"00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"}); a.Answer != galen.No {
		t.Errorf("two of three: %s (%s)", a.Answer, a.Why)
	}
}
