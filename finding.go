package galen

import (
	"slices"
	"strings"
	"time"
)

// Code names a sort of problem. Codes are constants of a kind; detectors and runbooks meet only in them.
type Code string

// CodeUndoOwed is the one code that every resource can have: an undo that a run still owes.
const CodeUndoOwed Code = "undo-owed"

// CodeStorm is the one of a group of which too many members are bad: for people, no runbook heals it.
const CodeStorm Code = "storm"

// CodeDetectorFault is the one of a detector that panics on a resource: what it would find there, nobody sees. For people.
const CodeDetectorFault Code = "detector-fault"

// Urgency orders findings; more is more urgent. It grows towards a deadline.
type Urgency int

// Usual urgencies.
const (
	Low      Urgency = 10
	Medium   Urgency = 50
	High     Urgency = 80
	Critical Urgency = 100
)

// Finding is a problem on a resource, seen in a State.
type Finding struct {
	Resource Resource `json:"resource"`
	Code     Code     `json:"code"`
	// Targets are all targets with this problem in the failure domain, sorted by ID, never empty.
	Targets []Target `json:"targets"`
	// Domain is the failure domain that holds all targets.
	Domain  string    `json:"domain"`
	Urgency Urgency   `json:"urgency"`
	Since   time.Time `json:"since"`
	// Began is since when each target has the problem, by ID; of one that is not there Since counts.
	Began    map[string]time.Time `json:"began,omitempty"`
	Why      string               `json:"why"`
	Evidence []Observation        `json:"evidence"`
	// Margin is what the resource had to spare when the finding was told, see [Kind.Margin].
	Margin string `json:"margin,omitempty"`
	// Note: seen and told, but nothing that a run should start for (an engine cut off from one node only).
	Note bool `json:"note,omitempty"`
}

// Key names the problem across looks, engines and restarts: resource/code/domain. It is the workflow ID of its run.
func (f Finding) Key() string {
	return strings.Join([]string{f.Resource.String(), string(f.Code), f.Domain}, "/")
}

// Same tells whether two findings of one key say the same, so that the second is no news: same targets (generations
// included), urgency and note; of a note on what is owed the words too, which say how much of it.
func (f Finding) Same(g Finding) bool {
	same := f.Key() == g.Key() && f.Urgency == g.Urgency && f.Note == g.Note && slices.Equal(f.Targets, g.Targets)
	return same && (f.Why == g.Why || !f.Note || !f.Code.Owed())
}

// Has tells whether a target of that ID is among the finding's.
func (f Finding) Has(id string) bool {
	return slices.ContainsFunc(f.Targets, func(t Target) bool { return t.ID == id })
}

// BeganAt is since when a target has the problem.
func (f Finding) BeganAt(id string) time.Time {
	if at, told := f.Began[id]; told {
		return at
	}
	return f.Since
}

// Without is the finding of the targets whose problem began later than their time in except, or that are not there: of none, if that is
// all of them.
func (f Finding) Without(except map[string]time.Time) Finding {
	if len(except) == 0 {
		return f
	}
	all := f
	f.Targets = nil
	for _, t := range all.Targets {
		began := all.BeganAt(t.ID)
		if until, is := except[t.ID]; is && !began.After(until) {
			continue
		}
		if len(f.Targets) == 0 || began.Before(f.Since) {
			f.Since = began
		}
		f.Targets = append(f.Targets, t)
	}
	return f
}

// Detector finds problems in a State. Pure: it may look at nothing but its arguments.
type Detector[S State] struct {
	Name string
	// Codes are all codes it can find, none of them [Code.Owed].
	Codes  []Code
	Detect func(now time.Time, s S, p Policy) []Finding
}
