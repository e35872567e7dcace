package gate

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// kill is a world in which one guard stands alone.
type kill struct {
	guard string
	name  string
	verb  string
	spoil func(*scene)
	want  galen.Answer
}

func owe(s *scene, run, id string, undo galen.Step, at time.Time) {
	value, err := json.Marshal(undo)
	if err != nil {
		panic(err)
	}
	s.ledger.Facts[galen.UndoOwed+id] = galen.Fact{Key: galen.UndoOwed + id, Value: value, Intent: id, At: at}
	in := galen.Intent{ID: id, Run: run, Step: tuned(undo.Target.ID, 1, 2), Class: galen.Reversible, At: at, Effect: galen.Effect{Status: galen.EffectDone}}
	if run == s.ledger.Run.ID {
		s.ledger.Past = append(s.ledger.Past, in)
	}
}

// spread adds two rooms of ten beds, some of them bad, half in each room.
func spread(s *scene, bad int) {
	s.ward.Beds = s.ward.Beds[:1]
	for i := range 25 {
		id := fmt.Sprintf("far-%d", i)
		s.ward.Beds = append(s.ward.Beds, galen.Member{Target: galen.Target{ID: id}, Name: id, Group: "east", Domain: fmt.Sprintf("east/room-%d", 1+i%2), Bad: i < bad})
	}
}

// deletes makes the step one that deletes for good, with all that it needs.
func (s *scene) deletes() {
	s.step.Verb = "empty"
	s.restorePoint(time.Hour)
	s.ledger.Approval = s.approved()
	s.ledger.Approval.At = noon.Add(-25 * time.Hour)
}

func (s *scene) restorePoint(age time.Duration) {
	key := RestorePoint + s.step.Target.ID
	s.ledger.Facts[key] = galen.Fact{Key: key, At: noon.Add(-age)}
}

func kills() []kill {
	other := func(id string, status galen.EffectStatus) galen.Intent {
		return galen.Intent{ID: "run-b-1", Run: "run-b", Step: step("wake", id), Class: galen.Reversible, At: noon.Add(-time.Minute), Effect: galen.Effect{Status: status}}
	}
	spent := func(r galen.Resource, run, target string, ago time.Duration) galen.Spend {
		return galen.Spend{Budget: galen.BudgetDestructive, Resource: r, Run: run, Target: target, At: noon.Add(-ago)}
	}
	west := galen.Resource{Kind: "ward", Name: "west"}
	return []kill{
		{guardIdentity, "started again", "wake", func(s *scene) { s.ward.bed("bed-1").Target.Generation = 8 }, galen.LookAgain},
		{guardIdentity, "gone", "wake", func(s *scene) { s.ward.Beds = s.ward.Beds[1:] }, galen.LookAgain},
		{guardIdentity, "an instance that has become a bed", "wake", func(s *scene) { s.step.Target = galen.Target{ID: "instance/bed-1", Generation: 7} }, galen.LookAgain},
		{guardIdentity, "another resource", "wake", func(s *scene) { s.ward.Of = west }, galen.Deny},

		{guardScope, "a healthy neighbour", "wake", func(s *scene) { s.step = step("wake", "bed-4") }, galen.Deny},
		{guardScope, "moving a spare", "move", func(s *scene) { s.step = step("move", "instance/spare") }, galen.Deny},
		{guardScope, "prepared by another run", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			s.ledger.Open = nil
			in := other("instance/spare", galen.EffectDone)
			s.ledger.Recoveries = []galen.Recovery{{Run: in.Run, Target: "instance/spare", At: noon}}
		}, galen.Deny},
		{guardScope, "prepared and taken back", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			s.ledger.Past = []galen.Intent{
				{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}},
				{ID: "run-a-2", Run: "run-a", Step: step("dismiss", "instance/spare"), Class: galen.Reversible, Undoes: "run-a-1", Effect: galen.Effect{Status: galen.EffectDone}},
			}
		}, galen.Deny},

		{guardScope, "its preparation never happened", "move", func(s *scene) {
			s.step = step("move", "instance/spare")
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectAbsent}}}
		}, galen.Deny},

		{guardHold, "everything", "wake", func(s *scene) { s.ledger.Holds = []galen.Hold{{Why: "a storm", By: "ada"}} }, galen.LookAgain},
		{guardHold, "overdue", "wake", func(s *scene) {
			s.ledger.Holds = []galen.Hold{{Resource: wards, By: "ada", Until: noon.Add(-time.Hour)}}
		}, galen.LookAgain},
		{guardHold, "the host's name of the target", "wake", func(s *scene) {
			s.ledger.Holds = []galen.Hold{{Resource: wards, Target: "instance/bed-1", By: "ada"}}
		}, galen.LookAgain},
		{guardHold, "the spare that takes the patient's place", "swap", func(s *scene) {
			s.ledger.Holds = []galen.Hold{{Resource: wards, Target: "instance/spare", By: "ada"}}
		}, galen.LookAgain},
		{guardHold, "the spare, when it has got a name in the ward", "swap", func(s *scene) {
			s.ward.bed("instance/spare").Target.ID = "bed-7"
			s.ledger.Holds = []galen.Hold{{Resource: wards, Target: "bed-7", By: "ada"}}
		}, galen.LookAgain},

		{guardDeadline, "a yes from before it", "wake", func(s *scene) {
			s.ledger.Run.Deadline, s.ledger.Approval = noon, s.approved()
		}, galen.Deny},
		{guardDeadline, "a yes that has expired", "wake", func(s *scene) {
			s.ledger.Run.Deadline, s.ledger.Approval = noon.Add(-2*time.Minute), s.approved()
			s.ledger.Approval.Expires = noon
		}, galen.Deny},
		{guardDeadline, "reached", "wake", func(s *scene) { s.ledger.Run.Deadline = noon }, galen.Deny},
		{guardDeadline, "none", "wake", func(s *scene) { s.ledger.Run.Deadline = time.Time{} }, galen.Deny},

		{guardFresh, "old", "wake", func(s *scene) { s.ward.Looked = noon.Add(-11 * time.Second) }, galen.LookAgain},
		{guardFresh, "never", "wake", func(s *scene) { s.ward.Looked = time.Time{} }, galen.LookAgain},
		{guardFresh, "from the future", "wake", func(s *scene) { s.ward.Looked = noon.Add(time.Minute) }, galen.LookAgain},
		{guardFresh, "somebody missing", "move", func(s *scene) { s.ward.Missing = []string{"room-2"} }, galen.LookAgain},

		{guardListing, "half a list", "move", func(s *scene) {
			for _, id := range []string{"bed-4", "bed-5", "bed-6"} {
				s.ward.bed(id).Unlisted = true
			}
		}, galen.LookAgain},

		{guardObservers, "two are not three", "discharge", func(s *scene) {
			m := s.ward.bed("bed-1")
			m.Observations = m.Observations[1:3]
		}, galen.LookAgain},
		{guardObservers, "one kind is not two", "discharge", func(s *scene) {
			for i := range s.ward.bed("bed-1").Observations {
				s.ward.bed("bed-1").Observations[i].Kind = galen.Peer
			}
		}, galen.LookAgain},
		{guardObservers, "one observer four times", "discharge", func(s *scene) {
			for i := range s.ward.bed("bed-1").Observations {
				s.ward.bed("bed-1").Observations[i].Observer = "bed-2"
			}
		}, galen.LookAgain},
		{guardObservers, "a dissent", "discharge", func(s *scene) {
			m := s.ward.bed("bed-1")
			m.Observations = append(m.Observations, galen.Observation{Observer: "bed-6", Kind: galen.Peer, Says: galen.Good, At: noon})
		}, galen.LookAgain},
		{guardObservers, "old words", "discharge", func(s *scene) {
			for i := range s.ward.bed("bed-1").Observations {
				s.ward.bed("bed-1").Observations[i].At = noon.Add(-time.Minute)
			}
		}, galen.LookAgain},
		{guardObservers, "a healthy patient behind a prepared spare", "discharge", func(s *scene) {
			s.step = step("discharge", "instance/spare")
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
			s.ward.bed("bed-1").Observations = nil
		}, galen.LookAgain},

		{guardShare, "two of six in two rooms", "discharge", func(s *scene) { s.ward.bed("bed-3").Bad = true }, galen.Deny},

		{guardShare, "both of one room", "discharge", func(s *scene) { s.ward.bed("bed-2").Bad = true }, galen.NeedYes},
		{guardShare, "both of one room, through a prepared spare", "discharge", func(s *scene) {
			s.step = step("discharge", "instance/spare")
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "instance/spare"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectDone}}}
			s.ward.bed("bed-2").Bad = true
		}, galen.NeedYes},

		{guardStorm, "three of six in three rooms", "wake", func(s *scene) { s.ward.bed("bed-3").Bad, s.ward.bed("bed-5").Bad = true, true }, galen.LookAgain},
		{guardStorm, "six of twenty-six in two rooms", "wake", func(s *scene) { spread(s, 5) }, galen.LookAgain},
		{guardStorm, "in another group", "wake", func(s *scene) {
			for i := range 6 {
				id := fmt.Sprintf("west-%d", i)
				s.ward.Beds = append(s.ward.Beds, galen.Member{Target: galen.Target{ID: id}, Name: id, Group: "west", Domain: fmt.Sprintf("west/room-%d", i%3), Bad: i < 3})
			}
		}, galen.LookAgain},

		{guardFloor, "five of six, and six are declared", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 6}
		}, galen.Deny},
		{guardFloor, "another one is bad", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.ward.bed("bed-3").Bad, s.policy.Floors = false, true, map[string]int{"east": 5}
		}, galen.LookAgain},
		{guardFloor, "another one is being moved", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
			in := other("bed-3", galen.EffectUnderWay)
			in.Class = galen.Disruptive
			s.ledger.Open = []galen.Intent{in}
		}, galen.LookAgain},
		{guardFloor, "the share of a group without a floor", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.FloorShare = false, 1
		}, galen.Deny},

		{guardAcross, "the spare stands elsewhere", "swap", func(s *scene) { s.ward.bed("instance/spare").Group = "west" }, galen.NeedYes},
		{guardClosure, "the engine's Temporal lives there", "wake", func(s *scene) { s.policy.EngineNeeds = "it stores Temporal" }, galen.NeedYes},

		{guardDeletion, "no restore point", "wake", func(s *scene) { s.step.Verb = "empty" }, galen.Deny},
		{guardDeletion, "an old one", "wake", func(s *scene) {
			s.deletes()
			s.restorePoint(25 * time.Hour)
		}, galen.Deny},
		{guardDeletion, "nobody said yes", "wake", func(s *scene) {
			s.deletes()
			s.ledger.Approval = nil
		}, galen.NeedYes},
		{guardDeletion, "who asked says yes", "wake", func(s *scene) {
			s.deletes()
			s.ledger.Run.Asked = "person ada"
		}, galen.NeedYes},
		{guardDeletion, "a yes of an hour ago", "wake", func(s *scene) {
			s.deletes()
			s.ledger.Approval.At = noon.Add(-time.Hour)
		}, galen.LookAgain},

		{guardCalendar, "a backup", "wake", func(s *scene) {
			s.policy.Windows = []galen.Window{{Name: "backup", From: "11:00", For: galen.Duration(2 * time.Hour)}}
		}, galen.LookAgain},
		{guardCalendar, "a yes from before it", "wake", func(s *scene) {
			s.policy.Windows = []galen.Window{{Name: "backup", From: "12:00", For: galen.Duration(time.Hour)}}
			s.ledger.Approval = s.approved()
		}, galen.LookAgain},
		{guardCalendar, "another tool", "wake", func(s *scene) { s.ledger.Facts["lock/reaper"] = galen.Fact{Key: "lock/reaper", At: noon} }, galen.LookAgain},
		{guardCalendar, "a zone that is not there", "wake", func(s *scene) {
			s.policy.Windows = []galen.Window{{Name: "backup", From: "11:00", For: galen.Duration(time.Hour), Zone: "Utopia"}}
		}, galen.Deny},

		{guardPoison, "its runbook failed twice", "wake", func(s *scene) {
			s.ledger.Quarantine = &galen.Quarantine{Runbook: "ward/heal", Verb: "wake", Targets: []string{"a", "b"}, At: noon}
		}, galen.Deny},

		{guardVersion, "another version", "wake", func(s *scene) { s.version = 2 }, galen.Deny},
		{guardVersion, "an unknown runbook", "wake", func(s *scene) { s.version = 0 }, galen.Deny},

		{guardClock, "the engine's was set", "wake", func(s *scene) { s.clockStep = -time.Hour }, galen.LookAgain},
		{guardClock, "the journal's is ahead", "wake", func(s *scene) { s.ledger.Now = noon.Add(501 * time.Millisecond) }, galen.LookAgain},
		{guardClock, "the journal's is behind", "wake", func(s *scene) { s.ledger.Now = noon.Add(-501 * time.Millisecond) }, galen.LookAgain},
		{guardClock, "further ahead than a slow reading explains", "wake", func(s *scene) {
			s.ledger.Got = noon.Add(time.Second)
			s.ledger.Now = noon.Add(1501 * time.Millisecond)
		}, galen.LookAgain},
		{guardClock, "nobody has noted when the ledger was read", "wake", func(s *scene) { s.ledger = s.ledger.ReadBetween(time.Time{}, time.Time{}) }, galen.LookAgain},
		{guardClock, "an observer's", "wake", func(s *scene) {
			s.ward.Offsets = []galen.ClockOffset{{Observer: "bed-2", Offset: 0}, {Observer: "bed-3", Offset: -501 * time.Millisecond}}
		}, galen.LookAgain},

		{guardRate, "five in this second", "wake", func(s *scene) {
			for i := range 5 {
				s.ledger.Released = append(s.ledger.Released, noon.Add(-time.Duration(i)*100*time.Millisecond))
			}
		}, galen.LookAgain},

		{guardUnsettled, "of another run", "wake", func(s *scene) {
			in := other("bed-1", galen.EffectUnderWay)
			in.Run = "run-a" // elsewhere the failure domain would speak too
			s.ledger.Open = []galen.Intent{in}
		}, galen.LookAgain},
		{guardUnsettled, "under the host's name", "wake", func(s *scene) {
			in := other("instance/bed-1", galen.EffectUnknown)
			in.Run = "run-a"
			s.ledger.Past = []galen.Intent{in}
		}, galen.LookAgain},

		{guardClaims, "another run has the bed", "wake", func(s *scene) {
			s.ward.bed("bed-1").Domain = "" // elsewhere the failure domain would speak too
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-1"}, Run: "run-b"}}
		}, galen.LookAgain},

		{guardDomain, "a claim on the room", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "rack/east/room-1"}, Run: "run-b"}}
		}, galen.LookAgain},
		{guardDomain, "a claim on a neighbour", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-2"}, Run: "run-b"}}
		}, galen.LookAgain},
		{guardDomain, "an effect is awaited next door", "wake", func(s *scene) { s.ledger.Open = []galen.Intent{other("bed-2", galen.EffectUnknown)} }, galen.LookAgain},

		{guardOrder, "an equal rank", "wake", func(s *scene) {
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-5"}, Run: "run-a", Kept: true}}
		}, galen.Deny},

		{guardOrder, "a wider claim under a narrow one", "wake", func(s *scene) {
			s.step.Verb = "share"
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-1"}, Run: "run-a"}}
		}, galen.Deny},

		{guardUndo, "another run's undo is owed", "tune", func(s *scene) {
			s.step = tuned("bed-1", 2, 3)
			owe(s, "run-b", "run-b-1", step("tune", "bed-1"), noon.Add(-time.Hour))
		}, galen.LookAgain},
		{guardUndo, "the older one first", "tune", func(s *scene) {
			first, second := *tuned("bed-1", 1, 2).Undo, *tuned("bed-1", 2, 3).Undo
			owe(s, "run-a", "run-a-1", first, noon.Add(-2*time.Hour))
			owe(s, "run-a", "run-a-2", second, noon.Add(-time.Hour))
			s.step = first
		}, galen.LookAgain},
		{guardUndo, "unreadable", "wake", func(s *scene) { s.ledger.Facts["undo-owed/x"] = galen.Fact{Key: "undo-owed/x", Value: []byte(`7`)} }, galen.Deny},

		{guardCooldown, "treated before", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon.Add(-59 * time.Minute)}}
		}, galen.NeedYes},
		{guardCooldown, "treated before it had its name", "wake", func(s *scene) {
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "instance/bed-1", At: noon.Add(-59 * time.Minute)}}
		}, galen.NeedYes},

		{guardCooldown, "of another cause", "wake", func(s *scene) {
			s.policy.Cooldowns = []galen.Cooldown{{Cause: "ill", Class: galen.Reversible}}
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", Cause: "lost", Class: galen.Reversible, At: noon.Add(-time.Minute)}}
		}, galen.NeedYes},
		{guardCooldown, "of another class", "wake", func(s *scene) {
			s.policy.Cooldowns = []galen.Cooldown{{Cause: "ill", Class: galen.Reversible}}
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", Cause: "ill", Class: galen.Disruptive, At: noon.Add(-time.Minute)}}
		}, galen.NeedYes},
		{guardCooldown, "a longer one of its cause and class", "wake", func(s *scene) {
			s.policy.Cooldowns = []galen.Cooldown{{Cause: "ill", Class: galen.Reversible, For: galen.Duration(3 * time.Hour)}}
			s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", Cause: "ill", Class: galen.Reversible, At: noon.Add(-2 * time.Hour)}}
		}, galen.NeedYes},

		{guardBudget, "one here", "discharge", func(s *scene) { s.ledger.Spent = []galen.Spend{spent(wards, "run-b", "bed-5", 29*time.Minute)} }, galen.Deny},
		{guardBudget, "the same target by another run", "discharge", func(s *scene) { s.ledger.Spent = []galen.Spend{spent(wards, "run-b", "bed-1", 29*time.Minute)} }, galen.Deny},
		{guardBudget, "three elsewhere", "discharge", func(s *scene) {
			for i := range 3 {
				s.ledger.Spent = append(s.ledger.Spent, spent(west, fmt.Sprint("run-", i), "x", 59*time.Minute))
			}
		}, galen.Deny},

		{guardApproval, "observe", "wake", func(s *scene) { s.policy.Mode = galen.ModeObserve }, galen.Deny},
		{guardApproval, "suggest", "wake", func(s *scene) { s.policy.Mode = galen.ModeSuggest }, galen.Deny},
		{guardApproval, "its class is only observed", "wake", func(s *scene) { s.policy.Modes = []galen.ModeRule{{Class: galen.Reversible, Mode: galen.ModeObserve}} }, galen.Deny},
		{guardApproval, "its class needs a yes", "wake", func(s *scene) { s.policy.Modes = []galen.ModeRule{{Class: galen.Reversible, Mode: galen.ModeApprove}} }, galen.NeedYes},
		{guardApproval, "no mode at all", "wake", func(s *scene) { s.policy.Mode = "" }, galen.Deny},
		{guardApproval, "nobody said yes", "wake", func(s *scene) { s.policy.Mode = galen.ModeApprove }, galen.NeedYes},
		{guardApproval, "one person said yes to what is destructive", "discharge", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ledger.Approval.With = nil
		}, galen.NeedYes},
		{guardApproval, "expired", "wake", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ledger.Approval.Expires = noon
		}, galen.NeedYes},
		{guardApproval, "another verb", "wake", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ledger.Approval.Steps[0].Verb = "move"
		}, galen.NeedYes},
		{guardApproval, "the world has changed", "wake", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ward.Facts = "another"
		}, galen.NeedYes},
		{guardApproval, "not shown", "wake", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
			s.ledger.Approval.Basis = nil
		}, galen.NeedYes},
		{guardApproval, "it reaches what was not shown", "swap", func(s *scene) {
			s.policy.Mode, s.ledger.Approval = galen.ModeApprove, s.approved()
		}, galen.NeedYes},
	}
}

// TestGuardKill: in each world one guard refuses and all others allow, so that the gate without it would act.
func TestGuardKill(t *testing.T) {
	tested := map[string]bool{}
	for _, k := range kills() {
		t.Run(k.guard+": "+k.name, func(t *testing.T) {
			tested[k.guard] = true
			s := newScene(k.verb)
			if v := Worst(judged(s.ask(t), CommonGuards())); v.Answer != galen.Allow {
				t.Fatalf("before the break %s says %s: %s", v.Guard, v.Answer, v.Why)
			}
			k.spoil(&s)
			a := s.ask(t)
			others := slices.DeleteFunc(CommonGuards(), func(g galen.Guard[galen.State]) bool { return g.Name == k.guard })
			if v := Worst(judged(a, others)); v.Answer != galen.Allow {
				t.Errorf("it does not stand alone: %s says %s: %s", v.Guard, v.Answer, v.Why)
			}
			v := Worst(judged(a, CommonGuards()))
			if v.Guard != k.guard || v.Answer != k.want || v.Why == "" {
				t.Errorf("%s says %s: %q; want %s to say %s", v.Guard, v.Answer, v.Why, k.guard, k.want)
			}
		})
	}
	for _, g := range CommonGuards() {
		if !tested[g.Name] {
			t.Errorf("guard %q has no world in which it stands alone", g.Name)
		}
	}
}
