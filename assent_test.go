package galen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func yesOf(by string, makers ...string) Approval {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return Approval{
		ID: "yes-" + by, Run: "r1", Runbook: "fake/heal", Version: 1, Params: HashJSON(nil), By: by, At: at, Expires: at.Add(time.Hour),
		Steps: []ApprovedStep{{Verb: "replace", Target: "db-1", Count: 1}}, Basis: map[string]string{"db-1": "a"}, Lineage: Lineage{Makers: makers},
	}
}

// inTurn are yeses given one after the other.
func inTurn(now time.Time, all ...Approval) Approval {
	out := all[0]
	for _, next := range all[1:] {
		next.With = out.Joined(next, now)
		out = next
	}
	return out
}

// TestPeople: two yeses are two people's only if neither is the other's, nor that of who asked.
func TestPeople(t *testing.T) {
	now := yesOf("x").At.Add(time.Minute)
	run := Run{ID: "r1", Runbook: "fake/heal", Version: 1, Asked: AskedBy("eve"), AskedPerson: "sub:1", Created: now.Add(-time.Hour)}
	late := func(a Approval) Approval { a.Lineage.Since = now; return a }
	moved := func(a Approval) Approval { a.Basis = map[string]string{"db-1": "b"}; return a }
	expired := func(a Approval) Approval { a.Expires = now; return a }
	person := func(a Approval, id string) Approval { a.Lineage.Person = id; return a }
	asker := func(a Approval) Approval { a.Lineage.Asked = true; return a }
	program := func(a Approval) Approval { a.Lineage.Program = true; return a }
	older := func(a Approval) Approval { a.Version = 2; return a }
	for _, c := range []struct {
		name string
		yes  Approval
		want string
		not  string
	}{
		{"one", yesOf("ada"), "ada", ""},
		{"two", inTurn(now, yesOf("ada"), yesOf("bob")), "ada bob", ""},
		{"three", inTurn(now, yesOf("ada"), yesOf("bob"), yesOf("cy")), "ada bob cy", ""},
		{"one of them twice", inTurn(now, yesOf("ada"), yesOf("ada")), "ada", ""},
		{"one of them again", inTurn(now, yesOf("ada"), yesOf("bob"), yesOf("ada")), "ada bob", ""},
		{"who asked for it", inTurn(now, yesOf("eve"), yesOf("bob")), "bob", "eve asked for the run"},
		{"who asked for it, second", inTurn(now, yesOf("bob"), yesOf("eve")), "bob", "eve asked for the run"},
		{"a token and its maker", inTurn(now, yesOf("operator"), yesOf("ada", "operator")), "ada", "operator made the token of ada"},
		{"a token and its maker's maker", inTurn(now, yesOf("ada", "bob", "operator"), yesOf("operator")), "ada", "operator made the token of ada"},
		{"two tokens of one maker", inTurn(now, yesOf("ada", "operator"), yesOf("bob", "operator")), "ada bob", ""},
		{"a token that was made for it", inTurn(now, yesOf("ada"), late(yesOf("bob"))), "ada", "bob's token was made after the run was opened"},
		{"the target moved in between", inTurn(now, yesOf("ada"), moved(yesOf("bob"))), "bob", ""},
		{"the first has expired", inTurn(now, expired(yesOf("ada")), yesOf("bob")), "bob", ""},
		{"the second has expired", inTurn(now, yesOf("ada"), expired(yesOf("bob"))), "ada", ""},
		{"another version", inTurn(now, older(yesOf("ada")), yesOf("bob")), "bob", ""},
		{"one person who changed her address", inTurn(now, person(yesOf("ann@x"), "sub:7"), person(yesOf("ann@y"), "sub:7")), "ann@y", ""},
		{"and another one", inTurn(now, person(yesOf("ann@x"), "sub:7"), person(yesOf("bob@x"), "sub:8"), person(yesOf("ann@y"), "sub:7")), "ann@y bob@x", ""},
		{"who made the token that asked", inTurn(now, asker(yesOf("ada")), yesOf("bob")), "bob", "ada made the token that asked for the run"},
		{"who asked for it, by another name", inTurn(now, person(yesOf("eve@x"), "sub:1"), person(yesOf("bob@x"), "sub:2")), "bob@x", "eve@x asked for the run"},
		{"who asked for it, by no name of hers", inTurn(now, person(yesOf("sub:1"), "sub:1"), yesOf("bob")), "bob", "sub:1 asked for the run"},
		{"a token and its maker by another name", inTurn(now, yesOf("ada", "eva@x", "sub:3"), person(yesOf("eva@y"), "sub:3")), "ada", "eva@y made the token of ada"},
		{"a token of who asked for it", inTurn(now, yesOf("tool", "eve"), yesOf("bob")), "bob", "tool's token was made by who asked for the run"},
		{"a token of who asked for it, by another name", inTurn(now, yesOf("tool", "eve@x", "sub:1"), yesOf("tool2", "ann", "eve@x", "sub:1")), "", "tool2's token was made by who asked for the run"},
		{"tokens of the operator, who asked for it", Approval{}, "ada bob", ""},
		{"a token where people log in", inTurn(now, program(yesOf("ada")), person(yesOf("bob@x"), "sub:2")), "bob@x", "ada is a token, and people log in"},
		{"made in a circle", inTurn(now, yesOf("ada", "bob"), yesOf("bob", "ada")), "", "made the token"},
	} {
		run := run
		if c.yes.ID == "" {
			run.Asked, run.AskedPerson, c.yes = AskedBy(Operator), "", inTurn(now, yesOf("ada", Operator), yesOf("bob", Operator))
		}
		said, not := c.yes.People(run, now, 2)
		if got := strings.Join(said, " "); got != c.want {
			t.Errorf("%s: %q said yes, want %q", c.name, got, c.want)
		}
		if !strings.Contains(fmt.Sprint(not), c.not) || c.not == "" && len(not) > 0 {
			t.Errorf("%s: not counted %q, want %q", c.name, not, c.not)
		}
		if one, _ := c.yes.People(run, now, 1); len(one) < len(said) {
			t.Errorf("%s: where one is enough, fewer count: %q", c.name, one)
		}
		if few := Few(run, said, not, 2); (few == "") != (len(said) >= 2) || few != "" && !strings.Contains(few, "and not "+run.AskedBy()+", who asked for the run") {
			t.Errorf("%s: %q", c.name, few)
		}
	}
}

// TestPeopleForAStep: who said yes to another step, or whose yes to it was used up, said none to this one.
func TestPeopleForAStep(t *testing.T) {
	now := yesOf("x").At.Add(time.Minute)
	run := Run{ID: "r1", Runbook: "fake/heal", Version: 1, Created: now.Add(-time.Hour)}
	replace := Step{Verb: "replace", Target: Target{ID: "db-1"}}
	other := yesOf("ada")
	other.Steps, other.Basis = []ApprovedStep{{Verb: "replace", Target: "db-2", Count: 1}}, map[string]string{"db-2": "a"}
	second := yesOf("bob")
	second.Basis["db-2"] = "a"
	yes := inTurn(now, other, second)
	if said, _ := yes.PeopleFor(Ledger{Run: run, Now: now}, replace, []string{"db-1"}, 2); !slices.Equal(said, []string{"bob"}) {
		t.Errorf("%q said yes to db-1", said)
	}
	yes = inTurn(now, yesOf("ada"), yesOf("bob"))
	past := []Intent{{ID: "i1", Run: "r1", Step: replace, At: now, Effect: Effect{Status: EffectDone}}}
	if said, _ := yes.PeopleFor(Ledger{Run: run, Now: now, Past: past}, replace, []string{"db-1"}, 2); len(said) > 0 {
		t.Errorf("%q said yes to a second time", said)
	}
}

// TestNobodyIsTwoPeople: whatever yeses come in what order, those that count are different people, none of whom asked, none of whom made
// another's token, and each of whom has said yes.
func TestNobodyIsTwoPeople(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		now := yesOf("x").At.Add(time.Minute)
		names := []string{"operator", "ada", "bob", "cy", "eve"}
		makers := map[string][]string{}
		for i, name := range names[1:] {
			if maker := rapid.SampledFrom(append([]string{""}, names[:i+1]...)).Draw(r, "maker"); maker != "" {
				makers[name] = append([]string{maker}, makers[maker]...)
			}
		}
		run := Run{ID: "r1", Runbook: "fake/heal", Version: 1, Asked: AskedBy(rapid.SampledFrom(names).Draw(r, "asked")), Created: now.Add(-time.Hour)}
		var all []Approval
		for _, by := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 8).Draw(r, "by") {
			all = append(all, yesOf(by, makers[by]...))
		}
		said, _ := inTurn(now, all...).People(run, now, 2)
		for i, name := range said {
			if name == run.AskedBy() || slices.Contains(said[:i], name) || !slices.ContainsFunc(all, func(a Approval) bool { return a.By == name }) {
				r.Fatalf("%q said yes to what %s asked for, by %v", said, run.AskedBy(), all)
			}
			if slices.ContainsFunc(said, func(other string) bool { return slices.Contains(makers[other], name) }) {
				r.Fatalf("%q: one made the token of another: %v", said, makers)
			}
		}
	})
}
