package galen

import (
	"slices"
	"testing"
)

// TestNamesOf: a node and the instance under it are one thing; an empty name is nobody's.
func TestNamesOf(t *testing.T) {
	members := []Member{
		{Target: Target{ID: "host-1"}, Instance: "instance/n1"}, {Target: Target{ID: "instance/n4"}, Instance: "instance/n4"}, {Target: Target{ID: "host-9"}},
	}
	for id, want := range map[string][]string{
		"host-1":      {"host-1", "instance/n1"},
		"instance/n1": {"instance/n1", "host-1"},
		"instance/n4": {"instance/n4"},
		"host-9":      {"host-9"},
		"stranger":    {"stranger"},
		"":            {""},
	} {
		if got := NamesOf(members, id); !slices.Equal(got, want) {
			t.Errorf("%q goes by %q, want %q", id, got, want)
		}
	}
	in := Intent{Step: Step{Target: Target{ID: "host-1"}}, Also: []string{"instance/n1"}}
	if !in.On("host-1") || !in.On("x", "instance/n1") || in.On("host-9") || in.On() {
		t.Error("an intent on host-1 is on its instance, too, and on nobody else")
	}
}
