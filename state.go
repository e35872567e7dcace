package galen

import (
	"slices"
	"strings"
	"time"
)

// State is what was seen of a resource: plain data, typed per kind. It holds the consensus of its observers, each
// dissent, who was missing and how old it is.
type State interface {
	Resource() Resource
	// Members are all members, bad and missing ones included, not just those who answered. Order is stable.
	Members() []Member
	// Seen tells how old the evidence is on which a step on scope would rest: the start of the oldest look that
	// counts, and the observers that should have been heard and were not. An empty scope means the whole resource.
	// A target is never "missing": what peers and the host plane say of it is the evidence.
	Seen(scope ...Target) (oldest time.Time, missing []string)
	// Basis is a hash of the facts that a step on scope rests on: no gauge, no time. Empty scope: the whole resource.
	Basis(scope ...Target) string
}

// Lasting is a [State] that carries what only time tells and no Basis does.
type Lasting interface {
	// Worth tells whether it is worth a write although its Basis is that of the State that is stored.
	Worth(stored State) bool
}

// Member is one member of a resource.
type Member struct {
	Target Target `json:"target"`
	// Instance is the host plane's id, "instance/n4"; it stays the same when the member's Target changes (an empty
	// instance joins and becomes a node).
	Instance string `json:"instance,omitempty"`
	// Name is for people: an address or a host name.
	Name string `json:"name"`
	// Group is the data centre or region, the unit of "share of the members that are bad".
	Group string `json:"group"`
	// Domain is the failure domain, "dc1/r1".
	Domain string `json:"domain"`
	Bad    bool   `json:"bad"`
	// Spare: not part of the service and without data; it can be prepared without harm.
	Spare bool `json:"spare,omitempty"`
	// Unlisted: it was a member, the newest whole listing lacks it, and nothing proves that it left (I-09). Fold keeps
	// such a member.
	Unlisted     bool          `json:"unlisted,omitempty"`
	Observations []Observation `json:"observations"`
}

// Bare tells whether the member takes no part in the service: a spare, or an instance that goes by no other name yet. It
// counts neither among those who are there nor among those who are bad.
func (m Member) Bare() bool { return m.Spare || m.Instance != "" && m.Target.ID == m.Instance }

// Unknown tells whether nobody can say how the member is: no observer sees it good, and it is not known to be bad.
func (m Member) Unknown() bool {
	return !m.Bad && !m.Bare() && !m.Unlisted && !slices.ContainsFunc(m.Observations, func(o Observation) bool { return o.Says == Good })
}

// Is tells whether the member goes by an ID: its own, or that of the host plane's instance under it.
func (m Member) Is(id string) bool { return id != "" && (m.Target.ID == id || m.Instance == id) }

// Called is what people call the member: its instance, or else its name.
func (m Member) Called() string {
	if m.Instance != "" {
		return m.Instance[strings.LastIndex(m.Instance, "/")+1:]
	}
	return m.Name
}

// NamesOf are all IDs by which one thing goes, the given one first: whoever compares the ID of a step with one that was kept compares
// all of them, for what was treated as an empty instance may be a node by now.
func NamesOf(members []Member, id string) []string {
	out := []string{id}
	for _, m := range members {
		if !m.Is(id) {
			continue
		}
		for _, other := range []string{m.Target.ID, m.Instance} {
			if other != "" && !slices.Contains(out, other) {
				out = append(out, other)
			}
		}
	}
	return out
}

// ObserverKind is the way by which an observer knows. Two observers of one kind can be wrong for one reason.
type ObserverKind string

// The kinds of observers.
const (
	Peer  ObserverKind = "peer"  // another member says so (gossip)
	Probe ObserverKind = "probe" // the target itself was asked
	Host  ObserverKind = "host"  // the machine or process supervisor says so
	Cloud ObserverKind = "cloud" // the provider's API says so
)

// Says is what an observer says of a member.
type Says string

// What an observer can say.
const (
	Good    Says = "good"
	Bad     Says = "bad"
	Unknown Says = "unknown" // the observer could not be heard, or does not know
)

// Observation is what one observer says of one member.
type Observation struct {
	Observer string       `json:"observer"`
	Kind     ObserverKind `json:"kind"`
	Says     Says         `json:"says"`
	At       time.Time    `json:"at"`
	Detail   string       `json:"detail,omitempty"`
}

// Sample is one number that was measured: a vital sign. Vitals are never hashed; a guard may refuse because of a number,
// never allow.
type Sample struct {
	At     time.Time `json:"at"`
	Member string    `json:"member"`
	Name   string    `json:"name"` // with unit: "disk_free_bytes"
	Value  float64   `json:"value"`
}

// MemberNames are the first members with all their names, for people who named none of them.
func MemberNames(members []Member) string {
	const most = 20
	var out []string
	for i, m := range members {
		if i == most {
			out = append(out, "and more")
			break
		}
		var also []string
		for _, name := range []string{m.Instance, m.Name} {
			if name != "" && name != m.Target.ID {
				also = append(also, name)
			}
		}
		text := m.Target.ID
		if len(also) > 0 {
			text += " (" + strings.Join(also, ", ") + ")"
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
