package galen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"
)

// ListedKind is a kind with its driver, erased to State so that the engine can hold many.
type ListedKind struct {
	Name   string
	Verbs  map[string]Verb[State]
	Guards []Guard[State]
	// Fold: prev may be nil.
	Fold   func(prev, seen State) (State, error)
	Vitals func(State) []Sample
	Margin func(State, []Intent, Policy) string
	Remedy func(State, Duty) (how string, owed bool)
	ByHand *ByHand[State] // nil: the kind has none
	// Decode reads a State's JSON as the journal stored it.
	Decode func([]byte) (State, error)
	Look   func(ctx context.Context, r Resource, scope []Target, open []Intent) (State, error)
	Do     func(ctx context.Context, in Intent) (string, error)
	// Close ends what the driver holds open, after its last call.
	Close func()
}

// ListKind erases a kind and its driver, which may have a Close method.
func ListKind[S State](k Kind[S], d Driver[S]) ListedKind {
	out := ListedKind{
		Name:  k.Name,
		Verbs: make(map[string]Verb[State], len(k.Verbs)),
		Fold:  func(prev, seen State) (State, error) { return liftFold(k, prev, seen) },
		Vitals: func(st State) []Sample {
			var s S
			if k.Vitals == nil || as(st, &s) != nil {
				return nil
			}
			return k.Vitals(s)
		},
		Margin: func(st State, open []Intent, p Policy) string {
			var s S
			if k.Margin == nil || as(st, &s) != nil {
				return ""
			}
			return k.Margin(s, open, p)
		},
		Remedy: func(st State, d Duty) (string, bool) {
			var s S
			if k.Remedy == nil || as(st, &s) != nil {
				return "", true
			}
			return k.Remedy(s, d)
		},
		Decode: func(b []byte) (State, error) {
			s, err := Decode[S](b)
			if err != nil {
				return nil, fmt.Errorf("stored state of kind %s: %w", k.Name, err)
			}
			return s, nil
		},
		Look: func(ctx context.Context, r Resource, scope []Target, open []Intent) (State, error) {
			return d.Look(ctx, r, scope, open)
		},
		Do:    d.Do,
		Close: func() {},
	}
	if c, has := d.(interface{ Close() }); has {
		out.Close = c.Close
	}
	for _, v := range k.Verbs {
		out.Verbs[v.Name] = liftVerb(v)
	}
	out.ByHand = liftByHand(k.ByHand)
	for _, g := range k.Guards {
		out.Guards = append(out.Guards, LiftGuard(g))
	}
	return out
}

// liftFold folds what was seen onto what was known; prev is nil at the first look.
func liftFold[S State](k Kind[S], prev, seen State) (State, error) {
	var p, s S
	if prev != nil {
		if err := as(prev, &p); err != nil {
			return nil, err
		}
	}
	if err := as(seen, &s); err != nil {
		return nil, err
	}
	return k.Fold(p, s), nil
}

func as[S State](st State, to *S) error {
	s, ok := st.(S)
	if !ok {
		return fmt.Errorf("state is a %T, want %T", st, *to)
	}
	*to = s
	return nil
}

func liftVerb[S State](v Verb[S]) Verb[State] {
	out := Verb[State]{Name: v.Name, Class: v.Class, Settle: v.Settle, Call: v.Call, Own: v.Own, Deletes: v.Deletes, Undo: v.Undo}
	out.Check = func(st State, step Step) error {
		var s S
		if err := as(st, &s); err != nil {
			return err
		}
		return v.Check(s, step)
	}
	out.Claims = func(st State, step Step) []Claim {
		var s S
		if as(st, &s) != nil {
			return nil // Check has refused the step
		}
		return v.Claims(s, step)
	}
	out.Effect = func(st State, in Intent) Effect {
		var s S
		if err := as(st, &s); err != nil {
			return Effect{Status: EffectUnknown, Why: err.Error()}
		}
		return v.Effect(s, in)
	}
	out.Facts = func(st State, in Intent, p Policy) []Fact {
		var s S
		if v.Facts == nil || as(st, &s) != nil {
			return nil
		}
		return v.Facts(s, in, p)
	}
	return out
}

// LiftGuard makes a kind's guard one over State; a State of another kind is denied.
func LiftGuard[S State](g Guard[S]) Guard[State] {
	return Guard[State]{Name: g.Name, Check: func(a Ask[State]) Verdict {
		var s S
		if err := as(a.State, &s); err != nil {
			return Verdict{Guard: g.Name, Answer: Deny, Why: err.Error()}
		}
		return g.Check(askOf(a, s))
	}}
}

// askOf is the question about a State of its own type.
func askOf[S State](a Ask[State], s S) Ask[S] {
	return Ask[S]{
		World: World[S]{Now: a.Now, State: s, Vitals: a.Vitals, Facts: a.Facts, Open: a.Open},
		Step:  a.Step, Class: a.Class, Own: a.Own, Deletes: a.Deletes, Version: a.Version, ClockStep: a.ClockStep, Claims: a.Claims, Scope: a.Scope, Policy: a.Policy, Ledger: a.Ledger,
	}
}

// ListedRunbook is a runbook erased to State and JSON parameters.
type ListedRunbook struct {
	Name    string
	Version int
	About   string
	Heals   []Code
	Beside  bool // see [Runbook.Beside]
	// ByHand: a request can start it; else it is for findings only.
	ByHand bool
	// Params reads parameters strictly over the defaults and returns them whole. What Schema refuses is an error whose [Faults] begin
	// with "params"; nothing at all is what a finding brings, and is refused by Scope if a person asks.
	Params func(json.RawMessage) (json.RawMessage, error)
	// Schema is the JSON Schema of what Params takes, a new value each time.
	Schema func() map[string]any
	// Defaults are all parameters with what they are when a request leaves them out.
	Defaults func() map[string]any
	// Scope are the targets of a request, see [Runbook.Scope].
	Scope  func(State, json.RawMessage) ([]Target, error)
	Decide func(Situation[State, json.RawMessage]) (Plan, error)
}

var runbookName = regexp.MustCompile(`^[a-z][a-z0-9]*/[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// CheckName tells whether the name has the form of one; people type it, and it is told from others by its kind.
func (r ListedRunbook) CheckName() error {
	if !runbookName.MatchString(r.Name) {
		return fmt.Errorf("name of runbook %q: want kind/verb-noun in lower case, such as cassandra/start-node", r.Name)
	}
	return nil
}

// Namable tells a person who named nobody whom they may name.
func Namable(members []Member) string {
	if !slices.ContainsFunc(members, func(m Member) bool { return !m.Bare() }) {
		return "none of its instances was ever seen as a member, galen findings may say why: " + MemberNames(members)
	}
	bare := func(m Member) bool { return m.Bare() }
	text := "its members are " + MemberNames(slices.DeleteFunc(slices.Clone(members), bare))
	if slices.ContainsFunc(members, bare) {
		text += "; no members, but instances of it: " + MemberNames(slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return !m.Bare() }))
	}
	return text
}

// checked are parameters that say themselves why nobody can ask for them, whatever the resource and its policy are like.
type checked interface{ Check() error }

// whole are parameters as they were read, if what was sent lacks none.
func (r Runbook[S, P]) whole(p P, sent json.RawMessage) (json.RawMessage, error) {
	if len(sent) > maxParams {
		return nil, r.badParams(fmt.Errorf("%d bytes, at most %d are allowed", len(sent), maxParams))
	}
	if len(sent) > 0 {
		if err := r.lacks(sent); err != nil {
			return nil, err
		}
	}
	return json.Marshal(p)
}

// maxParams is the most bytes of the parameters of a run: each list of runs has them, and they stay in the journal.
const maxParams = 16 << 10

// ListRunbook erases a runbook.
func ListRunbook[S State, P any](r Runbook[S, P]) ListedRunbook {
	read := func(raw json.RawMessage) (P, error) {
		p := r.Defaults
		if len(raw) == 0 {
			return p, nil
		}
		if err := DecodeOver(raw, &p); err != nil {
			return p, r.badParams(err)
		}
		return p, nil
	}
	return ListedRunbook{
		Name: r.Name, Version: r.Version, About: r.About, Heals: r.Heals, Beside: r.Beside, ByHand: r.Scope != nil,
		Params: func(raw json.RawMessage) (json.RawMessage, error) {
			p, err := read(raw)
			if err != nil {
				return nil, err
			}
			return r.whole(p, raw)
		},
		Schema:   r.schema,
		Defaults: func() map[string]any { return fieldValues(reflect.ValueOf(r.Defaults)) },
		Scope: func(state State, raw json.RawMessage) ([]Target, error) {
			var st S
			if err := as(state, &st); err != nil {
				return nil, fmt.Errorf("runbook %s: %w", r.Name, err)
			}
			p, err := read(raw)
			if err != nil {
				return nil, err
			}
			if r.Scope == nil {
				return nil, fmt.Errorf("runbook %s is started by findings only", r.Name)
			}
			return r.scope(st, p, raw)
		},
		Decide: func(s Situation[State, json.RawMessage]) (Plan, error) {
			var st S
			if err := as(s.State, &st); err != nil {
				return Plan{}, fmt.Errorf("runbook %s: %w", r.Name, err)
			}
			p, err := read(s.Params)
			if err != nil {
				return Plan{}, err
			}
			return r.Decide(Situation[S, P]{
				World:   World[S]{Now: s.Now, State: st, Vitals: s.Vitals, Facts: s.Facts, Open: s.Open},
				Finding: s.Finding, Scope: s.Scope, Params: p, Policy: s.Policy, Past: s.Past, LastYes: s.LastYes, Stop: s.Stop,
			}), nil
		},
	}
}

// scope is what was asked for, if anybody can.
func (r Runbook[S, P]) scope(st S, p P, raw json.RawMessage) ([]Target, error) {
	if c, is := any(p).(checked); is {
		if err := c.Check(); err != nil {
			return nil, r.badParams(err)
		}
	}
	scope := r.Scope(st, p)
	if len(scope) == 0 {
		return nil, noTarget{fmt.Errorf("runbook %s: %s has no target that the parameters %.200s name; %s", r.Name, st.Resource(), raw, Namable(st.Members()))}
	}
	return scope, nil
}

// schema is that of the parameters.
func (r Runbook[S, P]) schema() map[string]any {
	out := schemaOf(reflect.ValueOf(r.Defaults), nil)
	out["$schema"], out["title"] = schemaDialect, "Parameters of "+r.Name
	return out
}

// lacks tells which required parameters are not there.
func (r Runbook[S, P]) lacks(raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return r.badParams(err)
	}
	if err := errors.Join(lacking(r.schema(), v, "")...); err != nil {
		return r.badParams(err)
	}
	return nil
}

func (r Runbook[S, P]) badParams(err error) error {
	return fmt.Errorf("parameters of runbook %s: %w", r.Name, within("params", err))
}

// noTarget is an [ErrNotFound] in words of its own.
type noTarget struct{ error }

// Is tells that it is an [ErrNotFound].
func (noTarget) Is(target error) bool { return target == ErrNotFound }

// ListDetector erases a detector; a State of another kind has no findings.
func ListDetector[S State](d Detector[S]) Detector[State] {
	return Detector[State]{Name: d.Name, Codes: d.Codes, Detect: func(now time.Time, st State, p Policy) []Finding {
		var s S
		if as(st, &s) != nil {
			return nil
		}
		return d.Detect(now, s, p)
	}}
}
