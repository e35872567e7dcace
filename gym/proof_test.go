package gym

import (
	"slices"
	"testing"
)

func TestUnproved(t *testing.T) {
	r := Report{N: enoughIncidents, Scores: map[string]Score{"a": {Runs: 3, Verified: 1}, "b": {Runs: 3}}}
	if got := r.Unproved([]string{"a", "b", "c"}); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("unproved %v, want b, without a verified run, and c, without any", got)
	}
	if r.N--; r.Unproved([]string{"c"}) != nil {
		t.Error("a few incidents prove nothing")
	}
}
