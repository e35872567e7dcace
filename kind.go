package galen

import "context"

// Kind is the pure half of one sort of resource.
type Kind[S State] struct {
	Name   string
	Verbs  []Verb[S]
	Guards []Guard[S]
	// Fold puts what was seen onto what was known: it keeps what a scoped look did not look at, and carries since,
	// flips and the longest restart. prev is the zero S at first.
	Fold func(prev, seen S) S
	// Vitals are the numbers in a State, for canaries and gray failures; may be nil.
	Vitals func(S) []Sample
	// Margin says for people how near the resource is to losing what its guards protect, with the open intents counted as
	// the guards count them: "1 to spare: orders, QUORUM: 3 of 3 replicas up, 2 needed"; "" if nothing is counted. May be nil.
	Margin func(s S, open []Intent, p Policy) string
	// Remedy says for people how a duty that an ended run left is done; false: nobody owes it any more, for what it was about is no
	// more. It tells no time, for it is told again when it says something else. May be nil: each duty is told without a remedy.
	Remedy func(s S, d Duty) (how string, owed bool)
	// ByHand answers people before they touch a member outside of Galen. May be nil: nobody can tell.
	ByHand *ByHand[S]
}

// Driver touches the resources of a kind; live or simulated. Every call ends by its context's deadline at the latest.
type Driver[S State] interface {
	// Look observes the resource afresh, from several sides. An empty scope means all of it; the driver widens scope
	// to all that share data with it. The open intents tell it what else to look for (a repair's status). It errs
	// only when nothing at all could be seen; whoever could not be heard is missing in the State.
	Look(ctx context.Context, r Resource, scope []Target, open []Intent) (S, error)
	// Do makes one attempt of the one call. All it needs is in the intent. The reply proves nothing.
	Do(ctx context.Context, in Intent) (reply string, err error)
}
