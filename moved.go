package galen

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Grounds are the facts under a Basis in the words of people, by target and by fact: "db-1", "status", "available".
type Grounds map[string]map[string]string

// Grounded is a [State] that tells what its Basis rests on. Grounds of a scope differ if and only if its Basis does.
type Grounded interface {
	Grounds(scope ...Target) map[string]string
}

// GroundsOf are those of each target in a State, nil if the State tells none.
func GroundsOf(s State, ids []string) Grounds {
	told, is := s.(Grounded)
	if !is {
		return nil
	}
	out := Grounds{}
	for _, id := range ids {
		out[id] = told.Grounds(Target{ID: id})
	}
	return out
}

// AddGrounds adds the fields of a struct of plain data under a name: "node n3 status" is its field "status".
func AddGrounds(to map[string]string, name string, facts any) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("grounds of %s: %w", name, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("grounds of %s: %w", name, err)
	}
	for field, value := range fields {
		var plain string
		if json.Unmarshal(value, &plain) != nil {
			plain = string(value)
		}
		to[strings.TrimSpace(name+" "+strings.ReplaceAll(field, "_", " "))] = plain
	}
	return nil
}

// Change is one thing that is otherwise than a person was shown it. Empty: it was not there.
type Change struct {
	Target string `json:"target"`
	What   string `json:"what"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// valueLimit is how much of a value people read.
const valueLimit = 80

// String is for people: "status of db-1: available, now failed".
func (c Change) String() string {
	text := func(s string) string {
		if s == "" {
			return "nothing"
		}
		if r := []rune(s); len(r) > valueLimit {
			return string(r[:valueLimit]) + "…"
		}
		return s
	}
	return fmt.Sprintf("%s of %s: %s, now %s", c.What, c.Target, text(c.Before), text(c.After))
}

// Moved are the differences between what was shown and what is, of the targets that were shown, in order.
func Moved(shown, is Grounds) []Change {
	var out []Change
	for _, target := range slices.Sorted(maps.Keys(shown)) {
		before := shown[target]
		after, told := is[target]
		if !told {
			continue
		}
		facts := slices.Sorted(maps.Keys(before))
		for fact := range after {
			if _, known := before[fact]; !known {
				facts = append(facts, fact)
			}
		}
		slices.Sort(facts)
		for _, fact := range facts {
			if before[fact] != after[fact] {
				out = append(out, Change{Target: target, What: fact, Before: before[fact], After: after[fact]})
			}
		}
	}
	return out
}

// StepsMoved are the differences between what is left of the approved steps and what is planned now.
func (a Approval) StepsMoved(past []Intent, now Plan) []Change {
	times := func(n int) string {
		switch n {
		case 0:
			return ""
		case 1:
			return "once"
		default:
			return fmt.Sprintf("%d times", n)
		}
	}
	planned := ApprovedSteps(now)
	var out []Change
	differ := func(verb, target string, before, after int) {
		if before != after {
			out = append(out, Change{Target: target, What: "step " + verb, Before: times(before), After: times(after)})
		}
	}
	same := func(s ApprovedStep) func(ApprovedStep) bool {
		return func(o ApprovedStep) bool { return o.Verb == s.Verb && o.Target == s.Target }
	}
	for _, s := range a.Steps {
		after := 0
		if i := slices.IndexFunc(planned, same(s)); i >= 0 {
			after = planned[i].Count
		}
		differ(s.Verb, s.Target, max(s.Count-a.Used(s.Verb, []string{s.Target}, past), 0), after)
	}
	for _, s := range planned {
		if !slices.ContainsFunc(a.Steps, same(s)) {
			differ(s.Verb, s.Target, 0, s.Count)
		}
	}
	return out
}

// changesShown is how many changes a sentence tells.
const changesShown = 5

// TellMoved tells changes in one line, "" if there is none.
func TellMoved(changes []Change) string {
	var parts []string
	for i, c := range changes {
		if i == changesShown {
			parts = append(parts, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		parts = append(parts, c.String())
	}
	return strings.Join(parts, "; ")
}
