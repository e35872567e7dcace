package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// guardLimit is how long one guard may think. They need microseconds; the rest is for a starved machine, on which a
// guard that was not scheduled must not wake a person.
const guardLimit = 5 * time.Second

// judge puts a question to the guards, in order, and returns the verdict of each. A guard that panics, takes longer
// than the limit or gives an answer that nobody knows denies (I-29). One that never returns leaves its goroutine behind.
func judge(a galen.Ask[galen.State], guards []galen.Guard[galen.State], limit time.Duration) []galen.Verdict {
	out := make([]galen.Verdict, 0, len(guards))
	for len(out) < len(guards) { // again after each that did not answer
		out = append(out, hear(a, guards[len(out):], limit)...)
	}
	return out
}

// hear asks the guards one after the other, on one goroutine. The first that does not answer within the limit is denied, and
// the last one heard; whatever the goroutine does after that is in vain.
func hear(a galen.Ask[galen.State], guards []galen.Guard[galen.State], limit time.Duration) []galen.Verdict {
	answered := make(chan galen.Verdict, len(guards))
	go func() {
		for _, g := range guards {
			answered <- ask(a, g)
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	out := make([]galen.Verdict, 0, len(guards))
	for _, g := range guards {
		timer.Reset(limit)
		select {
		case v := <-answered:
			out = append(out, v)
		case <-timer.C:
			return append(out, named(g.Name, deny("the guard did not answer within %s, and what cannot be judged is denied", limit)))
		}
	}
	return out
}

func ask(a galen.Ask[galen.State], g galen.Guard[galen.State]) (v galen.Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v = named(g.Name, deny("the guard panicked (%v), and what cannot be judged is denied", p))
		}
	}()
	v = g.Check(a)
	switch v.Answer {
	case galen.Allow, galen.NeedYes, galen.LookAgain, galen.Deny:
	default:
		v = deny("the guard answered %q, which nobody knows, and what cannot be judged is denied", v.Answer)
	}
	return named(g.Name, v)
}

// Worst is the strictest verdict, the first of equals. No verdict at all is a denial.
func Worst(verdicts []galen.Verdict) galen.Verdict {
	if len(verdicts) == 0 {
		return named(guardGate, deny("no guard was asked"))
	}
	out := verdicts[0]
	for _, v := range verdicts[1:] {
		if v.Answer.Worse(out.Answer) {
			out = v
		}
	}
	return out
}

// Question makes the question that a step puts to the guards. Class and claims come from the kind's registry; whether
// the step takes back the run's own work is read from the ledger, never from the step. It errs if the kind has no such
// verb.
func Question(k galen.ListedKind, w galen.World[galen.State], l galen.Ledger, p galen.Policy, s galen.Step) (galen.Ask[galen.State], error) {
	verb, known := k.Verbs[s.Verb]
	if !known {
		return galen.Ask[galen.State]{}, fmt.Errorf("kind %s has no verb %q here; held for an engine or a person that knows it", k.Name, s.Verb)
	}
	w.Facts, w.Open = l.Facts, l.Open
	a := galen.Ask[galen.State]{World: w, Step: s, Class: verb.Class, Deletes: verb.Deletes, Scope: l.Run.InScope(), Policy: p, Ledger: l}
	_, pays := paysDebt(a)
	a.Own = pays || verb.Own && ownWork(a, s.Target.ID)
	a.Claims = verb.Claims(w.State, s)
	if verb.Class > galen.Read && len(a.Claims) == 0 {
		return a, fmt.Errorf("verb %s of kind %s claims nothing for %s; a step that changes something must exclude others", s.Verb, k.Name, s.Target)
	}
	return a, nil
}

// Preview says what the gate would answer to a step now, without acting: the same question, the same guards.
func (g *Gate) Preview(w galen.World[galen.State], l galen.Ledger, s galen.Step) []galen.Verdict {
	a, refused := g.question(w, l, s, galen.Deny)
	if refused != nil {
		return []galen.Verdict{*refused}
	}
	return judge(a, g.guards(l.Run.Resource.Kind), g.o.GuardLimit)
}

// Foresee is [Gate.Preview] for a step of an outline: whether it fits the State is left out, because the State that it
// will meet is not there yet.
func (g *Gate) Foresee(w galen.World[galen.State], l galen.Ledger, s galen.Step) []galen.Verdict {
	a, refused := g.question(w, l, s, galen.Allow)
	if refused != nil {
		return []galen.Verdict{*refused}
	}
	return judge(a, slices.DeleteFunc(g.guards(l.Run.Resource.Kind), func(g galen.Guard[galen.State]) bool {
		return g.Name == guardIdentity
	}), g.o.GuardLimit)
}

// question checks the step against the registry, and makes the question. unfit is the answer to a step that its verb
// does not accept on this State: a wrong runbook at deciding, a moved world at the call.
func (g *Gate) question(w galen.World[galen.State], l galen.Ledger, s galen.Step, unfit galen.Answer) (a galen.Ask[galen.State], refused *galen.Verdict) {
	defer func() {
		if p := recover(); p != nil {
			v := named(guardStep, deny("verb %q panicked (%v), and what cannot be judged is denied", s.Verb, p))
			refused = &v
		}
	}()
	no := func(v galen.Verdict) (galen.Ask[galen.State], *galen.Verdict) {
		v = named(guardStep, v)
		return a, &v
	}
	kind, known := g.o.Kinds[l.Run.Resource.Kind]
	if !known {
		return no(deny("this engine does not know the kind %q; held", l.Run.Resource.Kind))
	}
	if v := formOf(s); v.Answer != galen.Allow {
		return no(v)
	}
	l.Recoveries = slices.DeleteFunc(slices.Clone(l.Recoveries), func(r galen.Recovery) bool { return g.o.Runbooks[r.Runbook].Beside }) // they heal nobody (I-14)
	a, err := Question(kind, w, l, g.o.Policy(l.Run.Resource), s)
	if err != nil {
		return no(deny("%s", err))
	}
	a.Version = g.o.Runbooks[l.Run.Runbook].Version
	a.ClockStep = g.ClockStep(a.Policy)
	if v := undoOf(kind, s); v.Answer != galen.Allow {
		return no(v)
	}
	if err := kind.Verbs[s.Verb].Check(w.State, s); err != nil && unfit != galen.Allow {
		return no(galen.Verdict{Answer: unfit, Why: fmt.Sprintf("%s does not fit what is seen now: %s", s, err)})
	}
	return a, nil
}

// undoOf: an undo is the verb that the kind's registry names, goes to the step's own target, and is itself final. It is
// exempt from the guards of the ring later, so a planner must not smuggle anything else in here.
func undoOf(k galen.ListedKind, s galen.Step) galen.Verdict {
	if s.Undo == nil {
		return allow("")
	}
	undo := k.Verbs[s.Verb].Undo
	_, known := k.Verbs[undo]
	switch {
	case undo == "":
		return deny("%s has no undo, and the step brings one: %s", s.Verb, s.Undo.Verb)
	case !known:
		return deny("the undo %q of %s is no verb of kind %s", undo, s.Verb, k.Name)
	case s.Undo.Verb != undo:
		return deny("the undo of %s is %s, not %q", s.Verb, undo, s.Undo.Verb)
	case s.Undo.Target.ID != s.Target.ID:
		return deny("the undo goes to %s, the step to %s", s.Undo.Target.ID, s.Target.ID)
	case s.Undo.Undo != nil:
		return deny("the undo has an undo of its own")
	}
	return formOf(*s.Undo)
}

// formOf: a step that names nothing does nothing (I-08).
func formOf(s galen.Step) galen.Verdict {
	id := s.Target.ID
	switch {
	case s.Verb == "":
		return deny("the step has no verb")
	case strings.TrimSpace(id) == "":
		return deny("%s has no target; nothing named is nothing done", s.Verb)
	case strings.ContainsAny(id, "*?,\n\x00"):
		return deny("%s: target %q looks like more than one thing; a step names exactly one", s.Verb, id)
	case s.Within <= 0:
		return deny("%s has no deadline", s)
	}
	return allow("")
}

func (g *Gate) guards(kind string) []galen.Guard[galen.State] {
	return slices.Concat(g.o.Guards, g.o.Kinds[kind].Guards)
}
