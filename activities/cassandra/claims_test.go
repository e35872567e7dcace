package cassandra_test

import (
	"slices"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// A preparation claims both ends: the instance, and the node whose place it is made ready for. The guards see what it reaches
// from and to, and no two runs prepare for one place.
func TestPrepareClaimsBothEnds(t *testing.T) {
	w := dead(t)
	s := cassandra.Prepare(w.state, *w.instance("n4"), *w.node("n3"))
	i := slices.IndexFunc(cassandra.Verbs(), func(v galen.Verb[cassandra.Ring]) bool { return v.Name == s.Verb })
	got := cassandra.Verbs()[i].Claims(w.state, s)
	want := []galen.Claim{{Name: "node/instance/n4"}, {Name: "node/" + w.node("n3").HostID}}
	if !slices.Equal(got, want) {
		t.Errorf("claims %v, want %v", got, want)
	}
}
