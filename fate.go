package galen

import (
	"slices"
	"time"
)

// ApprovalState is what became of a yes.
type ApprovalState string

// The states of an approval. One that is used stands again if what it was spent on turns out never to have happened; the others are final.
const (
	ApprovalStands   ApprovalState = "stands"   // it counts, be it enough or not
	ApprovalUsed     ApprovalState = "used"     // each of its steps was begun as often as it was said yes to
	ApprovalExpired  ApprovalState = "expired"  // its time was over
	ApprovalReplaced ApprovalState = "replaced" // by a newer yes to the same run, which it may have joined
	ApprovalOver     ApprovalState = "over"     // its run ended with something of it unused
	ApprovalVoided   ApprovalState = "voided"   // by the world
	ApprovalHeld     ApprovalState = "held"     // with its run
	ApprovalRejected ApprovalState = "rejected" // by a person's no
	ApprovalRevoked  ApprovalState = "revoked"  // with the token of who said it, or since people log in
)

// ApprovalStates are all of them.
func ApprovalStates() []ApprovalState {
	return []ApprovalState{
		ApprovalStands, ApprovalUsed, ApprovalExpired, ApprovalReplaced, ApprovalOver, ApprovalVoided, ApprovalHeld, ApprovalRejected, ApprovalRevoked,
	}
}

// GivenApproval is an approval with what became of it.
type GivenApproval struct {
	Approval
	// Number is its place in the order in which approvals were given.
	Number   int64
	Resource Resource
	State    ApprovalState
	// Ended is when it ceased to stand, zero while it stands.
	Ended time.Time
	// Intents are the IDs of those that it was spent on, oldest first.
	Intents []string
}

// Fate is what the world, the clock and newer approvals had made of the approval at some time, and when it ceased to stand. next is when the
// next yes to the run was given, zero for the newest one; past are the intents of the run.
func (a Approval) Fate(run Run, next time.Time, past []Intent, now time.Time) (ApprovalState, time.Time) {
	state, end := ApprovalStands, now
	switch {
	case !next.IsZero() && !next.After(now):
		state, end = ApprovalReplaced, next
	case !run.Ended.IsZero() && !run.Ended.After(now):
		state, end = ApprovalOver, run.Ended
	}
	if end.After(a.Expires) || state == ApprovalStands && end.Equal(a.Expires) {
		state, end = ApprovalExpired, a.Expires
	}
	spent := a.Spent(past, end)
	left := func(s ApprovedStep) bool { return a.Used(s.Verb, []string{s.Target}, spent) < s.Count }
	switch {
	case len(spent) > 0 && !slices.ContainsFunc(a.Steps, left):
		return ApprovalUsed, spent[len(spent)-1].At
	case state == ApprovalStands:
		return state, time.Time{}
	}
	return state, end
}

// Spent are the intents that the yes was spent on until then; what turned out absent gave it back.
func (a Approval) Spent(past []Intent, until time.Time) []Intent {
	var out []Intent
	for _, in := range past {
		named := func(s ApprovedStep) bool { return a.Used(s.Verb, []string{s.Target}, []Intent{in}) > 0 }
		if !in.At.After(until) && slices.ContainsFunc(a.Steps, named) {
			out = append(out, in)
		}
	}
	return out
}
