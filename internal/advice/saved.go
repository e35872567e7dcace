package advice

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// Save writes down what the view is answered from, see [galen.Saved].
func Save(v View) (galen.Saved, error) {
	r := v.Ledger.Run.Resource
	if v.State == nil {
		return galen.Saved{}, fmt.Errorf("%s has not been looked at yet: %w", r, galen.ErrNotFound)
	}
	state, err := json.Marshal(v.State)
	if err != nil {
		return galen.Saved{}, fmt.Errorf("write the state of %s: %w", r, err)
	}
	policy, err := json.Marshal(v.Policy)
	if err != nil {
		return galen.Saved{}, fmt.Errorf("write the policy of %s: %w", r, err)
	}
	return galen.Saved{Form: galen.SavedForm, Resource: r, At: v.Now, Policy: policy, Open: v.Ledger.Open, Facts: v.Ledger.Facts, State: state}, nil
}

// Load reads a saved State strictly, and the State in it by its kind; the age of what was seen is counted until it was saved.
func Load(b []byte, kinds func(name string) (galen.ListedKind, bool)) (View, error) {
	s, policy, err := galen.DecodeSaved(b)
	if err != nil {
		return View{}, err
	}
	kind, known := kinds(s.Resource.Kind)
	if !known {
		return View{}, fmt.Errorf("saved state of %s: this galen does not know the kind %q", s.Resource, s.Resource.Kind)
	}
	state, err := decoded(kind, s.State)
	if err != nil {
		return View{}, err
	}
	if of := state.Resource(); of != s.Resource {
		return View{}, fmt.Errorf("saved state of %s: the state in it is one of %s", s.Resource, of)
	}
	if err := errors.Join(inFlight(kind, s.Open), left(kind, s.Facts)); err != nil {
		return View{}, fmt.Errorf("saved state of %s: %w", s.Resource, err)
	}
	at := s.At.Round(0)
	v := View{
		Kind: kind, State: state, Policy: policy, Now: at,
		Ledger: galen.Ledger{Now: at, Asked: at, Got: at.Add(time.Nanosecond), Run: galen.Run{Resource: s.Resource}, Open: s.Open, Facts: s.Facts},
	}
	if kind.ByHand != nil && kind.ByHand.Contradicts != nil {
		v.Doubt = contradicts(kind, state)
	}
	return v, nil
}

// contradicts says in what the State contradicts itself; a kind that panics over it is in doubt, too.
func contradicts(kind galen.ListedKind, state galen.State) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprintf("the kind %s panicked over the saved state (%v): please report it", kind.Name, p)
		}
	}()
	if why = kind.ByHand.Contradicts(state); why != "" {
		why = "the saved state contradicts itself: " + why
	}
	return why
}

// inFlight refuses steps that the kind does not know as they stand there, and those that are over.
func inFlight(kind galen.ListedKind, open []galen.Intent) error {
	for i, in := range open {
		verb, known := kind.Verbs[in.Step.Verb]
		switch {
		case !known:
			return fmt.Errorf("open[%d]: the kind %s has no verb %q", i, kind.Name, in.Step.Verb)
		case verb.Class != in.Class:
			return fmt.Errorf("open[%d]: %s is %s, not %s", i, in.Step.Verb, verb.Class, in.Class)
		case in.Effect.Settled():
			return fmt.Errorf("open[%d]: its effect is %s: it is in flight no more", i, in.Effect.Status)
		}
	}
	return nil
}

// left refuses facts that no step of the kind leaves: the guards would pass over one that is written otherwise than they know it.
func left(kind galen.ListedKind, facts map[string]galen.Fact) error {
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		known := kind.ByHand != nil && kind.ByHand.Leaves != nil && kind.ByHand.Leaves(key)
		switch f := facts[key]; {
		case f.Key != key:
			return fmt.Errorf("facts: %q has the key %q: both have to be the same", key, f.Key)
		case f.Gone:
			return fmt.Errorf("facts: %q is gone: leave it out", key)
		case !known && !strings.HasPrefix(key, galen.UndoOwed):
			return fmt.Errorf("facts: no step of the kind %s leaves %q", kind.Name, key)
		}
	}
	return nil
}

// decoded is the State; a kind that panics over it is an error.
func decoded(kind galen.ListedKind, b []byte) (state galen.State, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read the state of kind %s: it panicked (%v): please report it", kind.Name, p)
		}
	}()
	return kind.Decode(b)
}

// Believed is an answer from a file, read later: leave is believed until some time, and unknown afterwards.
func Believed(a galen.Advice, now, until time.Time) galen.Advice {
	switch {
	case a.Answer != galen.Yes:
	case now.After(until):
		a.Answer, a.Why = galen.DontKnow, fmt.Sprintf("it was yes when it was saved, %s ago, and leave is believed for %s: save the state anew", now.Sub(a.At).Round(time.Second), max(until.Sub(a.At), 0))
	case a.At.Sub(now) > gate.MaxAhead:
		a.Answer, a.Why = galen.DontKnow, fmt.Sprintf("it was saved %s from now: a clock was set", a.At.Sub(now).Round(time.Second))
	}
	return a
}
