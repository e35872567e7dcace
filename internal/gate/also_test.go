package gate

import (
	"testing"

	"github.com/galenhq/galen"
)

// TestWorkUnderAnotherName: the machine on which another run is at work left the listing under the name of its intent, and is there
// under the other. It is in the same room still, and out of service.
func TestWorkUnderAnotherName(t *testing.T) {
	s := newScene("move")
	s.ward.bed("bed-2").Target = galen.Target{ID: "instance/bed-2"} // it was a node, and is an empty instance by now
	s.ledger.Open = []galen.Intent{{
		ID: "run-b-1", Run: "run-b", Resource: wards, Step: step("move", "bed-2"), Also: []string{"instance/bed-2"},
		Class: galen.Disruptive, Effect: galen.Effect{Status: galen.EffectUnknown},
	}}
	a := s.ask(t)
	if v := domain(a); v.Answer != galen.LookAgain {
		t.Errorf("run-b is at work in the same room on instance/bed-2: %s", v.Answer)
	}
	m, found := memberOf(a.State.Members(), "instance/bed-2")
	if !found || !leaving(a, m) {
		t.Errorf("instance/bed-2 is being moved: %+v, found %t", m, found)
	}
}
