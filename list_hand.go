package galen

import (
	"context"
	"fmt"
)

// ListSaved erases a kind without a driver, for questions about States that were saved: it can neither look nor do.
func ListSaved[S State](k Kind[S]) ListedKind {
	return ListKind(k, Driver[S](undriven[S]{kind: k.Name}))
}

// undriven is the driver of who has none.
type undriven[S State] struct{ kind string }

func (u undriven[S]) Look(_ context.Context, r Resource, _ []Target, _ []Intent) (S, error) {
	var none S
	return none, fmt.Errorf("look at %s: this is the kind %s without a driver, for saved States", r, u.kind)
}

func (u undriven[S]) Do(_ context.Context, in Intent) (string, error) {
	return "", fmt.Errorf("%s: this is the kind %s without a driver, for saved States", in.Step, u.kind)
}

// liftByHand erases what a kind tells people; a State of another kind is doubted and denied.
func liftByHand[S State](b *ByHand[S]) *ByHand[State] {
	if b == nil {
		return nil
	}
	foreign := func(err error) Outlook { return Outlook{Doubts: []Doubt{{Why: err.Error(), Lasting: true}}} }
	return &ByHand[State]{
		Verbs: b.Verbs, Levels: b.Levels, Leaves: b.Leaves,
		Contradicts: func(st State) string {
			var s S
			if err := as(st, &s); err != nil {
				return err.Error()
			}
			if b.Contradicts == nil {
				return ""
			}
			return b.Contradicts(s)
		},
		Deed: func(st State, verb string, t Target) (Deed, error) {
			var s S
			if err := as(st, &s); err != nil {
				return Deed{}, err
			}
			return b.Deed(s, verb, t)
		},
		Reckon: func(st State, p Policy) Reckoning[State] {
			var s S
			if err := as(st, &s); err != nil {
				return Reckoning[State]{
					Judge: func(Ask[State]) ([]Verdict, Outlook) {
						return []Verdict{{Guard: "kind", Answer: Deny, Why: err.Error()}}, foreign(err)
					},
					WhatIf: func([]Intent, []string) Outlook { return foreign(err) },
					Margin: func([]Intent) string { return "" },
				}
			}
			r := b.Reckon(s, p)
			return Reckoning[State]{
				Judge:  func(a Ask[State]) ([]Verdict, Outlook) { return r.Judge(askOf(a, s)) },
				WhatIf: r.WhatIf, Margin: r.Margin,
			}
		},
	}
}
