package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// trouble is all that forbids a change of the ring, and neither reading nor taking back one's own work.
func (s *scene) trouble() {
	for i := range s.ward.Beds {
		s.ward.Beds[i].Bad = true
	}
	s.policy.Floors, s.policy.EngineNeeds = map[string]int{"east": 100}, "it stores Temporal"
	s.policy.Windows = []galen.Window{{Name: "backup", From: "11:00", For: galen.Duration(2 * time.Hour)}}
	s.ledger.Facts["lock/reaper"] = galen.Fact{Key: "lock/reaper", At: noon}
	s.ledger.Quarantine = &galen.Quarantine{Runbook: "ward/heal", At: noon}
	s.ward.bed("instance/spare").Group = "west"
}

// TestOwnWorkWaitsToo: what the engine itself cannot vouch for (its version, its clock, its rate) holds for own work, too.
func TestOwnWorkWaitsToo(t *testing.T) {
	for guard, spoil := range map[string]func(*scene){
		guardVersion: func(s *scene) { s.version = 2 },
		guardClock:   func(s *scene) { s.clockStep = time.Hour },
		guardRate:    func(s *scene) { s.ledger.Released, s.policy.ReleasePerSecond = []time.Time{noon}, 1 },
	} {
		s := newScene("dismiss")
		s.step = step("dismiss", "instance/spare")
		s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
		if v := Worst(judged(s.ask(t), CommonGuards())); v.Answer != galen.Allow {
			t.Fatalf("before: %s says %s: %s", v.Guard, v.Answer, v.Why)
		}
		spoil(&s)
		a := s.ask(t)
		if v := Worst(judged(a, CommonGuards())); !a.Own || v.Guard != guard || v.Answer == galen.Allow {
			t.Errorf("%s: own %t, %s says %s", guard, a.Own, v.Guard, v.Answer)
		}
	}
}

// TestHolders are whose claims are in the way, whatever claims they are.
func TestHolders(t *testing.T) {
	s := newScene("swap")
	for i, name := range []string{"ring", "node/bed-1", "rack/east/room-1", "node/bed-2", "node/bed-5", "rack/east/room-2", "node/gone"} {
		s.ledger.Claims = append(s.ledger.Claims, galen.HeldClaim{Claim: galen.Claim{Name: name}, Run: fmt.Sprint("run-", i)})
	}
	s.ledger.Claims = append(s.ledger.Claims, galen.HeldClaim{Claim: galen.Claim{Name: "node/bed-1"}, Run: "run-a"})
	var got []string
	for _, h := range Holders(s.ask(t)) {
		got = append(got, h.Run)
	}
	if want := []string{"run-0", "run-1", "run-2", "run-3", "run-6"}; !slices.Equal(got, want) {
		t.Errorf("holders %q, want %q", got, want)
	}
}

// closeCall is a world close to a limit.
type closeCall struct {
	name, verb string
	change     func(*scene)
}

// closeCalls are worlds close to the limits that must not be refused (L-1: doing nothing is no safety).
func closeCalls() []closeCall {
	return []closeCall{
		{"reading needs nothing", "read", func(s *scene) {
			s.policy.Mode, s.ward.Looked, s.ledger.Run.Deadline = galen.ModeObserve, time.Time{}, noon
			s.ledger.Holds = []galen.Hold{{By: "ada"}}
			s.ledger.Open = []galen.Intent{{Run: "run-b", Step: step("wake", "bed-1")}}
			s.trouble()
			s.version, s.clockStep = 0, time.Hour
			for range 9 {
				s.ledger.Released = append(s.ledger.Released, noon)
			}
		}},
		{"a rule for another class", "wake", func(s *scene) { s.policy.Modes = []galen.ModeRule{{Class: galen.Destructive, Mode: galen.ModeObserve}} }},
		{"a rule that lets its class act", "wake", func(s *scene) {
			s.policy.Mode, s.policy.Modes = galen.ModeObserve, []galen.ModeRule{{Class: galen.Reversible, Mode: galen.ModeAct}}
		}},
		{"a start with somebody missing", "wake", func(s *scene) { s.ward.Missing = []string{"room-2"} }},
		{"two of the three in one room", "discharge", func(s *scene) {
			s.ward.bed("bed-2").Bad, s.ward.bed("bed-3").Domain = true, "east/room-1"
		}},
		{"a whole room, and a person knows", "discharge", func(s *scene) {
			s.ward.bed("bed-2").Bad, s.ledger.Approval = true, s.approved()
		}},
		{"a start while two are bad in two rooms", "wake", func(s *scene) { s.ward.bed("bed-3").Bad = true }},
		{"a start in a whole room that is bad", "wake", func(s *scene) { s.ward.bed("bed-2").Bad = true }},
		{"as many as the floor stay", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
		}},
		{"who is bad takes nothing from the floor", "move", func(s *scene) { s.policy.Floors = map[string]int{"east": 6} }},
		{"another group's floor", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"west": 6}
		}},
		{"across data centres by a person's yes", "swap", func(s *scene) {
			s.ward.bed("instance/spare").Group, s.ledger.Approval = "west", s.approved()
			s.ledger.Approval.Basis["instance/spare"] = s.ward.Basis()
		}},
		{"what the engine needs, by a person's yes", "wake", func(s *scene) {
			s.policy.EngineNeeds, s.ledger.Approval = "it stores Temporal", s.approved()
		}},
		{"deleted for good, by all the rules", "empty", func(s *scene) { s.deletes() }},
		{"after the window", "wake", func(s *scene) {
			s.policy.Windows = []galen.Window{{Name: "backup", From: "11:00", For: galen.Duration(time.Hour)}}
		}},
		{"in a window by a yes from within", "wake", func(s *scene) {
			s.policy.Windows = []galen.Window{{Name: "backup", From: "11:00", For: galen.Duration(2 * time.Hour)}}
			s.ledger.Approval = s.approved()
		}},
		{"another tool has gone", "wake", func(s *scene) { s.ledger.Facts["lock/reaper"] = galen.Fact{Key: "lock/reaper", Gone: true} }},
		{"the cool-down of its cause and class is over", "wake", func(s *scene) {
			s.policy.Cooldowns = []galen.Cooldown{{Cause: "ill", Class: galen.Reversible, For: galen.Duration(time.Minute)}}
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", Cause: "ill", Class: galen.Reversible, At: noon.Add(-time.Minute)}}
		}},
		{"an undo whose target has left", "tune", func(s *scene) {
			s.step = *tuned("bed-1", 1, 2).Undo
			owe(s, "run-a", "run-a-1", s.step, noon.Add(-time.Hour))
			s.ward.Beds = s.ward.Beds[1:]
		}},
		{"clocks within the limit", "wake", func(s *scene) {
			s.clockStep, s.ledger.Now = 500*time.Millisecond, noon.Add(500*time.Millisecond)
			s.ward.Offsets = []galen.ClockOffset{{Observer: "bed-2", Offset: -500 * time.Millisecond}}
		}},
		{"four in this second, and one before", "wake", func(s *scene) {
			for i := range 4 {
				s.ledger.Released = append(s.ledger.Released, noon.Add(-time.Duration(i)*100*time.Millisecond))
			}
			s.ledger.Released = append(s.ledger.Released, noon.Add(-time.Second))
		}},
		{"five of twenty-six, a fifth", "discharge", func(s *scene) { spread(s, 4) }},
		{"seven of twenty-six not listed", "discharge", func(s *scene) {
			spread(s, 0)
			for i := range 7 {
				s.ward.Beds[i+1].Unlisted = true
			}
		}},
		{"an empty instance does not answer", "discharge", func(s *scene) {
			s.ward.bed("instance/spare").Bad, s.ward.bed("instance/spare").Domain = true, "east/room-3"
		}},
		{"its own calls do not count as treatment", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-a", Target: "bed-1", At: noon}}
		}},
		{"one member not listed", "discharge", func(s *scene) { s.ward.bed("bed-6").Unlisted = true }},
		{"an empty instance is prepared", "wake", func(s *scene) { s.step = step("wake", "instance/spare") }},
		{"an instance prepared by this run", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
		}},
		{"its own joiner, though all is bad and the budget spent", "dismiss", func(s *scene) {
			s.step = step("dismiss", "instance/spare")
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
			for i := range s.ward.Beds {
				s.ward.Beds[i].Bad, s.ward.Beds[i].Unlisted = true, true
			}
			s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-b", At: noon}}
			s.ledger.Run.Deadline = noon
			s.trouble()
		}},
		{"the token of this run", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-a", Target: "bed-1", At: noon.Add(-time.Minute)}}
		}},
		{"a token that has come back", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-b", Target: "bed-5", At: noon.Add(-30 * time.Minute)}}
		}},
		{"after the cool-down", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon.Add(-time.Hour)}}
		}},
		{"acknowledged", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon, Acknowledged: true}}
		}},
		{"approved in the cool-down", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon}}
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
		}},
		{"asked for by a person in the cool-down", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon}}
			s.ledger.Run.Asked = "person ada"
		}},
		{"a lower claim under a kept one", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "ring"}, Run: "run-a", Kept: true}}
		}},
		{"a claim that it has already", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-1"}, Run: "run-a", Kept: true}}
		}},
		{"a share of what it has alone", "share", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "ring"}, Run: "run-a", Kept: true}}
		}},
		{"past the deadline, approved since", "wake", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ledger.Run.Deadline = s.ledger.Approval.At
		}},
		{"another run in another room", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-5"}, Run: "run-b"}}
		}},
		{"the newest undo, to a restarted target, without another yes", "tune", func(s *scene) {
			s.policy.Mode = galen.ModeApprove
			first, second := *tuned("bed-1", 1, 2).Undo, *tuned("bed-1", 2, 3).Undo
			owe(s, "run-a", "run-a-1", first, noon.Add(-2*time.Hour))
			owe(s, "run-a", "run-a-2", second, noon.Add(-time.Hour))
			s.ward.bed("bed-1").Target.Generation = 9
			s.step = second
		}},
		{"its own setting once more", "tune", func(s *scene) {
			owe(s, "run-a", "run-a-1", *tuned("bed-1", 1, 2).Undo, noon.Add(-time.Hour))
			s.step = tuned("bed-1", 2, 3)
		}},
	}
}

func TestAllowed(t *testing.T) {
	for _, c := range closeCalls() {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(c.verb)
			c.change(&s)
			if v := Worst(judged(s.ask(t), CommonGuards())); v.Answer != galen.Allow {
				t.Errorf("%s says %s: %s", v.Guard, v.Answer, v.Why)
			}
		})
	}
}

// TestWhoWorksBesideTreatsNobody: what a runbook that heals nothing did to a target is no reason not to heal it (I-14).
func TestWhoWorksBesideTreatsNobody(t *testing.T) {
	for runbook, want := range map[string]galen.Answer{"ward/tune": galen.Allow, "ward/heal": galen.NeedYes, "of another release": galen.NeedYes} {
		r, s := newRig(), newScene("wake")
		o := r.options()
		o.Runbooks["ward/tune"] = galen.ListedRunbook{Name: "ward/tune", Version: 1, Beside: true}
		g, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Runbook: runbook, Target: "bed-1", At: noon.Add(-time.Minute)}}
		if v := Worst(g.Preview(galen.World[galen.State]{Now: noon, State: s.ward}, s.ledger, s.step)); v.Answer != want {
			t.Errorf("%s: %s says %s (%s), want %s", runbook, v.Guard, v.Answer, v.Why, want)
		}
	}
}

// TestAnOwnVerbNeedsOwnWork: a verb that takes back the run's own work is no way around the guards for anything else.
func TestAnOwnVerbNeedsOwnWork(t *testing.T) {
	s := newScene("dismiss")
	s.ward.bed("bed-1").Observations = nil
	if a := s.ask(t); a.Own {
		t.Error("the run has done nothing to bed-1, and the step counts as its own")
	}
	if v := Worst(judged(s.ask(t), CommonGuards())); v.Guard != guardObservers {
		t.Errorf("%s says %s: %s", v.Guard, v.Answer, v.Why)
	}
}
