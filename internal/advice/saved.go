package advice

import (
	"encoding/json"
	"fmt"
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
	at := s.At.Round(0)
	return View{
		Kind: kind, State: state, Policy: policy, Now: at,
		Ledger: galen.Ledger{Now: at, Asked: at, Got: at.Add(time.Nanosecond), Run: galen.Run{Resource: s.Resource}, Open: s.Open, Facts: s.Facts},
	}, nil
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
