package gate

import (
	"strings"
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

// TestAClaimUnderAnotherName: the bed on which another run is at work is there by another name, which only its intent tells.
func TestAClaimUnderAnotherName(t *testing.T) {
	for _, verb := range []string{"wake", "move"} {
		s := newScene(verb)
		s.ward.bed("bed-2").Target, s.ward.bed("bed-2").Instance = galen.Target{ID: "bed-20"}, ""
		s.ward.bed("bed-5").Target, s.ward.bed("bed-5").Instance = galen.Target{ID: "bed-50"}, ""
		open := func(id, also string) galen.Intent {
			return galen.Intent{ID: "run-a-1", Run: "run-a", Step: step("wake", id), Also: []string{also}} // whose it is does not matter
		}
		s.ledger.Open = []galen.Intent{open("bed-5", "bed-50"), open("bed-2", "bed-20")}
		s.ledger.Claims = held("run-b", galen.Claim{Name: "node/bed-5"})
		if v, h := domain(s.ask(t)), Holders(s.ask(t)); v.Answer != galen.Allow || len(h) != 0 {
			t.Errorf("%s while run-b is at work in another room: %s, %s; in the way: %+v", verb, v.Answer, v.Why, h)
		}
		s.ledger.Claims = held("run-b", galen.Claim{Name: "node/bed-2"})
		if v, h := domain(s.ask(t)), Holders(s.ask(t)); v.Answer != galen.LookAgain || !strings.Contains(v.Why, "same failure domain east/room-1") || len(h) != 1 {
			t.Errorf("%s while run-b is at work in the same room: %s, %s; in the way: %+v", verb, v.Answer, v.Why, h)
		}
	}
}

// TestWorkOnWhoHasLeft may lie in any failure domain: nobody is taken out of service meanwhile. A start takes nobody out.
func TestWorkOnWhoHasLeft(t *testing.T) {
	for verb, want := range map[string]galen.Answer{"wake": galen.Allow, "move": galen.LookAgain, "discharge": galen.LookAgain} {
		for name, spoil := range map[string]func(*scene, string){
			"a claim": func(s *scene, run string) { s.ledger.Claims = held(run, galen.Claim{Name: "node/gone"}) },
			"a call": func(s *scene, run string) {
				s.ledger.Open = []galen.Intent{{ID: run + "-1", Run: run, Step: step("wake", "gone"), Also: []string{"instance/gone"}}}
			},
		} {
			s := newScene(verb)
			spoil(&s, "run-b")
			if v := domain(s.ask(t)); v.Answer != want || want != galen.Allow && !strings.Contains(v.Why, "not known") {
				t.Errorf("%s beside %s: %s, %s", verb, name, v.Answer, v.Why)
			}
			if h := Holders(s.ask(t)); (len(h) > 0) != (want != galen.Allow && name == "a claim") {
				t.Errorf("%s beside %s: in the way is %+v", verb, name, h)
			}
			s = newScene(verb)
			spoil(&s, "run-a")
			if v := domain(s.ask(t)); v.Answer != galen.Allow {
				t.Errorf("%s beside %s of the run itself: %s, %s", verb, name, v.Answer, v.Why)
			}
		}
		s := newScene(verb)
		s.ledger.Claims = held("run-b", galen.Claim{Name: "ring"}) // the claims tell what excludes what
		if v := domain(s.ask(t)); v.Answer != galen.Allow {
			t.Errorf("%s beside a claim on the ring: %s, %s", verb, v.Answer, v.Why)
		}
	}
}

// TestWhoCameOntoTheMachine of a bed that the run changed is none of its work, which is exempt from guards.
func TestWhoCameOntoTheMachine(t *testing.T) {
	s := newScene("dismiss")
	s.ledger.Past = []galen.Intent{{
		ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-1"), Also: []string{"instance/bed-1"}, Class: galen.Reversible,
		Effect: galen.Effect{Status: galen.EffectDone},
	}}
	if a := s.ask(t); !a.Own {
		t.Error("the bed that the run changed is its own work")
	}
	s.ward.bed("bed-1").Target.ID = "bed-9"
	s.step = step("dismiss", "bed-9")
	if a := s.ask(t); a.Own {
		t.Error("who came after it is not")
	}
}
