package galen

import (
	"fmt"
	"slices"
	"time"
)

// StartWithin is the 2 s rule: the gate drops a call that has not begun so long after its intent was committed.
const StartWithin = 2 * time.Second

// DecideWithin is how long after its look a decision may be stored, or a run be called verified, by the journal's clock.
// Whoever was held up for longer, as an engine that was suspended or has died, looks again.
const DecideWithin = 30 * time.Second

// Verb is what a kind can do. All its functions are pure.
type Verb[S State] struct {
	Name  string
	Class Class
	// Settle: an effect is not believed absent earlier than this after the intent. It is longer than [StartWithin]
	// and the call's deadline together. The engine applies it.
	Settle time.Duration
	// Call is the deadline of the one call itself.
	Call time.Duration
	// Check refuses a step that the constructor would not have made; after Decide and in the gate.
	Check func(S, Step) error
	// Claims are taken with the intent, all or none, and held until the effect is settled.
	Claims func(S, Step) []Claim
	// Effect recognises the effect in a State, and is right when the reply was lost.
	Effect func(S, Intent) Effect
	// Facts are owed with the intent (its effect unknown), or earned with the settled effect. A fact replaces one of
	// the same key; a fact with Gone set removes it, and one with Keep set yields to one that stands.
	Facts func(S, Intent, Policy) []Fact
	// Own: the verb takes back what the run itself made (an undo, the removal of its own failed joiner): never denied
	// by the guards of the ring.
	Own bool
	// Deletes: the verb deletes data for good that were in service (I-25).
	Deletes bool
	// Undo is the name of the verb that undoes this one; only that one is accepted as a step's undo. "": it has none.
	Undo string
}

// EffectStatus is what became of an intent.
type EffectStatus string

// The statuses. Absent, done and failed are settled.
const (
	EffectUnknown  EffectStatus = "unknown"
	EffectAbsent   EffectStatus = "absent" // it never happened, and will not
	EffectUnderWay EffectStatus = "under-way"
	EffectDone     EffectStatus = "done"
	EffectFailed   EffectStatus = "failed" // it happened and ended without its purpose
)

// Effect is what a State shows of an intent.
type Effect struct {
	Status EffectStatus `json:"status"`
	Why    string       `json:"why,omitempty"`
	// At is when a look first showed this status; zero while unknown.
	At time.Time `json:"at,omitzero"`
}

// Settled tells whether the effect will not change any more.
func (e Effect) Settled() bool {
	return e.Status == EffectAbsent || e.Status == EffectDone || e.Status == EffectFailed
}

// Intent is the row committed before a mutating call; later it carries the effect.
type Intent struct {
	ID  string `json:"id"`
	Run string `json:"run"`
	// Resource is what the target belongs to.
	Resource Resource `json:"resource"`
	Step     Step     `json:"step"`
	// Also are the other IDs by which the step's target went then, see [NamesOf].
	Also  []string `json:"also,omitempty"`
	Class Class    `json:"class"`
	// Basis is State.Basis(target) when the gate allowed the step.
	Basis string    `json:"basis"`
	Fence int64     `json:"fence"`
	At    time.Time `json:"at"`
	// Sent tells what is known of the call: "" (no outcome recorded: look), sent, not-sent, error.
	Sent string `json:"sent,omitempty"`
	// Reply is the target's answer or the error text of the call. It proves nothing.
	Reply  string `json:"reply,omitempty"`
	Effect Effect `json:"effect"`
	// Undoes is the ID of the intent whose undo this one pays.
	Undoes string `json:"undoes,omitempty"`
}

// What is known of the call of an intent.
const (
	SentYes   = "sent"
	SentNot   = "not-sent" // the call was not begun in time, by rule never made
	SentError = "error"    // the call was made and answered with an error, or broke off: look
)

// On tells whether the intent is on what goes by one of the IDs.
func (i Intent) On(names ...string) bool {
	return slices.ContainsFunc(names, func(id string) bool { return id == i.Step.Target.ID || slices.Contains(i.Also, id) })
}

// Deadline is when the effect must be settled.
func (i Intent) Deadline() time.Time { return i.At.Add(i.Step.Within.D()) }

// SettleEffect applies a verb's Effect to an intent under the engine's rules: what was never sent is absent; absent
// is believed only from evidence that is younger than the intent by Settle; a settled effect stays.
func SettleEffect[S State](v Verb[S], s S, in Intent, now time.Time) Effect {
	if in.Effect.Settled() {
		return in.Effect
	}
	if in.Sent == SentNot {
		return Effect{Status: EffectAbsent, Why: "the call was not sent", At: now}
	}
	got := v.Effect(s, in)
	if got.Status == EffectAbsent {
		oldest, _ := s.Seen(in.Step.Target)
		if oldest.Before(in.At.Add(v.Settle)) {
			got = Effect{Status: EffectUnknown, Why: fmt.Sprintf("not seen yet; absence is believed %s after the call", v.Settle)}
		}
	}
	if got.Status == in.Effect.Status && !in.Effect.At.IsZero() {
		got.At = in.Effect.At
	} else {
		got.At = now
	}
	return got
}
