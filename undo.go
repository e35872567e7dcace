package galen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// UndoOwed begins the key of the fact that an undo is owed, "undo-owed/<intent>"; the fact's value is the undo's Step.
const UndoOwed = "undo-owed/"

// Debt is an undo that is owed.
type Debt struct {
	// Intent is the one to be undone.
	Intent string
	// Step pays it.
	Step Step
	At   time.Time
	// Unread is why its step cannot be read, "" if it can: a newer release wrote it, say. Step then has what could be read, at most its
	// verb and target, and is not to be taken.
	Unread string
}

// Owe is the fact that is written with an intent whose step has an undo; nil if it has none.
func Owe(in Intent) (*Fact, error) {
	if in.Step.Undo == nil {
		return nil, nil
	}
	value, err := json.Marshal(in.Step.Undo)
	if err != nil {
		return nil, fmt.Errorf("undo of intent %s: %w", in.ID, err)
	}
	return &Fact{Key: UndoOwed + in.ID, Value: value, Intent: in.ID, At: in.At}, nil
}

// Debts are the undos owed on a resource, newest first: the order in which they are paid, so that the first old value
// is the one that stays. One that cannot be read is an error: nobody knows what comes before what.
func Debts(facts map[string]Fact) ([]Debt, error) {
	out := AllDebts(facts)
	for _, d := range out {
		if d.Unread != "" {
			return nil, fmt.Errorf("fact %s%s: %s", UndoOwed, d.Intent, d.Unread)
		}
	}
	return out, nil
}

// AllDebts are the [Debts], and those that cannot be read among them: to be told, not to be paid.
func AllDebts(facts map[string]Fact) []Debt {
	var out []Debt
	for key, f := range facts {
		intent, found := strings.CutPrefix(key, UndoOwed)
		if !found || f.Gone {
			continue
		}
		d := Debt{Intent: intent, At: f.At}
		step, err := Decode[Step](f.Value)
		if err != nil {
			d.Step, d.Unread = gist(f.Value), err.Error()
		} else {
			d.Step = step
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Debt) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Intent, a.Intent))
	})
	return out
}

// gist is what people may be told of a step that cannot be read whole.
func gist(b []byte) Step {
	var s struct {
		Verb   string `json:"verb"`
		Target struct {
			ID string `json:"id"`
		} `json:"target"`
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return Step{} // not even that
	}
	return Step{Verb: s.Verb, Target: Target{ID: s.Target.ID}}
}

// Paid are the debts that the settled effect of an intent takes away: its own if it never happened, and the one that it
// undid. The engine adds them to the settlement.
func Paid(in Intent) []Fact {
	var out []Fact
	if in.Step.Undo != nil && in.Effect.Status == EffectAbsent {
		out = append(out, Fact{Key: UndoOwed + in.ID, Intent: in.ID, At: in.Effect.At, Gone: true})
	}
	if in.Undoes != "" && in.Effect.Status == EffectDone {
		out = append(out, Fact{Key: UndoOwed + in.Undoes, Intent: in.ID, At: in.Effect.At, Gone: true})
	}
	return out
}
