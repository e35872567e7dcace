package galen

import "time"

// Situation is all that a runbook is told.
type Situation[S State, P any] struct {
	World[S]
	// Finding as the newest State shows it; nil: the run was asked for by a person, or the finding is gone.
	Finding *Finding
	// Scope are the targets that the run was opened for.
	Scope  []Target
	Params P
	Policy Policy
	// Past are all intents of this run, oldest first, with their effects.
	Past []Intent
	// LastYes is when a person approved the run last, zero if nobody has: what was tried in vain before it may be tried again.
	LastYes time.Time
	// Stop is "", cancel or yield: plan your way to a safe point, then end.
	Stop string
}

// Tried is how many intents of this run with the verb had, or may have had, an effect.
func (s Situation[S, P]) Tried(verb string) int {
	return s.count(verb, func(e Effect) bool { return e.Status != EffectAbsent })
}

// Failed is how many intents of this run with the verb failed.
func (s Situation[S, P]) Failed(verb string) int {
	return s.count(verb, func(e Effect) bool { return e.Status == EffectFailed })
}

// Done is how many intents of this run with the verb are done.
func (s Situation[S, P]) Done(verb string) int {
	return s.count(verb, func(e Effect) bool { return e.Status == EffectDone })
}

func (s Situation[S, P]) count(verb string, match func(Effect) bool) int {
	n := 0
	for _, in := range s.Past {
		if in.Step.Verb == verb && match(in.Effect) {
			n++
		}
	}
	return n
}

// Unsettled is the oldest intent of this run whose effect is not settled, nil if there is none.
func (s Situation[S, P]) Unsettled() *Intent {
	for i := range s.Past {
		if !s.Past[i].Effect.Settled() {
			return &s.Past[i]
		}
	}
	return nil
}

// Runbook is a pure function from a Situation to a Plan, with a name, an integer version and typed parameters.
type Runbook[S State, P any] struct {
	// Name is kind/verb-noun: "cassandra/replace-node".
	Name    string
	Version int
	// About says in one sentence what it does, for `galen runbooks`.
	About string
	// Heals are the finding codes for which the engine starts it by itself.
	Heals []Code
	// Beside: its runs set something of members that are up, and wait for those that are down. They keep nobody from healing their
	// targets, except one of their own sort. Of all others at most one run is open for a target.
	Beside bool
	// Defaults are the parameters where a request leaves them out.
	Defaults P
	// Scope are the targets that a request with these parameters is about, none if the State has no such target; nil:
	// the runbook is for findings only, which bring their targets.
	Scope  func(S, P) []Target
	Decide func(Situation[S, P]) Plan
}
