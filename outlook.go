package galen

import (
	"encoding/json"
	"fmt"
	"time"
)

// ByHand is what a kind tells people before they touch a member outside of Galen. All its functions are pure.
type ByHand[S State] struct {
	// Verbs are those that Deed knows. Levels are the promises that may be asked about besides those of the policy, by name; none: the
	// kind has no levels.
	Verbs  []string
	Levels []string
	// Deed is what stands for a verb that a person would do to a member by hand, in the words of the guards: one of the kind's
	// verbs, or one that it has no verb for. An unknown verb is an error that lists the known ones.
	Deed func(s S, verb string, t Target) (Deed, error)
	// Reckon reckons what all answers about one State by one policy rest on, so that it is reckoned once for many questions.
	Reckon func(s S, p Policy) Reckoning[S]
	// Contradicts says in what a State that was read from a file contradicts itself, "" in nothing: what was seen there, and what follows
	// from it. Nobody is given leave on one that does. nil: the kind cannot tell.
	Contradicts func(s S) string
	// Leaves tells whether a verb of the kind leaves facts with such a key. One of a file with another key is refused. nil: there are none.
	Leaves func(key string) bool
}

// Reckoning answers about the State and by the policy that it was made of. It changes no more, and many may ask it at once.
type Reckoning[S State] struct {
	// Judge asks the kind's own guards, in their order, and tells besides what the resource loses with the step's target down. The
	// verdicts are those of [Kind.Guards]. The question has the State and the policy of the reckoning.
	Judge func(Ask[S]) ([]Verdict, Outlook)
	// WhatIf is what the resource loses when the members of these IDs are down at once, beside those that may be down already by the
	// guards' count.
	WhatIf func(open []Intent, down []string) Outlook
	// Margin is [Kind.Margin].
	Margin func(open []Intent) string
}

// Deed is something that a person would do by hand, as the guards are asked about it.
type Deed struct {
	Step   Step
	Class  Class
	Claims []Claim
}

// Outlook is what a resource has to lose.
type Outlook struct {
	// Asked are the IDs of the members supposed to be down, Down of those that are or may be down already, steps in flight included.
	Asked []string `json:"asked"`
	Down  []string `json:"down"`
	// Levels are all that the resource keeps for its clients, lost or not.
	Levels []Level `json:"levels"`
	// Margin is the least of them with Asked and Down down, see [Kind.Margin].
	Margin string `json:"margin"`
	// Rolling is who may be down at once in each failure domain beside those, Threats whose loss would break something then.
	Rolling []Rolling `json:"rolling,omitempty"`
	// Together is the same of the whole resource: a set that may be spread over failure domains.
	Together *Rolling `json:"together,omitempty"`
	Threats  []Threat `json:"threats,omitempty"`
	// Unguarded are parts that no level is promised for, and why; Told are the levels that they would lose nevertheless, which refuse
	// nothing.
	Unguarded []string `json:"unguarded,omitempty"`
	Told      []Level  `json:"told,omitempty"`
	// Strays are parts that the policy names and the resource does not have: what it says of them keeps nothing.
	Strays []string `json:"strays,omitempty"`
	// Doubts are why nobody can tell what is safe. With any of them nothing is.
	Doubts []Doubt `json:"doubts,omitempty"`
}

// Level is one promise: that enough replicas of each range of one part are up.
type Level struct {
	// Of is the part of the resource, a keyspace; Group is "" where the level counts over all groups.
	Of    string `json:"of"`
	Group string `json:"group,omitempty"`
	Name  string `json:"name"`
	// Ranges are all, LostNow those without the level before, Lost those without it with the asked members down too. Taken are those of Lost of
	// which the asked take a replica: also one that was without the level before, for it comes back later.
	Ranges  int `json:"ranges"`
	LostNow int `json:"lost_now"`
	Lost    int `json:"lost"`
	Taken   int `json:"taken"`
	// Alive of Replicas are up in the worst range then, Needed must be.
	Alive    int `json:"alive"`
	Replicas int `json:"replicas"`
	Needed   int `json:"needed"`
}

// Loses is how many ranges lose the level by the asked members, or lose more of it.
func (l Level) Loses() int { return max(l.Lost-l.LostNow, l.Taken) }

// Rolling is who may be down at once in a failure domain, or in the whole resource.
type Rolling struct {
	Domain string `json:"domain"` // "": the whole
	// Members may all be down at once, Others may not join them; IDs.
	Members []string `json:"members"`
	Others  []string `json:"others"`
	// Largest: it is proved that no larger set may.
	Largest bool `json:"largest"`
}

// Threat is a member whose loss would take levels away.
type Threat struct {
	ID     string  `json:"id"`
	Levels []Level `json:"levels"`
}

// Doubt is why a resource cannot be judged.
type Doubt struct {
	Why string `json:"why"`
	// Lasting: another look will not change it.
	Lasting bool `json:"lasting,omitempty"`
}

// Opinion is yes, no or unknown.
type Opinion string

// The opinions. Only Yes is leave to do anything.
const (
	Yes      Opinion = "yes"
	No       Opinion = "no"
	DontKnow Opinion = "unknown"
)

// Advice is what a person is told before they touch a resource by hand.
type Advice struct {
	Resource Resource `json:"resource"`
	// Verb that would be done to Member; absent where only a loss is supposed.
	Verb   string `json:"verb,omitempty"`
	Member string `json:"member,omitempty"`
	// Names are what people call the members that are told of, by ID.
	Names  map[string]string `json:"names"`
	Answer Opinion           `json:"answer"`
	Why    string            `json:"why"`
	// At is when it was asked, Seen the start of the oldest look that it rests on; absent: none was.
	At   time.Time `json:"at"`
	Seen time.Time `json:"seen,omitzero"`
	// Verdicts are those of the guards that were asked.
	Verdicts []Verdict `json:"verdicts"`
	// Notes are what keeps runs back here and not whoever asks: a window, and their own hold, in the words of the guards; and the open runs that
	// are about the member.
	Notes   []Verdict `json:"notes,omitempty"`
	Outlook Outlook   `json:"outlook"`
}

// SavedForm is the form of [Saved] that this release writes and reads.
const SavedForm = 1

// Saved is a State in a file with what the guards count besides, so that it can be asked later and elsewhere.
type Saved struct {
	Form     int      `json:"form"`
	Resource Resource `json:"resource"`
	// At is when it was saved: the age of the view is counted until then.
	At time.Time `json:"at"`
	// Policy is read over the safe one: what is absent is safe.
	Policy json.RawMessage `json:"policy,omitempty"`
	// Open are the steps in flight, Facts what is owed.
	Open  []Intent        `json:"open,omitempty"`
	Facts map[string]Fact `json:"facts,omitempty"`
	// State in the kind's form.
	State json.RawMessage `json:"state"`
}

// DecodeSaved reads a saved State strictly, with its policy.
func DecodeSaved(b []byte) (Saved, Policy, error) {
	p := SafePolicy()
	s, err := Decode[Saved](b)
	switch {
	case err != nil:
		return s, p, fmt.Errorf("saved state: %w", err)
	case s.Form != SavedForm:
		return s, p, fmt.Errorf("saved state: form %d, this galen reads form %d", s.Form, SavedForm)
	case s.At.IsZero():
		return s, p, fmt.Errorf("saved state: field %q has no time; it is when the state was saved", "at")
	}
	if len(s.Policy) > 0 {
		if err := DecodeOver(s.Policy, &p); err != nil {
			return s, p, fmt.Errorf("saved state: policy: %w", err)
		}
	}
	if err := p.Valid(); err != nil {
		return s, p, fmt.Errorf("saved state: policy: %w", err)
	}
	return s, p, nil
}
