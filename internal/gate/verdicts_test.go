package gate

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

var update = flag.Bool("update", false, "write the verdicts that the guards give now to testdata")

// TestVerdictsAreTheWordsPeopleRead holds what every guard says, word by word: in a quiet world, and then whatever is other
// in each world of TestGuardKill and TestAllowed.
func TestVerdictsAreTheWordsPeopleRead(t *testing.T) {
	var out strings.Builder
	quiet := map[string][]string{}
	for _, verb := range []string{"wake", "move", "discharge", "dismiss", "tune", "swap", "share", "read"} {
		quiet[verb] = said(t, newScene(verb))
		fmt.Fprintf(&out, "== %s in a quiet world\n%s", verb, strings.Join(quiet[verb], ""))
	}
	tell := func(name, verb string, spoil func(*scene)) {
		s := newScene(verb)
		spoil(&s)
		fmt.Fprintf(&out, "== %s: %s\n", verb, name)
		for _, line := range said(t, s) {
			if !slices.Contains(quiet[verb], line) {
				out.WriteString(line)
			}
		}
	}
	for _, k := range kills() {
		tell(k.name, k.verb, k.spoil)
	}
	for _, c := range closeCalls() {
		tell(c.name, c.verb, c.change)
	}
	for _, b := range boundaries() {
		tell(b.name, b.verb, b.change)
	}
	const golden = "testdata/verdicts.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v: run the test with -update, then read the verdicts", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(out.String(), "\n")); diff != "" {
		t.Errorf("the guards say something else (-want +got); if it is right, run the test with -update:\n%s", diff)
	}
}

// said is a line for each guard that has something to say.
func said(t *testing.T, s scene) []string {
	t.Helper()
	var out []string
	for _, v := range judged(s.ask(t), CommonGuards()) {
		if v.Answer != galen.Allow || v.Margin != "" || v.Why != "" {
			out = append(out, fmt.Sprintf("%s  %s  %s%s\n", v.Guard, v.Answer, v.Why, v.Margin))
		}
	}
	return out
}

// boundaries are worlds on both sides of a limit, where it is one more or one less that decides.
func boundaries() []closeCall {
	view := galen.SafePolicy().ViewAge.D()
	at := func(age time.Duration) func(*scene) { return func(s *scene) { s.ward.Looked = noon.Add(-age) } }
	return []closeCall{
		{"evidence as old as allowed", "wake", at(view)},
		{"evidence a moment older", "wake", at(view + 1)},
		{"evidence a second from the future", "wake", at(-MaxAhead)},
		{"evidence a moment more from the future", "wake", at(-MaxAhead - 1)},
		{"words as old as allowed", "discharge", func(s *scene) {
			for i := range s.ward.bed("bed-1").Observations {
				s.ward.bed("bed-1").Observations[i].At = noon.Add(-view)
			}
		}},
		{"words a moment older", "discharge", func(s *scene) {
			for i := range s.ward.bed("bed-1").Observations {
				s.ward.bed("bed-1").Observations[i].At = noon.Add(-view - 1)
			}
		}},
		{"the journal's clock as far behind as allowed", "wake", func(s *scene) { s.ledger.Now = noon.Add(-s.policy.ClockSkew.D()) }},
		{"the journal's clock a moment further behind", "wake", func(s *scene) { s.ledger.Now = noon.Add(-s.policy.ClockSkew.D() - 1) }},
		{"a spend as old as its window", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-b", Target: "bed-5", At: noon.Add(-s.policy.DestructiveWindow.D())}}
		}},
		{"a spend of another budget", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{{Budget: "other", Resource: wards, Run: "run-b", Target: "bed-5", At: noon}}
		}},
		{"spends as old as the account's window", "discharge", func(s *scene) {
			for i := range 9 {
				s.ledger.Spent = append(s.ledger.Spent, galen.Spend{
					Budget: galen.BudgetDestructive, Resource: galen.Resource{Kind: "ward", Name: "west"}, Run: fmt.Sprint("run-", i), At: noon.Add(-time.Hour),
				})
			}
		}},
		{"another run's token for the same bed", "discharge", func(s *scene) {
			s.ledger.Spent = []galen.Spend{{Budget: galen.BudgetDestructive, Resource: wards, Run: "run-b", Target: "bed-1", At: noon}}
		}},
		{"a second before the deadline", "wake", func(s *scene) { s.ledger.Run.Deadline = noon.Add(time.Second) }},
		{"the restore point as old as allowed, and a yes as old as wanted", "wake", func(s *scene) {
			s.deletes()
			s.restorePoint(s.policy.RestorePointAge.D())
			s.ledger.Approval.At = noon.Add(-s.policy.DeleteDelay.D())
		}},
		{"the restore point was taken away", "wake", func(s *scene) {
			s.deletes()
			point := s.ledger.Facts[RestorePoint+"bed-1"]
			point.Gone = true
			s.ledger.Facts[RestorePoint+"bed-1"] = point
		}},
		{"another run's open call in another room", "wake", func(s *scene) {
			s.ledger.Open = []galen.Intent{{ID: "run-b-1", Run: "run-b", Step: step("wake", "bed-5"), Effect: galen.Effect{Status: galen.EffectUnknown}}}
		}},
		{"a bed in no failure domain beside another run", "wake", func(s *scene) {
			s.ward.bed("bed-1").Domain, s.ward.bed("bed-2").Domain = "", ""
			s.ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "node/bed-2"}, Run: "run-b"}}
		}},
		{"a settled call on the same bed", "wake", func(s *scene) {
			s.ledger.Past = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-1"), Effect: galen.Effect{Status: galen.EffectDone}}}
		}},
		{"a call that takes another bed out has ended", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
			s.ledger.Open = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("move", "bed-3"), Class: galen.Disruptive, Effect: galen.Effect{Status: galen.EffectDone}}}
		}},
		{"a call under the host's name takes another bed out", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
			s.ledger.Open = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("move", "instance/bed-3"), Class: galen.Disruptive, Effect: galen.Effect{Status: galen.EffectUnknown}}}
		}},
		{"a call that takes nobody out", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.Floors = false, map[string]int{"east": 5}
			s.ledger.Open = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-3"), Class: galen.Reversible, Effect: galen.Effect{Status: galen.EffectUnknown}}}
		}},
		{"a call on the very bed", "share", func(s *scene) {
			s.ledger.Open = []galen.Intent{{ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-2"), Class: galen.Disruptive, Effect: galen.Effect{Status: galen.EffectUnknown}}}
		}},
		{"the spare is nobody in service", "move", func(s *scene) {
			s.ward.bed("bed-1").Bad, s.policy.FloorShare = false, 0.8
			for i := range 4 {
				id := fmt.Sprintf("west-%d", i)
				s.ward.Beds = append(s.ward.Beds, galen.Member{Target: galen.Target{ID: id}, Name: id, Group: "west", Domain: "west/room-1"})
			}
		}},
	}
}
